package audit_test

import (
	"encoding/json"
	"log/slog"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"carewire/internal/audit"
	"carewire/internal/care"
	"carewire/internal/event"
	"carewire/internal/ledger"
	"carewire/internal/outbox"
	"carewire/internal/postgres"
	"carewire/internal/postgres/db"
	"carewire/internal/postgres/postgrestest"
)

func TestMain(m *testing.M) { postgrestest.Main(m) }

// testBundle is a ledger with the story of one record: written by a doctor, critical, notified to
// the patient by push, read by the patient individually and in a list, requested by a stranger.
type testBundle struct {
	db                                                     *postgrestest.DB
	reader                                                 *audit.Reader
	auditor                                                care.Actor
	patient, doctor, stranger, clinic, record              uuid.UUID
	created, critical, planned, sent, read, denied, unlike event.Event
}

func setup(t *testing.T) *testBundle {
	t.Helper()
	b := &testBundle{db: postgrestest.New(t), patient: uuid.New(), doctor: uuid.New(), stranger: uuid.New(), clinic: uuid.New(), record: uuid.New()}
	b.reader = audit.New(b.db.App)
	b.auditor = care.Actor{ID: uuid.NewString(), UserID: uuid.New(), Memberships: []care.Membership{{Role: care.Auditor}}}
	b.exec(t, "INSERT INTO users (id, email, given_name, family_name, phone) VALUES ($1, 'w@murgatroyd.example', 'Wilhelmina', 'Murgatroyd', '+15550100')", b.patient)

	doctor, patient := b.by(b.doctor, care.Doctor), b.by(b.patient, care.Patient)
	ref, about := care.Ref{Kind: "lab_report", ID: b.record}, event.Record{RecordID: b.record, UserID: b.patient, ClinicID: b.clinic, DoctorID: b.doctor, Status: "final", Version: 1, Released: true}
	b.created = event.New(doctor, "ehr.lab_report.created", ref, about).About(doctor, b.patient, &b.clinic).AtVersion(1)
	b.critical = because(b.created, event.New(doctor, "ehr.lab_report.critical", ref, about).About(doctor, b.patient, &b.clinic))
	notification, delivery := uuid.New(), uuid.New()
	system := care.Command{Actor: care.SystemActor("dispatch")}
	b.planned = because(b.critical, event.New(system, "notification.planned", care.Ref{Kind: "notification", ID: notification}, event.Notification{
		NotificationID: notification, UserID: b.patient, Rule: "critical-result", RuleVersion: 1, Channels: []event.ChannelDecision{},
	}).About(system, b.patient, nil))
	b.sent = because(b.critical, event.New(system, "notification.sent", care.Ref{Kind: "notification", ID: notification}, event.Delivery{
		NotificationID: notification, DeliveryID: delivery, UserID: b.patient, Channel: "push", Attempt: 1,
	}).About(system, b.patient, nil))
	b.read = event.New(patient, "record.read", ref, event.RecordRead{UserID: b.patient, ClinicID: &b.clinic, Action: "read", Version: 1}).About(patient, b.patient, &b.clinic)
	list := event.New(patient, "record.read", care.Ref{Kind: "patient", ID: b.patient}, event.RecordRead{
		UserID: b.patient, ClinicID: &b.clinic, Action: "list", RecordIDs: []uuid.UUID{uuid.New(), b.record},
	}).About(patient, b.patient, &b.clinic)
	stranger := b.by(b.stranger, care.Doctor)
	b.denied = event.New(stranger, "access.denied", ref, event.AccessDenied{UserID: &b.patient, ClinicID: &b.clinic, Action: "record.read", Code: "not_found"}).About(stranger, b.patient, &b.clinic)
	other := event.Record{RecordID: uuid.New(), UserID: b.patient, ClinicID: b.clinic, DoctorID: b.doctor, Status: "final", Version: 1, Released: true}
	b.unlike = event.New(doctor, "ehr.lab_report.created", care.Ref{Kind: "lab_report", ID: other.RecordID}, other).About(doctor, b.patient, &b.clinic).AtVersion(1)
	b.append(t, b.created, b.critical, b.unlike, b.planned, b.sent, b.read, list, b.denied)
	b.notified(t, notification, delivery)
	return b
}

func because(cause, effect event.Event) event.Event {
	effect.CauseID = &cause.ID
	return effect
}

