package fhirimport_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"carewire/internal/fhirimport"
)

// basis are a clinic, a doctor, a patient and an encounter, that the resources of tests refer to.
const basis = `{"resourceType":"Organization","id":"o","name":"Harbour Clinic"}
{"resourceType":"Practitioner","id":"d","name":[{"family":"Adeyemi","given":["Tola"]}]}
{"resourceType":"Patient","id":"p","name":[{"family":"Vogel","given":["Mira"]}]}
{"resourceType":"Encounter","id":"e","status":"finished","subject":{"reference":"Patient/p"},"participant":[{"individual":{"reference":"Practitioner/d"}}],"serviceProvider":{"reference":"Organization/o"},"period":{"start":"2020-01-02T10:00:00Z","end":"2020-01-02T10:30:00Z"}}
`

// about adds the patient and the encounter to a resource, which begins with its type.
func about(resource string) string {
	who := "subject"
	for _, typ := range []string{"AllergyIntolerance", "Immunization", "Claim"} {
		if strings.HasPrefix(resource, `{"resourceType":"`+typ+`"`) {
			who = "patient"
		}
	}
	return strings.Replace(resource, `{`, `{"id":"x","`+who+`":{"reference":"Patient/p"},"encounter":{"reference":"Encounter/e"},`, 1)
}

// listed imports the lines after the basis, and returns the items without file and position.
func (b *testBundle) listed(t *testing.T, lines ...string) (items []string, sum fhirimport.Summary) {
	t.Helper()
	sum = b.run(t, fhirimport.Options{}, text("a.ndjson", basis+strings.Join(lines, "\n")))
	for _, i := range sum.Listed {
		items = append(items, string(i.Outcome)+" "+i.Type+"/"+i.ID+" "+i.Path+": "+i.Reason)
	}
	return items, sum
}

const (
	aspirin  = `"medicationCodeableConcept":{"text":"Aspirin"},"authoredOn":"2020-01-02T10:10:00Z"`
	labCode  = `"category":[{"coding":[{"code":"laboratory"}]}],"code":{"coding":[{"system":"http://loinc.org","code":"2345-7","display":"Glucose"}]},"effectiveDateTime":"2020-01-02T10:15:00Z"`
	mmol     = `"unit":"mmol/L","system":"http://unitsofmeasure.org","code":"mmol/L"`
	modified = `"modifierExtension":[{"url":"http://a.example/negated","valueBoolean":true}]`
)

