package notify

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"

	"carewire/internal/postgres"
	"carewire/internal/postgres/db"
	"carewire/internal/tracing"
)

// Config is what a Worker needs.
type Config struct {
	// Pool runs as carewire_worker.
	Pool *pgxpool.Pool
	// Channels are the configured ones, by name, each with its providers in the order in which they are tried. For now a
	// channel has exactly one.
	Channels map[string][]*Provider
	// Templates are the messages' words; nil means DefaultTemplates.
	Templates *Templates
	// IssueSecret makes what a message about the subject, on the channel to the recipient, must carry and nobody may keep: the token
	// of an invitation, or a code; both empty where there is none. Nil means never.
	IssueSecret func(ctx context.Context, channel, subject string, recipient uuid.UUID) (token, code string, err error)
	// BaseURL begins the links in messages, without a slash at the end.
	BaseURL string
	// AppName is how messages call the service; empty means "carewire".
	AppName string
	Logger  *slog.Logger
	// Wake is called after outcomes were committed, so that their events need not wait for a poll. May be nil.
	Wake func()
	// Observe is told what became of each attempt, for metrics. May be nil.
	Observe func(channel string, outcome Outcome, took time.Duration)
	// Tracer shows each sampled delivery's attempts; nil means nobody looks.
	Tracer *tracing.Tracer
	// AttemptTimeout bounds one call of a provider; 0 means 15 seconds, which is also the most.
	AttemptTimeout time.Duration
}

// Outcome is what became of an attempt.
type Outcome string

// The outcomes.
const (
	Sent             Outcome = "sent"       // The provider accepted the message.
	Failed           Outcome = "failed"     // It will not be delivered on this channel.
	Suppressed       Outcome = "suppressed" // There is nobody or no address to send it to any more.
	Unknown          Outcome = "unknown"    // It may have been sent, and no receipt came in time.
	OutcomeUncertain Outcome = "uncertain"  // It may have been sent; a receipt or a deadline decides.
	Retried          Outcome = "retried"    // It will be tried again.
	Slowed           Outcome = "throttled"  // The provider is called too often; it will be sent again, and no attempt is used up.
	Held             Outcome = "held"       // The provider's breaker is open; it waits, and nothing was tried.
	Repeated         Outcome = "repeated"   // Nothing was left to do.
)

// Worker works deliveries. It is safe for concurrent use.
type Worker struct {
	river.WorkerDefaults[DeliveryArgs]

	cfg     Config
	queries *db.Queries
	claimer *group[request, *db.DeliveryClaimRow]
	settler *group[settlement, bool]
	// draining is closed by Drain.
	draining chan struct{}
	drain    sync.Once
}

var _ river.Worker[DeliveryArgs] = (*Worker)(nil)

// New makes a Worker. Register it with RiverConfig.
func New(cfg Config) (*Worker, error) {
	if cfg.Pool == nil || cfg.Logger == nil {
		return nil, errors.New("notify: Pool and Logger are required")
	}
	if cfg.Templates == nil {
		templates, err := DefaultTemplates()
		if err != nil {
			return nil, err
		}
		cfg.Templates = templates
	}
	cfg.AppName = cmp.Or(cfg.AppName, "carewire")
	cfg.AttemptTimeout = cmp.Or(cfg.AttemptTimeout, attemptTimeout)
	if cfg.AttemptTimeout > attemptTimeout {
		return nil, fmt.Errorf("notify: AttemptTimeout is %s; want at most %s, which the job's time leaves", cfg.AttemptTimeout, attemptTimeout)
	}
	for channel, providers := range cfg.Channels {
		if len(providers) != 1 || providers[0] == nil {
			return nil, fmt.Errorf("notify: the channel %s has %d providers; want one", channel, len(providers))
		}
	}
	if cfg.Wake == nil {
		cfg.Wake = func() {}
	}
	if cfg.Observe == nil {
		cfg.Observe = func(string, Outcome, time.Duration) {}
	}
	return &Worker{
		cfg: cfg, queries: db.New(cfg.Pool), claimer: newClaimer(cfg.Pool), settler: newSettler(cfg.Pool, cfg.Wake), draining: make(chan struct{}),
	}, nil
}

