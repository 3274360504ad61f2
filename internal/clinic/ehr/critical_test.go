package ehr_test

import (
	"log/slog"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"carewire/internal/care"
	"carewire/internal/clinic/ehr"
	"carewire/internal/outbox"
	"carewire/internal/postgres"
)

func TestCreate_RejectsReleasedFactsInTheFuture(t *testing.T) {
	t.Parallel()
	b := setup(t)
	in := b.report()
	in.EffectiveAt = ehr.At(time.Now().AddDate(0, 0, 300))
	_, err := b.reports.Create(t.Context(), by(b.doctor), in)
	requireCode(t, err, care.Invalid, "effectiveAt")
	in.Status = "registered"
	_, err = b.reports.Create(t.Context(), by(b.doctor), in)
	require.NoError(t, err, "what is planned may be ahead")
	in.Status, in.EffectiveAt = "final", ehr.At(time.Now().Add(time.Hour))
	_, err = b.reports.Create(t.Context(), by(b.doctor), in)
	require.NoError(t, err, "clocks differ")

	conditions := ehr.NewKind[ehr.Condition](outbox.NewWriter(b.db.App, outbox.NewWaker(b.db.App, slog.New(slog.DiscardHandler))))
	condition := ehr.Condition{Head: b.report().Head, OnsetAt: new(ehr.At(time.Now().AddDate(1, 0, 0)))}
	condition.Status, condition.Code = "active", ehr.Coding{System: "http://hl7.org/fhir/sid/icd-10", Code: "I10"}
	_, err = conditions.Create(t.Context(), by(b.doctor), condition)
	requireCode(t, err, care.Invalid, "onsetAt")
}

func TestCreate_RejectsAnInterpretationThatContradictsValueAndRange(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for _, c := range []struct {
		value, interpretation string
		ok                    bool
	}{
		{"8.1", "N", false},
		{"3.0", "N", false},
		{"4.1", "N", true},
		{"4.1", "H", false},
		{"3.0", "H", false},
		{"5.1", "H", true},
		{"5.0", "H", true}, // A value at the bound may have either interpretation.
		{"4.1", "LL", false},
		{"3.4", "L", true},
		{"4.1", "A", true}, // The range does not explain every abnormal value.
		{"4.1", "", true},
	} {
		in := b.report()
		in.Results[0].Value, in.Results[0].Interpretation = ehr.Value{Number: new(ehr.Decimal(c.value))}, c.interpretation
		_, err := b.reports.Create(t.Context(), by(b.doctor), in)
		if c.ok {
			require.NoError(t, err, "%s %s", c.value, c.interpretation)
		} else {
			requireCode(t, err, care.Invalid, "results[0].interpretation")
		}
	}
}

func TestCreate_IsCriticalWithoutTheLaboratorysFlag(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for _, c := range []struct {
		value, unit string
		critical    bool
	}{
		{"7.1", "mmol/L", true},
		{"2.8", "mmol/L", true},
		{"5.9", "mmol/L", false},
		{"7.1", "mg/dL", false}, // A limit applies to its unit only.
	} {
		in := b.report()
		in.Results[0] = ehr.Result{Code: in.Results[0].Code, Value: ehr.Value{Number: new(ehr.Decimal(c.value))}, Unit: c.unit}
		_, err := b.reports.Create(t.Context(), by(b.doctor), in)
		require.NoError(t, err)
		require.Equal(t, c.critical, b.Last(t).Type == "ehr.lab_report.critical", "%s %s", c.value, c.unit)
		require.Equal(t, c.critical, b.Last(t).Data["critical"])
	}
}