// TestImport_NeverIgnoresWhatChangesTheMeaning imports one resource each. A resource must not become
// a record that says more than it did.
func TestImport_NeverIgnoresWhatChangesTheMeaning(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		resource string
		// want is what the import lists, records are what the database has.
		want, records string
	}{
		"prohibition":        {`{"resourceType":"MedicationRequest","status":"active","intent":"order",` + aspirin + `,"doNotPerform":true}`, "refused MedicationRequest/x MedicationRequest.doNotPerform: is true", ""},
		"no prohibition":     {`{"resourceType":"MedicationRequest","status":"active","intent":"order",` + aspirin + `,"doNotPerform":false}`, "", "prescription active"},
		"plan":               {`{"resourceType":"MedicationRequest","status":"active","intent":"plan",` + aspirin + `}`, "skipped MedicationRequest/x : is a plan and no order", ""},
		"proposal":           {`{"resourceType":"MedicationRequest","status":"active","intent":"proposal",` + aspirin + `}`, "skipped MedicationRequest/x : is a proposal and no order", ""},
		"unknown intent":     {`{"resourceType":"MedicationRequest","status":"active","intent":"directive",` + aspirin + `}`, "refused MedicationRequest/x MedicationRequest.intent: is not a code", ""},
		"reported":           {`{"resourceType":"MedicationRequest","status":"active","intent":"plan","reportedBoolean":true,` + aspirin + `}`, "partly MedicationRequest/x MedicationRequest.reported: the medicine was reported", "medical_history completed"},
		"by the patient":     {`{"resourceType":"MedicationRequest","status":"active","intent":"order","requester":{"reference":"Patient/p"},` + aspirin + `}`, "partly MedicationRequest/x MedicationRequest.reported: the medicine was reported", "medical_history completed"},
		"unknown status":     {`{"resourceType":"MedicationRequest","status":"ended","intent":"order",` + aspirin + `}`, "refused MedicationRequest/x MedicationRequest.status: is not a code of FHIR R4; want one of active, cancelled,", ""},
		"error":              {`{"resourceType":"MedicationRequest","status":"entered-in-error","intent":"order",` + aspirin + `}`, "skipped MedicationRequest/x : was entered in error", ""},
		"modifier":           {`{"resourceType":"Condition","code":{"text":"Asthma"},"recordedDate":"2020-01-02",` + modified + `}`, "refused Condition/x Condition.modifierExtension: is an unknown extension", ""},
		"nested modifier":    {`{"resourceType":"AllergyIntolerance","code":{"text":"Nuts"},"recordedDate":"2020-01-02","reaction":[{"manifestation":[{"text":"Rash"}]},{"manifestation":[{"text":"Rash"}],` + modified + `}]}`, "refused AllergyIntolerance/x AllergyIntolerance.reaction[1].modifierExtension: is an unknown", ""},
		"escaped modifier":   {`{"resourceType":"Condition","code":{"text":"Asthma"},"recordedDate":"2020-01-02",` + strings.Replace(modified, "m", `\u006d`, 1) + `}`, "refused Condition/x Condition.modifierExtension: is an unknown", ""},
		"contained modifier": {`{"resourceType":"MedicationRequest","status":"active","intent":"order","authoredOn":"2020-01-02","medicationReference":{"reference":"#m"},"contained":[{"resourceType":"Medication","id":"m","code":{"text":"Aspirin"},` + modified + `}]}`, "refused MedicationRequest/x MedicationRequest.contained[0].modifierExtension: is an unknown", ""},
		"empty modifier":     {`{"resourceType":"Condition","code":{"text":"Asthma"},"recordedDate":"2020-01-02","modifierExtension":[]}`, "", "condition unknown"},
		"a text":             {`{"resourceType":"Condition","code":{"text":"modifierExtension"},"recordedDate":"2020-01-02","note":[{"text":"implicitRules"}]}`, "", "condition unknown"},
		"implicit rules":     {`{"resourceType":"Condition","implicitRules":"http://a.example/rules","code":{"text":"Asthma"},"recordedDate":"2020-01-02"}`, "refused Condition/x Condition.implicitRules: refers to rules", ""},
		"clinical status":    {`{"resourceType":"Condition","clinicalStatus":{"coding":[{"code":"gone"}]},"code":{"text":"Asthma"},"recordedDate":"2020-01-02"}`, "refused Condition/x Condition.clinicalStatus: is not a code", ""},
		"verification":       {`{"resourceType":"Condition","verificationStatus":{"coding":[{"code":"doubted"}]},"code":{"text":"Asthma"},"recordedDate":"2020-01-02"}`, "refused Condition/x Condition.verificationStatus: is not a code", ""},
		"erroneous allergy":  {`{"resourceType":"AllergyIntolerance","verificationStatus":{"coding":[{"code":"entered-in-error"}]},"code":{"text":"Nuts"},"recordedDate":"2020-01-02"}`, "skipped AllergyIntolerance/x : was entered in error", ""},
		"no known allergy":   {`{"resourceType":"AllergyIntolerance","clinicalStatus":{"coding":[{"code":"active"}]},"code":{"coding":[{"system":"http://snomed.info/sct","code":"716186003"}]},"recordedDate":"2020-01-02"}`, "partly AllergyIntolerance/x AllergyIntolerance.code: denies allergies", "medical_history completed"},
		"NKDA":               {`{"resourceType":"AllergyIntolerance","clinicalStatus":{"coding":[{"code":"active"}]},"code":{"text":"NKDA"},"recordedDate":"2020-01-02"}`, "partly AllergyIntolerance/x AllergyIntolerance.code: denies allergies", "medical_history completed"},
		"no known problems":  {`{"resourceType":"Condition","clinicalStatus":{"coding":[{"code":"active"}]},"code":{"coding":[{"system":"http://snomed.info/sct","code":"160245001"}]},"recordedDate":"2020-01-02"}`, "partly Condition/x Condition.code: denies problems", "medical_history completed"},
		"not done":           {`{"resourceType":"Procedure","status":"not-done","code":{"text":"Scan"},"performedDateTime":"2020-01-02"}`, "", "procedure not-done"},
		"vaccine not given":  {`{"resourceType":"Immunization","status":"not-done","vaccineCode":{"text":"Tetanus"},"occurrenceDateTime":"2020-01-02"}`, "", "immunization not-done"},
		"not taken":          {`{"resourceType":"MedicationStatement","status":"not-taken","medicationCodeableConcept":{"text":"Aspirin"},"dateAsserted":"2020-01-02"}`, "skipped MedicationStatement/x : the patient does not take it", ""},
		"taken":              {`{"resourceType":"MedicationStatement","status":"active","medicationCodeableConcept":{"text":"Aspirin"},"dateAsserted":"2020-01-02"}`, "", "medical_history completed"},
		"estimate":           {`{"resourceType":"Claim","status":"active","use":"predetermination","created":"2020-01-02","total":{"value":1,"currency":"EUR"}}`, "skipped Claim/x : is a predetermination, not an invoice", ""},
		"authorization":      {`{"resourceType":"Claim","status":"active","use":"preauthorization","created":"2020-01-02","total":{"value":1,"currency":"EUR"}}`, "skipped Claim/x : is a preauthorization, not an invoice", ""},
		"unknown use":        {`{"resourceType":"Claim","status":"active","use":"quote","created":"2020-01-02","total":{"value":1,"currency":"EUR"}}`, "refused Claim/x Claim.use: is not a code", ""},
		"cancelled result":   {`{"resourceType":"Observation","status":"cancelled",` + labCode + `,"valueQuantity":{"value":9,` + mmol + `}}`, "skipped Observation/x : was cancelled", ""},
		"registered result":  {`{"resourceType":"Observation","status":"registered",` + labCode + `}`, "skipped Observation/x : has no result yet", ""},
		"comparator":         {`{"resourceType":"Observation","status":"final",` + labCode + `,"valueQuantity":{"value":9,"comparator":"<",` + mmol + `}}`, "", "lab_report final"},
		"smoking":            {`{"resourceType":"Observation","status":"final","category":[{"coding":[{"code":"social-history"}]}],"code":{"coding":[{"system":"http://loinc.org","code":"72166-2"}]},"effectiveDateTime":"2020-01-02","valueCodeableConcept":{"text":"Never smoker"}}`, "", "medical_history completed"},
		"survey":             {`{"resourceType":"Observation","status":"final","category":[{"coding":[{"code":"survey"}]}],"code":{"text":"PHQ-9"},"effectiveDateTime":"2020-01-02","valueInteger":4}`, "skipped Observation/x : observations of the category survey are not imported", ""},
		"vital by its code":  {`{"resourceType":"Observation","status":"final","code":{"coding":[{"system":"http://loinc.org","code":"39156-5"}]},"effectiveDateTime":"2020-01-02","valueQuantity":{"value":24,"unit":"kg/m2","system":"http://unitsofmeasure.org","code":"kg/m2"}}`, "", "vital_signs final"},
		"saturation by lab":  {`{"resourceType":"Observation","status":"final","category":[{"coding":[{"code":"laboratory"}]}],"code":{"coding":[{"system":"http://loinc.org","code":"2708-6"}]},"effectiveDateTime":"2020-01-02","valueQuantity":{"value":97,"unit":"%","system":"http://unitsofmeasure.org","code":"%"}}`, "", "lab_report final"},
		"wrong code":         {`{"resourceType":"Procedure","status":"completed","code":{"coding":[{"system":"http://snomed.info/sct","code":"34552-0"}],"text":"Cardiac surgery"},"performedDateTime":"2020-01-02"}`, "partly Procedure/x Procedure.code.code: is not a code of its system: kept as text", "procedure completed"},
		"labels":             {`{"resourceType":"Condition","code":{"text":"Asthma"},"recordedDate":"2020-01-02","meta":{"security":[{"system":"http://terminology.hl7.org/CodeSystem/v3-Confidentiality","code":"R"}]}}`, "partly Condition/x Condition.meta.security: is not kept", "condition unknown"},
		"subset":             {`{"resourceType":"Condition","code":{"text":"Asthma"},"recordedDate":"2020-01-02","meta":{"tag":[{"code":"SUBSETTED"}]}}`, "partly Condition/x Condition.meta.tag: is SUBSETTED", "condition unknown"},
		"fetus":              {`{"resourceType":"Observation","status":"final","category":[{"coding":[{"code":"vital-signs"}]}],"focus":[{"reference":"Patient/child"}],"code":{"coding":[{"system":"http://loinc.org","code":"8867-4"}]},"effectiveDateTime":"2020-01-02","valueQuantity":{"value":140,"unit":"/min","system":"http://unitsofmeasure.org","code":"/min"}}`, "skipped Observation/x : is about somebody or something else", ""},
		"bill to insurer":    {`{"resourceType":"Invoice","status":"issued","recipient":{"reference":"Organization/ins"},"date":"2020-01-02","totalNet":{"value":1,"currency":"EUR"}}`, "skipped Invoice/x : is addressed to somebody else", ""},
		"internal message":   {`{"resourceType":"Communication","status":"completed","sent":"2020-01-02T10:00:00Z","sender":{"reference":"Practitioner/d"},"recipient":[{"reference":"Practitioner/e"}],"payload":[{"contentString":"Noncompliant?"}]}`, "skipped Communication/x : is not addressed to the patient", ""},
		"order":              {`{"resourceType":"ServiceRequest","status":"active","intent":"order"}`, "skipped ServiceRequest/x : carewire has no orders", ""},
		"document":           {`{"resourceType":"DocumentReference","status":"current"}`, "skipped DocumentReference/x : documents stay", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			items, _ := b.listed(t, about(row.resource))
			if row.want == "" {
				require.Empty(t, items)
			} else {
				require.Len(t, items, 1)
				require.Contains(t, items[0], row.want)
			}
			require.Equal(t, row.records, one[string](t, b, `SELECT concat((SELECT string_agg(kind || ' ' || status, ', ') FROM records), (SELECT string_agg('invoice ' || status, ', ') FROM invoices))`))
		})
	}
}

