package billing_test

import (
	"context"
	"encoding/json"
	"log/slog"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"carewire/internal/care"
	"carewire/internal/clinic/billing"
	"carewire/internal/outbox"
	"carewire/internal/postgres/postgrestest"
)

func TestMain(m *testing.M) { postgrestest.Main(m) }

// testBundle is a database with two clinics: here in Berlin, there in Honolulu.
type testBundle struct {
	db          *postgrestest.DB
	bills       *billing.Service
	here, there uuid.UUID

	patient, neighbour, receptionist, admin, doctor, nurse, auditor, operator, otherDesk, otherPatient care.Actor
}

func setup(t *testing.T) *testBundle {
	t.Helper()
	db := postgrestest.New(t)
	b := &testBundle{
		db: db, bills: billing.New(outbox.NewWriter(db.App, outbox.NewWaker(db.App, slog.New(slog.DiscardHandler)))),
		here: uuid.New(), there: uuid.New(),
	}
	b.bills.SetClock(func() time.Time { return time.Date(2026, 4, 1, 12, 0, 0, 0, time.UTC) })
	b.exec(t, "INSERT INTO clinics (id, name, time_zone) VALUES ($1, 'Clinic', 'Europe/Berlin'), ($2, 'Clinic', 'Pacific/Honolulu')", b.here, b.there)
	b.patient, b.neighbour = b.person(t, &b.here, care.Patient), b.person(t, &b.here, care.Patient)
	b.receptionist, b.admin = b.person(t, &b.here, care.Receptionist), b.person(t, &b.here, care.Admin)
	b.doctor, b.nurse = b.person(t, &b.here, care.Doctor), b.person(t, &b.here, care.Nurse)
	b.auditor, b.operator = b.person(t, nil, care.Auditor), b.person(t, nil, care.Operator)
	b.otherDesk, b.otherPatient = b.person(t, &b.there, care.Receptionist), b.person(t, &b.there, care.Patient)
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
	b.exec(t, "INSERT INTO users (id, email, given_name, family_name) VALUES ($1, $2, 'Wilhelmina', 'Murgatroyd')", id, id.String()+"@murgatroyd.example")
	b.exec(t, "INSERT INTO memberships (id, user_id, clinic_id, role) VALUES ($1, $2, $3, $4)", uuid.New(), id, clinic, role)
	return care.Actor{ID: id.String(), UserID: id, Memberships: []care.Membership{{ClinicID: clinic, Role: role}}}
}

func by(actor care.Actor) care.Command {
	return care.Command{Actor: actor, CorrelationID: "req-1"}
}

// draft is an invoice of 100.00 to the patient.
func (b *testBundle) draft() billing.NewInvoice {
	return billing.NewInvoice{
		PatientID: b.patient.UserID, ClinicID: b.here, Currency: "EUR", DueOn: "2026-04-30",
		Lines: []billing.Line{{Description: "Consultation", Quantity: 2, UnitMinor: 3000}, {Description: "Blood panel", Quantity: 1, UnitMinor: 4000}},
	}
}

func (b *testBundle) issue(t *testing.T) billing.Invoice {
	t.Helper()
	i, err := b.bills.Issue(t.Context(), by(b.receptionist), b.draft())
	require.NoError(t, err)
	return i
}

func (b *testBundle) pay(t *testing.T, invoiceID uuid.UUID, minor int64, reference string) billing.Payment {
	t.Helper()
	p, first, err := b.bills.Pay(t.Context(), by(b.receptionist), invoiceID, payment(minor, reference))
	require.NoError(t, err)
	require.True(t, first)
	return p
}

func payment(minor int64, reference string) billing.NewPayment {
	return billing.NewPayment{AmountMinor: minor, Provider: "stripe", Reference: reference}
}

// credit returns the patient's credit at the clinic, as their statement says.
func (b *testBundle) credit(t *testing.T) int64 {
	t.Helper()
	st, err := b.bills.GetStatement(t.Context(), by(b.receptionist), billing.StatementFilter{PatientID: b.patient.UserID, ClinicID: b.here, Currency: "EUR"})
	require.NoError(t, err)
	return st.CreditMinor
}

func (b *testBundle) get(t *testing.T, id uuid.UUID) billing.Invoice {
	t.Helper()
	i, err := b.bills.Get(t.Context(), by(b.receptionist), id)
	require.NoError(t, err)
	return i
}

// appended is one row of the outbox.
type appended struct {
	Type, Subject, ActorID, ActorRole string
	Version                           *int64
	Person, Clinic                    *uuid.UUID
	Data                              map[string]any
}

// outbox gives all that was appended, in order, but what tells of reads.
func (b *testBundle) outbox(t *testing.T) []appended {
	t.Helper()
	list := []appended{}
	for _, a := range b.everything(t) {
		if a.Type != "record.read" {
			list = append(list, a)
		}
	}
	return list
}

func (b *testBundle) everything(t *testing.T) []appended {
	t.Helper()
	rows, err := b.db.Owner.Query(context.Background(), "SELECT type, subject, actor_id, actor_role, subject_version, person_id, clinic_id, data FROM outbox ORDER BY id")
	require.NoError(t, err)
	defer rows.Close()
	list := []appended{}
	for rows.Next() {
		var a appended
		var data []byte
		require.NoError(t, rows.Scan(&a.Type, &a.Subject, &a.ActorID, &a.ActorRole, &a.Version, &a.Person, &a.Clinic, &data))
		require.NoError(t, json.Unmarshal(data, &a.Data))
		list = append(list, a)
	}
	require.NoError(t, rows.Err())
	return list
}

func (b *testBundle) last(t *testing.T) appended {
	t.Helper()
	list := b.everything(t)
	require.NotEmpty(t, list)
	return list[len(list)-1]
}

// requireContiguous asserts that the events about the invoice made versions 1, 2, 3 and so on up to the row's.
func (b *testBundle) requireContiguous(t *testing.T, id uuid.UUID) {
	t.Helper()
	var versions []int64
	for _, a := range b.outbox(t) {
		if a.Subject == "invoice/"+id.String() && a.Version != nil {
			versions = append(versions, *a.Version)
		}
	}
	for i, v := range versions {
		require.Equal(t, int64(i)+1, v, "%v", versions)
	}
	var version int64
	require.NoError(t, b.db.Owner.QueryRow(t.Context(), "SELECT version FROM invoices WHERE id = $1", id).Scan(&version))
	require.Len(t, versions, int(version))
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
