package dispatch

import (
	"context"
	"log/slog"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"

	"carewire/internal/care"
	"carewire/internal/event"
	"carewire/internal/ledger"
	"carewire/internal/outbox"
	"carewire/internal/postgres/db"
	"carewire/internal/rule"
	"carewire/internal/tracing"
	"carewire/internal/versionset"
)

// Inserter inserts jobs. It is implemented by river.Client.
type Inserter interface {
	// InsertManyTx inserts a few jobs.
	InsertManyTx(ctx context.Context, tx pgx.Tx, params []river.InsertManyParams) ([]*rivertype.JobInsertResult, error)
	// InsertManyFastTx inserts many jobs with COPY.
	InsertManyFastTx(ctx context.Context, tx pgx.Tx, params []river.InsertManyParams) (int, error)
}

// Config configures a Planner.
type Config struct {
	// River inserts the jobs. Its client needs no workers.
	River Inserter
	// Known is used to check a stored rule set when it is loaded.
	Known rule.Known
	// Channels are the configured channels: those for which this installation has a provider.
	Channels care.Channels
	Logger   *slog.Logger
	// Tracer records the plan of each sampled event; nil disables tracing.
	Tracer *tracing.Tracer
	// ConditionFailed is called for each event for which a condition of a rule cannot be evaluated,
	// with the rule's name and "when" or "unless", for metrics. May be nil.
	ConditionFailed func(rule, condition string)
	// Unreached is called for each critical event that reaches no one, for metrics. May be nil.
	Unreached func()
	// Now returns the time, with which the age of events is compared with the ttl of rules; nil is
	// time.Now.
	Now func() time.Time
}

// Planner plans notifications by the rules. It implements ledger.PartialHandler and is safe for
// concurrent use.
type Planner struct {
	river      Inserter
	sets       *sets
	configured care.Channels
	logger     *slog.Logger
	tracer     *tracing.Tracer
	unreached  func()
	now        func() time.Time

	conditionFailed func(rule, condition string)
	failureLog      failureLog
}

// New returns a Planner.
func New(cfg Config) *Planner {
	now := cfg.Now
	if now == nil {
		now = time.Now
	}
	return &Planner{
		river: cfg.River, sets: newSets(cfg.Known, cfg.Logger), configured: cfg.Channels, logger: cfg.Logger, tracer: cfg.Tracer, unreached: cfg.Unreached,
		conditionFailed: cfg.ConditionFailed, now: now,
	}
}

// Handle plans a batch of events, in the order of their positions. For an event whose rule set this
// binary does not understand, it returns a ledger.BlockedError, or a care.Error of code
// care.Conflict; see the package comment.
func (p *Planner) Handle(ctx context.Context, tx pgx.Tx, batch []event.Event) error {
	for len(batch) > 0 {
		progress, err := p.HandlePart(ctx, tx, batch)
		if err != nil {
			return err
		}
		batch = batch[progress.Events:]
	}
	return nil
}

// HandlePart implements ledger.PartialHandler. It plans events with at most maxTxRows rows in
// total, or that many rows of the first event. It reads and decides before it writes, so that it
// holds no lock meanwhile.
func (p *Planner) HandlePart(ctx context.Context, tx pgx.Tx, batch []event.Event) (ledger.Progress, error) {
	began := time.Now()
	queries := db.New(tx)
	inForce, published, err := p.sets.inForce(ctx, queries, batch)
	if err != nil {
		return ledger.Progress{}, err
	}
	templates, words, err := versionset.Templates.InForce(ctx, queries, batch)
	if err != nil {
		return ledger.Progress{}, err
	}
	for i := range inForce {
		inForce[i].templates = templates[i]
	}
	plan, progress, err := p.plan(ctx, queries, batch, inForce)
	if err != nil {
		return ledger.Progress{}, err
	}
	cuts, err := loadCutOffs(ctx, queries, batch, &plan)
	if err != nil {
		return ledger.Progress{}, err
	}
	plan.cutOffBy(cuts)
	for _, publications := range []versionset.Publications{published, words} {
		if err := publications.Record(ctx, queries, batch[:progress.Events]); err != nil {
			return ledger.Progress{}, err
		}
	}
	if err := p.write(ctx, tx, &plan); err != nil {
		return ledger.Progress{}, err
	}
	seen := progress.Events
	if progress.Part > 0 {
		seen++
	}
	if err := p.followReviews(ctx, tx, batch[:progress.Events]); err != nil {
		return ledger.Progress{}, err
	}
	if err := outbox.ApplyCutOffs(ctx, tx, cuts.causes(batch[:progress.Events])); err != nil {
		return ledger.Progress{}, err
	}
	p.report(ctx, &plan)
	p.reportFailures(ctx, &plan)
	p.trace(began, batch[:seen], inForce, &plan)
	return progress, nil
}

