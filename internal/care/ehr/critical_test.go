package ehr_test

import (
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"carewire/internal/care"
	"carewire/internal/care/ehr"
	"carewire/internal/outbox"
)

func TestCreate_RefusesReleasedFactsOfTheFuture(t *testing.T) {
	t.Parallel()
	b := setup(t)
	in := b.report()
	in.EffectiveAt = time.Now().AddDate(0, 0, 300)
	_, err := b.reports.Create(t.Context(), by(b.doctor), in)
	requireCode(t, err, care.Invalid, "effectiveAt")
	in.Status = "registered"
	_, err = b.reports.Create(t.Context(), by(b.doctor), in)
	require.NoError(t, err, "what is planned may be ahead")
	in.Status, in.EffectiveAt = "final", time.Now().Add(time.Hour)
	_, err = b.reports.Create(t.Context(), by(b.doctor), in)
	require.NoError(t, err, "clocks differ")

	conditions := ehr.NewKind[ehr.Condition](outbox.NewWriter(b.db.App, outbox.NewBell(b.db.App, slog.New(slog.DiscardHandler))))
	condition := ehr.Condition{Head: b.report().Head, OnsetAt: new(time.Now().AddDate(1, 0, 0))}
	condition.Status, condition.Code = "active", ehr.Coding{System: "http://hl7.org/fhir/sid/icd-10", Code: "I10"}
	_, err = conditions.Create(t.Context(), by(b.doctor), condition)
	requireCode(t, err, care.Invalid, "onsetAt")
}

func TestCreate_RefusesAnInterpretationThatValueAndRangeContradict(t *testing.T) {
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
		{"5.0", "H", true}, // A laboratory may call the bound either.
		{"4.1", "LL", false},
		{"3.4", "L", true},
		{"4.1", "A", true}, // Abnormal for a reason that the range does not know.
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

func TestCreate_RaisesTheAlarmWhereTheLaboratoryForgotTheFlag(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for _, c := range []struct {
		value, unit string
		critical    bool
	}{
		{"7.1", "mmol/L", true},
		{"2.8", "mmol/L", true},
		{"5.9", "mmol/L", false},
		{"7.1", "mg/dL", false}, // A limit counts in its unit alone.
	} {
		in := b.report()
		in.Results[0] = ehr.Result{Code: in.Results[0].Code, Value: ehr.Value{Number: new(ehr.Decimal(c.value))}, Unit: c.unit}
		_, err := b.reports.Create(t.Context(), by(b.doctor), in)
		require.NoError(t, err)
		require.Equal(t, c.critical, b.last(t).Type == "ehr.lab_report.critical", "%s %s", c.value, c.unit)
		require.Equal(t, c.critical, b.last(t).Data["critical"])
	}
}

func TestCreate_RaisesTheAlarmForVitalSigns(t *testing.T) {
	t.Parallel()
	b := setup(t)
	vitals := ehr.NewKind[ehr.VitalSigns](outbox.NewWriter(b.db.App, outbox.NewBell(b.db.App, slog.New(slog.DiscardHandler))))
	measure := func(value, interpretation string) string {
		t.Helper()
		in := ehr.VitalSigns{Head: b.report().Head, Components: []ehr.Component{{
			Code:     ehr.Coding{System: "http://loinc.org", Code: "8480-6"},
			Measured: ehr.Measured{Value: &ehr.Value{Number: new(ehr.Decimal(value))}, Unit: "mm[Hg]", Interpretation: interpretation},
		}}}
		in.Code = ehr.Coding{System: "http://loinc.org", Code: "85354-9"}
		_, err := vitals.Create(t.Context(), by(b.doctor), in)
		require.NoError(t, err)
		return b.last(t).Type
	}
	require.Equal(t, "ehr.vital_signs.created", measure("128", ""))
	require.Equal(t, "ehr.vital_signs.critical", measure("85", ""))
	require.Equal(t, "ehr.vital_signs.critical", measure("180", "HH"))
}
