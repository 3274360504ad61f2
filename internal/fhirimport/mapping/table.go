package mapping

import (
	"carewire/internal/fhirimport/fhir"
)

// Stage is the order in which types are imported: after everything that they may refer to.
type Stage int

const (
	StagePeople Stage = iota
	StagePatients
	StageVisits
	StageRecords
	StageObservations
	Stages
)

// Row is one line of the table: a FHIR type and what it becomes.
type Row struct {
	Type string
	// To is the target, as in docs/fhir.md. If it is empty, the type is not imported, and Notes is
	// the reason.
	To, Notes string
	Stage     Stage
	Read      func(m *Options, r *fhir.Resource) (*Draft, error)
}

// Table returns all types that have a row, in the order of the FHIR reference. Other types are not
// imported.
func Table() []Row {
	return []Row{
		{"Organization", "clinic", "Its name; the time zone is that of `--time-zone`.", StagePeople, readOrganization},
		{"Practitioner", "person", "Name, email and phone. Doctor at the clinics where something names them.", StagePeople, readPractitioner},
		{"Patient", "person", "Name, email, phone, language, birth date and gender. Patient at the clinics where they were seen, else at `managingOrganization`.", StagePatients, readPatient},
		{"PractitionerRole", "role at a clinic", "`nurse` by its code, else `doctor`.", StageVisits, readPractitionerRole},
		{"Encounter", "appointment", "At `serviceProvider`, by the first participant. `finished` is completed; without an end it lasted `length`, or 15 minutes.", StageVisits, readEncounter},
		{"Appointment", "appointment", "By the first practitioner among its participants. Doctors' hours, absences and limits of requests do not apply to imports.", StageRecords, readAppointment},
		{"DiagnosticReport", "lab report or imaging report", "An imaging report by its category or `imagingStudy`, else a lab report with the Observations of `result` inside. Without any, the conclusion is the result.", StageRecords, readDiagnosticReport},
		{"Observation", "set of vital signs, or a result of a lab report", "By its category. A laboratory result that no report names is a lab report of its own. Other categories have no home.", StageObservations, readObservation},
		{"MedicationRequest", "prescription", "The medicine also from a Medication, contained or not.", StageRecords, readMedicationRequest},
		{"AllergyIntolerance", "allergy", "", StageRecords, readAllergy},
		{"Condition", "condition", "", StageRecords, readCondition},
		{"Immunization", "immunization", "", StageRecords, readImmunization},
		{"Procedure", "procedure", "", StageRecords, readProcedure},
		{"ImagingStudy", "imaging report", "The study without words of the radiologist's.", StageRecords, readImagingStudy},
		{"Claim", "invoice, as a draft", "A claim asks an insurer, not the patient: it stays a draft. Its items, or its total.", StageRecords, readClaim},
		{"Invoice", "invoice", "`issued`, `paid` (balanced), `draft` or `void` (cancelled, entered in error). What is past its day is overdue from the start.", StageRecords, readInvoice},
		{"Communication", "message of a conversation", "Its texts, where the sender is a patient or a practitioner. All of a patient at a clinic are one conversation, which is the patient's and, when it is begun, their care team's. Attachments are left out.", StageRecords, readCommunication},
		{"Medication", "", "is read for the prescriptions that name it", StagePeople, nil},
		{"CarePlan", "", "carewire keeps no care plans", StagePeople, nil},
		{"CareTeam", "", "who may read what is not for another system to say", StagePeople, nil},
		{"Goal", "", "carewire keeps no goals", StagePeople, nil},
		{"ExplanationOfBenefit", "", "is the insurer's answer; the claim is taken in", StagePeople, nil},
		{"AuditEvent", "", "the audit trail is carewire's own", StagePeople, nil},
		{"Subscription", "", "who is told of what, rules say", StagePeople, nil},
		{"Provenance", "", "the import itself is the provenance", StagePeople, nil},
	}
}

// UnknownType is the reason why a type without a row is skipped.
const UnknownType = "carewire keeps nothing of this type"

// Options are the run's options that mapping needs.
type Options struct {
	TimeZone string
}
