package fhirimport_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"carewire/internal/care"
	"carewire/internal/fhirimport"
	"carewire/internal/outbox/outboxtest"
)

func TestImport_ChoosesNamesAndNumbersByUsePeriodAndRank(t *testing.T) {
	t.Parallel()
	masked := `{"extension":[{"url":"http://hl7.org/fhir/StructureDefinition/data-absent-reason","valueCode":"masked"}]}`
	for name, row := range map[string]struct{ names, want string }{
		"old":            {`{"use":"old","family":"Maiden","given":["Cy"]},{"use":"usual","family":"Married","given":["Cy"]}`, "Cy|Married"},
		"ended":          {`{"use":"official","family":"Former","given":["Di"],"period":{"end":"2010-01-01"}},{"use":"usual","family":"Current","given":["Di"]}`, "Di|Current"},
		"not yet":        {`{"use":"official","family":"Future","given":["Di"],"period":{"start":"2999"}},{"family":"Current","given":["Di"]}`, "Di|Current"},
		"ends later":     {`{"use":"official","family":"Current","given":["Di"],"period":{"end":"2999"}},{"use":"usual","family":"Usual"}`, "Di|Current"},
		"nickname":       {`{"use":"nickname","given":["Bobby"]},{"use":"usual","family":"Robertson","given":["Robert"]}`, "Robert|Robertson"},
		"anonymous":      {`{"use":"anonymous","family":"Doe","given":["Jo"]},{"use":"temp","family":"Lake","given":["Ina"]}`, "Ina|Lake"},
		"comma":          {`{"text":"Wei, Li"}`, "Li|Wei"},
		"text":           {`{"text":"Li Wei"}`, "Li|Wei"},
		"official wins":  {`{"use":"usual","family":"B"},{"use":"official","family":"A","given":["X"]}`, "X|A"},
		"masked given":   {`{"family":"X","given":["Anna",null],"_given":[null,` + masked + `]}`, "Anna|X"},
		"masked family":  {`{"given":["Anna"],"_family":` + masked + `,"text":"Anna Secret"}`, "Anna|Unknown"},
		"masked wholly":  {`{"text":"Anna Secret","_family":` + masked + `,"_given":[` + masked + `]},{"use":"temp","family":"Y"}`, "Unknown|Y"},
		"only a maiden":  {`{"use":"maiden","family":"Birth","given":["Eva"]}`, "Unknown|Unknown"},
		"empty official": {`{"use":"official"},{"family":"Y","given":["Z"]}`, "Z|Y"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			b.run(t, fhirimport.Options{}, text("a.json", `{"resourceType":"Patient","id":"p","name":[`+row.names+`],"telecom":[
{"system":"phone","value":"+49 30 5550100","use":"old"},{"system":"phone","value":"+49 30 5550101","period":{"end":"2001"}},{"system":"phone","value":"+49 30 5550102","rank":2},
{"system":"phone","value":"+49 30 5550103","use":"home","rank":1},{"system":"phone","value":"+49 30 5550104","use":"mobile"},
{"system":"email","value":"old@a.example","use":"old"},{"system":"email","value":"work@a.example","use":"work"},{"system":"email","value":"home@a.example","use":"home"}]}`))
			require.Equal(t, row.want, one[string](t, b, `SELECT given_name || '|' || family_name FROM users`))
			require.Equal(t, "+49305550103 home@a.example", one[string](t, b, `SELECT phone || ' ' || email FROM users`))
		})
	}
}

