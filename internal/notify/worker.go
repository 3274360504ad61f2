package notify

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"

	"carewire/internal/batch"
	"carewire/internal/care"
	"carewire/internal/notify/template"
	"carewire/internal/postgres"
	"carewire/internal/postgres/db"
	"carewire/internal/tracing"
)

// Config configures a Worker.
type Config struct {
	// Pool runs as carewire_worker.
	Pool *pgxpool.Pool
	// Channels holds the providers of the configured channels, by the channel's name, in the order in
	// which they are tried. Their names differ within a channel.
	Channels map[string][]*Provider
	// Known describes every channel that a delivery can be on, configured or not; nil means
	// care.BuiltinChannels.
	Known care.Channels
	// Templates provides the texts of the messages by their version; nil means template.Default for
	// every version.
	Templates TemplateSource
	// IssueSecret returns the secret for a message about the subject, on the channel to the
	// recipient, which is stored nowhere else: the token of an invitation, or a code; both empty if
	// there is none. Nil disables secrets.
	IssueSecret func(ctx context.Context, channel, subject string, recipient uuid.UUID) (token, code string, err error)
	// BaseURL is the prefix of links in messages, without a slash at the end.
	BaseURL string
	// Links returns the links in messages. Nil links to BaseURL/notifications/ID, and leaves out the
	// unsubscribe link of emails.
	Links Links
	// AppName is the service's name in messages; empty means "carewire".
	AppName string
	// CriticalAlerts reports that the app has Apple's entitlement for critical alerts, with which push
	// messages sound on muted phones.
	CriticalAlerts bool
	Logger         *slog.Logger
	// Wake is called after outcomes are committed, so that their events need not wait for a poll.
	// May be nil.
	Wake func()
	// Observe is called with the outcome of each attempt, for metrics. May be nil.
	Observe func(channel string, outcome Outcome, took time.Duration)
	// ObserveCall is called with the result of each call of a provider, for metrics: "accepted", or
	// the class of its error. May be nil.
	ObserveCall func(channel, provider, result string, took time.Duration)
	// ObserveMessage is called with what became of a message, after an attempt or a receipt, for
	// metrics. May be nil.
	ObserveMessage func(m MessageOutcome)
	// Tracer records the attempts of each sampled delivery; nil disables tracing.
	Tracer *tracing.Tracer
	// AttemptTimeout bounds one call of a provider; 0 means 15 seconds, which is also the most.
	AttemptTimeout time.Duration
}

// TemplateSource provides the template set of a version; version 0 is the set in the binary. It is
// implemented by templateset.Source.
type TemplateSource interface {
	TemplateSet(ctx context.Context, version int32) (*template.Set, error)
}

// oneSet is a TemplateSource with one set for every version.
type oneSet struct{ *template.Set }

func (s oneSet) TemplateSet(context.Context, int32) (*template.Set, error) { return s.Set, nil }

// Links returns the links in messages. It is implemented by link.Signer.
type Links interface {
	// Open returns the deep link of a message's button; action 0 is the message itself, and ActionInbox
	// the inbox.
	Open(deliveryID uuid.UUID, action int) string
	// Unsubscribe returns the link with which a person turns the emails of a category off, or "" if
	// they cannot.
	Unsubscribe(userID uuid.UUID, category string) string
}

// Outcome is the outcome of an attempt.
type Outcome string

// The outcomes.
const (
	OutcomeSent       Outcome = "sent"       // The provider accepted the message.
	OutcomeFailed     Outcome = "failed"     // It will not be delivered on this channel.
	OutcomeSuppressed Outcome = "suppressed" // The person or the address is no longer available.
	OutcomeCutOff     Outcome = "cut_off"    // A later version of its subject made it untrue; no provider was called.
	OutcomeUnknown    Outcome = "unknown"    // It may have been sent, and no receipt came in time.
	OutcomeUncertain  Outcome = "uncertain"  // It may have been sent; a receipt or a deadline decides.
	OutcomeRetried    Outcome = "retried"    // It will be tried again.
	OutcomeThrottled  Outcome = "throttled"  // It will be sent again without using up an attempt, as the provider is called too often.
	OutcomeHeld       Outcome = "held"       // It waits for the provider's breaker or for its template set; nothing was tried.
	OutcomeRepeated   Outcome = "repeated"   // The delivery was settled before.
)