// Drain releases the jobs that wait for a provider, and lets no further one wait: for a process that is about to stop its
// River client, which would wait for them. Calls under way go on.
func (w *Worker) Drain() { w.drain.Do(func() { close(w.draining) }) }

// provider returns the channel's provider, nil where none is configured.
func (w *Worker) provider(channel string) *Provider {
	if all := w.cfg.Channels[channel]; len(all) > 0 {
		return all[0]
	}
	return nil
}

// Channels gives the configured channels, in order.
func (w *Worker) Channels() []string { return slices.Sorted(maps.Keys(w.cfg.Channels)) }

// Stats returns how the providers of each channel are doing, in their order.
func (w *Worker) Stats() map[string][]ProviderStats {
	all := make(map[string][]ProviderStats, len(w.cfg.Channels))
	for channel, providers := range w.cfg.Channels {
		for _, p := range providers {
			all[channel] = append(all[channel], p.Stats())
		}
	}
	return all
}

// HasTemplate reports whether the template has words for the channel.
func (w *Worker) HasTemplate(name, channel string) bool { return w.cfg.Templates.Has(name, channel) }

// Timeout bounds one run of a job.
func (w *Worker) Timeout(*river.Job[DeliveryArgs]) time.Duration { return jobTimeout }

// NextRetry is when a job that failed runs again.
func (w *Worker) NextRetry(job *river.Job[DeliveryArgs]) time.Time {
	return time.Now().Add(retryDelay(job.Attempt))
}

// Work makes one attempt at the job's delivery. It returns nil once the delivery is settled, now or before; an error of
// class and code alone when River is to try again. The job's queue is its delivery's channel.
func (w *Worker) Work(ctx context.Context, job *river.Job[DeliveryArgs]) (err error) {
	// River would store a panic's value, which may hold anything. The trace holds none of the values.
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
	if p := w.provider(job.Queue); p != nil {
		// Before the claim, so that a wait writes nothing.
		var away time.Duration
		permission, away = p.admit(ctx, w.draining, job.Priority, func() { w.cfg.Observe(job.Queue, Held, 0) })
		if permission == nil {
			return river.JobSnooze(away)
		}
		defer func() { permission.finish(Receipt{}, errNotCalled) }()
	}

	began := time.Now()
	a, err := w.claim(ctx, job, client)
	if a == nil {
		return err
	}
	ctx, span := w.traced(ctx, a, began)
	defer span.End()
	m, refusal := w.compose(ctx, a)
	if refusal != nil {
		return w.settle(ctx, a, *refusal)
	}
	receipt, err := w.call(ctx, m)
	permission.finish(receipt, err)
	return w.conclude(ctx, a, receipt, err)
}

// attempt is a claimed delivery.
type attempt struct {
	db.DeliveryClaimRow
	// run is the run of the job that claimed it; zero when this one did not.
	run     uuid.UUID
	began   time.Time
	lastTry bool
	client  *river.Client[pgx.Tx]
	span    tracing.Span
}

// claim begins an attempt. It gives none when there is nothing to do now; the error then says what River shall do.
func (w *Worker) claim(ctx context.Context, job *river.Job[DeliveryArgs], client *river.Client[pgx.Tx]) (*attempt, error) {
	run := newID()
	row, err := w.claimFor(ctx, request{target{job.Args.DeliveryID, job.Queue}, run})
	if err != nil {
		return nil, fmt.Errorf("claim delivery: %s", postgres.SafeError(err))
	}
	if row == nil {
		return nil, river.JobCancel(errors.New("delivery: there is none with this id in this queue's channel"))
	}
	a := &attempt{DeliveryClaimRow: *row, began: time.Now(), client: client}
	a.lastTry = row.Attempt >= MaxAttempts || job.Attempt >= job.MaxAttempts
	switch row.Verdict {
	case "claimed":
		a.run = run
		return a, nil
	case "in_flight":
		return nil, river.JobSnooze(jitter(staleAfter))
	case "crashed":
		return nil, w.settle(ctx, a, w.uncertain(a, "interrupted"))
	default:
		w.cfg.Observe(row.Channel, Repeated, 0)
		return nil, nil
	}
}

