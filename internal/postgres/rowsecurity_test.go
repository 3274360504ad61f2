package postgres_test

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"carewire/internal/care"
	"carewire/internal/postgres"
	"carewire/internal/postgres/postgrestest"
)

// town is two clinics with a doctor and a patient each, and one row about each patient in every
// table with row-level security.
type town struct {
	db                         *postgrestest.DB
	here, there                uuid.UUID
	doctor, patient            care.Actor
	receptionist, admin, nurse care.Actor
	otherDoctor, otherPatient  care.Actor
	operator, system, anywhere care.Actor
}

func openTown(t *testing.T) *town {
	t.Helper()
	w := &town{db: postgrestest.New(t), here: uuid.New(), there: uuid.New(), system: care.SystemActor("test"), anywhere: care.Actor{ID: "x", UserID: uuid.New()}}
	w.operator = care.Actor{UserID: uuid.New(), Memberships: []care.Membership{{Role: care.Operator}}}
	w.doctor, w.patient = w.clinic(t, w.here)
	for role, actor := range map[care.Role]*care.Actor{care.Receptionist: &w.receptionist, care.Admin: &w.admin, care.Nurse: &w.nurse} {
		id := uuid.New()
		*actor = care.Actor{ID: id.String(), UserID: id, Memberships: []care.Membership{{ClinicID: &w.here, Role: role}}}
	}
	w.otherDoctor, w.otherPatient = w.clinic(t, w.there)
	return w
}

func (w *town) exec(t *testing.T, sql string, args ...any) {
	t.Helper()
	_, err := w.db.Owner.Exec(t.Context(), sql, args...)
	require.NoError(t, err, sql)
}

