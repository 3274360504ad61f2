package dispatch_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"sync/atomic"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/stretchr/testify/require"

	"carewire/internal/care"
	"carewire/internal/dispatch"
	"carewire/internal/event"
	"carewire/internal/outbox"
	"carewire/internal/postgres"
	"carewire/internal/postgres/postgrestest"
	"carewire/internal/rule"
)

func TestMain(m *testing.M) { postgrestest.Main(m) }

var known = dispatch.Known{Known: rule.Known{Channels: []string{"email", "push", "sms", "whatsapp"}}}

// bundle is a clinic with a planner. email, push and sms are configured.
type bundle struct {
	*postgrestest.DB

	tb      testing.TB
	planner *dispatch.Planner
	writer  *outbox.Writer
	clinic  uuid.UUID
	log     *bytes.Buffer
	last    atomic.Int64 // The last position given out.
}

func setup(tb testing.TB) *bundle {
	tb.Helper()
	b := &bundle{tb: tb, DB: postgrestest.New(tb), clinic: newID(), log: &bytes.Buffer{}}
	b.planner = b.newPlanner()
	b.writer = outbox.NewWriter(b.App, outbox.NewWaker(b.Worker, slog.New(slog.DiscardHandler)))
	b.exec(`INSERT INTO clinics (id, name, time_zone) VALUES ($1, 'North', 'UTC')`, b.clinic)
	return b
}

func (b *bundle) newPlanner(change ...func(*dispatch.Config)) *dispatch.Planner {
	b.tb.Helper()
	logger := slog.New(slog.NewJSONHandler(b.log, nil))
	client, err := river.NewClient(riverpgxv5.New(b.Worker), &river.Config{Schema: "river", Logger: logger})
	require.NoError(b.tb, err)
	cfg := dispatch.Config{River: client, Known: known.Known, Channels: care.BuiltinChannels.Named("email", "push", "sms"), Logger: logger}
	for _, c := range change {
		c(&cfg)
	}
	return dispatch.New(cfg)
}

func newID() uuid.UUID { return uuid.Must(uuid.NewV7()) }

func (b *bundle) exec(sql string, args ...any) {
	b.tb.Helper()
	_, err := b.Owner.Exec(b.tb.Context(), sql, args...)
	require.NoError(b.tb, err)
}

// one returns the single value of a query's result.
func one[T any](b *bundle, sql string, args ...any) T {
	b.tb.Helper()
	rows, err := b.Owner.Query(b.tb.Context(), sql, args...)
	require.NoError(b.tb, err)
	v, err := pgx.CollectExactlyOneRow(rows, pgx.RowTo[T])
	require.NoError(b.tb, err)
	return v
}

func (b *bundle) texts(sql string, args ...any) []string {
	b.tb.Helper()
	rows, err := b.Owner.Query(b.tb.Context(), sql, args...)
	require.NoError(b.tb, err)
	all, err := pgx.AppendRows([]string(nil), rows, pgx.RowTo[string])
	require.NoError(b.tb, err)
	return all
}

// user inserts a person with a verified address and a device, whose given name is what the tests call
// them, with the roles at the clinic.
func (b *bundle) user(name string, roles ...care.Role) uuid.UUID {
	b.tb.Helper()
	id := newID()
	b.exec(`INSERT INTO users (id, email, email_verified, given_name, family_name) VALUES ($1, $2, true, $3, 'Fam')`, id, name+"@clinic.example", name)
	b.exec(`INSERT INTO devices (id, user_id, platform, token) VALUES ($1, $2, 'ios', $3)`, newID(), id, "token-"+id.String())
	for _, role := range roles {
		b.exec(`INSERT INTO memberships (id, user_id, clinic_id, role) VALUES ($1, $2, $3, $4)`, newID(), id, b.clinic, string(role))
	}
	return id
}

// team puts the people on the patient's care team at the clinic.
func (b *bundle) team(patient uuid.UUID, members ...uuid.UUID) {
	b.tb.Helper()
	b.exec(`INSERT INTO care_team (patient_id, clinic_id, member_id) SELECT $1, $2, unnest($3::uuid[])`, patient, b.clinic, members)
}

// rules publishes a set and lets the planner pass its event.
func (b *bundle) rules(src string) int32 {
	b.tb.Helper()
	version, err := dispatch.Publish(b.tb.Context(), b.writer, care.Command{Actor: care.SystemActor("test")}, []byte(src), "", known)
	require.NoError(b.tb, err)
	b.handle(b.published(version))
	return version
}