// Worker works deliveries. It is safe for concurrent use.
type Worker struct {
	river.WorkerDefaults[DeliveryArgs]

	cfg     Config
	queries *db.Queries
	claimer *batch.Group[request, *db.DeliveryClaimRow]
	settler *batch.Group[settlement, bool]
	// attempts is the number of attempts in progress.
	attempts atomic.Int64
	// routes are the configured channels' providers.
	routes map[string]*route
	// draining is closed by Drain.
	draining chan struct{}
	drain    sync.Once
}

var _ river.Worker[DeliveryArgs] = (*Worker)(nil)

// Validate returns an error for a missing Pool or Logger, an AttemptTimeout that is too long, an
// invalid table of channels, or a channel that is not in the table or has no provider, more than
// maxProviders, or two of one name.
func (cfg Config) Validate() error {
	if cfg.Pool == nil || cfg.Logger == nil {
		return errors.New("notify: Pool and Logger are required")
	}
	if cfg.AttemptTimeout > attemptTimeout {
		return fmt.Errorf("notify: AttemptTimeout is %s; want at most %s", cfg.AttemptTimeout, attemptTimeout)
	}
	all := known(cfg.Known)
	if err := all.Validate(); err != nil {
		return fmt.Errorf("notify: %w", err)
	}
	for channel, providers := range cfg.Channels {
		if _, ok := all.Lookup(channel); !ok {
			return fmt.Errorf("notify: provider for unknown channel %q; want one of %s", channel, strings.Join(all.Names(), ", "))
		}
		if err := validateProviders(providers); err != nil {
			return fmt.Errorf("notify: channel %s: %w", channel, err)
		}
	}
	return nil
}

// maxProviders bounds the providers of a channel.
const maxProviders = 16

func validateProviders(providers []*Provider) error {
	if len(providers) == 0 || len(providers) > maxProviders {
		return fmt.Errorf("%d providers; want 1 to %d", len(providers), maxProviders)
	}
	names := map[string]bool{}
	for _, p := range providers {
		switch {
		case p == nil:
			return errors.New("a provider is nil")
		case names[p.name]:
			return fmt.Errorf("duplicate provider name %q", p.name)
		}
		names[p.name] = true
	}
	return nil
}

// New returns a Worker. Register it with RiverConfig.
func New(cfg Config) (*Worker, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	cfg.Known = known(cfg.Known)
	cfg.AppName = cmp.Or(cfg.AppName, "carewire")
	cfg.AttemptTimeout = cmp.Or(cfg.AttemptTimeout, attemptTimeout)
	if cfg.Wake == nil {
		cfg.Wake = func() {}
	}
	if cfg.Observe == nil {
		cfg.Observe = func(string, Outcome, time.Duration) {}
	}
	if cfg.ObserveMessage == nil {
		cfg.ObserveMessage = func(MessageOutcome) {}
	}
	if cfg.ObserveCall == nil {
		cfg.ObserveCall = func(string, string, string, time.Duration) {}
	}
	routes := make(map[string]*route, len(cfg.Channels))
	for channel, providers := range cfg.Channels {
		routes[channel] = newRoute(providers)
	}
	if cfg.Templates == nil {
		set, err := template.Default(cfg.Known...)
		if err != nil {
			return nil, err
		}
		cfg.Templates = oneSet{set}
	}
	w := &Worker{
		cfg: cfg, queries: db.New(cfg.Pool), routes: routes, draining: make(chan struct{}),
	}
	w.claimer = newClaimer(cfg.Pool, cfg.Known, w.attempts.Load)
	w.settler = newSettler(cfg.Pool, cfg.Wake, w.overtaken, w.attempts.Load)
	return w, nil
}

// Drain releases the jobs that wait for a provider, and lets no further job wait. Call it before
// stopping the River client, which would wait for them. Calls in progress continue.
func (w *Worker) Drain() { w.drain.Do(func() { close(w.draining) }) }

// Channels returns the names of the configured channels, sorted.
func (w *Worker) Channels() []string { return slices.Sorted(maps.Keys(w.cfg.Channels)) }