func newID() uuid.UUID { return uuid.Must(uuid.NewV7()) }

// notification is the notification of one person about one event.
type notification struct {
	id         uuid.UUID
	event      *event.Event
	version    int32 // Of the rules.
	templates  int32 // The version of the templates; 0 is the binary's own set.
	recipient  uuid.UUID
	match      *rule.Match // The first that notifies the person.
	deliveries []delivery
	heldUntil  time.Time // Zero if it does not wait for a review.
	inApp      string    // The reason for the channel inapp; empty if no rule names it.
	archived   bool      // The person wants it in the archive, not in the inbox.
	planKey    string    // The name of a later notification of the event; empty for the one at once.
	dueAt      time.Time // When the scheduler decides about it next; zero if nothing waits.
	items      []item    // The messages that go into digests.
	digest     bool      // It is a digest's own, which is not in the inbox.
	rule       string    // The name of the rule, where match is nil.
	step       bool      // It is of a step of an escalation: in the inbox at once, also if its messages wait.
	needsAck   bool      // Its rule escalates unless it is acknowledged.
	// waited are the deliveries of a notification that is decided again.
	waited []db.DeliveryWaitingRow
	cutOff string // Why it never comes, for one that was to come later.
}

// delivery is the message on one channel. It is queued unless suppressed, cancelled or held.
type delivery struct {
	id         uuid.UUID
	channel    string
	suppressed bool
	cancelled  bool // It is no longer true.
	held       bool
	reason     string
	match      *rule.Match
	fallback   []string
	notBefore  time.Time // Zero if it waits for no time of its own.
	scheduled  bool      // It is decided at the notification's due time.
	// overflow is the digest that takes the message if the person has had too many, or nil.
	overflow *rule.DigestRef
}

func (d *delivery) state() string {
	switch {
	case d.suppressed:
		return "suppressed"
	case d.cancelled:
		return "cancelled"
	case d.waits():
		return "planned"
	}
	return "queued"
}

// waits reports whether the message is sent later.
func (d *delivery) waits() bool { return d.held || d.scheduled || !d.notBefore.IsZero() }

// hidden reports whether the notification is not in the inbox: before its due time, or for good.
func (n *notification) hidden() bool {
	return n.planKey != "" && !n.step && (!n.dueAt.IsZero() || n.cutOff != "")
}

// sends reports whether anything is to be sent, now or later.
func (n *notification) sends() bool {
	return (n.inApp != "" && n.cutOff == "") || len(n.items) > 0 || slices.ContainsFunc(n.deliveries, func(d delivery) bool { return !d.suppressed && !d.cancelled })
}

// subjectVersion returns the version of the subject below whose cut-off nothing is sent; 0 for none. A
// digest is not untrue because one of its items is.
func (n *notification) subjectVersion() int64 {
	if n.digest {
		return 0
	}
	return n.event.AboutVersion()
}

// archivedAt returns when the notification was archived: now, or the zero time if it is not.
func (n *notification) archivedAt() (at time.Time) {
	if n.archived {
		at = time.Now()
	}
	return at
}

// decision is the decision of a matching rule not to send something, with its reason. recipient and
// channel may be empty.
type decision struct {
	event     *event.Event
	version   int32
	rule      string
	recipient uuid.UUID
	channel   string
	reason    string
}
