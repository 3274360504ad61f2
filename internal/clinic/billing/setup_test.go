package billing_test

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"carewire/internal/care"
	"carewire/internal/clinic/billing"
	"carewire/internal/clinic/clinictest"
	"carewire/internal/postgres/postgrestest"
)

func TestMain(m *testing.M) { postgrestest.Main(m) }

// testBundle is a database with two clinics: here in Berlin, there in Honolulu.
type testBundle struct {
	*clinictest.Bundle
	db          *postgrestest.DB
	bills       *billing.Service
	here, there uuid.UUID

	patient, neighbour, receptionist, admin, doctor, nurse, auditor, operator, otherDesk, otherPatient care.Actor
}

func setup(t *testing.T) *testBundle {
	t.Helper()
	clinics := clinictest.New(t, "Europe/Berlin", "Pacific/Honolulu")
	b := &testBundle{Bundle: clinics, db: clinics.DB, bills: billing.New(clinics.Writer), here: clinics.Here, there: clinics.There}
	b.bills.SetClock(func() time.Time { return time.Date(2026, 4, 1, 12, 0, 0, 0, time.UTC) })
	b.patient, b.neighbour = b.Person(t, care.Patient, &b.here), b.Person(t, care.Patient, &b.here)
	b.receptionist, b.admin = b.Person(t, care.Receptionist, &b.here), b.Person(t, care.Admin, &b.here)
	b.doctor, b.nurse = b.Person(t, care.Doctor, &b.here), b.Person(t, care.Nurse, &b.here)
	b.auditor, b.operator = b.Person(t, care.Auditor, nil), b.Person(t, care.Operator, nil)
	b.otherDesk, b.otherPatient = b.Person(t, care.Receptionist, &b.there), b.Person(t, care.Patient, &b.there)
	return b
}

func by(actor care.Actor) care.Command { return clinictest.By(actor) }

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

// requireContiguous asserts that the events about the invoice made versions 1, 2, 3 and so on up to the row's.
func (b *testBundle) requireContiguous(t *testing.T, id uuid.UUID) {
	t.Helper()
	var version int64
	require.NoError(t, b.db.Owner.QueryRow(t.Context(), "SELECT version FROM invoices WHERE id = $1", id).Scan(&version))
	b.RequireContiguous(t, "invoice/"+id.String(), version)
}

func types(list []clinictest.Event) []string { return clinictest.Types(list) }

func requireCode(t *testing.T, err error, code care.Code, fields ...string) {
	t.Helper()
	clinictest.RequireCode(t, err, code, fields...)
}