func TestImport_OfThoseWhoAreNoLonger(t *testing.T) {
	t.Parallel()
	b := setup(t)
	items, _ := b.listed(t,
		`{"resourceType":"Patient","id":"dead","name":[{"family":"Dead"}],"deceasedDateTime":"2021-03-04T23:30:00-05:00","managingOrganization":{"reference":"Organization/o"}}`,
		`{"resourceType":"Patient","id":"gone","name":[{"family":"Gone"}],"deceasedBoolean":true}`,
		`{"resourceType":"Patient","id":"year","name":[{"family":"Year"}],"deceasedDateTime":"2021"}`,
		`{"resourceType":"Patient","id":"alive","name":[{"family":"Alive"}],"deceasedBoolean":false,"active":true}`,
		`{"resourceType":"Patient","id":"left","name":[{"family":"Left"}],"active":false}`,
		strings.Replace(about(`{"resourceType":"Condition","code":{"text":"Asthma"},"recordedDate":"2020"}`), "Patient/p", "Patient/dead", 1),
	)
	require.Len(t, items, 3)
	require.Equal(t, "Alive active\nDead active 2021-03-04\nGone disabled\nLeft disabled\nYear disabled",
		one[string](t, b, `SELECT string_agg(concat_ws(' ', family_name, status, deceased_on), E'\n' ORDER BY family_name) FROM users WHERE family_name NOT IN ('Vogel', 'Adeyemi')`))
	require.Equal(t, 1, one[int](t, b, `SELECT count(*) FROM deaths AS d JOIN clinics AS c ON c.id = d.clinic_id WHERE c.name = 'Harbour Clinic'`))
	outboxtest.RequireCount(t, b.db.Owner, 1, "user.deceased")

	// A patient who has died since.
	items, sum := b.listed(t, `{"resourceType":"Patient","id":"alive","name":[{"family":"Alive"}],"deceasedDateTime":"2022-05-06"}`)
	require.Equal(t, 1, sum.Updated, items)
	require.Equal(t, "2022-05-06", one[string](t, b, `SELECT deceased_on::text FROM users WHERE family_name = 'Alive'`))
	outboxtest.RequireCount(t, b.db.Owner, 2, "user.deceased")
}

// A patient that another one replaces is that other one, whichever says so and is read first.
func TestImport_OfReplacedPatientsMakesOnePerson(t *testing.T) {
	t.Parallel()
	condition := about(`{"resourceType":"Condition","code":{"text":"Asthma"},"recordedDate":"2020"}`)
	for name, lines := range map[string][]string{
		"replaced-by": {`{"resourceType":"Patient","id":"q","active":false,"name":[{"family":"Double"}],"link":[{"type":"replaced-by","other":{"reference":"Patient/p"}}]}`},
		"replaces":    {`{"resourceType":"Patient","id":"s","name":[{"family":"Survivor"}],"link":[{"type":"replaces","other":{"reference":"Patient/q"}}]}`, `{"resourceType":"Patient","id":"q","name":[{"family":"Double"}]}`},
		"a chain": {
			`{"resourceType":"Patient","id":"q","link":[{"type":"replaced-by","other":{"reference":"Patient/r"}}]}`,
			`{"resourceType":"Patient","id":"r","link":[{"type":"replaced-by","other":{"reference":"Patient/p"}}]}`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			lines := append(lines, strings.Replace(condition, "Patient/p", "Patient/q", 1))
			_, sum := b.listed(t, lines...)
			require.Zero(t, sum.Refused, sum.Listed)
			require.Zero(t, one[int](t, b, `SELECT count(*) FROM users WHERE family_name IN ('Double', 'Unknown')`))
			require.Equal(t, map[bool]string{true: "Survivor", false: "Vogel"}[name == "replaces"], one[string](t, b, `SELECT u.family_name FROM records AS r JOIN users AS u ON u.id = r.patient_id`))
			_, sum = b.listed(t, lines...)
			require.Zero(t, sum.Imported+sum.Updated+sum.Refused, sum.Counts)
		})
	}
}

func TestImport_RefusesAReplacedPatientWithoutASurvivor(t *testing.T) {
	t.Parallel()
	b := setup(t)
	items, _ := b.listed(t,
		`{"resourceType":"Patient","id":"q","link":[{"type":"replaced-by","other":{"reference":"Patient/nobody"}}]}`,
		`{"resourceType":"Patient","id":"a","link":[{"type":"replaced-by","other":{"reference":"Patient/b"}}]}`,
		`{"resourceType":"Patient","id":"b","link":[{"type":"replaced-by","other":{"reference":"Patient/a"}}]}`)
	require.Len(t, items, 3)
	for _, i := range items {
		require.Contains(t, i, "Patient.link.other: does not refer to an imported patient")
	}
	// A person who was imported before is not joined with another one silently.
	b.listed(t, `{"resourceType":"Patient","id":"q","name":[{"family":"Double"}]}`)
	items, _ = b.listed(t, `{"resourceType":"Patient","id":"q","link":[{"type":"replaced-by","other":{"reference":"Patient/p"}}]}`)
	require.Len(t, items, 1)
	require.Contains(t, items[0], "merge the two people in carewire")
}