func (w *town) clinic(t *testing.T, id uuid.UUID) (doctor, patient care.Actor) {
	t.Helper()
	w.exec(t, `INSERT INTO clinics (id, name, time_zone) VALUES ($1, 'Clinic', 'UTC')`, id)
	person := func(role care.Role) care.Actor {
		p := uuid.New()
		w.exec(t, `INSERT INTO users (id, email, given_name, family_name) VALUES ($1, $2, 'Given', 'Family')`, p, p.String()+"@clinic.example")
		w.exec(t, `INSERT INTO memberships (id, user_id, clinic_id, role) VALUES (gen_random_uuid(), $1, $2, $3)`, p, id, role)
		return care.Actor{ID: p.String(), UserID: p, Memberships: []care.Membership{{ClinicID: &id, Role: role}}}
	}
	doctor, patient = person(care.Doctor), person(care.Patient)
	d, p := doctor.UserID, patient.UserID
	w.exec(t, `INSERT INTO identities (issuer, subject, user_id) VALUES ('i', ($1::uuid)::text, $1::uuid)`, p)
	w.exec(t, `INSERT INTO unlinked_sign_ins (id, issuer, subject, user_id) VALUES (gen_random_uuid(), 'i', 'taken ' || ($1::uuid)::text, $1::uuid)`, p)
	w.exec(t, `INSERT INTO service_accounts (id, clinic_id, name, issuer, subject, created_by, activated_at) VALUES ($1::uuid, $1::uuid, 'Gateway', 'i', ($1::uuid)::text, 'test', now())`, id)
	w.exec(t, `INSERT INTO care_team (patient_id, clinic_id, member_id) VALUES ($1, $2, $3)`, p, id, d)
	w.exec(t, `INSERT INTO event_clients (position, recorded_at, address, agent) SELECT count(*) + 1, now(), '203.0.113.7', 'browser' FROM event_clients`)
	w.exec(t, `INSERT INTO devices (id, user_id, platform, token) VALUES (gen_random_uuid(), $1::uuid, 'ios', ($1::uuid)::text)`, p)
	w.exec(t, `INSERT INTO preferences (user_id, category, channel, setting) VALUES ($1, 'chat', 'push', 'off')`, p)
	w.exec(t, `INSERT INTO person_times (user_id, quiet_hours) VALUES ($1, '[]')`, p)
	w.exec(t, `INSERT INTO records (id, kind, version, status, patient_id, clinic_id, doctor_id, code_system, code, effective_at, body, created_at, created_by, updated_at, updated_by)
		VALUES ($1, 'lab_report', 2, 'final', $1, $2, $3, 's', 'c', now(), '{}', now(), '', now(), '')`, p, id, d)
	w.exec(t, `INSERT INTO record_versions (record_id, version, status, doctor_id, code_system, code, effective_at, body, updated_at, updated_by)
		VALUES ($1, 1, 'final', $2, 's', 'c', now(), '{}', now(), '')`, p, d)
	w.exec(t, `INSERT INTO appointments (id, version, clinic_id, patient_id, doctor_id, status, starts_at, ends_at, historic, created_at, created_by, updated_at, updated_by)
		VALUES ($1, 1, $2, $1, $3, 'booked', now(), now() + interval '1 hour', false, now(), '', now(), '')`, p, id, d)
	w.exec(t, `INSERT INTO doctor_hours (id, version, clinic_id, doctor_id, updated_at, updated_by) VALUES ($1, 1, $2, $1, now(), '')`, d, id)
	w.exec(t, `INSERT INTO doctor_hours_spans (clinic_id, doctor_id, weekday, opens_at, closes_at) VALUES ($1, $2, 1, '09:00', '24:00')`, id, d)
	w.exec(t, `INSERT INTO critical_limit_sets (clinic_id, version, updated_at, updated_by) VALUES ($1, 1, now(), '')`, id)
	w.exec(t, `INSERT INTO critical_limits (clinic_id, code_system, code, unit, high, updated_at, updated_by) VALUES ($1, 's', 'c', '1', 1, now(), '')`, id)
	w.exec(t, `INSERT INTO absences (id, clinic_id, doctor_id, kind, starts_at, ends_at, note, created_at, created_by)
		VALUES ($1, $2, $1, 'leave', now(), now() + interval '1 day', '', now(), '')`, d, id)
	w.exec(t, `INSERT INTO visit_types (id, version, clinic_id, name, duration_minutes, active, updated_at, updated_by) VALUES ($1, 1, $2, 'Visit', 30, true, now(), '')`, d, id)
	w.exec(t, `INSERT INTO appointment_reversals (appointment_id, version, from_status, to_status, reason, reversed_at, reversed_by) VALUES ($1, 1, 'no_show', 'booked', 'x', now(), '')`, p)
	w.exec(t, `INSERT INTO appointment_departures (clinic_id, person_id, role, left_at, after_time, after_id) VALUES ($1, $2, 'patient', now(), now(), $1)`, id, p)
	w.exec(t, `WITH i AS (
			INSERT INTO invoices (id, version, clinic_id, patient_id, currency, status, total_minor, paid_minor, credited_minor, due_on, issued_at, created_at, created_by, updated_at, updated_by)
			VALUES ($1, 1, $2, $1, 'EUR', 'partly_paid', 10, 3, 1, '2026-01-31', now(), now(), '', now(), '')
		), l AS (
			INSERT INTO invoice_lines (invoice_id, line, description, quantity, unit_minor, amount_minor) VALUES ($1, 1, 'Visit', 1, 10, 10)
		), p AS (
			INSERT INTO payments (id, invoice_id, clinic_id, amount_minor, provider, provider_reference, received_at, received_by) VALUES ($1::uuid, $1::uuid, $2, 4, 'cash', ($1::uuid)::text, now(), '')
		), n AS (
			INSERT INTO credit_notes (id, invoice_id, invoice_version, clinic_id, sequence, number, reason, refund_id, total_minor, created_at, created_by) VALUES ($1, $1, 1, $2, 1, 'CN-1', 'x', $1, 1, now(), '')
		), nl AS (
			INSERT INTO credit_note_lines VALUES ($1, 1, 'x', 1, 1, 0, 0, 1, 0)
		)
		INSERT INTO refunds (id, payment_id, clinic_id, amount_minor, provider, provider_reference, made_at, made_by) VALUES ($1::uuid, $1::uuid, $2, 1, 'cash', ($1::uuid)::text, now(), '')`, p, id)
	w.exec(t, `INSERT INTO conversations (id, clinic_id, patient_id, subject, last_number, last_activity_at, created_at, created_by)
		VALUES ($1, $2, $1, '', 1, now(), now(), '')`, p, id)
	w.exec(t, `INSERT INTO conversation_participants (conversation_id, user_id, joined_at, last_activity_at) VALUES ($1, $2, now(), now())`, p, d)
	w.exec(t, `INSERT INTO conversation_messages (id, conversation_id, number, author_id, text, written_at) VALUES ($1, $1, 1, $2, 'x', now())`, p, d)
	w.exec(t, `INSERT INTO notifications (id, event_position, event_id, event_type, subject, recipient_id, clinic_id, category, priority, rule, rule_version, template)
		VALUES ($1, 1, $1, 'ehr.lab_report.created', 'lab_report/x', $1, $2, 'clinical', 'normal', 'r', 1, 't')`, p, id)
	w.exec(t, `INSERT INTO deliveries (id, event_position, notification_id, event_id, recipient_id, channel, state, rule, template, priority)
		VALUES ($1, 1, $1, $1, $1, 'email', 'sent', 'r', 't', 'normal')`, p)
	w.exec(t, `INSERT INTO decisions (event_position, event_id, rule, rule_version, recipient_id, channel, reason) VALUES (1, $1, 'r', 1, $1, 'push', 'no_address')`, p)
	w.exec(t, `INSERT INTO digests (id, recipient_id, clinic_id, channel, key, category, priority, max_items, items, due_at)
		VALUES ($1, $1, $2, 'email', 'k', 'clinical', 'normal', 50, 1, now())`, p, id)
	w.exec(t, `INSERT INTO digest_items (digest_id, event_position, notification_id, recipient_id, channel, rule, template_version, reason)
		VALUES ($1, 1, $1, $1, 'email', 'r', 1, 'digest:r')`, p)
	w.exec(t, `INSERT INTO escalations (event_position, event_id, rule, rule_version, step, unless, after, subject, due_at)
		VALUES (1, $1::uuid, ($1::uuid)::text, 1, 0, 'read', '5 minutes', 'lab_report/x', now())`, p)
	w.exec(t, `INSERT INTO contact_verifications (id, user_id, channel, address) VALUES (gen_random_uuid(), $1, 'email', 'x')`, p)
	w.exec(t, `INSERT INTO invitations (id, clinic_id, user_id, roles, created_by, expires_at) VALUES (gen_random_uuid(), $1, $2, '{}', '', now())`, id, p)
	w.exec(t, `INSERT INTO medical_record_numbers (clinic_id, user_id, number) VALUES ($1, $2, '1')`, id, p)
	w.exec(t, `INSERT INTO deaths (id, user_id, clinic_id, deceased_on, recorded_by) VALUES (gen_random_uuid(), $1, $2, '2026-01-31', '')`, p, id)
	w.exec(t, `INSERT INTO import_identifiers (source, resource_type, resource_id, kind, domain_id, hash) VALUES ($1::text, 'Patient', '1', 'user', $2, sha256('x'))`, id.String(), p)
	w.exec(t, `INSERT INTO import_aliases (source, resource_type, alias, resource_id) VALUES ($1, 'Patient', '2', '1')`, id.String())
	w.exec(t, `INSERT INTO import_resource_aliases (source, resource_type, alias, resource_id) VALUES ($1, 'Patient', '2', '1')`, id.String())
	w.exec(t, `INSERT INTO import_sources (source, base_url) VALUES ($1, 'https://a.example')`, id.String())
	w.exec(t, `INSERT INTO import_parts (source, resource_type, resource_id, used) VALUES ($1, 'Observation', '1', false)`, id.String())
	return doctor, patient
}

