package mapping

import (
	"slices"
	"time"

	"carewire/internal/clinic/ehr"
	"carewire/internal/fhirimport/fhir"
	"carewire/internal/fhirimport/meaning"
)

// Note records a part of the resource that is not imported as it is. The resource is then reported
// as partly imported.
func (d *Draft) Note(path, reason string) {
	d.LeftOut = append(d.LeftOut, fhir.Error{Path: path, Reason: reason})
}

// Ref is a reference of the resource. If it does not lead to an imported resource, the resource is
// reported as partly imported.
type Ref struct {
	// Path is the path of the reference, without the resource's type.
	Path string
	Keys []fhir.Key
	// Fault is the reason why the reference cannot be looked up, if it cannot be.
	Fault string
	// Doctor reports whether the reference names a person who may be the responsible doctor.
	Doctor bool
}

// Refer returns the keys of the reference at the path, and records it.
func (d *Draft) Refer(path string, ref *fhir.Reference, types ...string) []fhir.Key {
	keys, fault := ref.Find(types...)
	if len(keys) > 0 || fault != "" {
		d.Refs = append(d.Refs, Ref{Path: path, Keys: slices.Clone(keys), Fault: fault})
	}
	return keys
}

// ReferPatient sets the patient. A draft without one is refused, so the reference is not recorded.
func (d *Draft) ReferPatient(path string, ref *fhir.Reference) {
	d.PatientPath = path
	d.Patient, d.PatientFault = ref.Find("Patient")
}

// ReferDoctor adds a person who may be the responsible doctor.
func (d *Draft) ReferDoctor(path string, ref *fhir.Reference) {
	recorded := len(d.Refs)
	d.Doctors = append(d.Doctors, d.Refer(path, ref, "Practitioner", "PractitionerRole")...)
	for i := recorded; i < len(d.Refs); i++ {
		d.Refs[i].Doctor = true
	}
}

// KeyLists returns the lists of keys of the draft, to be changed in place.
func (d *Draft) KeyLists() []*[]fhir.Key {
	all := []*[]fhir.Key{&d.Patient, &d.Encounter, &d.Doctors, &d.Clinics, &d.Author}
	for i := range d.Parts {
		all = append(all, &d.Parts[i].Keys)
	}
	for i := range d.Refs {
		all = append(all, &d.Refs[i].Keys)
	}
	return all
}

// SetInstant sets a field that has no precision. A partial date is noted, and becomes its start in
// the clinic's time zone once the clinic is known.
func (d *Draft) SetInstant(field *time.Time, path string, t ehr.Time) {
	*field = t.Start()
	if t.IsPartial() {
		d.Floating = append(d.Floating, field)
		d.Note(path, "has no time of day: the start of the day, month or year was used")
	}
}

// SetDay sets a field of which only the day matters: an unknown time of day is not noted.
func (d *Draft) SetDay(field *time.Time, path string, t ehr.Time) {
	noted := d.LeftOut
	if d.SetInstant(field, path, t); t.HasDay() {
		d.LeftOut = noted
	}
}

// Localize moves the floating times to the time zone.
func (d *Draft) Localize(zone *time.Location) {
	for _, field := range d.Floating {
		t := *field
		*field = time.Date(t.Year(), t.Month(), t.Day(), t.Hour(), t.Minute(), t.Second(), t.Nanosecond(), zone)
	}
	d.Floating = nil
}

// setStatus records the decision on the status at the path.
func (d *Draft) setStatus(s meaning.StatusDecision, path string) {
	if s.UnlessKnown {
		d.SkipUnlessKnown = s.Skip
	}
	if s.Note != "" {
		d.Note(path, s.Note)
	}
}
