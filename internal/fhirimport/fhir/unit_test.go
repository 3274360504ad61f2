package fhir_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"carewire/internal/fhirimport/fhir"
)

func TestUCUM_MapsSpellingsAndKeepsOtherUnitsAsText(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ system, code, unit, want string }{
		{"http://unitsofmeasure.org", "mg/dL", "mg/dl", "mg/dL"},
		{"http://unitsofmeasure.org", "\u00b5g", "", "ug"},
		{"http://unitsofmeasure.org", "\u03bcmol/L", "", "umol/L"},
		{"http://unitsofmeasure.org", "mmHg", "", "mm[Hg]"},
		{"http://unitsofmeasure.org", "", "°C", "Cel"},
		{"http://unitsofmeasure.org", "cel", "", "Cel"},
		{"http://unitsofmeasure.org", "10*3/uL", "", "10*3/uL"},
		{"http://unitsofmeasure.org", "K/uL", "", "K/uL"},
		{"", "", "\u00b5g/l", "ug/l"},
		{"", "", "\u03bcg", "ug"},
		{"", "", "° C", "Cel"},
		{"", "", "℃", "Cel"},
		{"", "", "°F", "[degF]"},
		{"", "", "°", "deg"},
		{"", "", "kg/m²", "kg/m2"},
		{"", "", "mm Hg", "mm[Hg]"},
		{"", "", "beats/minute", "/min"},
		{"", "", "x10^9/L", "10*9/L"},
		{"", "", "10³/µL", "10*3/uL"},
		{"", "", "10E6/uL", "10*6/uL"},
		{"", "", "mIU/L", "m[IU]/L"},
		{"", "", "mcg/kg/hr", "ug/kg/h"},
		{"", "", "in", "[in_i]"},
		{"", "", "Stück pro Tag", "{Stück pro Tag}"},
		{"", "", "таблетка", "{таблетка}"},
		{"", "", "a {b} c\n", "{a (b) c}"},
		{"http://snomed.info/sct", "258773002", "Milliliter (Becher)", "{Milliliter (Becher)}"},
		{"http://terminology.hl7.org/CodeSystem/v3-orderableDrugForm", "TAB", "tablet", "TAB"},
		{"", "", "", ""},
	} {
		q := fhir.Quantity{System: c.system, Code: c.code, Unit: c.unit}
		require.Equal(t, c.want, q.UCUM(), "%+v", c)
	}
}