// kept lists the tables under row-level security.
func (w *town) kept(t *testing.T) []string {
	t.Helper()
	rows, err := w.db.Owner.Query(t.Context(), `SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relrowsecurity ORDER BY 1`)
	require.NoError(t, err)
	tables, err := pgx.CollectRows(rows, pgx.RowTo[string])
	require.NoError(t, err)
	return tables
}

// workerOnly are the tables on which carewire_app has no right at all.
var workerOnly = []string{"receipts", "suppressions"}

// seen counts the rows of each table that the actor sees without WHERE. Tables without visible rows
// are omitted.
func (w *town) seen(t *testing.T, actor care.Actor) map[string]int {
	t.Helper()
	counts := map[string]int{}
	require.NoError(t, postgres.InTxAs(t.Context(), w.db.App, actor, func(tx pgx.Tx) error {
		for _, table := range w.kept(t) {
			if slices.Contains(workerOnly, table) {
				continue
			}
			var n int
			if err := tx.QueryRow(t.Context(), "SELECT count(*) FROM "+table).Scan(&n); err != nil {
				return fmt.Errorf("%s: %w", table, err)
			}
			if n > 0 {
				counts[table] = n
			}
		}
		return nil
	}))
	return counts
}

// clinical are the tables that a role at a clinic sees only if the access table lets it read
// records or conversations.
var clinical = []string{"records", "record_versions", "conversations", "conversation_messages", "conversation_participants"}

