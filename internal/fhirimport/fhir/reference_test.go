package fhir_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"carewire/internal/fhirimport/fhir"
)

func TestReference_FindsKeysOrSaysWhyNot(t *testing.T) {
	t.Parallel()
	for reference, want := range map[string]struct {
		keys  []string
		fault string
	}{
		`{"reference":"Patient/1"}`:                                                          {[]string{"1"}, ""},
		`{"reference":"/Patient/1"}`:                                                         {[]string{"1"}, ""},
		`{"reference":"Patient/1/_history/2"}`:                                               {[]string{"1"}, ""},
		`{"reference":"Patient/1#name"}`:                                                     {[]string{"1"}, ""},
		`{"reference":"HTTP://A.example/fhir/Patient/1/_history/2"}`:                         {[]string{"http://a.example/fhir/Patient/1"}, ""},
		`{"reference":"http://a.example/x"}`:                                                 {[]string{"http://a.example/x"}, ""},
		`{"reference":"urn:uuid:A-1"}`:                                                       {[]string{"urn:uuid:A-1"}, ""},
		`{"reference":"urn:oid:1.2"}`:                                                        {[]string{"urn:oid:1.2"}, ""},
		`{"reference":"Practitioner/1"}`:                                                     {nil, ""},
		`{"reference":"Patient/1","type":"Patient"}`:                                         {[]string{"1"}, ""},
		`{"reference":"Patient/1","type":"http://hl7.org/fhir/StructureDefinition/Patient"}`: {[]string{"1"}, ""},
		`{"reference":"Patient/1","type":"Device"}`:                                          {nil, "differs"},
		`{"reference":"urn:uuid:1","type":"Device"}`:                                         {nil, ""},
		`{"reference":"Patient?identifier=a|1"}`:                                             {[]string{"a|1"}, ""},
		`{"reference":"http://a.example/Patient?identifier=a%7C1&_format=json"}`:             {[]string{"a|1"}, ""},
		`{"reference":"Patient?identifier=1"}`:                                               {[]string{"*|1"}, ""},
		`{"reference":"Patient?identifier=%7C1"}`:                                            {[]string{"|1"}, ""},
		`{"reference":"Patient?identifier=a|1+2"}`:                                           {[]string{"a|1+2"}, ""},
		`{"reference":"Patient?identifier=a|1%5C%2C2"}`:                                      {[]string{"a|1,2"}, ""},
		`{"reference":"Patient?_id=7"}`:                                                      {[]string{"7"}, ""},
		`{"reference":"Patient?identifier=a|1,a|2"}`:                                         {nil, "search"},
		`{"reference":"Patient?identifier=a|"}`:                                              {nil, "search"},
		`{"reference":"Patient?identifier:of-type=a|b|1"}`:                                   {nil, "search"},
		`{"reference":"Patient?identifier=a|1&active=true"}`:                                 {nil, "search"},
		`{"reference":"Patient?identifier=a|1&identifier=a|2"}`:                              {nil, "search"},
		`{"reference":"Patient?identifier=%zz"}`:                                             {nil, "form"},
		`{"reference":"#1"}`:                                                                 {nil, "contained"},
		`{"reference":"#1","identifier":{"system":"a","value":"1"}}`:                         {[]string{"a|1"}, ""},
		`{"identifier":{"system":"a","value":"1"},"type":"Device"}`:                          {nil, ""},
		`{"identifier":{"value":"1"}}`:                                                       {[]string{"|1"}, ""},
		`{"reference":"http://a.example/Patient/1","identifier":{"system":"a","value":"1"}}`: {[]string{"http://a.example/Patient/1", "a|1"}, ""},
		`{"display":"Ada Byron"}`:                                                            {nil, "text"},
		`{"reference":"1"}`:                                                                  {nil, "form"},
		`{"reference":"Patient/a b"}`:                                                        {nil, "form"},
		`{}`:                                                                                 {nil, ""},
		`null`:                                                                               {nil, ""},
	} {
		var r *fhir.Reference
		require.NoError(t, json.Unmarshal([]byte(reference), &r))
		keys, fault := r.Find("Patient")
		var ids []string
		for _, k := range keys {
			require.Equal(t, "Patient", k.Type)
			ids = append(ids, k.ID)
		}
		require.Equal(t, want.keys, ids, reference)
		if want.fault == "" {
			require.Empty(t, fault, reference)
		} else {
			require.Contains(t, fault, want.fault, reference)
		}
	}
}

func TestBase_IsTheAddressOfTheServer(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]string{
		"http://A.example/fhir/Patient/1": "http://a.example/fhir", "https://a.example/Patient/1/_history/3": "https://a.example",
		"http://a.example/fhir/patient/1": "", "http://a.example/1": "", "urn:uuid:1": "", "Patient/1": "", "": "",
	} {
		require.Equal(t, want, fhir.Base(address), address)
	}
}