// Stats returns the state of each channel's providers, in the order in which they are tried.
func (w *Worker) Stats() map[string][]ProviderStats {
	all := make(map[string][]ProviderStats, len(w.routes))
	for channel, r := range w.routes {
		all[channel] = r.stats()
	}
	return all
}

// Timeout implements river.Worker.
func (w *Worker) Timeout(*river.Job[DeliveryArgs]) time.Duration { return jobTimeout }

// NextRetry implements river.Worker. It returns when a failed job runs again.
func (w *Worker) NextRetry(job *river.Job[DeliveryArgs]) time.Time {
	return time.Now().Add(retryDelay(job.Attempt))
}

// Work makes one attempt at the job's delivery. It returns nil once the delivery is settled, now or
// earlier, and an error of class and code alone if River has to retry. The job's queue is its
// delivery's channel.
func (w *Worker) Work(ctx context.Context, job *river.Job[DeliveryArgs]) (err error) {
	// River would store a panic's value, which may contain anything. The trace contains no values.
	defer func() {
		if p := recover(); p != nil {
			w.cfg.Logger.ErrorContext(ctx, "delivery panicked", "delivery_id", job.Args.DeliveryID, "panic_type", fmt.Sprintf("%T", p), "stack", stack())
			err = errors.New("delivery: panic")
		}
	}()
	client, err := river.ClientFromContextSafely[pgx.Tx](ctx)
	if err != nil {
		return err
	}
	var permission *pass
	if r := w.routes[job.Queue]; r != nil {
		// Before the claim, so that a wait writes nothing.
		var away time.Duration
		permission, away = r.admit(ctx, w.draining, job.Priority, func() { w.cfg.Observe(job.Queue, OutcomeHeld, 0) })
		if permission == nil {
			return river.JobSnooze(away)
		}
		defer func() { permission.finish(Receipt{}, errNotCalled) }()
	}

	w.attempts.Add(1)
	defer w.attempts.Add(-1)
	growStack()
	began := time.Now()
	a, err := w.claim(ctx, job, client, permission.name())
	if a == nil {
		return err
	}
	ctx, span := w.startSpan(ctx, a, began)
	defer span.End()
	m, unsent := w.compose(ctx, a)
	if unsent != nil {
		return w.settle(ctx, a, *unsent)
	}
	receipt, err := w.send(ctx, a, m, permission)
	return w.finish(ctx, a, receipt, err)
}

// attempt is a claimed delivery.
type attempt struct {
	db.DeliveryClaimRow
	kind care.Channel
	// run is the run of the job that claimed it; zero if another run did.
	run     uuid.UUID
	began   time.Time
	lastTry bool
	client  *river.Client[pgx.Tx]
	span    tracing.Span
}

// claim begins an attempt, in which the provider is called next. It returns nil if there is nothing to do now; River then acts on the
// error.
func (w *Worker) claim(ctx context.Context, job *river.Job[DeliveryArgs], client *river.Client[pgx.Tx], provider string) (*attempt, error) {
	run := newID()
	row, err := w.claimFor(ctx, request{target{job.Args.DeliveryID, job.Queue}, run, provider})
	if err != nil {
		return nil, fmt.Errorf("claim delivery: %s", postgres.SafeError(err))
	}
	if row == nil {
		return nil, river.JobCancel(errors.New("delivery: no such id on this queue's channel"))
	}
	kind, _ := w.cfg.Known.Lookup(row.Channel)
	a := &attempt{DeliveryClaimRow: *row, kind: kind, began: time.Now(), client: client}
	a.lastTry = row.Attempt >= MaxAttempts || job.Attempt >= job.MaxAttempts
	switch row.Verdict {
	case "claimed":
		a.run = run
		return a, nil
	case "cut_off":
		return nil, w.settle(ctx, a, result{outcome: OutcomeCutOff, code: CutOffPrefix + row.CutOffBy})
	case "in_flight":
		return nil, river.JobSnooze(jitter(staleAfter))
	case "crashed":
		return nil, w.settle(ctx, a, w.uncertain(a, "interrupted"))
	default:
		w.cfg.Observe(row.Channel, OutcomeRepeated, 0)
		return nil, nil
	}
}

