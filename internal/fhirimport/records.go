package fhirimport

import (
	"cmp"
	"strconv"
	"strings"

	"carewire/internal/clinic/ehr"
)

// about is what every clinical resource says of whom it is about and where it was made.
type about struct {
	Status    string       `json:"status"`
	Subject   *reference   `json:"subject"`
	Patient   *reference   `json:"patient"`
	Encounter *reference   `json:"encounter"`
	Recorder  *reference   `json:"recorder"`
	Asserter  *reference   `json:"asserter"`
	Note      []annotation `json:"note"`
}

// recordPaths say where a field that every record has stands in the resource.
func recordPaths(patient, effective string, more ...string) map[string]string {
	paths := map[string]string{"patientId": patient, "effectiveAt": effective, "clinicId": "encounter", "doctorId": "encounter", "note": "note.text"}
	for i := 0; i+1 < len(more); i += 2 {
		paths[more[i]] = more[i+1]
	}
	return paths
}

// record is the draft of a record of the kind.
func (a *about) record(kind, effective string, head *ehr.Head, body any, doctors []*reference, more ...string) *draft {
	path, who := "subject", a.Subject
	if a.Patient != nil {
		path, who = "patient", a.Patient
	}
	d := &draft{kind: kind, head: head, body: body, patient: who.keys("Patient"), patientPath: path, encounter: a.Encounter.keys("Encounter")}
	d.paths = recordPaths(path, effective, more...)
	for _, doctor := range append(doctors, a.Recorder, a.Asserter) {
		d.doctors = append(d.doctors, doctor.keys("Practitioner", "PractitionerRole")...)
	}
	return d
}

// coded gives the code that a record must have.
func coded(path string, concepts ...*codeableConcept) (ehr.Coding, error) {
	for _, c := range concepts {
		if code := c.code(); code != nil {
			return *code, nil
		}
	}
	return ehr.Coding{}, faulty(path, "is missing")
}

// clinical gives the status of what has two: entered in error is the second's to say.
func clinical(status, verification *codeableConcept) string {
	if verification.has("entered-in-error") {
		return "entered-in-error"
	}
	return cmp.Or(status.word(), "unknown")
}

// verified leaves out what the status says.
func verified(verification *codeableConcept) string {
	if word := verification.word(); word != "entered-in-error" {
		return word
	}
	return ""
}

func readAllergy(_ *mapper, r *resource) (*draft, error) {
	var a struct {
		about
		ClinicalStatus     *codeableConcept `json:"clinicalStatus"`
		VerificationStatus *codeableConcept `json:"verificationStatus"`
		Type               string           `json:"type"`
		Category           []string         `json:"category"`
		Criticality        string           `json:"criticality"`
		Code               *codeableConcept `json:"code"`
		Onset              string           `json:"onsetDateTime"`
		RecordedDate       string           `json:"recordedDate"`
		LastOccurrence     string           `json:"lastOccurrence"`
		Reaction           []struct {
			Substance     *codeableConcept  `json:"substance"`
			Manifestation []codeableConcept `json:"manifestation"`
			Description   string            `json:"description"`
			Onset         string            `json:"onset"`
			Severity      string            `json:"severity"`
			ExposureRoute *codeableConcept  `json:"exposureRoute"`
		} `json:"reaction"`
	}
	if err := decode(r.typ, r.raw, &a); err != nil {
		return nil, err
	}
	b := &ehr.Allergy{
		Head: ehr.Head{Status: clinical(a.ClinicalStatus, a.VerificationStatus)}, VerificationStatus: verified(a.VerificationStatus),
		Type: a.Type, Categories: a.Category, Criticality: a.Criticality, Note: notes(a.Note),
	}
	var err error
	if b.EffectiveAt, err = when(r.typ, "recordedDate", a.RecordedDate, "onsetDateTime", a.Onset, "lastOccurrence", a.LastOccurrence); err != nil {
		return nil, err
	}
	if b.Code, err = coded(r.typ+".code", a.Code); err != nil {
		return nil, err
	}
	if b.OnsetAt, err = at(r.typ+".onsetDateTime", a.Onset); err != nil {
		return nil, err
	}
	if b.LastOccurrenceAt, err = at(r.typ+".lastOccurrence", a.LastOccurrence); err != nil {
		return nil, err
	}
	for i, x := range a.Reaction {
		onset, err := at(r.typ+".reaction["+strconv.Itoa(i)+"].onset", x.Onset)
		if err != nil {
			return nil, err
		}
		b.Reactions = append(b.Reactions, ehr.Reaction{
			Substance: x.Substance.code(), Manifestations: codes(x.Manifestation), Severity: x.Severity,
			OnsetAt: onset, ExposureRoute: x.ExposureRoute.code(), Description: x.Description,
		})
	}
	return a.record("allergy", "recordedDate", &b.Head, b, nil, "status", "clinicalStatus", "categories", "category", "reactions", "reaction",
		"onsetAt", "onsetDateTime", "lastOccurrenceAt", "lastOccurrence"), nil
}