// limit sets the clinic's limit for potassium.
func (b *testBundle) limit(t *testing.T, clinic uuid.UUID, high float64) {
	t.Helper()
	admin := b.Person(t, care.Admin, &clinic)
	limits := ehr.NewCriticalLimits(outbox.NewWriter(b.db.App, outbox.NewWaker(b.db.App, slog.New(slog.DiscardHandler))))
	_, err := limits.Update(t.Context(), by(admin), clinic, ehr.LimitOf{CodeSystem: "http://loinc.org", Code: "2823-3", Unit: "mmol/L"}, ehr.LimitInput{High: &high})
	require.NoError(t, err)
}

func TestImport_UsesTheLimitsOfEachRecordsClinic(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.limit(t, b.here, 5)
	b.limit(t, b.there, 9)
	plain := func() *ehr.LabReport { in := b.report(); in.Results[0].Interpretation = ""; return &in }
	known := b.draft(t)
	foreign := plain()
	foreign.ClinicID, foreign.PatientID, foreign.DoctorID = b.there, b.otherPatient.UserID, &b.stranger.UserID
	next := plain()
	next.Results[0].Value = ehr.Value{Number: new(ehr.Decimal("5.20"))}
	before := len(b.Events(t))
	system := care.Command{Actor: care.SystemActor("import"), Imported: true}
	require.NoError(t, postgres.InTxAs(t.Context(), b.db.App, system.Actor, func(tx pgx.Tx) error {
		refused, err := b.reports.ImportTx(t.Context(), tx, system, []ehr.Imported[ehr.LabReport]{
			{ID: uuid.New(), Body: plain()}, {ID: uuid.New(), Body: foreign}, {ID: known.ID, Known: true, Body: next},
		})
		require.Equal(t, []error{nil, nil, nil}, refused)
		return err
	}))
	critical := map[string]int{}
	for _, e := range b.Events(t)[before:] {
		if e.Type == "ehr.lab_report.critical" {
			critical[e.Clinic.String()]++
		}
	}
	require.Equal(t, map[string]int{b.here.String(): 2}, critical)
}

func TestCreate_UsesTheLimitsInForceDespiteAStaleCache(t *testing.T) {
	t.Parallel()
	b := setup(t)
	in := b.report()
	in.Results[0].Interpretation = ""
	for i, high := range []float64{5, 6, 5, 5.05} {
		b.limit(t, b.here, high)
		_, err := b.reports.Create(t.Context(), by(b.doctor), in)
		require.NoError(t, err)
		require.Equal(t, high <= 5.1, b.Last(t).Type == "ehr.lab_report.critical", "change %d", i+1)
		require.Equal(t, 1, b.outboxCount(t, "ehr.lab_report.created")-i, "written once")
	}
}

func TestCreate_IsCriticalForVitalSigns(t *testing.T) {
	t.Parallel()
	b := setup(t)
	vitals := ehr.NewKind[ehr.VitalSigns](outbox.NewWriter(b.db.App, outbox.NewWaker(b.db.App, slog.New(slog.DiscardHandler))))
	measure := func(value, interpretation string) string {
		t.Helper()
		in := ehr.VitalSigns{Head: b.report().Head, Components: []ehr.Component{{
			Code:     ehr.Coding{System: "http://loinc.org", Code: "8480-6"},
			Measured: ehr.Measured{Value: &ehr.Value{Number: new(ehr.Decimal(value))}, Unit: "mm[Hg]", Interpretation: interpretation},
		}}}
		in.Code = ehr.Coding{System: "http://loinc.org", Code: "85354-9"}
		_, err := vitals.Create(t.Context(), by(b.doctor), in)
		require.NoError(t, err)
		return b.Last(t).Type
	}
	require.Equal(t, "ehr.vital_signs.created", measure("128", ""))
	require.Equal(t, "ehr.vital_signs.critical", measure("85", ""))
	require.Equal(t, "ehr.vital_signs.critical", measure("180", "HH"))
}

// outboxCount returns the number of appended events of the type.
func (b *testBundle) outboxCount(t *testing.T, typ string) (n int) {
	t.Helper()
	for _, e := range b.Events(t) {
		if e.Type == typ {
			n++
		}
	}
	return n
}
