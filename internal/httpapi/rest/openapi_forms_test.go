package rest_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestSpecification_ListsTheStatusesOfEachKind(t *testing.T) {
	t.Parallel()
	d := readDocument(t)
	schemas := at(d.root, "components", "schemas")
	want := map[string]string{
		"LabReport": "preliminary", "Prescription": "on-hold", "VitalSigns": "preliminary", "Allergy": "inactive", "Condition": "remission",
		"Immunization": "not-done", "Procedure": "in-progress", "ImagingReport": "partial", "ClinicalNote": "preliminary", "MedicalHistory": "health-unknown",
	}
	lists := map[string]any{}
	for path, item := range at(d.root, "paths") {
		if _, collection, ok := strings.Cut(path, "/api/ehr/"); !ok || strings.Contains(collection, "/") {
			continue
		}
		get, post := at(item.(map[string]any), "get"), at(item.(map[string]any), "post")
		name := strings.TrimPrefix(words(at(post, "requestBody", "content", "application/json", "schema"), "$ref"), "#/components/schemas/")
		i := slices.IndexFunc(get["parameters"].([]any), func(p any) bool { return p.(map[string]any)["name"] == "status" })
		require.GreaterOrEqual(t, i, 0, path)
		lists[name] = at(get["parameters"].([]any)[i].(map[string]any), "schema")["enum"]
	}
	for name, status := range want {
		require.Contains(t, lists[name], status, name)
	}
	for name := range lists {
		enum := at(schemas, name, "properties", "status")["enum"]
		require.Contains(t, enum, "entered-in-error", name)
		require.NotContains(t, enum, "requested", name)
		require.Equal(t, enum, at(schemas, name+"Record", "properties", "status")["enum"], name)
		require.Equal(t, enum, lists[name], name)
	}
}

func TestSpecification_HasNoFreeTextForStatuses(t *testing.T) {
	t.Parallel()
	d := readDocument(t)
	for name, schema := range at(d.root, "components", "schemas") {
		status := at(schema.(map[string]any), "properties", "status")
		if status != nil && words(status, "type") == "string" {
			require.NotEmpty(t, status["enum"], "%s.status", name)
		}
	}
	for path, item := range at(d.root, "paths") {
		for method, op := range item.(map[string]any) {
			parameters, _ := op.(map[string]any)["parameters"].([]any)
			for _, v := range parameters {
				p := d.resolve(v)
				if slices.Contains([]string{"status", "state", "role", "channel", "priority", "kind"}, words(p, "name")) {
					schema := at(p, "schema")
					if items := at(schema, "items"); items != nil {
						schema = items
					}
					require.NotEmpty(t, schema["enum"], "%s %s %s", method, path, p["name"])
				}
			}
		}
	}
}

func TestSpecification_HasNoDefaultsInBodies(t *testing.T) {
	t.Parallel()
	d := readDocument(t)
	var walk func(where string, v any)
	walk = func(where string, v any) {
		object, _ := v.(map[string]any)
		require.NotContains(t, object, "default", where)
		for name, field := range at(object, "properties") {
			walk(where+"."+name, field)
		}
		walk2 := object["items"]
		if walk2 != nil {
			walk(where+"[]", walk2)
		}
	}
	for name, schema := range at(d.root, "components", "schemas") {
		walk(name, schema)
	}
	intent := at(d.root, "components", "schemas", "Prescription", "properties", "intent")
	require.Contains(t, words(intent, "description"), "The default is order.")
	b := setup(t)
	w := b.do(doctor, "POST", "/api/ehr/prescriptions", map[string]any{
		"patientId": b.ids[patient], "clinicId": b.clinicID, "status": "active", "effectiveAt": "2026-03-14T09:30:00Z",
		"code": map[string]any{"system": "http://www.nlm.nih.gov/research/umls/rxnorm", "code": "314076"}, "dosage": "one a day",
	})
	if w.Code == 201 {
		require.Equal(t, "order", decode(t, w)["intent"])
	} else {
		require.NotContains(t, w.Body.String(), "intent")
	}
}
