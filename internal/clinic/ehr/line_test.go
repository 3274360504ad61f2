package ehr_test

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"carewire/internal/care"
	"carewire/internal/clinic/ehr"
)

// dirty is set in every text field. A field that must be one line reports it as such; a field with
// a fixed set of values reports another error.
const dirty = "a\u202eb\nc"

func fill(v reflect.Value) {
	switch v.Kind() {
	case reflect.Pointer:
		if v.IsNil() {
			v.Set(reflect.New(v.Type().Elem()))
		}
		fill(v.Elem())
	case reflect.Slice:
		if v.Len() == 0 {
			v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		}
		fill(v.Index(0))
	case reflect.Struct:
		if value, ok := reflect.TypeAssert[*ehr.Value](v.Addr()); ok {
			// Exactly one of several fields is set.
			*value = ehr.Value{Coding: &ehr.Coding{System: dirty, Code: dirty, Display: dirty}}
			return
		}
		for field, value := range v.Fields() {
			if field.IsExported() {
				fill(value)
			}
		}
	case reflect.String:
		if v.Type() == reflect.TypeFor[string]() {
			v.SetString(dirty)
		}
	default:
	}
}

// lineFaults returns the fields with the error that they are not one line.
func lineFaults(err error) []string {
	var fields []string
	if e, ok := err.(*care.Error); ok { //nolint:errorlint // Validate returns no other type.
		for _, f := range e.Fields {
			if strings.Contains(f.Message, "line breaks") || strings.Contains(f.Message, "invisible") {
				fields = append(fields, f.Field)
			}
		}
	}
	return fields
}

func checkCleaned[B any, P ehr.BodyOf[B]](t *testing.T) {
	t.Helper()
	body := P(new(B))
	require.NoError(t, json.Unmarshal([]byte(body.Kind().Example), body))
	fill(reflect.ValueOf(body).Elem())
	invalid := lineFaults(body.Validate())
	require.NotEmpty(t, invalid, "%T", body)
	var cleaned []string
	care.CleanLines(body, func(path string) { cleaned = append(cleaned, path) })
	require.Empty(t, lineFaults(body.Validate()), "%T: every field that is checked as one line has the tag", body)
	require.Subset(t, cleaned, invalid, "%T: changed is called for each", body)
}

func TestKinds_EveryLineFieldIsCleaned(t *testing.T) {
	t.Parallel()
	checkCleaned[ehr.LabReport](t)
	checkCleaned[ehr.Prescription](t)
	checkCleaned[ehr.VitalSigns](t)
	checkCleaned[ehr.Allergy](t)
	checkCleaned[ehr.Condition](t)
	checkCleaned[ehr.Immunization](t)
	checkCleaned[ehr.Procedure](t)
	checkCleaned[ehr.ImagingReport](t)
	checkCleaned[ehr.ClinicalNote](t)
	checkCleaned[ehr.MedicalHistory](t)
}
