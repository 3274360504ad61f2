package notify_test

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/stretchr/testify/require"

	"carewire/internal/logtest"
	"carewire/internal/notify"
	"carewire/internal/notify/notifytest"
	"carewire/internal/postgres/postgrestest"
)

func TestMain(m *testing.M) { postgrestest.Main(m) }

// What must not be found anywhere but in the directory's tables and at the provider.
var phi = []string{"paula.winter@mail.example", "Paula", "Winter", "secret-token-of-paula"}

// bundle is a database with one person to tell, and a Worker that a River client drives.
type bundle struct {
	t      *testing.T
	db     *postgrestest.DB
	user   uuid.UUID
	clinic uuid.UUID
	worker *notify.Worker
	client *river.Client[pgx.Tx]
	logs   *logtest.Buffer

	// position is that of the last event that was planned for.
	position atomic.Int64

	mu       sync.Mutex
	outcomes map[notify.Outcome]int
	// calls counts the calls by "channel provider result".
	calls map[string]int
	// messages are the outcomes that were reported, in their order.
	messages []notify.MessageOutcome
}

// fragile has a breaker that opens after three failures in a row, and looks again soon.
type fragile struct{ notify.Notifier }

// providers makes a provider of each channel's Notifier.
func providers(tb testing.TB, channels map[string]notify.Notifier, logger *slog.Logger) map[string][]*notify.Provider {
	tb.Helper()
	all := map[string][]*notify.Provider{}
	for channel, n := range channels {
		cfg := notify.ProviderConfig{Name: "recorder", Notifier: n, Logger: logger, BreakerOpen: 200 * time.Millisecond}
		if _, ok := n.(fragile); ok {
			cfg.BreakerFailures = 3
		}
		p, err := notify.NewProvider(cfg)
		require.NoError(tb, err)
		all[channel] = []*notify.Provider{p}
	}
	return all
}

// setup makes the bundle with one provider a channel. The client is started by start. change adapts
// the worker's configuration.
func setup(t *testing.T, channels map[string]notify.Notifier, change ...func(*notify.Config)) *bundle {
	t.Helper()
	return setupProviders(t, func(logger *slog.Logger) map[string][]*notify.Provider { return providers(t, channels, logger) }, change...)
}

// setupProviders makes the bundle with the providers that channels returns.
func setupProviders(t *testing.T, channels func(logger *slog.Logger) map[string][]*notify.Provider, change ...func(*notify.Config)) *bundle {
	t.Helper()
	b := &bundle{
		t: t, db: postgrestest.New(t), user: newID(), clinic: newID(), logs: &logtest.Buffer{}, outcomes: map[notify.Outcome]int{}, calls: map[string]int{},
	}
	b.exec(`INSERT INTO clinics (id, name, time_zone) VALUES ($1, 'Clinic', 'UTC')`, b.clinic)
	b.exec(`INSERT INTO users (id, email, email_verified, given_name, family_name) VALUES ($1, $2, true, $3, $4)`, b.user, phi[0], phi[1], phi[2])
	b.device(phi[3])
	logger := slog.New(slog.NewTextHandler(b.logs, &slog.HandlerOptions{Level: slog.LevelInfo}))
	cfg := notify.Config{
		Pool: b.db.Worker, Channels: channels(logger), BaseURL: "https://clinic.example", Logger: logger,
		Observe: func(_ string, o notify.Outcome, _ time.Duration) {
			b.mu.Lock()
			defer b.mu.Unlock()
			b.outcomes[o]++
		},
		ObserveMessage: func(m notify.MessageOutcome) {
			b.mu.Lock()
			defer b.mu.Unlock()
			b.messages = append(b.messages, m)
		},
		ObserveCall: func(channel, provider, result string, _ time.Duration) {
			b.mu.Lock()
			defer b.mu.Unlock()
			b.calls[channel+" "+provider+" "+result]++
		},
	}
	for _, c := range change {
		c(&cfg)
	}
	var err error
	b.worker, err = notify.New(cfg)
	require.NoError(t, err)
	rc := b.worker.RiverConfig(logger, 8)
	rc.PeriodicJobs = nil // Tests sweep when they want to.
	rc.TestOnly = true
	b.client, err = river.NewClient(riverpgxv5.New(b.db.Worker), rc)
	require.NoError(t, err)
	return b
}

// withRecorders has a Recorder on both channels.
func withRecorders(t *testing.T) (b *bundle, email, push *notifytest.Recorder) {
	t.Helper()
	email, push = &notifytest.Recorder{}, &notifytest.Recorder{}
	return setup(t, map[string]notify.Notifier{notify.Email: email, notify.Push: push}), email, push
}

func (b *bundle) start() {
	b.t.Helper()
	require.NoError(b.t, b.client.Start(context.WithoutCancel(b.t.Context())))
	b.t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		require.NoError(b.t, b.client.Stop(ctx))
	})
}

func newID() uuid.UUID { return uuid.Must(uuid.NewV7()) }