func TestRowSecurity_AQueryWithoutWhereFindsNoForeignRows(t *testing.T) {
	t.Parallel()
	w := openTown(t)
	about := map[string]int{
		"records": 1, "record_versions": 1, "appointments": 1, "invoices": 1, "invoice_lines": 1, "payments": 1, "refunds": 1, "credit_notes": 1, "credit_note_lines": 1, "care_team": 1,
		"invitations": 1, "doctor_hours": 1, "doctor_hours_spans": 1, "medical_record_numbers": 1, "absences": 1, "visit_types": 1,
		"conversations": 1, "conversation_participants": 1, "conversation_messages": 1,
	}
	accounts := map[string]int{
		"service_accounts": 1, "identities": 1, "unlinked_sign_ins": 1, "critical_limit_sets": 1, "critical_limits": 1,
		"deaths": 1, "person_words": 4, "appointment_departures": 1, "appointment_reversals": 1, "preferences": 1, "person_times": 1,
	}
	own := map[string]int{"identities": 1, "unlinked_sign_ins": 1, "devices": 1, "preferences": 1, "person_times": 1, "notifications": 1, "deliveries": 1, "decisions": 1, "digests": 1, "digest_items": 1, "escalations": 1, "contact_verifications": 1}
	with := func(more map[string]int, others ...map[string]int) map[string]int {
		all := maps.Clone(more)
		for _, m := range others {
			maps.Copy(all, m)
		}
		return all
	}
	people := map[string]int{"users": 2, "memberships": 2}
	require.Equal(t, with(people, about, accounts), w.seen(t, w.doctor), "a doctor: their clinic's")
	require.Equal(t, with(people, about, accounts), w.seen(t, w.otherDoctor), "as much, but of the other clinic")
	require.Equal(t, with(people, about, accounts), w.seen(t, w.nurse), "a nurse: as a doctor")
	desk := with(people, about, accounts)
	for _, table := range clinical {
		delete(desk, table)
	}
	require.Equal(t, desk, w.seen(t, w.receptionist), "a receptionist: their clinic's but what is clinical")
	require.Equal(t, desk, w.seen(t, w.admin), "an administrator: the same")
	require.Equal(t, with(people, about, own), w.seen(t, w.patient), "a patient: what is about them, and their doctors")
	require.Equal(t, map[string]int{"notifications": 2, "deliveries": 2, "decisions": 2, "digests": 2, "digest_items": 2, "escalations": 2, "identities": 2, "unlinked_sign_ins": 2}, w.seen(t, w.operator), "an operator: what people were told")
	require.Empty(t, w.seen(t, w.anywhere), "somebody of no clinic")
	require.Empty(t, w.seen(t, care.Actor{}), "nobody")
	whole := with(map[string]int{
		"users": 4, "memberships": 4, "import_identifiers": 2, "import_aliases": 2, "import_parts": 2,
		"import_resource_aliases": 2, "import_sources": 2, "event_clients": 2,
	})
	for table, n := range with(about, own, accounts) {
		whole[table] = 2 * n
	}
	require.Equal(t, whole, w.seen(t, w.system))
	for _, table := range workerOnly {
		var readable bool
		require.NoError(t, w.db.Owner.QueryRow(t.Context(), `SELECT has_any_column_privilege('carewire_app', $1, 'SELECT')`, table).Scan(&readable))
		require.False(t, readable, table)
		whole[table] = 0
	}
	for _, table := range w.kept(t) {
		require.Contains(t, whole, table, "put a row of each clinic into %s, so that this test looks at it", table)
	}
}