// claimFor asks for the delivery until there is an answer, at most claimTimeout. A claim that was committed without an
// answer is given to the same run again, so that a message that was never sent does not count as interrupted.
func (w *Worker) claimFor(ctx context.Context, r request) (row *db.DeliveryClaimRow, err error) {
	ctx, cancel := context.WithTimeout(ctx, claimTimeout)
	defer cancel()
	err = persist(ctx, w.draining, func() error {
		row, err = w.claimer.do(ctx, r)
		return err
	}, func(error) {})
	return row, err
}

// compose makes the message, or says why there is none to send.
func (w *Worker) compose(ctx context.Context, a *attempt) (Message, *ending) {
	switch {
	case w.provider(a.Channel) == nil:
		return Message{}, &ending{outcome: Failed, code: "channel_not_configured"}
	case a.Contact == "deceased":
		return Message{}, &ending{outcome: Suppressed, code: "deceased"}
	case !a.Active:
		return Message{}, &ending{outcome: Suppressed, code: "user_disabled"}
	case a.Contact == "none", a.Channel == Push && len(a.DeviceIds) == 0:
		return Message{}, &ending{outcome: Suppressed, code: "no_address"}
	}
	link := w.cfg.BaseURL + "/notifications/" + a.NotificationID.String()
	data := DataFor(a.EventType, a.Priority, link, w.cfg.AppName)
	if refusal := w.confide(ctx, a, &data); refusal != nil {
		return Message{}, refusal
	}
	content, err := w.cfg.Templates.Render(a.Template, a.Channel, a.Locale, data)
	if err != nil {
		w.cfg.Logger.Error("message could not be rendered", "delivery_id", a.ID, "template", a.Template, "error", err.Error())
		return Message{}, &ending{outcome: Failed, code: "template"}
	}
	m := Message{
		DeliveryID: a.ID, Channel: a.Channel, Type: a.EventType, Link: data.Link,
		Subject: content.Subject, Text: content.Text, HTML: content.HTML, Title: content.Title, Body: content.Body,
		CollapseKey: a.ID.String(), Priority: a.Priority, TTL: messageTTL(a.Priority), PossibleDuplicate: a.PossibleDuplicate,
	}
	switch {
	case a.Channel == Email:
		m.Email = a.Address
	case byPhone(a.Channel):
		m.Phone = a.Address
	}
	for i, id := range a.DeviceIds {
		m.Devices = append(m.Devices, Device{ID: id, Token: a.DeviceTokens[i], Platform: a.DevicePlatforms[i]})
	}
	return m, nil
}

// confiding are the templates whose messages carry a secret, each with whether it is in vain without one.
var confiding = map[string]bool{"welcome": false, "invitation": true, "verification": true}

// confide puts the secret that the message is for into its data. It exists from now on, and only there.
func (w *Worker) confide(ctx context.Context, a *attempt, data *Data) *ending {
	needed, ok := confiding[a.Template]
	if !ok || w.cfg.IssueSecret == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, issueTimeout)
	defer cancel()
	token, code, err := w.cfg.IssueSecret(ctx, a.Channel, a.Subject, a.RecipientID)
	switch {
	case err != nil && a.lastTry:
		return &ending{outcome: Failed, code: "database"}
	case err != nil:
		w.cfg.Logger.ErrorContext(ctx, "secret not issued", "delivery_id", a.ID, "error", postgres.SafeError(err))
		return &ending{outcome: Retried, code: "database"}
	case token == "" && code == "" && needed:
		return &ending{outcome: Suppressed, code: "expired"}
	}
	if token != "" {
		data.Link = w.cfg.BaseURL + "/login?invitation=" + token
	}
	data.Code = code
	return nil
}

// byPhone reports whether the channel's address is a phone number.
func byPhone(channel string) bool { return channel == SMS || channel == WhatsApp }

