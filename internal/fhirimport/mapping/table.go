package mapping

import (
	"carewire/internal/fhirimport/fhir"
)

// Stage is the order in which types are imported: after everything that they may refer to.
type Stage int

// The stages in their order. Stages is their number.
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
		{"Organization", "clinic", "The name. The time zone is that of `--time-zone`.", StagePeople, readOrganization},
		{"Practitioner", "person", "Name, email and phone. Becomes a doctor at the clinics of the resources that refer to them.", StagePeople, readPractitioner},
		{"Patient", "person", "Name, email, phone, language, birth date and gender. Becomes a patient at the clinics where they were seen, else at `managingOrganization`.", StagePatients, readPatient},
		{"PractitionerRole", "role at a clinic", "`nurse` if the code says so, else `doctor`.", StageVisits, readPractitionerRole},
		{"Encounter", "appointment", "Clinic from `serviceProvider`, doctor from the first participant. `finished` becomes completed. Without an end, it lasted `length`, or 15 minutes.", StageVisits, readEncounter},
		{"Appointment", "appointment", "Doctor from the first practitioner among the participants. Doctors' hours, absences and limits on requests do not apply to imports.", StageRecords, readAppointment},
		{"DiagnosticReport", "lab report or imaging report", "An imaging report if it has an imaging category or an `imagingStudy`, else a lab report with the Observations of `result`. Without any, the conclusion becomes the result.", StageRecords, readDiagnosticReport},
		{"Observation", "set of vital signs, or a result of a lab report", "By category. A laboratory result that is not part of a report becomes a lab report. Other categories are not imported.", StageObservations, readObservation},
		{"MedicationRequest", "prescription", "The medication may also be in a Medication, contained or not.", StageRecords, readMedicationRequest},
		{"AllergyIntolerance", "allergy", "", StageRecords, readAllergy},
		{"Condition", "condition", "", StageRecords, readCondition},
		{"Immunization", "immunization", "", StageRecords, readImmunization},
		{"Procedure", "procedure", "", StageRecords, readProcedure},
		{"ImagingStudy", "imaging report", "The study, without a radiologist's report.", StageRecords, readImagingStudy},
		{"Claim", "invoice, as a draft", "Stays a draft, since a claim is sent to an insurer and not to the patient. One line per item, or one with the total.", StageRecords, readClaim},
		{"Invoice", "invoice", "`issued`, `paid` (balanced), `draft` or `void` (cancelled, entered in error). An invoice past its due day is overdue from the start.", StageRecords, readInvoice},
		{"Communication", "message of a conversation", "The texts, if the sender is a patient or a practitioner. All messages about a patient at a clinic form one conversation of the patient and their care team at the time of the import. Attachments are left out.", StageRecords, readCommunication},
		{"Medication", "", "only read for the prescriptions that refer to it", StagePeople, nil},
		{"CarePlan", "", "carewire has no care plans", StagePeople, nil},
		{"CareTeam", "", "other systems cannot grant access to records", StagePeople, nil},
		{"Goal", "", "carewire has no goals", StagePeople, nil},
		{"ExplanationOfBenefit", "", "the insurer's answer; the claim is imported", StagePeople, nil},
		{"AuditEvent", "", "carewire has its own audit trail", StagePeople, nil},
		{"Subscription", "", "notifications are configured by rules", StagePeople, nil},
		{"Provenance", "", "the import is recorded as the provenance", StagePeople, nil},
	}
}

// UnknownType is the reason why a type without a row is skipped.
const UnknownType = "resources of this type are not imported"

// Options are the run's options that mapping needs.
type Options struct {
	TimeZone string
}