func TestRowSecurity_ShowsFormerPatientsToTheirClinic(t *testing.T) {
	t.Parallel()
	w := openTown(t)
	w.exec(t, `UPDATE memberships SET revoked_at = now() WHERE user_id = $1`, w.patient.UserID)
	require.Equal(t, 2, w.seen(t, w.doctor)["users"])
	require.Equal(t, 2, w.seen(t, w.otherDoctor)["users"])
}

func TestRowSecurity_NoScopeShowsNoRowsAndAScopeEndsWithItsTransaction(t *testing.T) {
	t.Parallel()
	w := openTown(t)
	pool := w.db.Pool(t, postgres.App, 1)
	count := func() (n int) {
		require.NoError(t, pool.QueryRow(t.Context(), "SELECT count(*) FROM users").Scan(&n))
		return n
	}
	require.Zero(t, count())
	require.NoError(t, postgres.InTxAs(t.Context(), pool, w.doctor, func(tx pgx.Tx) error {
		var n int
		err := tx.QueryRow(t.Context(), "SELECT count(*) FROM users").Scan(&n)
		require.Equal(t, 2, n)
		return err
	}))
	require.Zero(t, count(), "on the same connection")
}

func TestRowSecurity_RefusesToWriteForeignRows(t *testing.T) {
	t.Parallel()
	w := openTown(t)
	write := func(actor care.Actor, sql string, args ...any) (changed int64, err error) {
		err = postgres.InTxAs(t.Context(), w.db.App, actor, func(tx pgx.Tx) error {
			tag, err := tx.Exec(t.Context(), sql, args...)
			changed = tag.RowsAffected()
			return err
		})
		return changed, err
	}
	for _, table := range []string{"users", "memberships", "records", "appointments", "invoices"} {
		n, err := write(w.anywhere, "UPDATE "+table+" SET id = id")
		require.NoError(t, err)
		require.Zero(t, n, table)
	}
	for _, actor := range []care.Actor{w.receptionist, w.admin, w.anywhere} {
		for _, sql := range []string{
			"UPDATE records SET status = 'amended'", "UPDATE conversations SET last_number = 9", "UPDATE conversation_messages SET withdrawn_at = now()",
			"UPDATE conversation_participants SET read_number = 9",
		} {
			n, err := write(actor, sql)
			require.NoError(t, err)
			require.Zero(t, n, sql)
		}
		_, err := write(actor, `INSERT INTO records (id, kind, version, status, patient_id, clinic_id, doctor_id, code_system, code, effective_at, body, created_at, created_by, updated_at, updated_by)
			VALUES (gen_random_uuid(), 'lab_report', 1, 'final', $1, $2, $3, 's', 'c', now(), '{}', now(), '', now(), '')`, w.patient.UserID, w.here, w.doctor.UserID)
		require.ErrorContains(t, err, "row-level security")
	}
	n, err := write(w.admin, "UPDATE service_accounts SET name = 'x'")
	require.NoError(t, err)
	require.EqualValues(t, 1, n, "their clinic's")
	n, err = write(w.patient, "UPDATE service_accounts SET name = 'x'")
	require.NoError(t, err)
	require.Zero(t, n)
	_, err = write(w.doctor, "INSERT INTO identities (issuer, subject, user_id) VALUES ('i', 'new', $1)", w.patient.UserID)
	require.ErrorContains(t, err, "row-level security", "nobody signs in as somebody else")
	for _, table := range []string{"service_settings", "sign_ins", "actors"} {
		_, err = write(w.system, "SELECT FROM "+table)
		require.ErrorContains(t, err, "SQLSTATE 42501", table)
	}
	n, err = write(w.doctor, "UPDATE records SET status = 'amended'")
	require.NoError(t, err)
	require.EqualValues(t, 1, n, "only their clinic's")
	_, err = write(w.doctor, "UPDATE appointments SET clinic_id = $1", w.there)
	require.Error(t, err, "nothing moves to another clinic")
	_, err = write(w.patient, "UPDATE records SET status = 'amended'")
	require.Error(t, err, "a patient reads records and writes none")
	n, err = write(w.doctor, "UPDATE conversations SET last_number = 2")
	require.NoError(t, err)
	require.EqualValues(t, 1, n, "only their clinic's")
	_, err = write(w.otherPatient, "INSERT INTO conversation_messages (id, conversation_id, number, author_id, text, written_at) VALUES (gen_random_uuid(), $1, 2, $2, 'x', now())", w.patient.UserID, w.otherPatient.UserID)
	require.Error(t, err, "nobody writes into another's conversation")
	_, err = write(w.patient, "UPDATE users SET given_name = 'X'")
	require.Error(t, err, "a patient sees their doctor and changes nothing of them")
	for _, actor := range []care.Actor{w.doctor, w.admin, w.otherPatient} {
		for _, sql := range []string{"UPDATE preferences SET setting = 'on' WHERE user_id = $1", "DELETE FROM preferences WHERE user_id = $1", "UPDATE person_times SET digest_hour = 9 WHERE user_id = $1"} {
			n, err = write(actor, sql, w.patient.UserID)
			require.NoError(t, err)
			require.Zero(t, n, "people's own are nobody else's to change: %s", sql)
		}
		_, err = write(actor, "INSERT INTO preferences (user_id, category, channel, setting) VALUES ($1, 'chat', 'email', 'off')", w.patient.UserID)
		require.ErrorContains(t, err, "row-level security")
	}
	n, err = write(w.patient, "UPDATE doctor_hours SET version = 2")
	require.NoError(t, err)
	require.Zero(t, n, "a patient sees when doctors are there and sets nothing")
	n, err = write(w.patient, "DELETE FROM doctor_hours_spans")
	require.NoError(t, err)
	require.Zero(t, n)
	_, err = write(w.doctor, "INSERT INTO doctor_hours (id, version, clinic_id, doctor_id, updated_at, updated_by) VALUES (gen_random_uuid(), 1, $1, $2, now(), '')", w.there, w.doctor.UserID)
	require.Error(t, err, "hours at another clinic")
	_, err = write(w.doctor, `INSERT INTO memberships (id, user_id, clinic_id, role) VALUES (gen_random_uuid(), $1, $2, 'admin')`, w.doctor.UserID, w.there)
	require.Error(t, err)
	_, err = write(w.doctor, `INSERT INTO memberships (id, user_id, clinic_id, role) VALUES (gen_random_uuid(), $1, NULL, 'operator')`, w.doctor.UserID)
	require.Error(t, err, "platform roles are not a clinic's to give")
}