func TestImport_LeavesResultsThatDoNotCountOutOfReports(t *testing.T) {
	t.Parallel()
	b := setup(t)
	observation := func(id, status string) string {
		return strings.Replace(about(`{"resourceType":"Observation","status":"`+status+`",`+labCode+`,"valueQuantity":{"value":5,`+mmol+`}}`), `"id":"x"`, `"id":"`+id+`"`, 1)
	}
	lines := []string{
		observation("good", "final"), observation("error", "entered-in-error"), observation("off", "cancelled"), observation("open", "registered"),
		observation("unclear", "unknown"), observation("early", "preliminary"),
		strings.Replace(observation("negated", "final"), `{`, `{`+modified+`,`, 1),
		about(`{"resourceType":"DiagnosticReport","status":"final","code":{"text":"Glucose"},"effectiveDateTime":"2020-01-02T10:15:00Z","contained":[{"resourceType":"Observation","id":"inside","status":"entered-in-error","code":{"text":"Inside"},"valueString":"wrong"}],
"result":[{"reference":"Observation/good"},{"reference":"Observation/error"},{"reference":"Observation/off"},{"reference":"Observation/open"},{"reference":"Observation/unclear"},{"reference":"Observation/early"},{"reference":"Observation/negated"},{"reference":"#inside"}]}`),
	}
	lines[7] = strings.ReplaceAll(lines[7], "\n", "")
	items, _ := b.listed(t, lines...)
	var partly []string
	for _, i := range items {
		if item, ok := strings.CutPrefix(i, "partly DiagnosticReport/x DiagnosticReport."); ok {
			partly = append(partly, item)
		}
	}
	require.ElementsMatch(t, []string{
		"result[1]: was entered in error", "result[2]: was cancelled: there is no result", "result[3]: has no result yet",
		"result[4]: the source does not know the status", "result[5]: is preliminary, unlike the report",
		"result[6]: Observation.modifierExtension is an unknown extension that changes the meaning of the resource; export the resource without it if it does not",
		"result[7]: was entered in error",
	}, partly)
	require.Equal(t, 2, one[int](t, b, `SELECT json_array_length(body -> 'results') FROM records WHERE status = 'final'`), "the final and the preliminary result")
	require.Equal(t, "final, unknown", one[string](t, b, `SELECT string_agg(status, ', ' ORDER BY status) FROM records`), "the unclear result is a report of its own")
}

