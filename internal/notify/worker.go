package notify

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
	"github.com/sony/gobreaker/v2"

	"carewire/internal/postgres"
	"carewire/internal/postgres/db"
	"carewire/internal/tracing"
)

// Config is what a Worker needs.
type Config struct {
	// Pool runs as carewire_worker.
	Pool *pgxpool.Pool
	// Channels are the configured ones, by name.
	Channels map[string]Notifier
	// Templates are the messages' words; nil means DefaultTemplates.
	Templates *Templates
	// Issue makes what a message about the subject, on the channel to the recipient, must carry and nobody may keep: the token
	// of an invitation, or a code; both empty where there is none. Nil means never.
	Issue func(ctx context.Context, channel, subject string, recipient uuid.UUID) (token, code string, err error)
	// BaseURL begins the links in messages, without a slash at the end.
	BaseURL string
	// AppName is how messages call the service; empty means "carewire".
	AppName string
	Logger  *slog.Logger
	// Ring is called after outcomes were committed, so that their events need not wait for a poll. May be nil.
	Ring func()
	// Observe is told what became of each attempt, for metrics. May be nil.
	Observe func(channel string, outcome Outcome, took time.Duration)
	// Tracer shows each sampled delivery's attempts; nil means nobody looks.
	Tracer *tracing.Tracer
	// AttemptTimeout bounds one call of a provider; 0 means 15 seconds.
	AttemptTimeout time.Duration
	// BreakerFailures in a row open a provider's breaker, for BreakerOpen; 0 means 10, and 10 seconds.
	BreakerFailures uint32
	BreakerOpen     time.Duration
}

// Outcome is what became of an attempt.
type Outcome string

// The outcomes.
const (
	Sent       Outcome = "sent"       // The provider accepted the message.
	Failed     Outcome = "failed"     // It will not be delivered on this channel.
	Suppressed Outcome = "suppressed" // There is nobody or no address to send it to any more.
	Unsure     Outcome = "uncertain"  // It may have been sent; a receipt or a deadline decides.
	Retried    Outcome = "retried"    // It will be tried again.
	Held       Outcome = "held"       // The provider's breaker is open; nothing was tried.
	Repeated   Outcome = "repeated"   // Nothing was left to do.
)

// Worker works deliveries. It is safe for concurrent use.
type Worker struct {
	river.WorkerDefaults[DeliveryArgs]

	cfg      Config
	queries  *db.Queries
	breakers map[string]*breaker
	claimer  *group[request, *db.DeliveryClaimRow]
	settler  *group[settlement, bool]
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
	cfg.BreakerFailures = cmp.Or(cfg.BreakerFailures, 10)
	cfg.BreakerOpen = cmp.Or(cfg.BreakerOpen, 10*time.Second)
	if cfg.Ring == nil {
		cfg.Ring = func() {}
	}
	if cfg.Observe == nil {
		cfg.Observe = func(string, Outcome, time.Duration) {}
	}
	w := &Worker{cfg: cfg, queries: db.New(cfg.Pool), claimer: newClaimer(cfg.Pool), settler: newSettler(cfg.Pool, cfg.Ring), breakers: map[string]*breaker{}}
	for channel := range cfg.Channels {
		w.breakers[channel] = newBreaker(channel, cfg.BreakerFailures, cfg.BreakerOpen, w.breakerChanged)
	}
	return w, nil
}

func (w *Worker) breakerChanged(channel string, from, to gobreaker.State) {
	w.cfg.Logger.Warn("provider's circuit breaker changed", "channel", channel, "from", from.String(), "to", to.String())
}

// Channels gives the configured channels, in order.
func (w *Worker) Channels() []string { return slices.Sorted(maps.Keys(w.cfg.Channels)) }

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
	done := func(error) {}
	if b := w.breakers[job.Queue]; b != nil {
		if done, err = b.Allow(); err != nil {
			w.cfg.Observe(job.Queue, Held, 0)
			return river.JobSnooze(b.hold())
		}
	}
	// Told nothing else, the breaker learns that the provider was not asked.
	verdict := errNotCalled
	defer func() { done(verdict) }()

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
	verdict = err
	return w.conclude(ctx, a, receipt, err)
}

// attempt is a claimed delivery.
type attempt struct {
	db.DeliveryClaimRow
	began   time.Time
	lastTry bool
	client  *river.Client[pgx.Tx]
	span    tracing.Span
}

// claim begins an attempt. It gives none when there is nothing to do now; the error then says what River shall do.
func (w *Worker) claim(ctx context.Context, job *river.Job[DeliveryArgs], client *river.Client[pgx.Tx]) (*attempt, error) {
	row, err := w.claimer.do(ctx, request{job.Args.DeliveryID, job.Queue})
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

// compose makes the message, or says why there is none to send.
func (w *Worker) compose(ctx context.Context, a *attempt) (Message, *ending) {
	switch {
	case w.cfg.Channels[a.Channel] == nil:
		return Message{}, &ending{outcome: Failed, code: "channel_not_configured"}
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
	if !ok || w.cfg.Issue == nil {
		return nil
	}
	token, code, err := w.cfg.Issue(ctx, a.Channel, a.Subject, a.RecipientID)
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
	ctx, span := tracing.Call(ctx, "send "+m.Channel, tracing.String("carewire.channel", m.Channel))
	defer func() { ended(span, receipt, err) }()
	return w.cfg.Channels[m.Channel].Notify(tracing.Outside(ctx), m)
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
	case failure.Class == ClassTransient && !a.lastTry:
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
	return ending{outcome: Unsure, code: code, wait: wait}
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
	settled, err := w.commit(ctx, a.client, s, a.Fallback)
	if s.closed() && postgres.RowFault(err) {
		_, err = w.park(ctx, s, err)
		return err
	}
	if err != nil {
		// The row still says that a call is under way: the next run treats it as interrupted.
		return fmt.Errorf("settle delivery: %s", postgres.SafeError(err))
	}
	if !settled {
		w.cfg.Logger.WarnContext(ctx, "delivery was settled by another run", "delivery_id", a.ID, "attempt", a.Attempt)
		return nil
	}
	w.cfg.Observe(a.Channel, e.outcome, time.Since(a.began))
	a.span.Set(tracing.String("carewire.outcome", string(e.outcome)))
	if e.outcome != Retried {
		return nil
	}
	if e.retryAfter > 0 {
		// River asks NextRetry without the error, so what the provider asked for is waited out by a snooze. The delivery's
		// own count of attempts bounds it.
		return river.JobSnooze(max(e.retryAfter+jitter(time.Second)/4, retryDelay(int(a.Attempt))))
	}
	return fmt.Errorf("delivery: will be tried again after %s", e.code)
}

// newID gives a fresh UUIDv7.
func newID() uuid.UUID { return uuid.Must(uuid.NewV7()) }