// claimFor claims the delivery, retrying for at most claimTimeout. A run whose claim was committed
// without confirmation gets the same attempt again, so that a message that was never sent does not
// count as interrupted.
func (w *Worker) claimFor(ctx context.Context, r request) (row *db.DeliveryClaimRow, err error) {
	ctx, cancel := context.WithTimeout(ctx, claimTimeout)
	defer cancel()
	err = retryTransient(ctx, w.draining, func() error {
		row, err = w.claimer.Do(ctx, r)
		return err
	}, func(error) {})
	return row, err
}

// finish settles the provider's answer.
func (w *Worker) finish(ctx context.Context, a *attempt, receipt Receipt, err error) error {
	e := result{receipt: receipt}
	if err == nil {
		e.outcome = OutcomeSent
		return w.settle(ctx, a, e)
	}
	failure := classify(err)
	e.code, e.retryAfter = failure.Code, failure.RetryAfter
	switch {
	case failure.Class == ClassUncertain && mayRepeat(a) && !a.PossibleDuplicate && !a.lastTry:
		e.outcome, e.possibleDuplicate = OutcomeRetried, true
	case failure.Class == ClassUncertain:
		u := w.uncertain(a, failure.Code)
		u.receipt = receipt
		e = u
	case failure.Class == ClassThrottled && time.Since(a.UpdatedAt) < throttledMax:
		e.outcome = OutcomeThrottled
	case (failure.Class == ClassTransient || failure.Class == ClassThrottled) && !a.lastTry:
		e.outcome = OutcomeRetried
	default:
		e.outcome = OutcomeFailed
	}
	return w.settle(ctx, a, e)
}

// mayRepeat reports whether a second copy of the message is better than none.
func mayRepeat(a *attempt) bool { return a.kind.RepeatSafe || a.Priority == "critical" }

func (w *Worker) uncertain(a *attempt, code string) result {
	wait := receiptWait
	if a.Priority == "critical" {
		wait = receiptWaitCritical
	}
	return result{outcome: OutcomeUncertain, code: code, wait: wait}
}

// result is the result of an attempt.
type result struct {
	outcome           Outcome
	code              string
	receipt           Receipt
	retryAfter        time.Duration
	wait              time.Duration
	possibleDuplicate bool
}

// settle writes the result and returns River's next step.
func (w *Worker) settle(ctx context.Context, a *attempt, e result) error {
	s := a.settlement(e)
	settled, err := w.commitWithRetry(ctx, a.client, s, a.Fallback)
	if s.closed() && postgres.RowFault(err) {
		_, err = w.park(ctx, s, err)
		return err
	}
	if err != nil {
		// The row is still marked as in progress: the next run treats it as interrupted.
		return fmt.Errorf("settle delivery: %s", postgres.SafeError(err))
	}
	if !settled {
		w.cfg.Logger.WarnContext(ctx, "delivery was settled by another run", "delivery_id", a.ID, "attempt", a.Attempt, "outcome", string(e.outcome))
	} else {
		w.cfg.Observe(a.Channel, e.outcome, time.Since(a.began))
		w.observeMessage(a, e)
		a.span.Set(tracing.String("carewire.outcome", string(e.outcome)))
	}
	switch {
	case e.outcome == OutcomeThrottled:
		// Also if it was not settled: an unconfirmed commit may have succeeded.
		return river.JobSnooze(max(e.retryAfter+jitter(throttledDelay)/4, jitter(throttledDelay)))
	case e.outcome == OutcomeHeld:
		return river.JobSnooze(jitter(templateDelay))
	case !settled || e.outcome != OutcomeRetried:
		return nil
	case e.retryAfter > 0:
		// River calls NextRetry without the error, so that a snooze implements the wait that the
		// provider asked for. The delivery's own count of attempts bounds it.
		return river.JobSnooze(max(e.retryAfter+jitter(time.Second)/4, retryDelay(int(a.Attempt))))
	}
	return fmt.Errorf("delivery: will be tried again after %s", e.code)
}

// newID returns a new UUIDv7.
func newID() uuid.UUID { return uuid.Must(uuid.NewV7()) }
