package ehr_test

import (
	"context"
	"encoding/json"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"carewire/internal/care"
	"carewire/internal/clinic/ehr"
	"carewire/internal/outbox"
	"carewire/internal/postgres"
	"carewire/internal/postgres/db"
	"carewire/internal/postgres/postgrestest"
)

func TestMain(m *testing.M) { postgrestest.Main(m) }

// testBundle is a database with two clinics. At here, the patient's care team has the doctor and the nurse; colleague
// and otherNurse work there without being on it. The stranger is a doctor elsewhere.
type testBundle struct {
	db            *postgrestest.DB
	reports       *ehr.Kind[ehr.LabReport]
	prescriptions *ehr.Kind[ehr.Prescription]
	here, there   uuid.UUID

	patient, neighbour, doctor, colleague, nurse, otherNurse, receptionist, admin, auditor, operator, stranger, otherPatient care.Actor
}

func setup(t *testing.T) *testBundle {
	t.Helper()
	db := postgrestest.New(t)
	writer := outbox.NewWriter(db.App, outbox.NewWaker(db.App, slog.New(slog.DiscardHandler)))
	b := &testBundle{db: db, reports: ehr.NewKind[ehr.LabReport](writer), prescriptions: ehr.NewKind[ehr.Prescription](writer), here: uuid.New(), there: uuid.New()}
	for _, id := range []uuid.UUID{b.here, b.there} {
		b.exec(t, "INSERT INTO clinics (id, name, time_zone) VALUES ($1, 'Clinic', 'UTC')", id)
	}
	b.patient, b.neighbour = b.person(t, &b.here, care.Patient), b.person(t, &b.here, care.Patient)
	b.doctor, b.colleague = b.person(t, &b.here, care.Doctor), b.person(t, &b.here, care.Doctor)
	b.nurse, b.otherNurse = b.person(t, &b.here, care.Nurse), b.person(t, &b.here, care.Nurse)
	b.receptionist, b.admin = b.person(t, &b.here, care.Receptionist), b.person(t, &b.here, care.Admin)
	b.auditor, b.operator = b.person(t, nil, care.Auditor), b.person(t, nil, care.Operator)
	b.stranger, b.otherPatient = b.person(t, &b.there, care.Doctor), b.person(t, &b.there, care.Patient)
	b.team(t, b.patient, b.here, b.doctor, b.nurse)
	return b
}

func (b *testBundle) exec(t *testing.T, sql string, args ...any) {
	t.Helper()
	_, err := b.db.Owner.Exec(t.Context(), sql, args...)
	require.NoError(t, err)
}

func (b *testBundle) person(t *testing.T, clinic *uuid.UUID, role care.Role) care.Actor {
	t.Helper()
	id := uuid.New()
	b.exec(t, "INSERT INTO users (id, email, given_name, family_name, phone) VALUES ($1, $2, 'Wilhelmina', 'Murgatroyd', '+15550100')", id, id.String()+"@murgatroyd.example")
	b.exec(t, "INSERT INTO memberships (id, user_id, clinic_id, role) VALUES ($1, $2, $3, $4)", uuid.New(), id, clinic, role)
	return care.Actor{ID: id.String(), UserID: id, Memberships: []care.Membership{{ClinicID: clinic, Role: role}}}
}

func (b *testBundle) team(t *testing.T, patient care.Actor, clinic uuid.UUID, members ...care.Actor) {
	t.Helper()
	for _, m := range members {
		b.exec(t, "INSERT INTO care_team (patient_id, clinic_id, member_id) VALUES ($1, $2, $3)", patient.UserID, clinic, m.UserID)
	}
}

func by(actor care.Actor) care.Command {
	return care.Command{Actor: actor, CorrelationID: "req-1"}
}

// report is a final report of the patient's, by the doctor, with one result that is not critical.
func (b *testBundle) report() ehr.LabReport {
	return ehr.LabReport{
		Head: ehr.Head{
			PatientID: b.patient.UserID, ClinicID: b.here, DoctorID: &b.doctor.UserID, Status: "final",
			Code:        ehr.Coding{System: "http://loinc.org", Code: "24323-8", Display: "Comprehensive metabolic panel"},
			EffectiveAt: time.Date(2026, 3, 14, 9, 30, 0, 0, time.UTC),
		},
		Results: []ehr.Result{{
			Code:  ehr.Coding{System: "http://loinc.org", Code: "2823-3", Display: "Potassium serum"},
			Value: ehr.Value{Number: new(ehr.Decimal("5.10"))}, Unit: "mmol/L", Interpretation: "H",
			ReferenceRange: &ehr.ReferenceRange{Low: new(ehr.Decimal("3.5")), High: new(ehr.Decimal("5.0"))},
		}},
	}
}