func TestImport_OfOrganizationsThatAreNoClinics(t *testing.T) {
	t.Parallel()
	b := setup(t)
	organization := func(id, more string) string {
		return `{"resourceType":"Organization","id":"` + id + `","name":"` + id + `",` + more + `}`
	}
	items, _ := b.listed(t,
		organization("insurer", `"type":[{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/organization-type","code":"ins"}]}]`),
		organization("payer", `"type":[{"coding":[{"code":"pay"}]}]`),
		organization("pharmacy", `"type":[{"text":"Community Pharmacy"}]`),
		organization("closed", `"active":false`),
		organization("hospital", `"active":true,"type":[{"coding":[{"code":"prov"}]},{"coding":[{"code":"bus"}]}]`),
		organization("unknown", `"type":[{"text":"Ward"}]`))
	require.Len(t, items, 4)
	require.Equal(t, "Harbour Clinic, hospital, unknown", one[string](t, b, `SELECT string_agg(name, ', ' ORDER BY name) FROM clinics`))
}

func TestImport_GrantsTheRoleOfThePractitionersCode(t *testing.T) {
	t.Parallel()
	b := setup(t)
	var lines []string
	for id, more := range map[string]string{
		"Doctor": `"code":[{"coding":[{"code":"doctor"}]}]`, "Plain": `"active":true`, "Surgeon": `"code":[{"text":"Consultant surgeon"}]`,
		"Nurse": `"code":[{"coding":[{"system":"http://snomed.info/sct","code":"224535009"}]}]`, "Desk": `"code":[{"text":"Receptionist"}]`,
		"Assistant": `"code":[{"text":"Physician assistant"}]`, "Ended": `"period":{"end":"2015-06-30"}`, "Inactive": `"active":false`,
	} {
		lines = append(lines, `{"resourceType":"Practitioner","id":"`+id+`","name":[{"family":"`+id+`"}]}`,
			`{"resourceType":"PractitionerRole","id":"r`+id+`","practitioner":{"reference":"Practitioner/`+id+`"},"organization":{"reference":"Organization/o"},`+more+`}`,
			strings.Replace(about(`{"resourceType":"Condition","code":{"text":"Asthma"},"recordedDate":"2020","recorder":{"reference":"Practitioner/`+id+`"}}`), `"id":"x"`, `"id":"c`+id+`"`, 1))
	}
	const roles = `SELECT string_agg(concat_ws(' ', u.family_name, m.role, CASE WHEN m.revoked_at IS NOT NULL THEN 'former' END), E'\n' ORDER BY u.family_name)
		FROM memberships AS m JOIN users AS u ON u.id = m.user_id WHERE u.family_name NOT IN ('Vogel', 'Adeyemi')`
	_, sum := b.listed(t, lines...)
	require.Zero(t, sum.Refused, sum.Listed)
	want := "Doctor doctor\nEnded doctor former\nInactive doctor former\nNurse nurse\nPlain doctor\nSurgeon doctor"
	require.Equal(t, want, one[string](t, b, roles))
	require.Equal(t, "Adeyemi 3, Doctor 1, Ended 1, Inactive 1, Plain 1, Surgeon 1", one[string](t, b,
		`SELECT string_agg(name || ' ' || n, ', ' ORDER BY name) FROM (SELECT u.family_name AS name, count(*) AS n FROM records AS r JOIN users AS u ON u.id = r.doctor_id GROUP BY 1) AS x`),
		"who is no doctor is not responsible")

	// A role that was revoked here is not granted again, and the same files change nothing.
	_, err := b.db.Owner.Exec(t.Context(), `UPDATE memberships SET revoked_at = now() WHERE role = 'nurse'`)
	require.NoError(t, err)
	_, sum = b.listed(t, lines...)
	require.Zero(t, sum.Imported+sum.Updated, sum.Counts)
	changed := strings.ReplaceAll(strings.Join(lines, "\n"), "Asthma", "Gout")
	_, sum = b.listed(t, changed)
	require.Equal(t, 8, sum.Updated, sum.Counts)
	require.Equal(t, strings.Replace(want, "Nurse nurse", "Nurse nurse former", 1), one[string](t, b, roles))
}