func readCondition(_ *mapper, r *resource) (*draft, error) {
	var c struct {
		about
		ClinicalStatus     *codeableConcept  `json:"clinicalStatus"`
		VerificationStatus *codeableConcept  `json:"verificationStatus"`
		Category           []codeableConcept `json:"category"`
		Severity           *codeableConcept  `json:"severity"`
		Code               *codeableConcept  `json:"code"`
		BodySite           []codeableConcept `json:"bodySite"`
		Onset              string            `json:"onsetDateTime"`
		OnsetString        string            `json:"onsetString"`
		Abatement          string            `json:"abatementDateTime"`
		AbatementString    string            `json:"abatementString"`
		RecordedDate       string            `json:"recordedDate"`
	}
	if err := decode(r.typ, r.raw, &c); err != nil {
		return nil, err
	}
	b := &ehr.Condition{
		Head: ehr.Head{Status: clinical(c.ClinicalStatus, c.VerificationStatus)}, VerificationStatus: verified(c.VerificationStatus),
		Severity: c.Severity.code(), BodySites: codes(c.BodySite), OnsetText: c.OnsetString, AbatementText: c.AbatementString, Note: notes(c.Note),
	}
	for i := range c.Category {
		if word := c.Category[i].word(); word == "problem-list-item" || word == "encounter-diagnosis" {
			b.Category = word
		}
	}
	var err error
	if b.EffectiveAt, err = when(r.typ, "recordedDate", c.RecordedDate, "onsetDateTime", c.Onset); err != nil {
		return nil, err
	}
	if b.Code, err = coded(r.typ+".code", c.Code); err != nil {
		return nil, err
	}
	if b.OnsetAt, err = at(r.typ+".onsetDateTime", c.Onset); err != nil {
		return nil, err
	}
	if b.AbatementAt, err = at(r.typ+".abatementDateTime", c.Abatement); err != nil {
		return nil, err
	}
	return c.record("condition", "recordedDate", &b.Head, b, nil, "status", "clinicalStatus", "bodySites", "bodySite", "onsetAt", "onsetDateTime",
		"onsetText", "onsetString", "abatementAt", "abatementDateTime", "abatementText", "abatementString"), nil
}

