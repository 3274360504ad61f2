package fhirimport_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"carewire/internal/fhirimport"
)

// line is the line of a resource in NDJSON: its type, its id and more of its fields.
func line(typ, id, more string) string {
	return `{"resourceType":"` + typ + `","id":"` + id + `"` + strings.TrimSuffix(","+more, ",") + "}"
}

// entry is an entry of a bundle.
func entry(fullURL, resource string) string {
	return `{"fullUrl":"` + fullURL + `","resource":` + resource + `}`
}

func bundle(typ string, entries ...string) string {
	return `{"resourceType":"Bundle","type":"` + typ + `","entry":[` + strings.Join(entries, ",") + `]}`
}

func ref(field, target string) string { return `"` + field + `":{"reference":"` + target + `"}` }

func named(family string) string { return `"name":[{"family":"` + family + `","given":["A"]}]` }

// visit is a clinic, a doctor, a patient and an encounter of theirs.
var visit = []string{
	line("Organization", "o", `"name":"Harbour Clinic"`),
	line("Practitioner", "d", named("Doctor")),
	line("Patient", "p", named("Patient")),
	line("Encounter", "e", `"status":"finished",`+ref("subject", "Patient/p")+`,"participant":[{`+ref("individual", "Practitioner/d")+`}],`+
		ref("serviceProvider", "Organization/o")+`,"period":{"start":"2020-01-02T10:00:00Z"}`),
}

// problem is a Condition of the patient, with more of its fields.
func problem(id, patient, more string) string {
	return line("Condition", id, `"clinicalStatus":{"coding":[{"code":"active"}]},"code":{"text":"`+id+`"},`+ref("subject", patient)+`,"recordedDate":"2020-01-02T10:00:00Z",`+more)
}

func lines(all ...[]string) string {
	var joined []string
	for _, list := range all {
		joined = append(joined, list...)
	}
	return strings.Join(joined, "\n") + "\n"
}

// listed returns the listed items without the name of their file.
func listed(sum fhirimport.Summary) []string {
	all := []string{}
	for _, i := range sum.Listed {
		i.File = "f"
		all = append(all, i.String())
	}
	return all
}

// patientOf returns the family name of the patient of the record with the text.
func (b *testBundle) patientOf(t *testing.T, text string) string {
	t.Helper()
	return one[string](t, b, `SELECT u.family_name FROM records AS r JOIN users AS u ON u.id = r.patient_id WHERE r.body #>> '{code,display}' = $1`, text)
}

func TestIdentity_HasTheServerOfTheResource(t *testing.T) {
	t.Parallel()
	b := setup(t)
	const here, there = "http://here.example/fhir/", "HTTPS://There.example/fhir/"
	entries := []string{
		entry(here+"Organization/o", visit[0]), entry(here+"Practitioner/d", visit[1]), entry(here+"Patient/p", visit[2]), entry(here+"Encounter/e", visit[3]),
		entry(there+"Patient/p", line("Patient", "p", named("Stranger"))),
		entry(there+"Condition/absolute", problem("absolute", "https://there.example/fhir/Patient/p", ref("encounter", "http://here.example/fhir/Encounter/e"))),
		entry(there+"Condition/relative", problem("relative", "Patient/p", ref("encounter", "http://here.example/fhir/Encounter/e/_history/2"))),
		entry(here+"Condition/own", problem("own", "Patient/p", ref("encounter", "Encounter/e"))),
		entry("urn:uuid:6f1c4c5e-0d3c-4c58-9a0e-6d2f6f1f7a11", problem("urn", "Patient/p", ref("encounter", "Encounter/e"))),
		entry(there+"Condition/nobody", problem("nobody", "Patient/other", ref("encounter", "http://here.example/fhir/Encounter/e"))),
		entry(here+"Condition/elsewhere", problem("elsewhere", "http://third.example/fhir/Patient/p", ref("encounter", "Encounter/e"))),
	}
	file := text("a.json", bundle("collection", entries...))
	sum := b.run(t, fhirimport.Options{}, file)
	require.Equal(t, []string{
		"refused: f[9] Condition/nobody: Condition.subject: refers to a resource of another server, which is not imported",
		"refused: f[10] Condition/elsewhere: Condition.subject: refers to a resource of another server, which is not imported",
	}, listed(sum))
	for code, family := range map[string]string{"absolute": "Stranger", "relative": "Stranger", "own": "Patient", "urn": "Patient"} {
		require.Equal(t, family, b.patientOf(t, code), code)
	}
	again := b.run(t, fhirimport.Options{}, file)
	require.Equal(t, [3]int{0, 0, 9}, [3]int{again.Imported, again.Updated, again.Unchanged})

	// Resources without an address, and those of earlier imports, belong to the source's own server.
	without := b.run(t, fhirimport.Options{}, text("a.ndjson", lines(visit)))
	require.Equal(t, 4, without.Unchanged, without.Listed)
}