func TestRowSecurity_ShowsAClinicNoSettingForAnother(t *testing.T) {
	t.Parallel()
	w := openTown(t)
	w.exec(t, `INSERT INTO preferences (user_id, clinic_id, category, channel, setting) VALUES ($1, $2, 'chat', 'push', 'on'), ($1, $3, 'chat', 'push', 'digest')`,
		w.patient.UserID, w.here, w.there)
	require.Equal(t, 2, w.seen(t, w.admin)["preferences"], "those for all clinics and for theirs")
	require.Equal(t, 1, w.seen(t, w.otherDoctor)["preferences"], "those of their own patient")
	require.Equal(t, 3, w.seen(t, w.patient)["preferences"])
}

func TestNotificationsDueAgain_IsAboutThePersonsWaitingOnesOnly(t *testing.T) {
	t.Parallel()
	w := openTown(t)
	w.exec(t, `UPDATE notifications SET due_at = '2100-01-01'`)
	w.exec(t, `INSERT INTO notifications (id, event_position, event_id, event_type, subject, recipient_id, clinic_id, category, priority, rule, rule_version, template, due_at)
		SELECT gen_random_uuid(), 10 + i, gen_random_uuid(), 'user.updated', 'user/x', $1, $2, 'account', 'normal', 'r', 1, 't', CASE WHEN i > 0 THEN timestamptz '2100-01-01' END
		FROM generate_series(0, 1200) AS i`, w.patient.UserID, w.here)
	again := func(actor care.Actor, person care.Actor) (n int) {
		require.NoError(t, postgres.InTxAs(t.Context(), w.db.App, actor, func(tx pgx.Tx) error {
			return tx.QueryRow(t.Context(), "SELECT notifications_due_again($1)", person.UserID).Scan(&n)
		}))
		return n
	}
	require.Zero(t, again(w.otherDoctor, w.patient), "not of their clinic")
	require.Zero(t, again(care.Actor{}, w.patient), "without a scope")
	require.Equal(t, 1, again(w.doctor, w.otherPatient)+again(w.otherPatient, w.otherPatient))
	require.Equal(t, 1000, again(w.patient, w.patient), "at most 1,000 at once")
	var due, waiting int
	require.NoError(t, w.db.Owner.QueryRow(t.Context(), `SELECT count(*) FILTER (WHERE due_at <= now()), count(*) FILTER (WHERE due_at > now()) FROM notifications WHERE recipient_id = $1`,
		w.patient.UserID).Scan(&due, &waiting))
	require.Equal(t, []int{1000, 201}, []int{due, waiting}, "one waits for nothing and stays so")
}

