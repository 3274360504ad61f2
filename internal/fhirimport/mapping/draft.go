package mapping

import (
	"cmp"
	"time"

	"carewire/internal/care"
	"carewire/internal/clinic/appointment"
	"carewire/internal/clinic/billing"
	"carewire/internal/clinic/chat"
	"carewire/internal/clinic/directory"
	"carewire/internal/clinic/ehr"
	"carewire/internal/fhirimport/fhir"
)

// Draft is a mapped resource before its references are resolved.
type Draft struct {
	Resource *fhir.Resource
	Kind     string
	// References to other resources, the likeliest first.
	Patient, Encounter, Doctors, Clinics, Author []fhir.Key
	// Refs are the references by path, for the report.
	Refs []Ref
	// PatientPath is the path of the patient, for the error if there is none.
	PatientPath string
	// PatientFault is the reason why the reference to the patient cannot be looked up, if it cannot
	// be.
	PatientFault string
	// Parts are other resources that the body includes.
	Parts []Part
	// The mapped body: one of these is set.
	Head   *ehr.Head
	Body   any
	Clinic *directory.ClinicInput
	User   *directory.ImportedUser
	// Role is the role of a membership, or "" if the person gets none. Former means that they do
	// not hold it any more.
	Role        care.Role
	Former      bool
	Appointment *appointment.Imported
	Invoice     *billing.Imported
	Message     *chat.Imported
	// Finish completes the body after the parts were applied.
	Finish func(d *Draft) error
	// Paths are the resource's paths by field of the body.
	Paths map[string]string
	// LeftOut are the parts of the resource that were not imported.
	LeftOut []fhir.Error
	// Floating are times of the body that are in the time zone of the clinic, written in UTC until the
	// clinic is known.
	Floating []*time.Time
	// Undated is set if the resource has no date.
	Undated *Undated
	// SkipUnlessKnown is the reason to skip the resource unless it was imported before.
	SkipUnlessKnown string
	// Aliases are other identifiers of the resource.
	Aliases []string
}

// Part is a resource that another one includes. Without Apply, it only marks the draft as a
// possible part.
type Part struct {
	Path string
	Keys []fhir.Key
	// Apply adds the part to the body. It reports whether the part was used; if not, it has
	// recorded the reason in LeftOut.
	Apply func(body []byte) (used bool, err error)
}

// KindPart is the kind of a resource that became part of another.
const KindPart = "part"

// Path returns the resource's path of a field of the body.
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

// Clean makes every name, number and title of the draft a single line, and records in LeftOut where
// that removed more than surrounding spaces. An import has no user to correct the input, and a line
// break in a name is no reason to refuse a person.
func (d *Draft) Clean() {
	d.cleanCodes()
	for _, what := range []any{d.Body, d.Clinic, d.User, d.Invoice} {
		care.CleanLines(what, func(path string) {
			d.LeftOut = append(d.LeftOut, fhir.Error{Path: d.Path(path), Reason: "contained line breaks, control characters or invisible characters, which were removed"})
		})
	}
	if d.User != nil {
		d.User.GivenName, d.User.FamilyName = cmp.Or(d.User.GivenName, unknownName), cmp.Or(d.User.FamilyName, unknownName)
	}
	if d.Invoice != nil && d.Invoice.Number != nil && *d.Invoice.Number == "" {
		d.Invoice.Number = nil
	}
}