func (b *bundle) published(version int32) event.Event {
	e := event.New(care.Command{Actor: care.SystemActor("test")}, "rules.published", care.Ref{Kind: "rules"}, event.RulesPublished{Version: version})
	return b.at(e)
}

// at returns the event with the next position.
func (b *bundle) at(e event.Event) event.Event {
	e.Position = b.last.Add(1)
	return e
}

// record is an event of a record of the patient with the doctor at the clinic.
func (b *bundle) record(typ string, patient, doctor uuid.UUID) event.Event {
	cmd := care.Command{Actor: care.Actor{ID: doctor.String(), UserID: doctor}, CorrelationID: "req-1", Traceparent: "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"}
	data := event.Record{RecordID: newID(), UserID: patient, ClinicID: b.clinic, DoctorID: doctor, Status: "final", Version: 1, Released: true}
	return b.at(event.New(cmd, typ, care.Ref{Kind: "lab_report", ID: data.RecordID}, data).About(cmd, patient, &b.clinic).AtVersion(1))
}

func (b *bundle) account(typ string, user uuid.UUID, changed ...string) event.Event {
	cmd := care.Command{Actor: care.SystemActor("test")}
	return b.at(event.New(cmd, typ, care.Ref{Kind: "user", ID: user}, event.User{UserID: user, Changed: changed}).About(cmd, user, nil))
}

func (b *bundle) tryHandle(ctx context.Context, p *dispatch.Planner, batch ...event.Event) error {
	return postgres.InTx(ctx, b.Worker, func(tx pgx.Tx) error { return p.Handle(ctx, tx, batch) })
}

func (b *bundle) handle(batch ...event.Event) {
	b.tb.Helper()
	require.NoError(b.tb, b.tryHandle(b.tb.Context(), b.planner, batch...))
}

// told returns the planned deliveries of an event: "name channel state priority: reason".
func (b *bundle) told(e event.Event) []string {
	b.tb.Helper()
	return b.texts(`
		SELECT format('%s %s %s %s: %s', u.given_name, d.channel, d.state, d.priority, d.reason)
		FROM deliveries AS d JOIN users AS u ON u.id = d.recipient_id
		WHERE d.event_id = $1 ORDER BY d.id`, e.ID)
}

// not returns the decisions not to send: "rule name channel: reason", with - for nobody and for every
// channel.
func (b *bundle) not(e event.Event) []string {
	b.tb.Helper()
	return b.texts(`
		SELECT format('%s %s %s: %s', d.rule, CASE WHEN d.recipient_id IS NULL THEN '-' ELSE coalesce(u.given_name, '?') END, coalesce(d.channel, '-'), d.reason)
		FROM decisions AS d LEFT JOIN users AS u ON u.id = d.recipient_id
		WHERE d.event_id = $1 ORDER BY d.id`, e.ID)
}

// jobs returns the deliveries that River has a job for: "queue priority".
func (b *bundle) jobs(e event.Event) []string {
	b.tb.Helper()
	return b.texts(`
		SELECT format('%s %s', j.queue, j.priority)
		FROM river.river_job AS j JOIN deliveries AS d ON d.id::text = j.args->>'deliveryId'
		WHERE d.event_id = $1 AND j.kind = 'delivery' AND j.state = 'available' ORDER BY d.id`, e.ID)
}

// announced returns the events that were appended about the event: "type name: channel state …".
func (b *bundle) announced(e event.Event) []string {
	b.tb.Helper()
	rows, err := b.Owner.Query(b.tb.Context(), `
		SELECT format('%s %s:', o.type, u.given_name), o.data
		FROM outbox AS o JOIN users AS u ON u.id = o.person_id WHERE o.cause_id = $1 ORDER BY o.id`, e.ID)
	require.NoError(b.tb, err)
	all, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (string, error) {
		var text string
		var data []byte
		if err := row.Scan(&text, &data); err != nil {
			return "", err
		}
		var n event.Notification
		err := json.Unmarshal(data, &n)
		for _, c := range n.Channels {
			text += fmt.Sprintf(" %s %s", c.Channel, c.State)
		}
		return text, err
	})
	require.NoError(b.tb, err)
	return all
}

// toPatient is a rule set of one rule for the person the event is about.
func toPatient(on, rest string) string {
	return "rules:\n" + aRule("one", on, rest)
}

func aRule(name, on, rest string) string {
	return fmt.Sprintf("  - name: %s\n    on: '%s'\n    recipients: [{user: data.userId}]\n%s", name, on, rest)
}