func TestImport_ChoosesTheDoctorWhoTookPart(t *testing.T) {
	t.Parallel()
	b := setup(t)
	doctor := func(id string) string {
		return `{"resourceType":"Practitioner","id":"` + id + `","name":[{"family":"` + id + `"}]}`
	}
	visit := func(id, participants string) string {
		return `{"resourceType":"Encounter","id":"` + id + `","status":"finished","subject":{"reference":"Patient/p"},"serviceProvider":{"reference":"Organization/o"},"period":{"start":"2021-01-02T10:00:00Z","end":"2021-01-09T10:00:00Z"},"participant":[` + participants + `]}`
	}
	part := func(id, more string) string {
		return `{"individual":{"reference":"Practitioner/` + id + `"}` + more + `}`
	}
	meeting := func(status, first, second string) string {
		return `{"resourceType":"Appointment","id":"a` + status + first + second + `","status":"` + status + `","start":"2021-02-02T10:00:00Z","end":"2021-02-02T10:30:00Z","participant":[{"actor":{"reference":"Patient/p"},"status":"accepted"},
{"actor":{"reference":"Practitioner/First"},"status":"` + first + `"},{"actor":{"reference":"Practitioner/Second"},"status":"` + second + `"}]}`
	}
	items, _ := b.listed(t, doctor("First"), doctor("Second"),
		visit("referrer", part("First", `,"type":[{"coding":[{"code":"REF"}]}]`)+","+part("Second", "")),
		visit("primary", part("First", `,"type":[{"coding":[{"code":"CON"}]}]`)+","+part("Second", `,"type":[{"coding":[{"code":"PPRF"}]}]`)),
		visit("handed-over", part("First", `,"period":{"end":"2021-01-03"}`)+","+part("Second", "")),
		strings.ReplaceAll(meeting("fulfilled", "declined", "accepted"), "\n", ""),
		strings.ReplaceAll(meeting("booked", "declined", "declined"), "\n", ""))
	require.Len(t, items, 1)
	require.Contains(t, items[0], "skipped Appointment/abookeddeclineddeclined : no doctor takes part")
	require.Equal(t, 4, one[int](t, b, `SELECT count(*) FROM appointments AS a JOIN users AS u ON u.id = a.doctor_id WHERE u.family_name = 'Second'`))
	require.Zero(t, one[int](t, b, `SELECT count(*) FROM appointments AS a JOIN users AS u ON u.id = a.doctor_id WHERE u.family_name = 'First'`))
}

// nobody is a clinic and a patient without a doctor, with an allergy and an encounter.
const nobody = `{"resourceType":"Organization","id":"o","name":"Harbour Clinic"}
{"resourceType":"Patient","id":"p","name":[{"family":"Vogel","given":["Mira"]}],"managingOrganization":{"reference":"Organization/o"}}
{"resourceType":"Encounter","id":"e","status":"finished","subject":{"reference":"Patient/p"},"serviceProvider":{"reference":"Organization/o"},"period":{"start":"2020-01-02T10:00:00Z"}}
{"resourceType":"MedicationRequest","id":"m","status":"active","intent":"order","subject":{"reference":"Patient/p"},"medicationCodeableConcept":{"text":"Aspirin"},"authoredOn":"2020-01-02","requester":{"display":"Dr. Who"}}
{"resourceType":"AllergyIntolerance","id":"a","patient":{"reference":"Patient/p"},"code":{"text":"Nuts"}}
`

func TestImport_LosesNoRecordForWantOfADoctor(t *testing.T) {
	t.Parallel()
	b := setup(t)
	sum := b.run(t, fhirimport.Options{}, text("a.ndjson", nobody))
	require.Equal(t, [2]int{5, 0}, [2]int{sum.Imported, sum.Refused}, sum.Listed)
	var paths []string
	for _, i := range sum.Listed {
		if strings.Contains(i.Reason, "--doctor") {
			paths = append(paths, i.Path)
		}
	}
	require.ElementsMatch(t, []string{"Encounter.participant.individual", "MedicationRequest.requester", "AllergyIntolerance.recorder"}, paths, "the path is that of what is missing")
	require.Equal(t, "Imported by Harbour Clinic disabled none", one[string](t, b,
		`SELECT DISTINCT concat_ws(' ', u.given_name, u.family_name, u.status, coalesce(u.email, 'none')) FROM records AS r JOIN users AS u ON u.id = r.doctor_id`))
	require.Equal(t, 0, one[int](t, b, `SELECT count(*) FROM memberships WHERE role = 'doctor' AND revoked_at IS NULL`), "a stand-in has no rights")

	again := b.run(t, fhirimport.Options{}, text("a.ndjson", nobody))
	require.Equal(t, 5, again.Unchanged, again.Counts)

	// The doctor of the patient's next encounter is not overshadowed by the stand-in.
	const later = `{"resourceType":"Practitioner","id":"d","name":[{"family":"Adeyemi"}]}
{"resourceType":"Encounter","id":"e2","status":"finished","subject":{"reference":"Patient/p"},"participant":[{"individual":{"reference":"Practitioner/d"}}],"serviceProvider":{"reference":"Organization/o"},"period":{"start":"2020-02-02T10:00:00Z"}}
{"resourceType":"Condition","id":"c","subject":{"reference":"Patient/p"},"code":{"text":"Asthma"},"recordedDate":"2020-03-01"}
`
	sum = b.run(t, fhirimport.Options{}, text("b.ndjson", later))
	require.Equal(t, 3, sum.Imported, sum.Listed)
	require.Equal(t, "Adeyemi", one[string](t, b, `SELECT u.family_name FROM records AS r JOIN users AS u ON u.id = r.doctor_id WHERE kind = 'condition'`))
}

