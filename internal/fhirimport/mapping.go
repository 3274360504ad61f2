package fhirimport

import (
	"carewire/internal/care"
	"carewire/internal/clinic/appointment"
	"carewire/internal/clinic/billing"
	"carewire/internal/clinic/chat"
	"carewire/internal/clinic/directory"
	"carewire/internal/clinic/ehr"
	"carewire/internal/fhirimport/fhir"
)

// stage is when a type is taken in: after all that it may refer to.
type stage int

const (
	people stage = iota
	patients
	visits
	writings
	leftovers
	stages
)

// Mapping is one line of the table: what becomes of a type.
type Mapping struct {
	Type string
	// To is what it becomes here, in the words of docs/fhir.md; empty for one that has no home, and then Notes is why.
	To, Notes string
	stage     stage
	read      func(m *mapper, r *fhir.Resource) (*draft, error)
}

// Mappings is every type that is known by name, in the reference's order. A type that it lacks has no home.
func Mappings() []Mapping {
	return []Mapping{
		{"Organization", "clinic", "Its name; the time zone is that of `--time-zone`.", people, readOrganization},
		{"Practitioner", "person", "Name, email and phone. Doctor at the clinics where something names them.", people, readPractitioner},
		{"Patient", "person", "Name, email, phone, language, birth date and gender. Patient at the clinics where they were seen, else at `managingOrganization`.", patients, readPatient},
		{"PractitionerRole", "role at a clinic", "`nurse` by its code, else `doctor`.", visits, readPractitionerRole},
		{"Encounter", "appointment", "At `serviceProvider`, by the first participant. `finished` is completed; without an end it lasted `length`, or 15 minutes.", visits, readEncounter},
		{"Appointment", "appointment", "By the first practitioner among its participants. Doctors' hours, absences and limits of requests do not apply to imports.", writings, readAppointment},
		{"DiagnosticReport", "lab report or imaging report", "An imaging report by its category or `imagingStudy`, else a lab report with the Observations of `result` inside. Without any, the conclusion is the result.", writings, readDiagnosticReport},
		{"Observation", "set of vital signs, or a result of a lab report", "By its category. A laboratory result that no report names is a lab report of its own. Other categories have no home.", leftovers, readObservation},
		{"MedicationRequest", "prescription", "The medicine also from a Medication, contained or not.", writings, readMedicationRequest},
		{"AllergyIntolerance", "allergy", "", writings, readAllergy},
		{"Condition", "condition", "", writings, readCondition},
		{"Immunization", "immunization", "", writings, readImmunization},
		{"Procedure", "procedure", "", writings, readProcedure},
		{"ImagingStudy", "imaging report", "The study without words of the radiologist's.", writings, readImagingStudy},
		{"Claim", "invoice, as a draft", "A claim asks an insurer, not the patient: it stays a draft. Its items, or its total.", writings, readClaim},
		{"Invoice", "invoice", "`issued`, `paid` (balanced), `draft` or `void` (cancelled, entered in error). What is past its day is overdue from the start.", writings, readInvoice},
		{"Communication", "message of a conversation", "Its texts, where the sender is a patient or a practitioner. All of a patient at a clinic are one conversation, which is the patient's and, when it is begun, their care team's. Attachments are left out.", writings, readCommunication},
		{"Medication", "", "is read for the prescriptions that name it", people, nil},
		{"CarePlan", "", "carewire keeps no care plans", people, nil},
		{"CareTeam", "", "who may read what is not for another system to say", people, nil},
		{"Goal", "", "carewire keeps no goals", people, nil},
		{"ExplanationOfBenefit", "", "is the insurer's answer; the claim is taken in", people, nil},
		{"AuditEvent", "", "the audit trail is carewire's own", people, nil},
		{"Subscription", "", "who is told of what, rules say", people, nil},
		{"Provenance", "", "the import itself is the provenance", people, nil},
	}
}

// noHome is why a type that the table lacks is skipped.
const noHome = "carewire keeps nothing of this type"

// draft is what a resource was mapped to, before its references are looked up.
type draft struct {
	res  *fhir.Resource
	kind string
	// patient, encounter, doctors, clinics and author are what it refers to, the likeliest first.
	patient, encounter, doctors, clinics, author []fhir.Key
	// patientPath is where the patient stands, for who lacks one.
	patientPath string
	// parts are other resources that it is made of; used fits them in.
	parts []part
	// One of these is what it becomes.
	head        *ehr.Head
	body        any
	clinic      *directory.Clinic
	user        *directory.ImportedUser
	role        care.Role
	appointment *appointment.Imported
	invoice     *billing.Imported
	message     *chat.Imported
	// finish completes the body once the parts are in.
	finish func(d *draft) error
	// paths says where a field of the body stands in the resource.
	paths map[string]string
	// without is what is left out of it.
	without []fhir.Error
	// aliases are other names by which the resource is looked for.
	aliases []string
}

// part is a resource that another is made of.
type part struct {
	path string
	keys []fhir.Key
	take func(body []byte) error
}

// kindPart is the kind of a resource that went into another.
const kindPart = "part"

// mapper knows what the run was told, for those who map.
type mapper struct {
	timeZone string
}

// skip is why a resource that could be read has no home.
type skip struct{ reason string }

func (s *skip) Error() string { return s.reason }

// path says where a field of the domain's stands in the resource.
func (d *draft) path(field string) string {
	end := len(field)
	for n, c := range field {
		if c == '.' || c == '[' {
			end = n
			break
		}
	}
	name, rest := field[:end], field[end:]
	if there, ok := d.paths[name]; ok {
		name = there
	}
	return fhir.JoinPath(d.res.Type, name) + rest
}
