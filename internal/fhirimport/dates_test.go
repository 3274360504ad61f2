package fhirimport_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"carewire/internal/fhirimport"
)

func TestDates_KeepTheirPrecisionInTheTimeZoneOfTheClinic(t *testing.T) {
	t.Parallel()
	b := setup(t)
	on := func(id, date string) string {
		return line("Condition", id, `"clinicalStatus":{"coding":[{"code":"active"}]},"code":{"text":"`+id+`"},`+ref("subject", "Patient/p")+`,`+ref("encounter", "Encounter/e")+`,"recordedDate":"`+date+`","onsetDateTime":"`+date+`"`)
	}
	sum := b.run(t, fhirimport.Options{TimeZone: "America/Los_Angeles"}, text("a.ndjson", lines(visit, []string{
		on("year", "2019"), on("month", "2019-07"), on("day", "2019-03-15"), on("leap", "2016-12-31T23:59:60Z"), on("minute", "2019-03-15T10:00Z"),
		on("none", "2019-02-29"), on("zoneless", "2019-03-15T10:00:00"), on("midnight", "2019-03-15T24:00:00Z"),
		line("Encounter", "day", `"status":"finished",`+ref("subject", "Patient/p")+`,"participant":[{`+ref("individual", "Practitioner/d")+`}],`+ref("serviceProvider", "Organization/o")+`,"period":{"start":"2019-03-15","end":"2019-03-15"}`),
		line("Invoice", "i", `"status":"issued",`+ref("subject", "Patient/p")+`,`+ref("issuer", "Organization/o")+`,"date":"2024-05-02","totalNet":{"value":1,"currency":"USD"}`),
	})))
	require.Equal(t, []string{
		"refused: f[10] Condition/none: Condition.recordedDate: is not a day of the calendar",
		"refused: f[11] Condition/zoneless: Condition.recordedDate: must have a time zone, such as 2026-03-14T09:30:00Z or 2026-03-14T09:30:00+01:00",
		"refused: f[12] Condition/midnight: Condition.recordedDate: is not a time of day from 00:00:00 to 23:59:60",
		"partly: f[13] Encounter/day: Encounter.period.start: has no time of day: the start of the day, month or year was used",
	}, sortedByIndex(sum))
	require.Equal(t, "leap 2016-12-31T23:59:59Z 2016-12-31 15:59:59\nyear 2019 2019-01-01 00:00:00\nday 2019-03-15 2019-03-15 00:00:00\nminute 2019-03-15T10:00:00Z 2019-03-15 03:00:00\nmonth 2019-07 2019-07-01 00:00:00",
		one[string](t, b, `SELECT string_agg(concat_ws(' ', body #>> '{code,display}', body ->> 'onsetAt', effective_at AT TIME ZONE 'America/Los_Angeles'), E'\n' ORDER BY effective_at)
			FROM records WHERE body ->> 'onsetAt' = body ->> 'effectiveAt'`))
	require.Equal(t, "2019-03-15 00:00:00", one[string](t, b, `SELECT (min(starts_at) AT TIME ZONE 'America/Los_Angeles')::text FROM appointments`))
	require.Equal(t, "2024-06-01", one[string](t, b, `SELECT due_on::text FROM invoices`))
}

func TestContacts_OneBadNumberDoesNotLoseThePatient(t *testing.T) {
	t.Parallel()
	b := setup(t)
	phone := func(id, more, value string) string {
		return line("Patient", id, `"name":[{"family":"`+id+`","given":["A"]}],`+ref("managingOrganization", "Organization/o")+`,`+more+`"telecom":[{"system":"phone","value":"`+value+`"}]`)
	}
	sum := b.run(t, fhirimport.Options{TimeZone: "Europe/Berlin"}, text("a.ndjson", lines(visit[:1], []string{
		phone("bad", "", "+999999999"), phone("zero", "", "+49 (0)30 90 18 20"), phone("national", "", "030 901820"),
		phone("abroad", `"address":[{"country":"US"}],`, "(415) 555-2671"), phone("unclear", `"address":[{"country":"Sweden"}],`, "030 901820"),
	})))
	require.Equal(t, []string{
		"partly: f[2] Patient/bad: Patient.telecom: was left out: must be an existing phone number with + and the country code, such as +4930123456",
		"partly: f[6] Patient/unclear: Patient.telecom: was left out: must be a phone number with + and the country code, such as +4930123456: its country is not known",
	}, sortedByIndex(sum))
	require.Equal(t, "abroad +14155552671, bad , national +4930901820, unclear , zero +4930901820",
		one[string](t, b, `SELECT string_agg(family_name || ' ' || coalesce(phone, ''), ', ' ORDER BY family_name) FROM users`))
}