func (b *testBundle) draft(t *testing.T) ehr.Record[ehr.LabReport] {
	t.Helper()
	in := b.report()
	in.Status = "preliminary"
	r, err := b.reports.Create(t.Context(), by(b.doctor), in)
	require.NoError(t, err)
	return r
}

func (b *testBundle) write(t *testing.T) ehr.Record[ehr.LabReport] {
	t.Helper()
	r, err := b.reports.Create(t.Context(), by(b.doctor), b.report())
	require.NoError(t, err)
	return r
}

// appended is one row of the outbox.
type appended struct {
	Type, Subject, ActorID, ActorRole string
	Version                           *int64
	Person, Clinic, Event, Cause      *uuid.UUID
	Data                              map[string]any
}

// outbox gives all that was appended, in order.
func (b *testBundle) outbox(t *testing.T) []appended {
	t.Helper()
	rows, err := b.db.Owner.Query(context.Background(), "SELECT type, subject, actor_id, actor_role, subject_version, person_id, clinic_id, event_id, cause_id, data FROM outbox ORDER BY id")
	require.NoError(t, err)
	defer rows.Close()
	list := []appended{}
	for rows.Next() {
		var a appended
		var data []byte
		require.NoError(t, rows.Scan(&a.Type, &a.Subject, &a.ActorID, &a.ActorRole, &a.Version, &a.Person, &a.Clinic, &a.Event, &a.Cause, &data))
		require.NoError(t, json.Unmarshal(data, &a.Data))
		list = append(list, a)
	}
	require.NoError(t, rows.Err())
	return list
}

func (b *testBundle) last(t *testing.T) appended {
	t.Helper()
	list := b.outbox(t)
	require.NotEmpty(t, list)
	return list[len(list)-1]
}

func types(list []appended) []string {
	names := []string{}
	for _, a := range list {
		names = append(names, a.Type)
	}
	return names
}

func (b *testBundle) count(t *testing.T, table string) int {
	t.Helper()
	var n int
	require.NoError(t, b.db.Owner.QueryRow(t.Context(), "SELECT count(*) FROM "+table).Scan(&n))
	return n
}

func requireCode(t *testing.T, err error, code care.Code, fields ...string) {
	t.Helper()
	require.Error(t, err)
	require.Equal(t, code, care.CodeOf(err), "%v", err)
	if len(fields) == 0 {
		return
	}
	var e *care.Error
	require.ErrorAs(t, err, &e)
	var named []string
	for _, f := range e.Fields {
		named = append(named, f.Field)
	}
	require.Equal(t, fields, named)
}

// plan explains the query that a list of the doctor's with the filter runs, after it has run often on its connection: the
// first five times, PostgreSQL plans for the values whatever it is told.
func (b *testBundle) plan(t *testing.T, f ehr.Filter) string {
	t.Helper()
	patient, clinic, doctor, author, sql := "NULL", "NULL", "NULL", "NULL", db.RecordListVisible
	literal := func(id uuid.UUID) string { return "'" + id.String() + "'" }
	switch {
	case f.PatientID != uuid.Nil:
		sql, patient = db.RecordListOfPatient, literal(f.PatientID)
	case f.DoctorID != uuid.Nil:
		sql, doctor = db.RecordListOfDoctor, literal(f.DoctorID)
	case f.AuthorID != uuid.Nil:
		sql, author = db.RecordListOfAuthor, literal(f.AuthorID)
	case f.ClinicID != uuid.Nil:
		sql, clinic = db.RecordListOfClinic, literal(f.ClinicID)
	}
	clinics := "ARRAY[" + literal(b.here) + "::uuid]"
	var plan []string
	explain := "EXPLAIN EXECUTE list ('lab_report', " + strings.Join([]string{
		patient, clinic, doctor, author, "NULL", "NULL", "NULL", "'0001-01-01T00:00:00Z'", "'9999-12-31T00:00:00Z'", literal(uuid.Max), "true",
		literal(b.doctor.UserID), clinics, literal(b.doctor.UserID), clinics, clinics, "51",
	}, ", ") + ")"
	require.NoError(t, postgres.InTxAs(t.Context(), b.db.App, b.doctor, func(tx pgx.Tx) error {
		require.NoError(t, db.New(tx).RecordListPlanForValues(t.Context()))
		_, err := tx.Exec(t.Context(), "PREPARE list AS "+sql, pgx.QueryExecModeSimpleProtocol)
		require.NoError(t, err)
		for range 7 {
			rows, err := tx.Query(t.Context(), explain, pgx.QueryExecModeSimpleProtocol)
			require.NoError(t, err)
			plan, err = pgx.CollectRows(rows, pgx.RowTo[string])
			require.NoError(t, err)
		}
		_, err = tx.Exec(t.Context(), "DEALLOCATE list")
		return err
	}))
	return strings.Join(plan, "\n")
}
