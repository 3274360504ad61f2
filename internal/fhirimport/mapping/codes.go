package mapping

import (
	"fmt"
	"reflect"
	"strings"

	"carewire/internal/clinic/ehr"
	"carewire/internal/fhirimport/fhir"
)

var codingType = reflect.TypeFor[ehr.Coding]()

// cleanCodes replaces each code that lacks the form of its system, such as a LOINC code in SNOMED
// CT's system, by its text, and removes interpretations that are unknown. A code without a text
// stays, and the record is refused.
func (d *Draft) cleanCodes() {
	if d.Head == nil {
		return
	}
	d.cleanValue(reflect.ValueOf(d.Body), "")
	drop := func(path string, interpretation *string) {
		if *interpretation != "" && !ehr.IsInterpretation(*interpretation) {
			*interpretation = ""
			d.Note(d.Path(path+"interpretation"), "is not a code of v3 ObservationInterpretation: left out")
		}
	}
	switch b := d.Body.(type) {
	case *ehr.LabReport:
		for i := range b.Results {
			drop(fmt.Sprintf("results[%d].", i), &b.Results[i].Interpretation)
		}
	case *ehr.VitalSigns:
		drop("", &b.Interpretation)
		for i := range b.Components {
			drop(fmt.Sprintf("components[%d].", i), &b.Components[i].Interpretation)
		}
	}
}

func (d *Draft) cleanValue(v reflect.Value, path string) {
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			d.cleanValue(v.Elem(), path)
		}
	case reflect.Slice:
		if holdsCodes(v.Type().Elem()) {
			for i := range v.Len() {
				d.cleanValue(v.Index(i), fmt.Sprintf("%s[%d]", path, i))
			}
		}
	case reflect.Struct:
		if code, ok := reflect.TypeAssert[*ehr.Coding](v.Addr()); ok {
			d.cleanCode(code, path)
			return
		}
		for i := range v.NumField() {
			f := v.Type().Field(i)
			if f.IsExported() && holdsCodes(f.Type) {
				d.cleanValue(v.Field(i), joinField(path, f))
			}
		}
	default:
	}
}

// holdsCodes reports whether values of the type can contain codes.
func holdsCodes(t reflect.Type) bool {
	for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice {
		t = t.Elem()
	}
	return t == codingType || (t.Kind() == reflect.Struct && strings.HasSuffix(t.PkgPath(), "/clinic/ehr") && t != timeType)
}

var timeType = reflect.TypeFor[ehr.Time]()

// joinField returns the path of a field. Embedded structs and values are part of the outer one.
func joinField(path string, f reflect.StructField) string {
	name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
	return fhir.JoinPath(path, name)
}

func (d *Draft) cleanCode(code *ehr.Coding, path string) {
	if code.Display != "" && !code.HasForm() {
		*code = *fhir.AsText(code.Display)
		d.Note(d.Path(path)+".code", "is not a code of its system: kept as text")
	}
}