func (b *bundle) exec(sql string, args ...any) {
	b.t.Helper()
	_, err := b.db.Owner.Exec(b.t.Context(), sql, args...)
	require.NoError(b.t, err)
}

func (b *bundle) device(token string) {
	b.t.Helper()
	b.exec(`INSERT INTO devices (id, user_id, platform, token) VALUES ($1, $2, 'android', $3)`, newID(), b.user, token)
}

// plan describes a delivery to plan; the zero value is a push of normal priority.
type plan struct {
	channel, priority string
	fallback          []string
	// subject is the event's, lab_report/1 if it is empty, and version the version of the subject.
	subject string
	version int64
}

// plan writes the rows that the planner would write, without the job.
func (b *bundle) plan(p plan) uuid.UUID {
	b.t.Helper()
	if p.channel == "" {
		p.channel = notify.Push
	}
	if p.priority == "" {
		p.priority = "normal"
	}
	if p.fallback == nil {
		p.fallback = []string{}
	}
	if p.subject == "" {
		p.subject = "lab_report/1"
	}
	notification, delivery, event, position := newID(), newID(), newID(), b.position.Add(1)
	b.exec(`INSERT INTO notifications (id, event_position, event_id, event_type, subject, recipient_id, clinic_id, category, priority, rule, rule_version, template, subject_version)
		VALUES ($1, $6, $2, 'ehr.lab_report.created', $7, $3, $4, 'clinical', $5, 'record-created', 1, 'clinical', nullif($8::bigint, 0))`,
		notification, event, b.user, b.clinic, p.priority, position, p.subject, p.version)
	b.exec(`INSERT INTO deliveries (id, event_position, notification_id, event_id, recipient_id, channel, state, reason, rule, template, priority, fallback, correlation_id)
		VALUES ($1, $8, $2, $3, $4, $5, 'queued', 'rule', 'record-created', 'clinical', $6, $7, 'request-1')`,
		delivery, notification, event, b.user, p.channel, p.priority, p.fallback, position)
	return delivery
}

// enqueue inserts the delivery's job.
func (b *bundle) enqueue(ids ...uuid.UUID) {
	b.t.Helper()
	for _, id := range ids {
		d := b.delivery(id)
		_, err := b.client.Insert(b.t.Context(), notify.DeliveryArgs{DeliveryID: id}, notify.JobOpts(d.Channel, d.Priority))
		require.NoError(b.t, err)
	}
}

// row holds the columns of a delivery that tests check.
type row struct {
	ID                uuid.UUID
	EventID           uuid.UUID
	NotificationID    uuid.UUID
	Channel, Priority string
	State, Reason     string
	Attempt           int
	InFlight          bool
	PossibleDuplicate bool
	Waits             bool
	Provider          *string
	ErrorCode         *string
}

const rowColumns = `id, event_id, notification_id, channel, priority, state, reason, attempt, attempt_started_at IS NOT NULL AS in_flight,
	possible_duplicate, deadline_at > now() IS TRUE AS waits, provider, error_code`

func (b *bundle) delivery(id uuid.UUID) row {
	b.t.Helper()
	rows, err := b.db.Owner.Query(b.t.Context(), `SELECT `+rowColumns+` FROM deliveries WHERE id = $1`, id)
	require.NoError(b.t, err)
	r, err := pgx.CollectExactlyOneRow(rows, pgx.RowToStructByName[row])
	require.NoError(b.t, err)
	return r
}

// await waits until the delivery is in the state.
func (b *bundle) await(id uuid.UUID, state string) row {
	b.t.Helper()
	b.eventually(func() bool { return b.delivery(id).State == state }, "delivery becomes %s", state)
	return b.delivery(id)
}

func (b *bundle) eventually(cond func() bool, msg string, args ...any) {
	b.t.Helper()
	require.Eventually(b.t, cond, 15*time.Second, 10*time.Millisecond, append([]any{msg}, args...)...)
}

func (b *bundle) count(sql string, args ...any) (n int) {
	b.t.Helper()
	require.NoError(b.t, b.db.Owner.QueryRow(b.t.Context(), sql, args...).Scan(&n))
	return n
}

// told returns the number of the outbox's events of the type that the delivery's event caused.
func (b *bundle) told(typ string, id uuid.UUID) int {
	b.t.Helper()
	return b.count(`SELECT count(*) FROM outbox WHERE type = $1 AND cause_id = (SELECT event_id FROM deliveries WHERE id = $2)`, typ, id)
}

// idle waits until no job can run or is running any more.
func (b *bundle) idle() {
	b.t.Helper()
	b.eventually(func() bool {
		return b.count(`SELECT count(*) FROM river.river_job WHERE state IN ('available', 'running', 'retryable')`) == 0
	}, "the queue is idle")
}

// reported returns the outcomes of messages that were reported, in their order.
func (b *bundle) reported() []notify.MessageOutcome {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.messages)
}

func (b *bundle) observed(o notify.Outcome) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.outcomes[o]
}
