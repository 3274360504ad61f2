package dispatch

import (
	"context"
	"log/slog"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"

	"carewire/internal/care"
	"carewire/internal/event"
	"carewire/internal/ledger"
	"carewire/internal/postgres/db"
	"carewire/internal/rule"
	"carewire/internal/tracing"
)

// Inserter is the part of River's client that the planner uses.
type Inserter interface {
	InsertManyFastTx(ctx context.Context, tx pgx.Tx, params []river.InsertManyParams) (int, error)
}

// Config is what a Planner needs.
type Config struct {
	// River inserts the jobs. Its client needs no workers.
	River Inserter
	// Known is what a stored rule set is checked against when it is loaded.
	Known rule.Known
	// Channels are those that this installation has a provider for.
	Channels care.Channels
	Logger   *slog.Logger
	// Tracer shows what was planned for each sampled event; nil means nobody looks.
	Tracer *tracing.Tracer
	// Unreached is called for each critical event with which nobody can be reached, for metrics. May be nil.
	Unreached func()
}

// Planner plans what the rules say. It implements ledger.PartialHandler and is safe for concurrent use.
type Planner struct {
	river      Inserter
	sets       *sets
	configured care.Channels
	logger     *slog.Logger
	tracer     *tracing.Tracer
	unreached  func()
}

// New makes a Planner.
func New(cfg Config) *Planner {
	return &Planner{
		river: cfg.River, sets: newSets(cfg.Known, cfg.Logger), configured: cfg.Channels, logger: cfg.Logger, tracer: cfg.Tracer, unreached: cfg.Unreached,
	}
}

// Handle plans a batch of events, in the order of their positions. An event whose rule set this binary does not understand
// is answered with a ledger.BlockedError, or with a care.Error of code care.Conflict; see the package comment.
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

// HandlePart is Handle for the events that come to maxTxRows rows at most, or for so many rows of the first event. It reads
// and decides before it writes, so that it holds no lock meanwhile.
func (p *Planner) HandlePart(ctx context.Context, tx pgx.Tx, batch []event.Event) (ledger.Progress, error) {
	began := time.Now()
	queries := db.New(tx)
	inForce, published, err := p.sets.inForce(ctx, queries, batch)
	if err != nil {
		return ledger.Progress{}, err
	}
	plan, progress, err := p.plan(ctx, queries, batch, inForce)
	if err != nil {
		return ledger.Progress{}, err
	}
	if err := published.record(ctx, queries, batch[:progress.Events]); err != nil {
		return ledger.Progress{}, err
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
	p.report(ctx, &plan)
	p.trace(began, batch[:seen], inForce, &plan)
	return progress, nil
}

func newID() uuid.UUID { return uuid.Must(uuid.NewV7()) }

// notification is what one person is told of one event.
type notification struct {
	id         uuid.UUID
	event      *event.Event
	version    int32
	recipient  uuid.UUID
	match      *rule.Match // The first of those that tell the person.
	deliveries []delivery
	heldUntil  time.Time // Zero where it does not wait for a review.
}

// delivery is the message on one channel. It is queued unless suppressed or held.
type delivery struct {
	id         uuid.UUID
	channel    string
	suppressed bool
	held       bool
	reason     string
	match      *rule.Match
	fallback   []string
}

func (d *delivery) state() string {
	switch {
	case d.suppressed:
		return "suppressed"
	case d.held:
		return "planned"
	}
	return "queued"
}

// sends reports whether anything is to be sent, now or later.
func (n *notification) sends() bool {
	return slices.ContainsFunc(n.deliveries, func(d delivery) bool { return !d.suppressed })
}

// decision is something that a matching rule did not do, and why. recipient and channel may be empty.
type decision struct {
	event     *event.Event
	version   int32
	rule      string
	recipient uuid.UUID
	channel   string
	reason    string
}