func readImmunization(_ *mapper, r *resource) (*draft, error) {
	var v struct {
		about
		StatusReason *codeableConcept `json:"statusReason"`
		VaccineCode  *codeableConcept `json:"vaccineCode"`
		Occurrence   string           `json:"occurrenceDateTime"`
		Recorded     string           `json:"recorded"`
		Manufacturer *struct {
			Display string `json:"display"`
		} `json:"manufacturer"`
		LotNumber      string           `json:"lotNumber"`
		ExpirationDate string           `json:"expirationDate"`
		Site           *codeableConcept `json:"site"`
		Route          *codeableConcept `json:"route"`
		DoseQuantity   *quantity        `json:"doseQuantity"`
		PrimarySource  *bool            `json:"primarySource"`
		Performer      []struct {
			Actor *reference `json:"actor"`
		} `json:"performer"`
		ProtocolApplied []struct {
			DoseNumber  *int `json:"doseNumberPositiveInt"`
			SeriesDoses *int `json:"seriesDosesPositiveInt"`
		} `json:"protocolApplied"`
	}
	if err := decode(r.typ, r.raw, &v); err != nil {
		return nil, err
	}
	b := &ehr.Immunization{
		Head: ehr.Head{Status: v.Status}, StatusReason: v.StatusReason.code(), LotNumber: v.LotNumber, ExpirationDate: v.ExpirationDate,
		Site: v.Site.code(), Route: v.Route.code(), DoseQuantity: v.DoseQuantity.read(), PrimarySource: v.PrimarySource, Note: notes(v.Note),
	}
	if v.Manufacturer != nil {
		b.Manufacturer = v.Manufacturer.Display
	}
	if len(v.ProtocolApplied) > 0 {
		b.DoseNumber, b.SeriesDoses = v.ProtocolApplied[0].DoseNumber, v.ProtocolApplied[0].SeriesDoses
	}
	var err error
	if b.EffectiveAt, err = when(r.typ, "occurrenceDateTime", v.Occurrence, "recorded", v.Recorded); err != nil {
		return nil, err
	}
	if b.Code, err = coded(r.typ+".vaccineCode", v.VaccineCode); err != nil {
		return nil, err
	}
	var doctors []*reference
	for _, p := range v.Performer {
		doctors = append(doctors, p.Actor)
	}
	return v.record("immunization", "occurrenceDateTime", &b.Head, b, doctors, "code", "vaccineCode"), nil
}

func readProcedure(_ *mapper, r *resource) (*draft, error) {
	var p struct {
		about
		StatusReason      *codeableConcept  `json:"statusReason"`
		Category          *codeableConcept  `json:"category"`
		Code              *codeableConcept  `json:"code"`
		PerformedDateTime string            `json:"performedDateTime"`
		PerformedPeriod   *period           `json:"performedPeriod"`
		ReasonCode        []codeableConcept `json:"reasonCode"`
		BodySite          []codeableConcept `json:"bodySite"`
		Outcome           *codeableConcept  `json:"outcome"`
		Complication      []codeableConcept `json:"complication"`
		FollowUp          []codeableConcept `json:"followUp"`
		Performer         []struct {
			Actor *reference `json:"actor"`
		} `json:"performer"`
	}
	if err := decode(r.typ, r.raw, &p); err != nil {
		return nil, err
	}
	b := &ehr.Procedure{
		Head: ehr.Head{Status: p.Status}, StatusReason: p.StatusReason.code(), Category: p.Category.code(), Reasons: codes(p.ReasonCode),
		BodySites: codes(p.BodySite), Outcome: p.Outcome.code(), Complications: codes(p.Complication), Note: notes(p.Note),
	}
	for i := range p.FollowUp {
		b.FollowUp = strings.TrimPrefix(b.FollowUp+"; "+p.FollowUp[i].words(), "; ")
	}
	var err error
	if b.PerformedPeriod, err = p.PerformedPeriod.read(r.typ + ".performedPeriod"); err != nil {
		return nil, err
	}
	if p.PerformedPeriod == nil {
		p.PerformedPeriod = &period{}
	}
	if b.EffectiveAt, err = when(r.typ, "performedPeriod.start", p.PerformedPeriod.Start, "performedDateTime", p.PerformedDateTime, "performedPeriod.end", p.PerformedPeriod.End); err != nil {
		return nil, err
	}
	if b.Code, err = coded(r.typ+".code", p.Code); err != nil {
		return nil, err
	}
	var doctors []*reference
	for _, x := range p.Performer {
		doctors = append(doctors, x.Actor)
	}
	return p.record("procedure", "performedPeriod.start", &b.Head, b, doctors, "reasons", "reasonCode", "bodySites", "bodySite", "complications", "complication"), nil
}