func (b *testBundle) by(person uuid.UUID, role care.Role) care.Command {
	return care.Command{Actor: care.Actor{ID: person.String(), UserID: person, Memberships: []care.Membership{{ClinicID: &b.clinic, Role: role}}}}
}

func (b *testBundle) exec(t *testing.T, sql string, args ...any) {
	t.Helper()
	_, err := b.db.Owner.Exec(t.Context(), sql, args...)
	require.NoError(t, err)
}

// append puts the events into the ledger, in their order.
func (b *testBundle) append(t *testing.T, events ...event.Event) {
	t.Helper()
	require.NoError(t, postgres.InTx(t.Context(), b.db.Worker, func(tx pgx.Tx) error { return outbox.Append(t.Context(), tx, events...) }))
	b.sequence(t)
}

func (b *testBundle) sequence(t *testing.T) {
	t.Helper()
	seq := ledger.NewSequencer(ledger.SequencerConfig{Pool: b.db.Worker, Logger: slog.New(slog.DiscardHandler)})
	for moved := 1; moved > 0; {
		var err error
		moved, err = seq.Step(t.Context())
		require.NoError(t, err)
	}
}

// notified writes the rows of the planner and the worker for the critical result: push was sent,
// email was switched off.
func (b *testBundle) notified(t *testing.T, notification, delivery uuid.UUID) {
	t.Helper()
	b.exec(t, `INSERT INTO notifications (id, event_position, event_id, event_type, subject, recipient_id, clinic_id, category, priority, rule, rule_version, template)
		VALUES ($1, 2, $2, 'ehr.lab_report.critical', $3, $4, $5, 'clinical', 'critical', 'critical-result', 1, 'critical')`,
		notification, b.critical.ID, b.critical.Subject, b.patient, b.clinic)
	b.exec(t, `INSERT INTO deliveries (id, event_position, notification_id, event_id, recipient_id, channel, state, reason, rule, template, priority, attempt)
		VALUES ($1, 2, $2, $3, $4, 'push', 'sent', 'rule critical-result', 'critical-result', 'critical', 'critical', 1)`,
		delivery, notification, b.critical.ID, b.patient)
	b.exec(t, `INSERT INTO decisions (event_position, event_id, rule, rule_version, recipient_id, channel, reason)
		VALUES (2, $1, 'critical-result', 1, $2, 'email', 'preference off')`, b.critical.ID, b.patient)
}

func ids(items []event.Event) []uuid.UUID {
	var list []uuid.UUID
	for _, e := range items {
		list = append(list, e.ID)
	}
	return list
}

func TestStory_FollowsCausesOldestFirst(t *testing.T) {
	t.Parallel()
	b := setup(t)
	want := ids([]event.Event{b.created, b.critical, b.planned, b.sent, b.read, b.denied})
	items, next, err := b.reader.GetStory(t.Context(), b.auditor, b.created.Subject, "", 0)
	require.NoError(t, err)
	require.Equal(t, want, ids(items))
	require.Empty(t, next)
	require.Equal(t, int64(1), items[0].Position)

	var paged []uuid.UUID
	for after := ""; ; after = next {
		items, next, err = b.reader.GetStory(t.Context(), b.auditor, b.created.Subject, after, 4)
		require.NoError(t, err)
		paged = append(paged, ids(items)...)
		if next == "" {
			break
		}
		require.Len(t, items, 4)
	}
	require.Equal(t, want, paged)

	items, _, err = b.reader.GetStory(t.Context(), b.auditor, "lab_report/"+uuid.NewString(), "", 0)
	require.NoError(t, err)
	require.Empty(t, items)
	require.NotNil(t, items)
}

func TestStory_IsForAuditors(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for _, cmd := range []care.Command{b.by(b.doctor, care.Doctor), b.by(b.patient, care.Patient), b.by(b.stranger, care.Admin), {Actor: care.SystemActor("seed")}} {
		_, _, err := b.reader.GetStory(t.Context(), cmd.Actor, b.created.Subject, "", 0)
		require.Equal(t, care.Forbidden, care.CodeOf(err))
	}
	_, _, err := b.reader.GetStory(t.Context(), b.by(b.doctor, care.Doctor).Actor, "patient/Wilhelmina", "", 0)
	require.Equal(t, care.Forbidden, care.CodeOf(err))
	b.sequence(t)
	var denials, named int
	require.NoError(t, b.db.Auditor.QueryRow(t.Context(), "SELECT count(*), count(*) FILTER (WHERE subject ~ 'Wilhelmina') FROM audit.denials WHERE action = 'audit.read'").Scan(&denials, &named))
	require.Equal(t, 5, denials)
	require.Zero(t, named, "what somebody typed does not get into the ledger")

	for _, bad := range []struct {
		subject, after string
		limit          int
		field          string
	}{{"x", "", 0, "subject"}, {"a/b", "x", 0, "cursor"}, {"a/b", "-1", 0, "cursor"}, {"a/b", "", 501, "limit"}} {
		_, _, err := b.reader.GetStory(t.Context(), b.auditor, bad.subject, bad.after, bad.limit)
		var e *care.Error
		require.ErrorAs(t, err, &e)
		require.Equal(t, bad.field, e.Fields[0].Field)
	}
}