// TestImport_RetractsWhatWasImportedBefore: what was entered in error is skipped only if it was not
// imported before.
func TestImport_RetractsWhatWasImportedBefore(t *testing.T) {
	t.Parallel()
	b := setup(t)
	allergy := about(`{"resourceType":"AllergyIntolerance","clinicalStatus":{"coding":[{"code":"active"}]},"verificationStatus":{"coding":[{"code":"confirmed"}]},"code":{"text":"Nuts"},"recordedDate":"2020-01-02"}`)
	result := strings.Replace(about(`{"resourceType":"Observation","status":"final",`+labCode+`,"valueQuantity":{"value":5,`+mmol+`}}`), `"id":"x"`, `"id":"y"`, 1)
	b.listed(t, allergy, result)
	items, sum := b.listed(t, strings.Replace(allergy, "confirmed", "entered-in-error", 1), strings.Replace(result, `"final"`, `"cancelled"`, 1))
	require.Empty(t, items)
	require.Equal(t, 2, sum.Updated)
	require.Equal(t, "allergy entered-in-error, lab_report cancelled", one[string](t, b, `SELECT string_agg(kind || ' ' || status, ', ' ORDER BY kind) FROM records`))
}

func TestImport_KeepsADosageWhole(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct{ dosage, want string }{
		"as needed":         {`{"asNeededBoolean":true,"doseAndRate":[{"doseQuantity":{"value":1,"unit":"tablet"}}]}`, `[{"asNeeded": true, "dose": {"value": 1, "unit": "tablet"}}]`},
		"as needed for":     {`{"text":"One tablet","asNeededCodeableConcept":{"text":"headache"}}`, `[{"text": "One tablet; as needed for headache", "asNeeded": true}]`},
		"a range":           {`{"doseAndRate":[{"doseRange":{"low":{"value":1,"unit":"tablet"},"high":{"value":2,"unit":"tablet"}}}]}`, `[{"text": "dose 1 tablet - 2 tablet"}]`},
		"a rate":            {`{"doseAndRate":[{"rateRange":{"low":{"value":1,"unit":"mL/h"},"high":{"value":2,"unit":"mL/h"}}}],"maxDosePerPeriod":{"numerator":{"value":8,"unit":"tablet"},"denominator":{"value":1,"unit":"d"}}}`, `[{"text": "rate 1 mL/h - 2 mL/h; at most 8 tablet per 1 d"}]`},
		"a frequency range": {`{"timing":{"code":{"text":"BID"},"repeat":{"frequency":1,"frequencyMax":3,"period":1,"periodUnit":"d","when":["PC"],"boundsDuration":{"value":5,"unit":"d"}}}}`, `[{"text": "BID; 1 to 3 times per 1 d; for 5 d; after a meal"}]`},
		"a comparator":      {`{"doseAndRate":[{"doseQuantity":{"value":5,"comparator":"<","unit":"mg"}}]}`, `[{"text": "dose <5 mg"}]`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			items, _ := b.listed(t, about(`{"resourceType":"MedicationRequest","status":"active","intent":"order",`+aspirin+`,"dosageInstruction":[`+row.dosage+`]}`))
			require.Empty(t, items)
			require.JSONEq(t, row.want, one[string](t, b, `SELECT body ->> 'dosageInstructions' FROM records`))
		})
	}
}

func TestImport_KeepsASubpotentDoseAsSuch(t *testing.T) {
	t.Parallel()
	b := setup(t)
	items, _ := b.listed(t, about(`{"resourceType":"Immunization","status":"completed","vaccineCode":{"text":"Tetanus"},"occurrenceDateTime":"2020-01-02","isSubpotent":true,"subpotentReason":[{"text":"Cold chain"}]}`))
	require.Empty(t, items)
	require.True(t, one[bool](t, b, `SELECT (body -> 'subpotent')::text::boolean FROM records`))
	require.Equal(t, "Cold chain", one[string](t, b, `SELECT body #>> '{subpotentReasons,0,display}' FROM records`))
}
