package mapping

import (
	"cmp"
	"strconv"
	"strings"

	"carewire/internal/clinic/ehr"
	"carewire/internal/fhirimport/fhir"
)

// common are the fields that clinical resources share.
type common struct {
	Status    string            `json:"status"`
	Subject   *fhir.Reference   `json:"subject"`
	Patient   *fhir.Reference   `json:"patient"`
	Encounter *fhir.Reference   `json:"encounter"`
	Recorder  *fhir.Reference   `json:"recorder"`
	Asserter  *fhir.Reference   `json:"asserter"`
	Note      []fhir.Annotation `json:"note"`
}

// recordPaths returns the paths of the fields that every record has, and of those in more.
func recordPaths(patient, effective string, more ...string) map[string]string {
	paths := map[string]string{"patientId": patient, "effectiveAt": effective, "clinicId": "encounter", "doctorId": "encounter", "note": "note.text"}
	for i := 0; i+1 < len(more); i += 2 {
		paths[more[i]] = more[i+1]
	}
	return paths
}

// record returns the draft of a record of the kind.
func (a *common) record(kind, effective string, head *ehr.Head, body any, doctors []*fhir.Reference, more ...string) *Draft {
	path, who := "subject", a.Subject
	if a.Patient != nil {
		path, who = "patient", a.Patient
	}
	d := &Draft{Kind: kind, Head: head, Body: body, Patient: who.Keys("Patient"), PatientPath: path, Encounter: a.Encounter.Keys("Encounter")}
	d.Paths = recordPaths(path, effective, more...)
	for _, doctor := range append(doctors, a.Recorder, a.Asserter) {
		d.Doctors = append(d.Doctors, doctor.Keys("Practitioner", "PractitionerRole")...)
	}
	return d
}

// requiredCode returns the first code, which a record must have.
func requiredCode(path string, concepts ...*fhir.CodeableConcept) (ehr.Coding, error) {
	for _, c := range concepts {
		if code := c.EHRCoding(); code != nil {
			return *code, nil
		}
	}
	return ehr.Coding{}, fhir.NewError(path, "is missing")
}

// clinicalStatus returns the status of a resource that has a clinical and a verification status.
// "entered-in-error" is a verification status.
func clinicalStatus(status, verification *fhir.CodeableConcept) string {
	if verification.HasCode("entered-in-error") {
		return "entered-in-error"
	}
	return cmp.Or(status.FirstCode(), "unknown")
}

// verificationStatus returns the verification status unless clinicalStatus includes it.
func verificationStatus(verification *fhir.CodeableConcept) string {
	if word := verification.FirstCode(); word != "entered-in-error" {
		return word
	}
	return ""
}

type allergyIntolerance struct {
	common
	ClinicalStatus     *fhir.CodeableConcept `json:"clinicalStatus"`
	VerificationStatus *fhir.CodeableConcept `json:"verificationStatus"`
	Type               string                `json:"type"`
	Category           []string              `json:"category"`
	Criticality        string                `json:"criticality"`
	Code               *fhir.CodeableConcept `json:"code"`
	Onset              string                `json:"onsetDateTime"`
	RecordedDate       string                `json:"recordedDate"`
	LastOccurrence     string                `json:"lastOccurrence"`
	Reaction           []struct {
		Substance     *fhir.CodeableConcept  `json:"substance"`
		Manifestation []fhir.CodeableConcept `json:"manifestation"`
		Description   string                 `json:"description"`
		Onset         string                 `json:"onset"`
		Severity      string                 `json:"severity"`
		ExposureRoute *fhir.CodeableConcept  `json:"exposureRoute"`
	} `json:"reaction"`
}