func TestStory_UsesTheIndexesBySubjectAndCause(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.exec(t, `INSERT INTO outbox (event_id, type, source, subject, time, data, actor_id, actor_role, cause_id)
		SELECT gen_random_uuid(), 'user.updated', '/x', 'user/' || n, now(), '{"userId": "x"}', 'x', 'system', CASE WHEN n % 2 = 0 THEN gen_random_uuid() END
		FROM generate_series(1, 20000) AS n`)
	b.sequence(t)
	b.exec(t, "ANALYZE events")
	for role, c := range map[string]struct {
		pool pgxQuerier
		sql  string
		args []any
	}{
		"service": {b.db.App, "EXPLAIN " + db.AuditStory, []any{int64(0), int32(101), b.created.Subject}},
		"auditor": {b.db.Auditor, "EXPLAIN SELECT * FROM audit.story($1)", []any{b.created.Subject}},
	} {
		rows, err := c.pool.Query(t.Context(), c.sql, c.args...)
		require.NoError(t, err)
		lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
		require.NoError(t, err)
		plan := strings.Join(lines, "\n")
		require.Contains(t, plan, "subject_position_idx", role)
		require.Contains(t, plan, "cause_id_position_idx", role)
		require.NotContains(t, plan, "Seq Scan on events_from_1 ", role)
	}
}

func TestStory_MarksUnreadableEvents(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.exec(t, "ALTER TABLE outbox DROP CONSTRAINT outbox_time_readable")
	b.exec(t, "ALTER TABLE events DROP CONSTRAINT events_time_readable")
	for _, time := range []string{"infinity", "20000-01-01", "0044-03-15 BC"} {
		b.exec(t, `INSERT INTO outbox (event_id, type, source, subject, time, data, actor_id, actor_role)
			VALUES (gen_random_uuid(), 'ehr.lab_report.updated', '/psql', $1, $2::text::timestamptz, '{}', 'psql', 'service')`, b.created.Subject, time)
	}
	b.sequence(t)
	items, _, err := b.reader.GetStory(t.Context(), b.auditor, b.created.Subject, "", 0)
	require.NoError(t, err)
	require.Len(t, items, 9)
	for i, e := range items {
		_, err := json.Marshal(e)
		require.NoError(t, err)
		require.Equal(t, i >= 6, e.Unreadable == "column time into time.Time", "%d", i)
	}
}

func TestReads_ShowAlsoWhatHasNotTheFormOfARead(t *testing.T) {
	t.Parallel()
	b := setup(t)
	require.NoError(t, outbox.SyncCatalog(t.Context(), b.db.Worker))
	for _, data := range []string{
		`{"version": "abc", "recordIds": "none"}`, `{"version": 1e300, "recordIds": [1, "x", null, {}]}`, `{"version": [], "recordIds": {}}`, `{"version": -1, "recordIds": null}`,
	} {
		_, err := b.db.App.Exec(t.Context(), `SELECT outbox_append('record.read', 'lab_report/1', $1::text::jsonb || '{"userId": null, "clinicId": null, "action": "read"}', '/psql', 'psql')`, data)
		require.NoError(t, err)
	}
	b.sequence(t)
	var rows, versions int
	require.NoError(t, b.db.Auditor.QueryRow(t.Context(), "SELECT count(*), count(r.version) FROM (SELECT r.* FROM audit.reads AS r ORDER BY r.record_ids, r.version) AS r").Scan(&rows, &versions))
	require.Equal(t, 6, rows)
	require.Equal(t, 1, versions)
	b.run(t, "record_story", map[string]string{"subject": b.created.Subject})
}
