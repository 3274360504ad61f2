package ehr_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"carewire/internal/care"
	"carewire/internal/clinic/clinictest"
	"carewire/internal/clinic/ehr"
	"carewire/internal/postgres"
	"carewire/internal/postgres/db"
	"carewire/internal/postgres/postgrestest"
)

func TestMain(m *testing.M) { postgrestest.Main(m) }

// testBundle is a database with two clinics. At here, the patient's care team has the doctor and
// the nurse; colleague and otherNurse work there without being on it. stranger is a doctor at
// there.
type testBundle struct {
	*clinictest.Bundle
	db            *postgrestest.DB
	reports       *ehr.Kind[ehr.LabReport]
	prescriptions *ehr.Kind[ehr.Prescription]
	here, there   uuid.UUID

	patient, neighbour, doctor, colleague, nurse, otherNurse, receptionist, admin, auditor, operator, stranger, otherPatient care.Actor
}

func setup(t *testing.T) *testBundle {
	t.Helper()
	clinics := clinictest.New(t, "UTC", "UTC")
	b := &testBundle{
		Bundle: clinics, db: clinics.DB, here: clinics.Here, there: clinics.There,
		reports: ehr.NewKind[ehr.LabReport](clinics.Writer), prescriptions: ehr.NewKind[ehr.Prescription](clinics.Writer),
	}
	b.patient, b.neighbour = b.Person(t, care.Patient, &b.here), b.Person(t, care.Patient, &b.here)
	b.doctor, b.colleague = b.Person(t, care.Doctor, &b.here), b.Person(t, care.Doctor, &b.here)
	b.nurse, b.otherNurse = b.Person(t, care.Nurse, &b.here), b.Person(t, care.Nurse, &b.here)
	b.receptionist, b.admin = b.Person(t, care.Receptionist, &b.here), b.Person(t, care.Admin, &b.here)
	b.auditor, b.operator = b.Person(t, care.Auditor, nil), b.Person(t, care.Operator, nil)
	b.stranger, b.otherPatient = b.Person(t, care.Doctor, &b.there), b.Person(t, care.Patient, &b.there)
	b.CareTeam(t, b.patient, b.here, b.doctor, b.nurse)
	return b
}

func by(actor care.Actor) care.Command { return clinictest.By(actor) }

// report returns a final report of the patient by the doctor, with one result that is not critical.
func (b *testBundle) report() ehr.LabReport {
	return ehr.LabReport{
		Head: ehr.Head{
			PatientID: b.patient.UserID, ClinicID: b.here, DoctorID: &b.doctor.UserID, Status: "final",
			Code:        ehr.Coding{System: "http://loinc.org", Code: "24323-8", Display: "Comprehensive metabolic panel"},
			EffectiveAt: ehr.At(time.Date(2026, 3, 14, 9, 30, 0, 0, time.UTC)),
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

func types(list []clinictest.Event) []string { return clinictest.Types(list) }

func requireCode(t *testing.T, err error, code care.Code, fields ...string) {
	t.Helper()
	clinictest.RequireCode(t, err, code, fields...)
}

// plan returns the plan for any arguments of a list of the doctor with the filter.
func (b *testBundle) plan(t *testing.T, f ehr.Filter) string {
	t.Helper()
	literal := func(id uuid.UUID) string { return "'" + id.String() + "'" }
	patient, doctor, author, sql := "NULL", "NULL", "NULL", ""
	switch {
	case f.PatientID != uuid.Nil:
		sql, patient = db.RecordListOfPatient, literal(f.PatientID)
	case f.DoctorID != uuid.Nil:
		sql, doctor = db.RecordListOfDoctor, literal(f.DoctorID)
	case f.AuthorID != uuid.Nil:
		sql, author = db.RecordListOfAuthor, literal(f.AuthorID)
	}
	clinics, me := "ARRAY["+literal(b.here)+"::uuid]", literal(b.doctor.UserID)
	arguments := []string{
		patient, "NULL", doctor, author, "NULL", "NULL", "NULL", "true", me, clinics, me, clinics, clinics,
		"'lab_report'", "'0001-01-01T00:00:00Z'", "'9999-12-31T00:00:00Z'", literal(uuid.Max), "51",
	}
	var plan []string
	require.NoError(t, postgres.InTxAs(t.Context(), b.db.App, b.doctor, func(tx pgx.Tx) error {
		require.NoError(t, db.New(tx).PlanForAnyValues(t.Context()))
		_, err := tx.Exec(t.Context(), "PREPARE list AS "+sql, pgx.QueryExecModeSimpleProtocol)
		require.NoError(t, err)
		rows, err := tx.Query(t.Context(), "EXPLAIN EXECUTE list ("+strings.Join(arguments, ", ")+")", pgx.QueryExecModeSimpleProtocol)
		require.NoError(t, err)
		plan, err = pgx.CollectRows(rows, pgx.RowTo[string])
		require.NoError(t, err)
		_, err = tx.Exec(t.Context(), "DEALLOCATE list")
		return err
	}))
	return strings.Join(plan, "\n")
}