func TestImport_RefusesAnUpcomingAppointmentWithoutADoctor(t *testing.T) {
	t.Parallel()
	b := setup(t)
	at := time.Now().Add(48 * time.Hour).UTC().Format(time.RFC3339)
	sum := b.run(t, fhirimport.Options{}, text("a.ndjson", nobody+`{"resourceType":"Encounter","id":"next","status":"planned","subject":{"reference":"Patient/p"},"serviceProvider":{"reference":"Organization/o"},"period":{"start":"`+at+`"}}`))
	require.Equal(t, 1, sum.Refused)
	last := sum.Listed[len(sum.Listed)-1]
	for _, i := range sum.Listed {
		if i.Outcome == fhirimport.Refused {
			last = i
		}
	}
	require.Equal(t, "Encounter.participant.individual", last.Path)
	require.Contains(t, last.Reason, "set --doctor")
}

func TestImport_WithADoctorForThoseWithout(t *testing.T) {
	t.Parallel()
	b := setup(t)
	clinic, doctor := uuid.New(), uuid.New()
	_, err := b.db.Owner.Exec(t.Context(), `INSERT INTO clinics (id, name, time_zone) VALUES ('`+clinic.String()+`', 'Home', 'UTC');
		INSERT INTO users (id, email, given_name, family_name, locale, time_zone) VALUES ('`+doctor.String()+`', 'ada@home.example', 'Ada', 'Byron', 'en', 'UTC');
		INSERT INTO memberships (id, user_id, clinic_id, role) VALUES ('`+uuid.NewString()+`', '`+doctor.String()+`', '`+clinic.String()+`', 'doctor')`)
	require.NoError(t, err)
	content := strings.ReplaceAll(nobody, `,"serviceProvider":{"reference":"Organization/o"}`, "")
	content = strings.ReplaceAll(content, `,"managingOrganization":{"reference":"Organization/o"}`, "")
	for name, o := range map[string]fhirimport.Options{
		"unknown email":  {Doctor: "nobody@home.example", ClinicID: clinic},
		"unknown id":     {Doctor: uuid.NewString(), ClinicID: clinic},
		"another clinic": {Doctor: doctor.String(), ClinicID: otherClinic(t, b)},
	} {
		o.Source, o.Files = "test", []fhirimport.File{text("a.ndjson", content)}
		_, err := b.importer.Run(t.Context(), o)
		require.Equal(t, care.Invalid, care.CodeOf(err), name)
		require.ErrorContains(t, err, "doctor", name)
	}
	sum := b.run(t, fhirimport.Options{Doctor: "Ada@home.example", ClinicID: clinic}, text("a.ndjson", content))
	require.Equal(t, [2]int{5, 0}, [2]int{sum.Imported, sum.Refused}, sum.Listed)
	require.Equal(t, 2, one[int](t, b, `SELECT count(*) FROM records AS r JOIN users AS u ON u.id = r.doctor_id WHERE u.family_name = 'Byron'`))
	require.Equal(t, 1, one[int](t, b, `SELECT count(*) FROM appointments AS r JOIN users AS u ON u.id = r.doctor_id WHERE u.family_name = 'Byron'`))
}