func TestIdentity_TakesAbsoluteReferencesForTheOwnServerIfNothingElseNamesIt(t *testing.T) {
	t.Parallel()
	b := setup(t)
	sum := b.run(t, fhirimport.Options{}, text("a.ndjson", lines(visit, []string{
		problem("first", "http://here.example/fhir/Patient/p", ref("encounter", "Encounter/e")),
		problem("second", "http://there.example/fhir/Patient/p", ref("encounter", "Encounter/e")),
	})))
	require.Equal(t, []string{"refused: f[6] Condition/second: Condition.subject: refers to a resource of another server, which is not imported"}, listed(sum))
	require.Equal(t, "Patient", b.patientOf(t, "first"))

	_, err := b.importer.Run(t.Context(), fhirimport.Options{Source: "test", BaseURL: "http://there.example/fhir", Files: []fhirimport.File{text("a.ndjson", visit[0])}})
	require.ErrorContains(t, err, "another server")
	other := setup(t)
	sum = other.run(t, fhirimport.Options{BaseURL: "http://there.example/fhir/"}, text("a.ndjson", lines(visit, []string{problem("second", "http://there.example/fhir/Patient/p", ref("encounter", "Encounter/e"))})))
	require.Empty(t, listed(sum))
}

func TestReferences_ByAnIdentifierOfSeveralResourcesAreRefused(t *testing.T) {
	t.Parallel()
	b := setup(t)
	mrn := func(system, value string) string {
		return `"identifier":[{"system":"` + system + `","value":"` + value + `"}],`
	}
	content := lines(visit, []string{
		line("Patient", "a", mrn("urn:mrn", "1")+named("Alpha")), line("Patient", "b", mrn("urn:mrn", "1")+named("Beta")),
		line("Patient", "c", mrn("urn:mrn", "a|b")+named("Gamma")), line("Patient", "x", mrn("urn:other", "2")+named("Delta")),
		problem("both", "Patient?identifier=urn:mrn|1", ref("encounter", "Encounter/e")),
		problem("escaped", `Patient?identifier=urn%3Amrn%7Ca%5C%7Cb&_format=json`, ref("encounter", "Encounter/e")),
		problem("any", "Patient?identifier=2", ref("encounter", "Encounter/e")),
		problem("none", "Patient?identifier=%7C2", ref("encounter", "Encounter/e")),
		problem("more", "Patient?identifier=urn:other|2&birthdate=1984-03-14", ref("encounter", "Encounter/e")),
		problem("list", "Patient?identifier=urn:other|2,urn:other|3", ref("encounter", "Encounter/e")),
		problem("id", "Patient?_id=x", ref("encounter", "Encounter/e")),
	})
	sum := b.run(t, fhirimport.Options{}, text("a.ndjson", content))
	require.Equal(t, []string{
		"refused: f[9] Condition/both: Condition.subject: is an identifier of several resources; refer to one of them by its id",
		"refused: f[12] Condition/none: Condition.subject: does not refer to an imported person; import the person too, in this run or before",
		"refused: f[13] Condition/more: Condition.subject: is a search by more than one identifier or _id; only one of these is supported",
		"refused: f[14] Condition/list: Condition.subject: is a search by more than one identifier or _id; only one of these is supported",
	}, listed(sum))
	for code, family := range map[string]string{"escaped": "Gamma", "any": "Delta", "id": "Delta"} {
		require.Equal(t, family, b.patientOf(t, code), code)
	}
	// Once the other system has corrected the number, it is unique again.
	corrected := strings.Replace(content, line("Patient", "b", mrn("urn:mrn", "1")+named("Beta")), line("Patient", "b", named("Beta")), 1)
	corrected = strings.Replace(corrected, line("Patient", "b", named("Beta")), line("Patient", "b", mrn("urn:mrn", "9")+named("Beta")), 1)
	b.run(t, fhirimport.Options{}, text("a.ndjson", corrected))
	require.Equal(t, "Alpha", b.patientOf(t, "both"))
}

