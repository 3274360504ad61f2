package ehr_test

import (
	"encoding/json"
	"maps"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"carewire/internal/care"
	"carewire/internal/clinic/ehr"
)

// faults returns the invalid fields of the kind's example after the changes; nil removes a field.
func faults[B any, P ehr.BodyOf[B]](t *testing.T, change map[string]any) []string {
	t.Helper()
	body := P(new(B))
	var whole map[string]any
	require.NoError(t, json.Unmarshal([]byte(body.Kind().Example), &whole))
	whole["patientId"], whole["clinicId"] = uuid.New(), uuid.New()
	maps.Copy(whole, change)
	maps.DeleteFunc(whole, func(_ string, v any) bool { return v == nil })
	data, err := json.Marshal(whole)
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(data, body))
	err = body.Validate()
	if err == nil {
		return nil
	}
	var refusal *care.Error
	require.ErrorAs(t, err, &refusal)
	var fields []string
	for _, f := range refusal.Fields {
		fields = append(fields, f.Field)
	}
	return fields
}

type object = map[string]any

func TestKinds_ReportEachInvalidValue(t *testing.T) {
	t.Parallel()
	code := func(system, code string) object { return object{"system": system, "code": code} }
	loinc := func(c string) object { return code("http://loinc.org", c) }
	broken := code("http://snomed.info/sct", "12345")
	vitals, bp := faults[ehr.VitalSigns], func(components ...any) object { return object{"components": components} }
	systolic := func(value any, unit string) object {
		return object{"code": loinc("8480-6"), "value": value, "unit": unit}
	}
	single := func(c string, value any, unit string) object {
		return object{"code": loinc(c), "components": nil, "value": value, "unit": unit}
	}
	long := strings.Repeat("x", 10_001)
	for name, c := range map[string]struct {
		check  func(*testing.T, map[string]any) []string
		change object
		fields []string
	}{
		"a status of another kind": {faults[ehr.Prescription], object{"status": "final"}, []string{"status"}},
		"a code with a slip":       {faults[ehr.LabReport], object{"code": loinc("24323-7")}, []string{"code.code"}},

		"vital signs without a value":           {vitals, object{"components": nil}, []string{"value"}},
		"vital signs that are to come":          {vitals, object{"components": nil, "status": "registered"}, nil},
		"vital signs that could not be taken":   {vitals, object{"components": nil, "dataAbsentReason": "not-performed"}, nil},
		"a value and a reason for none":         {vitals, object{"components": nil, "value": 5, "dataAbsentReason": "unknown"}, []string{"dataAbsentReason"}},
		"a reason that is none":                 {vitals, object{"components": nil, "dataAbsentReason": "forgot"}, []string{"dataAbsentReason"}},
		"a component without a value":           {vitals, bp(object{"code": loinc("8480-6")}), []string{"components[0].value"}},
		"an impossible pressure":                {vitals, bp(systolic(1280, "mm[Hg]")), []string{"components[0].value"}},
		"a pressure below nothing":              {vitals, bp(systolic(-5, "mm[Hg]")), []string{"components[0].value"}},
		"a pressure in another unit":            {vitals, bp(systolic(17, "kPa")), []string{"components[0].unit"}},
		"a pressure without a unit":             {vitals, bp(object{"code": loinc("8480-6"), "value": 120}), []string{"components[0].unit"}},
		"a temperature":                         {vitals, single("8310-5", 38.2, "Cel"), nil},
		"a temperature in Fahrenheit":           {vitals, single("8310-5", 100.8, "[degF]"), nil},
		"a temperature in Fahrenheit as Cel":    {vitals, single("8310-5", 100.8, "Cel"), []string{"value"}},
		"a unit that is none":                   {vitals, single("72514-3", 5, "out of ten"), []string{"unit"}},
		"a score without bounds":                {vitals, single("72514-3", 5, "{score}"), nil},
		"an interpretation that is none":        {vitals, object{"components": nil, "value": 5, "interpretation": "ZZ"}, []string{"interpretation"}},
		"a body site with a slip":               {vitals, object{"bodySite": broken}, []string{"bodySite.code"}},
		"components without end":                {vitals, bp(make([]any, 101)...), []string{"components"}},
		"a weight of a child in grams":          {vitals, single("29463-7", 3200, "g"), nil},
		"a report's unit that is none":          {faults[ehr.LabReport], object{"results": []any{object{"code": loinc("2823-3"), "value": 4, "unit": "mmol / L"}}}, []string{"results[0].unit"}},
		"an allergy that is sure":               {faults[ehr.Allergy], object{"verificationStatus": "certain"}, []string{"verificationStatus"}},
		"an allergy entered in error":           {faults[ehr.Allergy], object{"status": "entered-in-error"}, nil},
		"an allergy of another category":        {faults[ehr.Allergy], object{"categories": []any{"food", "music"}}, []string{"categories[1]"}},
		"an allergy's criticality and type":     {faults[ehr.Allergy], object{"criticality": "extreme", "type": "hate"}, []string{"type", "criticality"}},
		"a reaction without signs":              {faults[ehr.Allergy], object{"reactions": []any{object{"manifestations": []any{}}}}, []string{"reactions[0].manifestations"}},
		"a reaction's severity":                 {faults[ehr.Allergy], object{"reactions": []any{object{"manifestations": []any{broken}, "severity": "bad"}}}, []string{"reactions[0].manifestations[0].code", "reactions[0].severity"}},
		"no more than FHIR asks of an allergy":  {faults[ehr.Allergy], object{"verificationStatus": nil, "type": nil, "categories": nil, "criticality": nil, "reactions": nil}, nil},
		"a condition that has ended is active":  {faults[ehr.Condition], object{"abatementAt": "2026-01-01T00:00:00Z"}, []string{"status"}},
		"a condition that has ended":            {faults[ehr.Condition], object{"abatementAt": "2026-01-01T00:00:00Z", "status": "resolved"}, nil},
		"a condition that ended before it was":  {faults[ehr.Condition], object{"abatementAt": "2020-01-01T00:00:00Z", "status": "resolved"}, []string{"abatementAt"}},
		"a condition's words":                   {faults[ehr.Condition], object{"verificationStatus": "sure", "category": "other"}, []string{"verificationStatus", "category"}},
		"an ICD-10 code that is none":           {faults[ehr.Condition], object{"code": code("http://hl7.org/fhir/sid/icd-10", "diabetes")}, []string{"code.code"}},
		"a condition coded in ICD-10":           {faults[ehr.Condition], object{"code": code("http://hl7.org/fhir/sid/icd-10", "I10"), "onsetAt": nil, "onsetText": "as a child"}, nil},
		"a note with a NUL":                     {faults[ehr.Condition], object{"note": "a\x00b"}, []string{"note"}},
		"a note without end":                    {faults[ehr.Condition], object{"note": long}, []string{"note"}},
		"a vaccine that is none":                {faults[ehr.Immunization], object{"code": code("http://hl7.org/fhir/sid/cvx", "flu")}, []string{"code.code"}},
		"a vaccine that never goes off":         {faults[ehr.Immunization], object{"expirationDate": "31.12.2026"}, []string{"expirationDate"}},
		"a dose without a unit of measure":      {faults[ehr.Immunization], object{"doseQuantity": object{"value": 0.5, "unit": "a bit"}}, []string{"doseQuantity.unit"}},
		"a dose of no series":                   {faults[ehr.Immunization], object{"doseNumber": 0}, []string{"doseNumber"}},
		"a vaccination that was refused":        {faults[ehr.Immunization], object{"status": "not-done", "statusReason": code("http://snomed.info/sct", "105480006")}, nil},
		"a procedure that ended before it was":  {faults[ehr.Procedure], object{"performedPeriod": object{"start": "2026-03-14T10:00:00Z", "end": "2026-03-14T09:00:00Z"}}, []string{"performedPeriod.end"}},
		"a procedure's codes":                   {faults[ehr.Procedure], object{"outcome": broken, "reasons": []any{broken}, "category": broken, "complications": []any{broken}, "bodySites": []any{broken}}, []string{"category.code", "reasons[0].code", "bodySites[0].code", "outcome.code", "complications[0].code"}},
		"a study's UID as a URN":                {faults[ehr.ImagingReport], object{"studyUid": "urn:oid:1.2.840"}, []string{"studyUid"}},
		"a study's UID with a leading zero":     {faults[ehr.ImagingReport], object{"studyUid": "1.02.840"}, []string{"studyUid"}},
		"a study of fewer than no images":       {faults[ehr.ImagingReport], object{"instanceCount": -1, "seriesCount": -1}, []string{"seriesCount", "instanceCount"}},
		"a final note without text":             {faults[ehr.ClinicalNote], object{"sections": nil}, []string{"sections"}},
		"a note that is begun":                  {faults[ehr.ClinicalNote], object{"sections": nil, "status": "preliminary"}, nil},
		"a section without text":                {faults[ehr.ClinicalNote], object{"sections": []any{object{"title": "Plan"}}}, []string{"sections[0].text"}},
		"a history of no category":              {faults[ehr.MedicalHistory], object{"category": nil}, []string{"category"}},
		"a family without a relation":           {faults[ehr.MedicalHistory], object{"relationship": nil}, []string{"relationship"}},
		"a social history":                      {faults[ehr.MedicalHistory], object{"relationship": nil, "category": "social"}, nil},
		"a prescription's steps":                {faults[ehr.Prescription], object{"dosageInstructions": []any{object{"period": 1}, object{"periodUnit": "d"}, object{"frequency": 0, "periodUnit": "day", "period": -1}}}, []string{"dosageInstructions[0].period", "dosageInstructions[1].period", "dosageInstructions[2].frequency", "dosageInstructions[2].periodUnit", "dosageInstructions[2].period"}},
		"a prescription that ends before it is": {faults[ehr.Prescription], object{"validityPeriod": object{"start": "2026-03-14T00:00:00Z", "end": "2025-03-14T00:00:00Z"}}, []string{"validityPeriod.end"}},
		"a prescription for the far future":     {faults[ehr.Prescription], object{"validityPeriod": object{"start": "9999-03-14T00:00:00Z"}}, []string{"validityPeriod.start"}},
		"no more than FHIR asks of an order":    {faults[ehr.Prescription], object{"intent": nil, "dosage": nil, "dosageInstructions": nil, "quantity": nil, "quantityUnit": nil, "refills": nil, "validityPeriod": nil}, nil},
		"an RxNorm code that is none":           {faults[ehr.Prescription], object{"code": code("http://www.nlm.nih.gov/research/umls/rxnorm", "lisinopril")}, []string{"code.code"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.Empty(t, c.check(t, nil), "the example itself")
			require.Equal(t, c.fields, c.check(t, c.change))
		})
	}
}
