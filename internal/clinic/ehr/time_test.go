package ehr_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"carewire/internal/care"
	"carewire/internal/clinic/ehr"
)

func TestParseTime_KeepsThePrecision(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]struct{ text, start string }{
		"2019":                                {"2019", "2019-01-01T00:00:00Z"},
		"2019-03":                             {"2019-03", "2019-03-01T00:00:00Z"},
		"2020-02-29":                          {"2020-02-29", "2020-02-29T00:00:00Z"},
		"2019-03-15T10:00:00Z":                {"2019-03-15T10:00:00Z", "2019-03-15T10:00:00Z"},
		"2019-03-15t10:00:00z":                {"2019-03-15T10:00:00Z", "2019-03-15T10:00:00Z"},
		"2019-03-15T10:00:00+14:00":           {"2019-03-15T10:00:00+14:00", "2019-03-14T20:00:00Z"},
		"2019-03-15T10:00:00-03:30":           {"2019-03-15T10:00:00-03:30", "2019-03-15T13:30:00Z"},
		"2019-03-15T10:00:00.123456789Z":      {"2019-03-15T10:00:00.123456789Z", "2019-03-15T10:00:00.123456789Z"},
		"2019-03-15T10:00:00.1234567891Z":     {"2019-03-15T10:00:00.123456789Z", "2019-03-15T10:00:00.123456789Z"},
		"2016-12-31T23:59:60Z":                {"2016-12-31T23:59:59Z", "2016-12-31T23:59:59Z"},
		"2016-12-31T23:59:60.5-01:00":         {"2016-12-31T23:59:59.5-01:00", "2017-01-01T00:59:59.5Z"},
		"1969-12-31T19:00:00.000000001-05:00": {"1969-12-31T19:00:00.000000001-05:00", "1970-01-01T00:00:00.000000001Z"},
	} {
		got, err := ehr.ParseTime(text)
		require.NoError(t, err, text)
		require.Equal(t, want.text, got.String())
		require.Equal(t, want.start, got.Start().UTC().Format(time.RFC3339Nano), text)
		data, err := json.Marshal(got)
		require.NoError(t, err)
		require.Equal(t, `"`+want.text+`"`, string(data))
		require.Equal(t, len(text) <= len(time.DateOnly), got.IsPartial(), text)
	}
}

func TestParseTime_RefusesWhatIsNotATime(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"2019-02-29":                 "is not a day of the calendar",
		"2019-02-29T10:00:00Z":       "is not a day of the calendar",
		"2019-13":                    "is not a day of the calendar",
		"2019-00-10":                 "is not a day of the calendar",
		"0000":                       "is not a day of the calendar",
		"2019-03-15T10:00:00":        "must have a time zone",
		"2019-03-15T10:00:00.123":    "must have a time zone",
		"2019-03-15T10:00:00+14:01":  "must have a time zone",
		"2019-03-15T10:00:00+0100":   "must have a time zone",
		"2019-03-15T10:00:00 Z":      "must have a time zone",
		"2019-03-15T10:00:00+01:60":  "must have a time zone",
		"2019-03-15T24:00:00Z":       "is not a time of day",
		"2019-03-15T10:60:00Z":       "is not a time of day",
		"2019-03-15T10:00:61Z":       "is not a time of day",
		"2019-03-15T10:00Z":          "must be a year",
		"2019-03-15 10:00:00Z":       "must be a year",
		"2019-03-15T1:00:00Z":        "must be a year",
		"2019-03-15T10:00:00.Z":      "must be a year",
		"2019-03-15T10:00:00,5Z":     "must have a time zone",
		"":                           "must be a year",
		"19":                         "must be a year",
		"20190315":                   "must be a year",
		"+2019":                      "must be a year",
		"15.03.2019":                 "must be a year",
		"2019-3-5":                   "must be a year",
		"yesterday":                  "must be a year",
		"２０１９":                       "must be a year",
		"2019-03-15T10:00:00Zsecret": "must have a time zone",
	} {
		_, err := ehr.ParseTime(text)
		require.ErrorContains(t, err, want, text)
		require.NotContains(t, err.Error(), "secret")
	}
}

// effectiveAt returns the time by which the record is listed.
func (b *testBundle) effectiveAt(t *testing.T, id uuid.UUID) string {
	t.Helper()
	var at time.Time
	require.NoError(t, b.db.Owner.QueryRow(t.Context(), "SELECT effective_at FROM records WHERE id = $1", id).Scan(&at))
	return at.UTC().Format(time.RFC3339)
}

func TestRecord_KeepsAPartialDateAndIsListedAtItsStartAtTheClinic(t *testing.T) {
	t.Parallel()
	b := setup(t)
	_, err := b.db.Owner.Exec(t.Context(), "UPDATE clinics SET time_zone = 'America/Los_Angeles' WHERE id = $1", b.here)
	require.NoError(t, err)
	parse := func(text string) ehr.Time {
		at, err := ehr.ParseTime(text)
		require.NoError(t, err)
		return at
	}
	in := b.report()
	in.EffectiveAt = parse("2019-03-15")
	r, err := b.reports.Create(t.Context(), by(b.doctor), in)
	require.NoError(t, err)
	got, err := b.reports.Get(t.Context(), by(b.doctor), r.ID)
	require.NoError(t, err)
	require.Equal(t, "2019-03-15", got.Body.EffectiveAt.String())
	require.Equal(t, r, got)
	require.Equal(t, "2019-03-15T07:00:00Z", b.effectiveAt(t, r.ID), "midnight in Los Angeles, in summer")

	in.EffectiveAt = parse("2019-01")
	in.Status = "corrected"
	r, err = b.reports.Amend(t.Context(), by(b.doctor), got.ID, 1, "wrong date", in)
	require.NoError(t, err)
	require.Equal(t, "2019-01-01T08:00:00Z", b.effectiveAt(t, r.ID), "midnight in Los Angeles, in winter")
	r, err = b.reports.Retract(t.Context(), by(b.doctor), r.ID, 2, "another patient's")
	require.NoError(t, err)
	require.Equal(t, "2019-01", r.Body.EffectiveAt.String())
	require.Equal(t, "2019-01-01T08:00:00Z", b.effectiveAt(t, r.ID), "the stored date keeps its time zone")
}

func TestRecord_RefusesTimesByField(t *testing.T) {
	t.Parallel()
	b := setup(t)
	var c ehr.Condition
	require.NoError(t, json.Unmarshal([]byte(`{"onsetAt": "2019-02-30", "abatementAt": "secret"}`), &c))
	c.Head = b.report().Head
	c.Status = "resolved"
	requireCode(t, c.Validate(), care.Invalid, "onsetAt", "abatementAt")
	require.NotContains(t, c.Validate().Error(), "secret")

	require.NoError(t, json.Unmarshal([]byte(`{"onsetAt": "2019-06-30T23:00:00-12:00", "abatementAt": "2019-06"}`), &c))
	require.NoError(t, c.Validate(), "the end is some time in the month of the start")
	require.NoError(t, json.Unmarshal([]byte(`{"onsetAt": "2019-07", "abatementAt": "2019-06"}`), &c))
	requireCode(t, c.Validate(), care.Invalid, "abatementAt")
	require.NoError(t, json.Unmarshal([]byte(`{"onsetAt": "2019-07-03T00:00:00Z", "abatementAt": "2019-06"}`), &c))
	requireCode(t, c.Validate(), care.Invalid, "abatementAt")
}
