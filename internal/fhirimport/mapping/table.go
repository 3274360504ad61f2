package mapping

import (
	"time"

	"carewire/internal/fhirimport/fhir"
	"carewire/internal/fhirimport/meaning"
)

// Stage is the order in which types are imported: after everything that they may refer to.
type Stage int

// The stages in their order. Stages is their number.
const (
	StagePeople Stage = iota
	StageRoles
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
	rows := []Row{
		{"Organization", "clinic", "The name. The time zone is that of `--time-zone`. Closed ones are skipped, and so are insurers, payers, pharmacies and others that do not care for patients.", StagePeople, readOrganization},
		{"Practitioner", "person", "Name, email and phone. Becomes a doctor at the clinics of the resources that refer to them, unless their roles are those of others.", StagePeople, readPractitioner},
		{"Patient", "person", "Name, email, phone, language, birth date and gender. Becomes a patient at the clinics where they were seen, else at `managingOrganization`. A patient that another one replaces (`link`) is that one.", StagePatients, readPatient},
		{"PractitionerRole", "role at a clinic", "`doctor` or `nurse` by the code, `doctor` without one. A role of another kind grants nothing, and the person is not responsible for records. An ended role is a former one.", StageRoles, readPractitionerRole},
		{"Encounter", "appointment", "Clinic from `serviceProvider`, doctor from the main participant (primary performer, attender) who took part to the end. `finished` becomes completed. Without an end, it lasted `length`, or 15 minutes.", StageVisits, readEncounter},
		{"Appointment", "appointment", "Doctor from the first practitioner among the participants who has not declined. Doctors' hours, absences and limits on requests do not apply to imports.", StageRecords, readAppointment},
		{"DiagnosticReport", "lab report or imaging report", "An imaging report if it has an imaging category or an `imagingStudy`, else a lab report with the Observations of `result`. Without any, the conclusion becomes the result.", StageRecords, readDiagnosticReport},
		{"Observation", "set of vital signs, result of a lab report, or entry of the medical history (social history)", "By category, and vital signs also by their LOINC code. A laboratory result that is not part of a report becomes a lab report. A result that was retracted, cancelled or registered, or that has an unknown status, is no part of a report. Other categories are skipped, unless a report includes them.", StageObservations, readObservation},
		{"MedicationRequest", "prescription, or entry of the medical history", "The medication may also be in a Medication, contained or not. A medicine that was only reported (`reported[x]`, or requested by the patient) becomes an entry of the medical history; a proposal, a plan and an option are skipped.", StageRecords, readMedicationRequest},
		{"AllergyIntolerance", "allergy", "\"No known allergy\" becomes an entry of the medical history.", StageRecords, readAllergy},
		{"Condition", "condition", "\"No known problems\" becomes an entry of the medical history.", StageRecords, readCondition},
		{"Immunization", "immunization", "", StageRecords, readImmunization},
		{"MedicationStatement", "entry of the medical history", "What the patient takes, without an order. What they do not take, or not yet, is skipped.", StageRecords, readMedicationStatement},
		{"Procedure", "procedure", "", StageRecords, readProcedure},
		{"ImagingStudy", "imaging report", "The study, without a radiologist's report.", StageRecords, readImagingStudy},
		{"Claim", "invoice, as a draft", "Only claims: a predetermination or a preauthorization is skipped. Stays a draft, since a claim is sent to an insurer and not to the patient. One line per item, or one with the total.", StageRecords, readClaim},
		{"Invoice", "invoice", "`issued`, `paid` (balanced), `draft` or `void` (cancelled, entered in error). An invoice past its due day is overdue from the start.", StageRecords, readInvoice},
		{"Communication", "message of a conversation", "The texts, if the sender is a patient or a practitioner. All messages about a patient at a clinic form one conversation of the patient and their care team at the time of the import. Attachments are left out.", StageRecords, readCommunication},
		{"Medication", "", "only read for the prescriptions that refer to it", StagePeople, nil},
		{"ServiceRequest", "", "carewire has no orders of examinations; their results are imported", StagePeople, nil},
		{"DocumentReference", "", "documents stay in the system that holds them: a note without its text would look complete", StagePeople, nil},
		{"MedicationAdministration", "", "carewire has no single doses; the prescription is imported", StagePeople, nil},
		{"CarePlan", "", "carewire has no care plans", StagePeople, nil},
		{"CareTeam", "", "other systems cannot grant access to records", StagePeople, nil},
		{"Goal", "", "carewire has no goals", StagePeople, nil},
		{"ExplanationOfBenefit", "", "the insurer's answer; the claim is imported", StagePeople, nil},
		{"AuditEvent", "", "carewire has its own audit trail", StagePeople, nil},
		{"Subscription", "", "notifications are configured by rules", StagePeople, nil},
		{"Provenance", "", "the import is recorded as the provenance", StagePeople, nil},
	}
	for i := range rows {
		if read := rows[i].Read; read != nil {
			rows[i].Read = func(m *Options, r *fhir.Resource) (*Draft, error) {
				if err := meaning.CheckModifiers(r.Type, r.Raw); err != nil {
					return nil, err
				}
				d, err := read(m, r)
				if err == nil {
					d.LeftOut = append(d.LeftOut, meaning.Labels(r)...)
				}
				return d, err
			}
		}
	}
	return rows
}

// UnknownType is the reason why a type without a row is skipped.
const UnknownType = "resources of this type are not imported"

// Options are the run's options that mapping needs.
type Options struct {
	TimeZone string
	// PhoneRegion is the country of phone numbers without a country code, or "": see care.ParsePhone.
	PhoneRegion string
	// Now is the time at which names, addresses and roles must be current; the default is the
	// present.
	Now time.Time
}

func (o *Options) now() time.Time {
	if o.Now.IsZero() {
		return time.Now()
	}
	return o.Now
}
