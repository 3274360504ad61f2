package mapping

import (
	"cmp"

	"carewire/internal/care"
	"carewire/internal/clinic/appointment"
	"carewire/internal/clinic/billing"
	"carewire/internal/clinic/chat"
	"carewire/internal/clinic/directory"
	"carewire/internal/clinic/ehr"
	"carewire/internal/fhirimport/fhir"
)

// draft is what a resource was mapped to, before its references are looked up.
type Draft struct {
	Resource *fhir.Resource
	Kind     string
	// patient, encounter, doctors, clinics and author are what it refers to, the likeliest first.
	Patient, Encounter, Doctors, Clinics, Author []fhir.Key
	// patientPath is where the patient stands, for who lacks one.
	PatientPath string
	// parts are other resources that it is made of; used fits them in.
	Parts []Part
	// One of these is what it becomes.
	Head        *ehr.Head
	Body        any
	Clinic      *directory.Clinic
	User        *directory.ImportedUser
	Role        care.Role
	Appointment *appointment.Imported
	Invoice     *billing.Imported
	Message     *chat.Imported
	// finish completes the body once the parts are in.
	Finish func(d *Draft) error
	// paths says where a field of the body stands in the resource.
	Paths map[string]string
	// without is what is left out of it.
	LeftOut []fhir.Error
	// aliases are other names by which the resource is looked for.
	Aliases []string
}

// part is a resource that another is made of.
type Part struct {
	Path  string
	Keys  []fhir.Key
	Apply func(body []byte) error
}

// kindPart is the kind of a resource that went into another.
const KindPart = "part"

// path says where a field of the domain's stands in the resource.
func (d *Draft) Path(field string) string {
	end := len(field)
	for n, c := range field {
		if c == '.' || c == '[' {
			end = n
			break
		}
	}
	name, rest := field[:end], field[end:]
	if there, ok := d.Paths[name]; ok {
		name = there
	}
	return fhir.JoinPath(d.Resource.Type, name) + rest
}

// skip is why a resource that could be read has no home.
type SkipError struct{ Reason string }

func (s *SkipError) Error() string { return s.Reason }

// clean makes one line of every name, number and title of the draft, and notes what lost more than spaces at its ends: nobody
// can be asked to type it again, and a person is not left out for a line break in their name.
func (d *Draft) Clean() {
	for _, what := range []any{d.Body, d.Clinic, d.User, d.Invoice} {
		care.CleanLines(what, func(path string) {
			d.LeftOut = append(d.LeftOut, fhir.Error{Path: d.Path(path), Reason: "held line breaks, control characters or what cannot be seen; it was made one line"})
		})
	}
	if d.User != nil {
		d.User.GivenName, d.User.FamilyName = cmp.Or(d.User.GivenName, unknownName), cmp.Or(d.User.FamilyName, unknownName)
	}
	if d.Invoice != nil && d.Invoice.Number != nil && *d.Invoice.Number == "" {
		d.Invoice.Number = nil
	}
}