func readAllergy(_ *Options, r *fhir.Resource) (*Draft, error) {
	var a allergyIntolerance
	if err := fhir.Decode(r.Type, r.Raw, &a); err != nil {
		return nil, err
	}
	b := &ehr.Allergy{
		Head: ehr.Head{Status: clinicalStatus(a.ClinicalStatus, a.VerificationStatus)}, VerificationStatus: verificationStatus(a.VerificationStatus),
		Type: a.Type, Categories: a.Category, Criticality: a.Criticality, Note: fhir.JoinNotes(a.Note),
	}
	var err error
	if b.EffectiveAt, err = fhir.FirstTime(r.Type, "recordedDate", a.RecordedDate, "onsetDateTime", a.Onset, "lastOccurrence", a.LastOccurrence); err != nil {
		return nil, err
	}
	if b.Code, err = requiredCode(r.Type+".code", a.Code); err != nil {
		return nil, err
	}
	if b.OnsetAt, err = fhir.OptionalTime(r.Type+".onsetDateTime", a.Onset); err != nil {
		return nil, err
	}
	if b.LastOccurrenceAt, err = fhir.OptionalTime(r.Type+".lastOccurrence", a.LastOccurrence); err != nil {
		return nil, err
	}
	for i, x := range a.Reaction {
		onset, err := fhir.OptionalTime(r.Type+".reaction["+strconv.Itoa(i)+"].onset", x.Onset)
		if err != nil {
			return nil, err
		}
		b.Reactions = append(b.Reactions, ehr.Reaction{
			Substance: x.Substance.EHRCoding(), Manifestations: fhir.EHRCodings(x.Manifestation), Severity: x.Severity,
			OnsetAt: onset, ExposureRoute: x.ExposureRoute.EHRCoding(), Description: x.Description,
		})
	}
	return a.record("allergy", "recordedDate", &b.Head, b, nil, "status", "clinicalStatus", "categories", "category", "reactions", "reaction",
		"onsetAt", "onsetDateTime", "lastOccurrenceAt", "lastOccurrence"), nil
}

type condition struct {
	common
	ClinicalStatus     *fhir.CodeableConcept  `json:"clinicalStatus"`
	VerificationStatus *fhir.CodeableConcept  `json:"verificationStatus"`
	Category           []fhir.CodeableConcept `json:"category"`
	Severity           *fhir.CodeableConcept  `json:"severity"`
	Code               *fhir.CodeableConcept  `json:"code"`
	BodySite           []fhir.CodeableConcept `json:"bodySite"`
	Onset              string                 `json:"onsetDateTime"`
	OnsetString        string                 `json:"onsetString"`
	Abatement          string                 `json:"abatementDateTime"`
	AbatementString    string                 `json:"abatementString"`
	RecordedDate       string                 `json:"recordedDate"`
}

func readCondition(_ *Options, r *fhir.Resource) (*Draft, error) {
	var c condition
	if err := fhir.Decode(r.Type, r.Raw, &c); err != nil {
		return nil, err
	}
	b := &ehr.Condition{
		Head: ehr.Head{Status: clinicalStatus(c.ClinicalStatus, c.VerificationStatus)}, VerificationStatus: verificationStatus(c.VerificationStatus),
		Severity: c.Severity.EHRCoding(), BodySites: fhir.EHRCodings(c.BodySite), OnsetText: c.OnsetString, AbatementText: c.AbatementString, Note: fhir.JoinNotes(c.Note),
	}
	for i := range c.Category {
		if word := c.Category[i].FirstCode(); word == "problem-list-item" || word == "encounter-diagnosis" {
			b.Category = word
		}
	}
	var err error
	if b.EffectiveAt, err = fhir.FirstTime(r.Type, "recordedDate", c.RecordedDate, "onsetDateTime", c.Onset); err != nil {
		return nil, err
	}
	if b.Code, err = requiredCode(r.Type+".code", c.Code); err != nil {
		return nil, err
	}
	if b.OnsetAt, err = fhir.OptionalTime(r.Type+".onsetDateTime", c.Onset); err != nil {
		return nil, err
	}
	if b.AbatementAt, err = fhir.OptionalTime(r.Type+".abatementDateTime", c.Abatement); err != nil {
		return nil, err
	}
	return c.record("condition", "recordedDate", &b.Head, b, nil, "status", "clinicalStatus", "bodySites", "bodySite", "onsetAt", "onsetDateTime",
		"onsetText", "onsetString", "abatementAt", "abatementDateTime", "abatementText", "abatementString"), nil
}

type immunization struct {
	common
	StatusReason *fhir.CodeableConcept `json:"statusReason"`
	VaccineCode  *fhir.CodeableConcept `json:"vaccineCode"`
	Occurrence   string                `json:"occurrenceDateTime"`
	Recorded     string                `json:"recorded"`
	Manufacturer *struct {
		Display string `json:"display"`
	} `json:"manufacturer"`
	LotNumber      string                `json:"lotNumber"`
	ExpirationDate string                `json:"expirationDate"`
	Site           *fhir.CodeableConcept `json:"site"`
	Route          *fhir.CodeableConcept `json:"route"`
	DoseQuantity   *fhir.Quantity        `json:"doseQuantity"`
	PrimarySource  *bool                 `json:"primarySource"`
	Performer      []struct {
		Actor *fhir.Reference `json:"actor"`
	} `json:"performer"`
	ProtocolApplied []struct {
		DoseNumber  *int `json:"doseNumberPositiveInt"`
		SeriesDoses *int `json:"seriesDosesPositiveInt"`
	} `json:"protocolApplied"`
}

