package fhirimport_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"carewire/internal/fhirimport"
)

func TestImport_MakesNamesASingleLineAndReportsIt(t *testing.T) {
	t.Parallel()
	b := setup(t)
	bundle := `{"resourceType":"Bundle","type":"collection","entry":[
{"resource":{"resourceType":"Organization","id":"o","name":"Harbour\nClinic"}},
{"resource":{"resourceType":"Practitioner","id":"d","name":[{"family":" Byron ","given":["Ada"]}]}},
{"resource":{"resourceType":"Patient","id":"a","name":[{"family":"Murga\u202etroyd","given":["Wil\r\nhelmina"]}],"telecom":[{"system":"email","value":"m\u0130ke@b.example"}],"managingOrganization":{"reference":"Organization/o"}}},
{"resource":{"resourceType":"Patient","id":"b","name":[{"family":"\u200b","given":["Bo"]}],"telecom":[{"system":"email","value":" Bo@M\u00fcller.example "}],"managingOrganization":{"reference":"Organization/o"}}},
{"resource":{"resourceType":"Condition","id":"c","subject":{"reference":"Patient/a"},"asserter":{"reference":"Practitioner/d"},"recordedDate":"2020-01-01","code":{"coding":[{"system":"http://snomed.info/sct","code":"38341003","display":"Hyper\ttension"}]}}}
]}`
	sum := b.run(t, fhirimport.Options{}, text("bundle.json", bundle))
	require.Zero(t, sum.Refused, sum.Listed)
	require.Equal(t, 5, sum.Imported, sum.Listed)
	var partly []string
	for _, item := range sum.Listed {
		require.Equal(t, fhirimport.Partly, item.Outcome)
		partly = append(partly, item.Path)
	}
	require.ElementsMatch(t, []string{"Organization.name", "Patient.name.given", "Patient.name.family", "Patient.telecom", "Patient.name.family", "Condition.code.display"}, partly)
	people := one[string](t, b, `SELECT string_agg(given_name || '|' || family_name || '|' || coalesce(email, ''), E'\n' ORDER BY given_name)
		FROM users WHERE email IS NOT NULL OR given_name = 'Wil  helmina'`)
	require.Contains(t, people, "Bo|Unknown|bo@xn--mller-kva.example")
	require.Contains(t, people, "Wil  helmina|Murgatroyd|")
	require.Equal(t, "Harbour Clinic", one[string](t, b, "SELECT name FROM clinics"))
	require.Equal(t, "Hyper tension", one[string](t, b, "SELECT body->'code'->>'display' FROM records"))

	again := b.run(t, fhirimport.Options{}, text("bundle.json", bundle))
	require.Equal(t, 5, again.Unchanged, again.Listed)
}

func TestImport_ImportsFullBirthDatesAndKnownGenders(t *testing.T) {
	t.Parallel()
	b := setup(t)
	const bundle = `{"resourceType":"Bundle","type":"collection","entry":[
{"resource":{"resourceType":"Organization","id":"o","name":"Clinic"}},
{"resource":{"resourceType":"Patient","id":"a","name":[{"family":"A","given":["A"]}],"birthDate":"1984-03-14","gender":"female","managingOrganization":{"reference":"Organization/o"}}},
{"resource":{"resourceType":"Patient","id":"b","name":[{"family":"B","given":["B"]}],"birthDate":"1984-03","gender":"woman","managingOrganization":{"reference":"Organization/o"}}}
]}`
	sum := b.run(t, fhirimport.Options{}, text("bundle.json", bundle))
	require.Equal(t, 3, sum.Imported, sum.Listed)
	var partly []string
	for _, item := range sum.Listed {
		partly = append(partly, item.Path)
	}
	require.Equal(t, []string{"Patient.birthDate", "Patient.gender"}, partly)
	require.Equal(t, "A|1984-03-14|female\nB||", one[string](t, b, `SELECT string_agg(concat(given_name, '|', birth_date, '|', sex), E'\n' ORDER BY given_name) FROM users WHERE email IS NULL`))
}
