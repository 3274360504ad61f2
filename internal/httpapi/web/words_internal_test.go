package web

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"carewire/internal/clinic/ehr"
)

func TestMoney_HasTheDigitsOfTheCurrency(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		minor    int64
		digits   int
		currency string
		want     string
	}{
		{0, 2, "EUR", "0.00 EUR"},
		{5, 2, "EUR", "0.05 EUR"},
		{123456, 2, "EUR", "1,234.56 EUR"},
		{100000000, 2, "USD", "1,000,000.00 USD"},
		{-4250, 2, "EUR", "−42.50 EUR"},
		{1234, 0, "JPY", "1,234 JPY"},
		{0, 0, "JPY", "0 JPY"},
		{1234567, 3, "KWD", "1,234.567 KWD"},
	} {
		require.Equal(t, c.want, money(c.minor, c.digits, c.currency))
	}
	for bps, want := range map[int32]string{0: "0 %", 1900: "19 %", 750: "7.5 %", 1: "0.01 %", 10000: "100 %"} {
		require.Equal(t, want, percent(bps))
	}
}

func TestUnits_AreAsPeopleWriteThem(t *testing.T) {
	t.Parallel()
	for ucum, want := range map[string]string{
		"mm[Hg]": "120 mmHg", "Cel": "120 °C", "ug/L": "120 µg/L", "10*3/uL": "120 10³/uL", "{score}": "120 score", "mL/min/1.73.m2": "120 mL/min/1.73 m²",
		"1": "120", "": "120", "%": "120 %", "m[IU]/L": "120 mIU/L", "kg/m2": "120 kg/m²",
	} {
		require.Equal(t, want, quantity("120", ucum), ucum)
	}
}

func TestInterpretations_AreCodesOfReports(t *testing.T) {
	t.Parallel()
	text := "seen"
	for code := range interpretations {
		report := ehr.LabReport{
			Head:    ehr.Head{PatientID: uuid.New(), ClinicID: uuid.New(), Status: "final", Code: ehr.Coding{System: "http://loinc.org", Code: "2823-3"}, EffectiveAt: ehr.At(time.Now())},
			Results: []ehr.Result{{Code: ehr.Coding{System: "http://loinc.org", Code: "2823-3"}, Value: ehr.Value{Text: &text}, Interpretation: code}},
		}
		require.NoError(t, report.Validate(), code)
	}
	require.Equal(t, "XYZ", interpretation("XYZ"), "an unknown code is shown as it is")
	require.Equal(t, "Critically high", interpretation("HH"))
	for code := range ordinary {
		if code != "" {
			require.Contains(t, interpretations, code)
		}
	}
}

func TestLabels_AreWords(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{"lotNumber": "Lot number", "onsetAt": "Onset", "note": "Note", "substitutionAllowed": "Another product allowed"} {
		require.Equal(t, want, label(name))
	}
	require.Equal(t, "Partly paid", words("partly_paid"))
	require.Equal(t, "Entered in error", words("entered-in-error"))
	require.Equal(t, "Éclair", capital("éclair"))
}

func TestRange_KeepsItsText(t *testing.T) {
	t.Parallel()
	low, high := ehr.Decimal("3.50"), ehr.Decimal("5.1")
	require.Equal(t, "3.50 to 5.1 mmol/L", rangeText(&ehr.ReferenceRange{Low: &low, High: &high}, "mmol/L"))
	require.Equal(t, "at least 3.50 mmol/L (fasting)", rangeText(&ehr.ReferenceRange{Low: &low, Text: "fasting"}, "mmol/L"))
	require.Equal(t, "negative", rangeText(&ehr.ReferenceRange{Text: "negative"}, ""))
	require.Empty(t, rangeText(nil, "mmol/L"))
}

func TestWhen_ShowsNoMoreThanIsKnown(t *testing.T) {
	t.Parallel()
	tokyo := time.FixedZone("JST", 9*60*60)
	for text, want := range map[string]string{
		"2019":                 "2019",
		"2019-03":              "March 2019",
		"2019-03-15":           "15 March 2019",
		"2019-03-15T20:30:00Z": "16 March 2019, 05:30",
	} {
		at, err := ehr.ParseTime(text)
		require.NoError(t, err)
		require.Equal(t, want, when(at, tokyo))
	}
}
