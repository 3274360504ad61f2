package main

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

const (
	// importPatients have importVisits visits each, in one bundle: 15 resources a visit, in addition
	// to the people.
	importPatients = 130
	importVisits   = 10
)

// importing measures carewire import fhir on a bundle like a clinic's export: once when everything
// is new, once when nothing changed.
func importing(ctx context.Context, dir string) ([]Measure, error) {
	s, err := serveDemo(ctx, dir, "api")
	if err != nil {
		return nil, err
	}
	defer s.stop()
	owner, err := s.pool(ctx, "")
	if err != nil {
		return nil, err
	}
	defer owner.Close()
	path := filepath.Join(dir, "bundle.json")
	n, err := writeBundle(path)
	if err != nil {
		return nil, err
	}
	var all []Measure
	for _, name := range []string{"import, resources/s", "import of the same, resources/s"} {
		m, before, began := newMeter(ctx, owner, s), childrenTime(), time.Now()
		if _, err := s.tool(ctx, "import", "fhir", "--source", "bench", "--strict", path); err != nil {
			return nil, err
		}
		perSecond := float64(n) / time.Since(began).Seconds()
		progress("%s: %.0f/s; µs of CPU each: import %.0f%s", name, perSecond, (childrenTime()-before)/float64(n)*1e6, m.per(float64(n)))
		all = append(all, alone(name, perSecond, "1/s"))
	}
	return all, nil
}

// childrenTime returns the processor time in seconds of the commands that this process ran.
func childrenTime() float64 {
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_CHILDREN, &used); err != nil {
		return 0
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano()).Seconds()
}

// writeBundle writes a bundle of fictional patients and returns its number of resources.
func writeBundle(path string) (n int, err error) {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_EXCL, 0o600)
	if err != nil {
		return 0, err
	}
	defer func() { _ = file.Close() }()
	w := bufio.NewWriter(file)
	add := func(format string, args ...any) {
		before := ","
		if n == 0 {
			before = `{"resourceType":"Bundle","type":"collection","entry":[`
		}
		n++
		_, _ = fmt.Fprintf(w, before+"\n{\"resource\":{"+format+"}}", args...) // Flush returns the error.
	}
	add(`"resourceType":"Organization","id":"org","name":"Bench Clinic"`)
	add(`"resourceType":"Practitioner","id":"doc","name":[{"family":"Bench","given":["Doctor"]}]`)
	for p := range importPatients {
		add(`"resourceType":"Patient","id":"p%d","name":[{"family":"Bench","given":["Patient"]}]`, p)
		for v := range importVisits {
			addVisit(add, fmt.Sprintf("p%d", p), fmt.Sprintf("p%d-v%d", p, v), fmt.Sprintf("20%02d-05-02T08:00:00Z", v+10))
		}
	}
	_, _ = w.WriteString("]}")
	return n, w.Flush()
}

func addVisit(add func(format string, args ...any), patient, visit, at string) {
	const about = `"subject":{"reference":"Patient/%s"},"encounter":{"reference":"Encounter/%s"}`
	add(`"resourceType":"Encounter","id":"%s","status":"finished","subject":{"reference":"Patient/%s"},"participant":[{"individual":{"reference":"Practitioner/doc"}}],`+
		`"serviceProvider":{"reference":"Organization/org"},"period":{"start":"%s"}`, visit, patient, at)
	for i := range 4 {
		add(`"resourceType":"Observation","id":"%s-s%d","status":"final","category":[{"coding":[{"code":"vital-signs"}]}],"code":{"coding":[{"system":"http://loinc.org","code":"8867-4"}]},`+
			about+`,"effectiveDateTime":"%s","valueQuantity":{"value":7%d,"unit":"/min","system":"http://unitsofmeasure.org","code":"/min"}`, visit, i, patient, visit, at, i)
	}
	for i := range 4 {
		add(`"resourceType":"Observation","id":"%s-l%d","status":"final","category":[{"coding":[{"code":"laboratory"}]}],"code":{"coding":[{"system":"http://loinc.org","code":"2823-3"}]},`+
			about+`,"effectiveDateTime":"%s","valueQuantity":{"value":4.%d,"unit":"mmol/L","system":"http://unitsofmeasure.org","code":"mmol/L"}`, visit, i, patient, visit, at, i)
	}
	add(`"resourceType":"DiagnosticReport","id":"%s-r","status":"final","category":[{"coding":[{"code":"LAB"}]}],"code":{"coding":[{"system":"http://loinc.org","code":"24323-8"}]},`+about+
		`,"effectiveDateTime":"%s","result":[{"reference":"Observation/%[1]s-l0"},{"reference":"Observation/%[1]s-l1"},{"reference":"Observation/%[1]s-l2"},{"reference":"Observation/%[1]s-l3"}]`,
		visit, patient, visit, at)
	add(`"resourceType":"Condition","id":"%s-c","clinicalStatus":{"coding":[{"code":"active"}]},"code":{"coding":[{"system":"http://snomed.info/sct","code":"38341003"}]},`+
		about+`,"recordedDate":"%s"`, visit, patient, visit, at)
	add(`"resourceType":"MedicationRequest","id":"%s-m","status":"completed","intent":"order","medicationCodeableConcept":{"coding":[{"system":"http://www.nlm.nih.gov/research/umls/rxnorm","code":"314076"}]},`+
		about+`,"authoredOn":"%s"`, visit, patient, visit, at)
	add(`"resourceType":"Immunization","id":"%s-i","status":"completed","vaccineCode":{"coding":[{"system":"http://hl7.org/fhir/sid/cvx","code":"140"}]},`+
		`"patient":{"reference":"Patient/%s"},"encounter":{"reference":"Encounter/%s"},"occurrenceDateTime":"%s"`, visit, patient, visit, at)
	add(`"resourceType":"Procedure","id":"%s-p","status":"completed","code":{"coding":[{"system":"http://snomed.info/sct","code":"80146002"}]},`+
		about+`,"performedDateTime":"%s"`, visit, patient, visit, at)
	add(`"resourceType":"Claim","id":"%s-b","status":"active","patient":{"reference":"Patient/%s"},"created":"%s","provider":{"reference":"Organization/org"},`+
		`"total":{"value":125,"currency":"USD"}`, visit, patient, at)
}
