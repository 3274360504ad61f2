package fhir

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
)

// The releases of FHIR that are not R4.
const (
	dstu2 = "DSTU2"
	stu3  = "STU3"
	r5    = "R5"
)

// shape is a field that R4's type does not have, or not with this JSON value.
type shape struct {
	field string
	// begins is the first character of the value, or 0 for any value.
	begins  byte
	release string
}

// shapes are the fields by which resources of other releases are recognized, by type: see the
// change lists of http://hl7.org/fhir/R4/diff.html and http://hl7.org/fhir/R5/diff.html.
var shapes = map[string][]shape{
	"Patient":            {{"careProvider", '[', dstu2}},
	"Practitioner":       {{"practitionerRole", '[', dstu2}, {"name", '{', dstu2}},
	"Condition":          {{"dateRecorded", '"', dstu2}, {"patient", '{', dstu2}, {"clinicalStatus", '"', stu3}, {"assertedDate", '"', stu3}, {"context", '{', stu3}},
	"AllergyIntolerance": {{"substance", '{', dstu2}, {"reporter", '{', dstu2}, {"clinicalStatus", '"', stu3}, {"assertedDate", '"', stu3}},
	"Encounter":          {{"patient", '{', dstu2}, {"reason", '[', stu3}, {"actualPeriod", '{', r5}, {"class", '[', r5}},
	"Observation":        {{"comments", '"', dstu2}, {"context", '{', stu3}, {"comment", '"', stu3}},
	"Procedure":          {{"notPerformed", 0, dstu2}, {"notDone", 0, stu3}, {"context", '{', stu3}, {"occurrenceDateTime", '"', r5}, {"occurrencePeriod", '{', r5}},
	"DiagnosticReport":   {{"context", '{', stu3}, {"codedDiagnosis", '[', stu3}},
	"MedicationRequest":  {{"context", '{', stu3}, {"medication", '{', r5}},
	"Immunization":       {{"wasNotGiven", 0, dstu2}, {"notGiven", 0, stu3}, {"date", '"', stu3}},
	"ImagingStudy":       {{"uid", '"', stu3}},
	"Claim":              {{"organization", '{', stu3}},
	"Communication":      {{"context", '{', stu3}, {"notDone", 0, stu3}},
	// Types that R4 does not have, or in which servers state their release.
	"MedicationOrder":     {{"resourceType", 0, dstu2}},
	"DiagnosticOrder":     {{"resourceType", 0, dstu2}},
	"Conformance":         {{"resourceType", 0, dstu2}},
	"ProcedureRequest":    {{"resourceType", 0, stu3}},
	"ReferralRequest":     {{"resourceType", 0, stu3}},
	"CapabilityStatement": {{"fhirVersion", '"', ""}},
}

// profileReleases are parts of the URLs of profiles by release.
var profileReleases = []struct{ part, release string }{
	{"hl7.org/fhir/1.0/", dstu2},
	{"hl7.org/fhir/DSTU2/", dstu2},
	{"fhir.org/guides/argonaut/", dstu2},
	{"hl7.org/fhir/3.0/", stu3},
	{"hl7.org/fhir/STU3/", stu3},
	{"hl7.org/fhir/5.0/", r5},
}

// Release returns the release of FHIR that the resource has, or "" for R4 and a resource that may
// be R4.
func (r *Resource) Release() string {
	quoted := make([]byte, 0, 32)
	suspect := func(s shape) bool {
		quoted = append(append(append(quoted[:0], '"'), s.field...), '"')
		return bytes.Contains(r.Raw, quoted)
	}
	named := func(p struct{ part, release string }) bool { return bytes.Contains(r.Raw, []byte(p.part)) }
	if !slices.ContainsFunc(shapes[r.Type], suspect) && !slices.ContainsFunc(profileReleases, named) {
		return ""
	}
	var fields map[string]json.RawMessage
	if json.Unmarshal(r.Raw, &fields) != nil {
		return ""
	}
	for _, s := range shapes[r.Type] {
		switch value := fields[s.field]; {
		case len(value) == 0 || (s.begins != 0 && value[0] != s.begins):
		case s.release == "":
			return releaseOf(string(bytes.Trim(value, `"`)))
		default:
			return s.release
		}
	}
	var meta struct {
		Profile []string `json:"profile"`
	}
	_ = json.Unmarshal(fields["meta"], &meta)
	for _, p := range profileReleases {
		if slices.ContainsFunc(meta.Profile, func(url string) bool { return strings.Contains(url, p.part) }) {
			return p.release
		}
	}
	return ""
}

// releaseOf returns the release of a fhirVersion such as 3.0.2.
func releaseOf(version string) string {
	switch {
	case strings.HasPrefix(version, "0."), strings.HasPrefix(version, "1."):
		return dstu2
	case strings.HasPrefix(version, "3."):
		return stu3
	case strings.HasPrefix(version, "5."):
		return r5
	}
	return ""
}

// ReleaseReason is the reason why a resource or a file of another release is refused.
func ReleaseReason(release string) string {
	return "is FHIR " + release + "; export it as FHIR R4, or convert it to R4 first"
}

// manyResources is more than the resources of a file.
const manyResources = 1 << 40

// Release returns the release of FHIR of the file if that of most of its resources is known and not
// R4, else "".
func (f File) Release(ctx context.Context) (string, error) {
	count := map[string]int{}
	total := 0
	err := f.Read(ctx, &Marks{}, func(int) {}, func(r Resource, err error) error {
		if r.Raw == nil || r.Type == "" {
			return nil
		}
		release := r.Release()
		switch {
		case r.Type == "CapabilityStatement" && release != "":
			// It states the release of the whole server.
			total, count[release] = total+manyResources, count[release]+manyResources
		case release != "":
			total, count[release] = total+1, count[release]+1
		case shapes[r.Type] != nil && r.Type != "Patient" && r.Type != "Practitioner":
			total++
		}
		return nil
	})
	if _, ok := errors.AsType[*FileError](err); ok {
		err = nil // The first stage reports it.
	}
	foreign := count[dstu2] + count[stu3] + count[r5]
	if foreign == 0 || 2*foreign < total {
		return "", err
	}
	// DSTU2 has most of the shapes of STU3 too.
	for _, release := range []string{dstu2, stu3} {
		if count[release] > 0 && count[release] >= count[r5] {
			return release, err
		}
	}
	return r5, err
}