func TestReferences_ThatLeadNowhereAreReported(t *testing.T) {
	t.Parallel()
	b := setup(t)
	sum := b.run(t, fhirimport.Options{}, text("a.ndjson", lines(visit, []string{
		problem("gone", "Patient/p", ref("encounter", "Encounter/e")+`,`+ref("recorder", "Practitioner/gone")),
		problem("contained", "Patient/p", ref("encounter", "Encounter/e")+`,"contained":[{"resourceType":"Practitioner","id":"x"}],`+ref("recorder", "#x")),
		problem("text", "Patient/p", ref("encounter", "Encounter/e")+`,"recorder":{"display":"Dr. Who"}`),
		problem("type", "Patient/p", ref("encounter", "Encounter/e")+`,"recorder":{"reference":"Practitioner/d","type":"Organization"}`),
		problem("oid", "urn:oid:1.2.3", ref("encounter", "Encounter/e")),
		problem("visitless", "Patient/p", ref("encounter", "Encounter/gone")+`,`+ref("recorder", "Practitioner/d")),
		problem("inside", "#p", ref("encounter", "Encounter/e")),
	})))
	require.Equal(t, []string{
		"partly: f[5] Condition/gone: Condition.recorder: does not refer to an imported resource: another doctor is responsible",
		"partly: f[6] Condition/contained: Condition.recorder: refers to a contained resource, which is not imported: another doctor is responsible",
		"partly: f[7] Condition/text: Condition.recorder: is only a text; it must have a reference or an identifier to be imported: another doctor is responsible",
		"partly: f[8] Condition/type: Condition.recorder: has a type that differs from the type in its reference: another doctor is responsible",
		"refused: f[9] Condition/oid: Condition.subject: does not refer to an imported person; import the person too, in this run or before",
		"partly: f[10] Condition/visitless: Condition.encounter: does not refer to an imported resource",
		"refused: f[11] Condition/inside: Condition.subject: refers to a contained resource, which is not imported",
	}, sortedByIndex(sum))
	byOID := b.run(t, fhirimport.Options{}, text("a.json", bundle("collection", entry("urn:oid:1.2.3", `{"resourceType":"Patient",`+named("Oid")+`,`+ref("managingOrganization", "Organization/o")+`}`),
		entry("urn:uuid:1", problem("oid", "urn:oid:1.2.3", ref("encounter", "Encounter/e"))))))
	require.Empty(t, listed(byOID))
	require.Equal(t, "Oid", b.patientOf(t, "oid"))
}

func TestIdentity_TwoEntriesOfABundleWithOneIDAreTwoPeople(t *testing.T) {
	t.Parallel()
	b := setup(t)
	const first, second, copied = "urn:uuid:6f1c4c5e-0d3c-4c58-9a0e-6d2f6f1f7a01", "urn:uuid:6f1c4c5e-0d3c-4c58-9a0e-6d2f6f1f7a02", "urn:uuid:6f1c4c5e-0d3c-4c58-9a0e-6d2f6f1f7a03"
	file := text("a.json", bundle("collection", entry("urn:uuid:1", visit[0]), entry("urn:uuid:2", visit[1]), entry(first, visit[2]), entry("urn:uuid:4", visit[3]),
		entry(second, line("Patient", "p", named("Second"))), entry(copied, visit[2]),
		entry("urn:uuid:5", problem("one", first, ref("encounter", "Encounter/e"))),
		entry("urn:uuid:7", problem("three", copied, ref("encounter", "Encounter/e"))), entry("urn:uuid:8", problem("four", second, ref("encounter", "Encounter/e")))))
	sum := b.run(t, fhirimport.Options{}, file)
	require.Equal(t, 2, one[int](t, b, `SELECT count(*) FROM users WHERE family_name IN ('Patient', 'Second')`), sum.Listed)
	for code, family := range map[string]string{"one": "Patient", "three": "Patient", "four": "Second"} {
		require.Equal(t, family, b.patientOf(t, code), code)
	}
	again := b.run(t, fhirimport.Options{}, file)
	require.Equal(t, [2]int{0, sum.Imported}, [2]int{again.Imported, again.Unchanged}, again.Counts)
}