func readImmunization(_ *Options, r *fhir.Resource) (*Draft, error) {
	var v immunization
	if err := fhir.Decode(r.Type, r.Raw, &v); err != nil {
		return nil, err
	}
	b := &ehr.Immunization{
		Head: ehr.Head{Status: v.Status}, StatusReason: v.StatusReason.EHRCoding(), LotNumber: v.LotNumber, ExpirationDate: v.ExpirationDate,
		Site: v.Site.EHRCoding(), Route: v.Route.EHRCoding(), DoseQuantity: v.DoseQuantity.EHRQuantity(), PrimarySource: v.PrimarySource, Note: fhir.JoinNotes(v.Note),
	}
	if v.Manufacturer != nil {
		b.Manufacturer = v.Manufacturer.Display
	}
	if len(v.ProtocolApplied) > 0 {
		b.DoseNumber, b.SeriesDoses = v.ProtocolApplied[0].DoseNumber, v.ProtocolApplied[0].SeriesDoses
	}
	var err error
	if b.EffectiveAt, err = fhir.FirstTime(r.Type, "occurrenceDateTime", v.Occurrence, "recorded", v.Recorded); err != nil {
		return nil, err
	}
	if b.Code, err = requiredCode(r.Type+".vaccineCode", v.VaccineCode); err != nil {
		return nil, err
	}
	var doctors []*fhir.Reference
	for _, p := range v.Performer {
		doctors = append(doctors, p.Actor)
	}
	return v.record("immunization", "occurrenceDateTime", &b.Head, b, doctors, "code", "vaccineCode"), nil
}

type procedure struct {
	common
	StatusReason      *fhir.CodeableConcept  `json:"statusReason"`
	Category          *fhir.CodeableConcept  `json:"category"`
	Code              *fhir.CodeableConcept  `json:"code"`
	PerformedDateTime string                 `json:"performedDateTime"`
	PerformedPeriod   *fhir.Period           `json:"performedPeriod"`
	ReasonCode        []fhir.CodeableConcept `json:"reasonCode"`
	BodySite          []fhir.CodeableConcept `json:"bodySite"`
	Outcome           *fhir.CodeableConcept  `json:"outcome"`
	Complication      []fhir.CodeableConcept `json:"complication"`
	FollowUp          []fhir.CodeableConcept `json:"followUp"`
	Performer         []struct {
		Actor *fhir.Reference `json:"actor"`
	} `json:"performer"`
}

func readProcedure(_ *Options, r *fhir.Resource) (*Draft, error) {
	var p procedure
	if err := fhir.Decode(r.Type, r.Raw, &p); err != nil {
		return nil, err
	}
	b := &ehr.Procedure{
		Head: ehr.Head{Status: p.Status}, StatusReason: p.StatusReason.EHRCoding(), Category: p.Category.EHRCoding(), Reasons: fhir.EHRCodings(p.ReasonCode),
		BodySites: fhir.EHRCodings(p.BodySite), Outcome: p.Outcome.EHRCoding(), Complications: fhir.EHRCodings(p.Complication), Note: fhir.JoinNotes(p.Note),
	}
	for i := range p.FollowUp {
		b.FollowUp = strings.TrimPrefix(b.FollowUp+"; "+p.FollowUp[i].Label(), "; ")
	}
	var err error
	if b.PerformedPeriod, err = p.PerformedPeriod.EHRPeriod(r.Type + ".performedPeriod"); err != nil {
		return nil, err
	}
	if p.PerformedPeriod == nil {
		p.PerformedPeriod = &fhir.Period{}
	}
	if b.EffectiveAt, err = fhir.FirstTime(r.Type, "performedPeriod.start", p.PerformedPeriod.Start, "performedDateTime", p.PerformedDateTime, "performedPeriod.end", p.PerformedPeriod.End); err != nil {
		return nil, err
	}
	if b.Code, err = requiredCode(r.Type+".code", p.Code); err != nil {
		return nil, err
	}
	var doctors []*fhir.Reference
	for _, x := range p.Performer {
		doctors = append(doctors, x.Actor)
	}
	return p.record("procedure", "performedPeriod.start", &b.Head, b, doctors, "reasons", "reasonCode", "bodySites", "bodySite", "complications", "complication"), nil
}