func (w *Worker) call(ctx context.Context, m Message) (receipt Receipt, err error) {
	ctx, cancel := context.WithTimeout(ctx, w.cfg.AttemptTimeout)
	defer cancel()
	// A panic in mid-call leaves unknown whether the message was sent.
	defer func() {
		if p := recover(); p != nil {
			w.cfg.Logger.ErrorContext(ctx, "notifier panicked", "delivery_id", m.DeliveryID, "panic_type", fmt.Sprintf("%T", p), "stack", stack())
			err = Uncertain("panic")
		}
	}()
	ctx, span := tracing.StartClientSpan(ctx, "send "+m.Channel, tracing.String("carewire.channel", m.Channel))
	defer func() { ended(span, receipt, err) }()
	return w.provider(m.Channel).notifier.Notify(tracing.Detach(ctx), m)
}

// conclude settles what the provider's answer means.
func (w *Worker) conclude(ctx context.Context, a *attempt, receipt Receipt, err error) error {
	e := ending{receipt: receipt}
	if err == nil {
		e.outcome = Sent
		return w.settle(ctx, a, e)
	}
	failure := classify(err)
	e.code, e.retryAfter = failure.Code, failure.RetryAfter
	switch {
	case failure.Class == ClassUncertain && mayRepeat(a) && !a.PossibleDuplicate && !a.lastTry:
		e.outcome, e.possibleDuplicate = Retried, true
	case failure.Class == ClassUncertain:
		u := w.uncertain(a, failure.Code)
		u.receipt = receipt
		e = u
	case failure.Class == ClassThrottled && time.Since(a.UpdatedAt) < throttledMax:
		e.outcome = Slowed
	case (failure.Class == ClassTransient || failure.Class == ClassThrottled) && !a.lastTry:
		e.outcome = Retried
	default:
		e.outcome = Failed
	}
	return w.settle(ctx, a, e)
}

// mayRepeat reports whether a second copy is better than none.
func mayRepeat(a *attempt) bool { return a.Channel == Push || a.Priority == "critical" }

func (w *Worker) uncertain(a *attempt, code string) ending {
	wait := receiptWait
	if a.Priority == "critical" {
		wait = receiptWaitCritical
	}
	return ending{outcome: OutcomeUncertain, code: code, wait: wait}
}

// ending is how an attempt ends.
type ending struct {
	outcome           Outcome
	code              string
	receipt           Receipt
	retryAfter        time.Duration
	wait              time.Duration
	possibleDuplicate bool
}

// settle writes the ending down and tells River what follows from it.
func (w *Worker) settle(ctx context.Context, a *attempt, e ending) error {
	s := a.settlement(e)
	settled, err := w.keep(ctx, a.client, s, a.Fallback)
	if s.closed() && postgres.RowFault(err) {
		_, err = w.park(ctx, s, err)
		return err
	}
	if err != nil {
		// The row still says that a call is under way: the next run treats it as interrupted.
		return fmt.Errorf("settle delivery: %s", postgres.SafeError(err))
	}
	if !settled {
		w.cfg.Logger.WarnContext(ctx, "delivery was settled by another run", "delivery_id", a.ID, "attempt", a.Attempt, "outcome", string(e.outcome))
	} else {
		w.cfg.Observe(a.Channel, e.outcome, time.Since(a.began))
		a.span.Set(tracing.String("carewire.outcome", string(e.outcome)))
	}
	switch {
	case e.outcome == Slowed:
		// Also when it was not settled: perhaps it was, and the commit not confirmed.
		return river.JobSnooze(max(e.retryAfter+jitter(throttledDelay)/4, jitter(throttledDelay)))
	case !settled || e.outcome != Retried:
		return nil
	case e.retryAfter > 0:
		// River asks NextRetry without the error, so what the provider asked for is waited out by a snooze. The delivery's
		// own count of attempts bounds it.
		return river.JobSnooze(max(e.retryAfter+jitter(time.Second)/4, retryDelay(int(a.Attempt))))
	}
	return fmt.Errorf("delivery: will be tried again after %s", e.code)
}

// newID gives a fresh UUIDv7.
func newID() uuid.UUID { return uuid.Must(uuid.NewV7()) }