// unkept are the tables with a person or a clinic and without row-level security, with the reason
// for each.
var unkept = map[string]string{
	"web_sessions":    "read before it is known who asks; digests of secrets",
	"socket_tickets":  "read before it is known who asks; digests of secrets",
	"outbox":          "only appended to; ids, types and times",
	"events":          "ids, types and times; sockets and the audit trail decide who sees which",
	"event_counts":    "how many events, not whose",
	"delivery_counts": "how many messages, not whose",
	"throttles":       "when messages were sent, not which; the application has no privilege",
	"subject_cutoffs": "what is no longer sent; the application has no privilege",
	"clinic_settings": "how a clinic works; nothing about a person",
	"clinic_brands":   "how a clinic's messages look; nothing about a person",

	"notification_defaults": "what a clinic's people are told by default; nothing about a person",
}

func TestRowSecurity_CoversEveryTableWithAPersonOrAClinic(t *testing.T) {
	t.Parallel()
	w := openTown(t)
	rows, err := w.db.Owner.Query(t.Context(), `
		SELECT DISTINCT c.relname
		FROM pg_class AS c
		JOIN pg_attribute AS a ON a.attrelid = c.oid
		WHERE c.relnamespace = 'public'::regnamespace
			AND c.relkind IN ('r', 'p')
			AND NOT c.relispartition
			AND a.attname IN ('clinic_id', 'patient_id', 'person_id', 'user_id', 'recipient_id', 'member_id')
		ORDER BY 1`)
	require.NoError(t, err)
	tables, err := pgx.CollectRows(rows, pgx.RowTo[string])
	require.NoError(t, err)
	kept := w.kept(t)
	for _, table := range tables {
		if unkept[table] == "" && !slices.Contains(kept, table) {
			t.Errorf("%s names a person or a clinic: ENABLE ROW LEVEL SECURITY in its migration, or say here why not", table)
		}
	}
	for table := range unkept {
		require.NotContains(t, kept, table)
	}
}