// A doctor replaces the stand-in, and is not replaced by it.
func TestImport_ReplacesTheStandInOnceTheDoctorIsKnown(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.run(t, fhirimport.Options{}, text("a.ndjson", nobody))
	known := strings.Replace(nobody, `"status":"finished"`, `"status":"finished","participant":[{"individual":{"reference":"Practitioner/d"}}]`, 1)
	known += `{"resourceType":"Practitioner","id":"d","name":[{"family":"Adeyemi"}]}`
	doctors := func() string {
		return one[string](t, b, `SELECT string_agg(DISTINCT u.family_name, ', ') FROM users AS u WHERE u.id IN (SELECT doctor_id FROM records UNION ALL SELECT doctor_id FROM appointments)`)
	}
	require.Equal(t, "Harbour Clinic", doctors())
	sum := b.run(t, fhirimport.Options{}, text("a.ndjson", known))
	require.Equal(t, [3]int{1, 3, 0}, [3]int{sum.Imported, sum.Updated, sum.Refused}, sum.Listed)
	require.Equal(t, "Adeyemi", doctors())
	outboxtest.RequireCount(t, b.db.Owner, 1, "appointment.reassigned")

	sum = b.run(t, fhirimport.Options{}, text("a.ndjson", strings.ReplaceAll(nobody, "Aspirin", "Ibuprofen")))
	require.Zero(t, sum.Refused, sum.Listed)
	require.Equal(t, "Adeyemi", doctors())
}

func otherClinic(t *testing.T, b *testBundle) uuid.UUID {
	t.Helper()
	id := uuid.New()
	_, err := b.db.Owner.Exec(t.Context(), `INSERT INTO clinics (id, name, time_zone) VALUES ($1, 'Other', 'UTC')`, id)
	require.NoError(t, err)
	return id
}

func TestImport_FallsBackToOtherDates(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct{ resource, want, reason string }{
		"onset":        {about(`{"resourceType":"Condition","code":{"text":"Asthma"},"onsetDateTime":"2019-05-06"}`), "2019-05-06", "Condition.recordedDate: is missing: onsetDateTime was used"},
		"encounter":    {about(`{"resourceType":"Condition","code":{"text":"Asthma"},"meta":{"lastUpdated":"2022-01-01T00:00:00Z"}}`), "2020-01-02", "Condition.recordedDate: is missing: the start of the encounter was used"},
		"last updated": {strings.Replace(about(`{"resourceType":"Condition","code":{"text":"Asthma"},"meta":{"lastUpdated":"2022-01-01T10:00:00Z"}}`), "Encounter/e", "Encounter/none", 1), "2022-01-01", "Condition.recordedDate: is missing: meta.lastUpdated was used"},
		"allergy":      {strings.Replace(about(`{"resourceType":"AllergyIntolerance","code":{"text":"Nuts"}}`), "Encounter/e", "Encounter/none", 1), time.Now().UTC().Format(time.DateOnly), "AllergyIntolerance.recordedDate: is missing: the time of the import was used"},
		"order":        {about(`{"resourceType":"MedicationRequest","status":"active","intent":"order","medicationCodeableConcept":{"text":"Aspirin"}}`), "2020-01-02", "MedicationRequest.authoredOn: is missing: the start of the encounter was used"},
		"procedure":    {about(`{"resourceType":"Procedure","status":"completed","code":{"text":"Cut"}}`), "2020-01-02", "Procedure.performedPeriod.start: is missing: the start of the encounter was used"},
		"report":       {about(`{"resourceType":"DiagnosticReport","status":"final","code":{"text":"Blood"},"conclusion":"Fine","issued":"2020-01-03T00:00:00Z"}`), "2020-01-03", "DiagnosticReport.effectiveDateTime: is missing: issued was used"},
		"result":       {about(`{"resourceType":"Observation","status":"final","category":[{"coding":[{"code":"laboratory"}]}],"code":{"text":"Na"},"valueString":"fine"}`), "2020-01-02", "Observation.effectiveDateTime: is missing: the start of the encounter was used"},
		"nothing":      {strings.Replace(about(`{"resourceType":"Condition","code":{"text":"Asthma"}}`), "Encounter/e", "Encounter/none", 1), "", "Condition.recordedDate: is missing; add it, an encounter with a start, or meta.lastUpdated"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			items, _ := b.listed(t, row.resource)
			require.Contains(t, strings.Join(items, "\n"), row.reason)
			require.Equal(t, row.want, one[string](t, b, `SELECT coalesce((SELECT to_char(effective_at AT TIME ZONE 'UTC', 'YYYY-MM-DD') FROM records), '')`))
			_, sum := b.listed(t, row.resource)
			require.Zero(t, sum.Imported+sum.Updated, "the same again changes nothing: %v", sum.Counts)
		})
	}
}
