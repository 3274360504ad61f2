package mapping

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"carewire/internal/clinic/ehr"
	"carewire/internal/fhirimport/fhir"
	"carewire/internal/fhirimport/meaning"
)

// common are the fields that clinical resources share.
type common struct {
	Meta      meta              `json:"meta"`
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
	paths := make(map[string]string, 6+len(more)/2) // Room for the code, which some resources add.
	paths["patientId"], paths["effectiveAt"], paths["clinicId"], paths["doctorId"], paths["note"] = patient, effective, "encounter", "encounter", "note.text"
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
	d := &Draft{Kind: kind, Head: head, Body: body, Paths: recordPaths(path, effective, more...)}
	d.ReferPatient(path, who)
	d.Encounter = d.Refer("encounter", a.Encounter, "Encounter")
	doctorPath := d.Paths["doctorId"]
	if doctorPath == "encounter" {
		doctorPath = "performer"
	}
	for _, doctor := range doctors {
		d.ReferDoctor(doctorPath, doctor)
	}
	d.ReferDoctor("recorder", a.Recorder)
	d.ReferDoctor("asserter", a.Asserter)
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

// verificationCodes are FHIR R4's value sets allergyintolerance-verification and
// condition-ver-status.
var verificationCodes = map[string][]string{
	"AllergyIntolerance": {"", "unconfirmed", "confirmed", "refuted", meaning.Retracted},
	"Condition":          {"", "unconfirmed", "provisional", "differential", "confirmed", "refuted", meaning.Retracted},
}

// clinicalStatus returns the decision about a resource that has a clinical and a verification
// status, and its verification status. Without a clinical status, the status is unknown.
func clinicalStatus(typ string, clinical, verification *fhir.CodeableConcept) (meaning.StatusDecision, string, error) {
	certainty := verification.FirstCode()
	if verification.HasCode(meaning.Retracted) {
		certainty = meaning.Retracted
	}
	if !slices.Contains(verificationCodes[typ], certainty) {
		return meaning.StatusDecision{}, "", fhir.NewError(typ+".verificationStatus", "is not a code of FHIR R4; want one of "+strings.Join(verificationCodes[typ][1:], ", "))
	}
	if certainty == meaning.Retracted {
		d, err := meaning.DecideStatus(typ, "verificationStatus", meaning.Retracted)
		return d, "", err
	}
	code := clinical.FirstCode()
	if clinical != nil && code == "" {
		return meaning.StatusDecision{}, "", fhir.NewError(typ+".clinicalStatus", "has no code; want one of "+meaning.StatusCodes(typ))
	}
	d, err := meaning.DecideStatus(typ, "clinicalStatus", cmp.Or(code, "unknown"))
	return d, certainty, err
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
	OnsetPeriod        fhir.Period           `json:"onsetPeriod"`
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
	status, certainty, err := clinicalStatus(r.Type, a.ClinicalStatus, a.VerificationStatus)
	if err != nil {
		return nil, err
	}
	b := &ehr.Allergy{
		Head: ehr.Head{Status: status.As}, VerificationStatus: certainty,
		Type: a.Type, Categories: a.Category, Criticality: a.Criticality, Note: fhir.JoinNotes(a.Note),
	}
	at, err := firstDate(r.Type, 1, "recordedDate", a.RecordedDate, "onsetDateTime", a.Onset, "onsetPeriod.start", a.OnsetPeriod.Start, "lastOccurrence", a.LastOccurrence)
	if err != nil {
		return nil, err
	}
	b.EffectiveAt = at.Time
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
	d := a.record("allergy", "recordedDate", &b.Head, b, nil, "status", "clinicalStatus", "categories", "category", "reactions", "reaction",
		"onsetAt", "onsetDateTime", "lastOccurrenceAt", "lastOccurrence", "doctorId", "recorder")
	if meaning.IsAbsence(a.Code) {
		d = a.entry(historyMedical, "recordedDate", b.Head, nil)
		d.Note(r.Type+".code", "denies allergies: imported as an entry of the medical history")
	}
	if d.dateHead(at, a.Meta); d.Undated != nil {
		d.Undated.Always = true
	}
	d.setStatus(status, r.Type+".clinicalStatus")
	return d, nil
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
	OnsetPeriod        fhir.Period            `json:"onsetPeriod"`
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
	status, certainty, err := clinicalStatus(r.Type, c.ClinicalStatus, c.VerificationStatus)
	if err != nil {
		return nil, err
	}
	b := &ehr.Condition{
		Head: ehr.Head{Status: status.As}, VerificationStatus: certainty,
		Severity: c.Severity.EHRCoding(), BodySites: fhir.EHRCodings(c.BodySite), OnsetText: c.OnsetString, AbatementText: c.AbatementString, Note: fhir.JoinNotes(c.Note),
	}
	for i := range c.Category {
		if word := c.Category[i].FirstCode(); word == "problem-list-item" || word == "encounter-diagnosis" {
			b.Category = word
		}
	}
	at, err := firstDate(r.Type, 1, "recordedDate", c.RecordedDate, "onsetDateTime", c.Onset, "onsetPeriod.start", c.OnsetPeriod.Start)
	if err != nil {
		return nil, err
	}
	b.EffectiveAt = at.Time
	if b.Code, err = requiredCode(r.Type+".code", c.Code); err != nil {
		return nil, err
	}
	if b.OnsetAt, err = fhir.OptionalTime(r.Type+".onsetDateTime", c.Onset); err != nil {
		return nil, err
	}
	if b.AbatementAt, err = fhir.OptionalTime(r.Type+".abatementDateTime", c.Abatement); err != nil {
		return nil, err
	}
	d := c.record("condition", "recordedDate", &b.Head, b, nil, "status", "clinicalStatus", "bodySites", "bodySite", "onsetAt", "onsetDateTime",
		"onsetText", "onsetString", "abatementAt", "abatementDateTime", "abatementText", "abatementString", "doctorId", "recorder")
	if meaning.IsAbsence(c.Code) {
		d = c.entry(historyMedical, "recordedDate", b.Head, nil)
		d.Note(r.Type+".code", "denies problems: imported as an entry of the medical history")
	}
	d.dateHead(at, c.Meta)
	d.setStatus(status, r.Type+".clinicalStatus")
	return d, nil
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
	LotNumber       string                 `json:"lotNumber"`
	ExpirationDate  string                 `json:"expirationDate"`
	Site            *fhir.CodeableConcept  `json:"site"`
	Route           *fhir.CodeableConcept  `json:"route"`
	DoseQuantity    *fhir.Quantity         `json:"doseQuantity"`
	PrimarySource   *bool                  `json:"primarySource"`
	IsSubpotent     *bool                  `json:"isSubpotent"`
	SubpotentReason []fhir.CodeableConcept `json:"subpotentReason"`
	Performer       []struct {
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
	status, err := meaning.DecideStatus(r.Type, "status", v.Status)
	if err != nil {
		return nil, err
	}
	b := &ehr.Immunization{
		Head: ehr.Head{Status: status.As}, Subpotent: v.IsSubpotent != nil && *v.IsSubpotent, SubpotentReasons: fhir.EHRCodings(v.SubpotentReason), StatusReason: v.StatusReason.EHRCoding(), LotNumber: v.LotNumber, ExpirationDate: v.ExpirationDate,
		Site: v.Site.EHRCoding(), Route: v.Route.EHRCoding(), PrimarySource: v.PrimarySource, Note: fhir.JoinNotes(v.Note),
	}
	if v.DoseQuantity != nil && v.DoseQuantity.Comparator != "" {
		b.Note = strings.TrimSpace("Dose " + v.DoseQuantity.Text() + "\n" + b.Note)
	} else {
		b.DoseQuantity = v.DoseQuantity.EHRQuantity()
	}
	if v.Manufacturer != nil {
		b.Manufacturer = v.Manufacturer.Display
	}
	if len(v.ProtocolApplied) > 0 {
		b.DoseNumber, b.SeriesDoses = v.ProtocolApplied[0].DoseNumber, v.ProtocolApplied[0].SeriesDoses
	}
	at, err := firstDate(r.Type, 1, "occurrenceDateTime", v.Occurrence, "recorded", v.Recorded)
	if err != nil {
		return nil, err
	}
	b.EffectiveAt = at.Time
	if b.Code, err = requiredCode(r.Type+".vaccineCode", v.VaccineCode); err != nil {
		return nil, err
	}
	var doctors []*fhir.Reference
	for _, p := range v.Performer {
		doctors = append(doctors, p.Actor)
	}
	d := v.record("immunization", "occurrenceDateTime", &b.Head, b, doctors, "code", "vaccineCode", "doctorId", "performer", "subpotentReasons", "subpotentReason")
	d.dateHead(at, v.Meta)
	d.setStatus(status, r.Type+".status")
	return d, nil
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
	status, err := meaning.DecideStatus(r.Type, "status", p.Status)
	if err != nil {
		return nil, err
	}
	b := &ehr.Procedure{
		Head: ehr.Head{Status: status.As}, StatusReason: p.StatusReason.EHRCoding(), Category: p.Category.EHRCoding(), Reasons: fhir.EHRCodings(p.ReasonCode),
		BodySites: fhir.EHRCodings(p.BodySite), Outcome: p.Outcome.EHRCoding(), Complications: fhir.EHRCodings(p.Complication), Note: fhir.JoinNotes(p.Note),
	}
	for i := range p.FollowUp {
		b.FollowUp = strings.TrimPrefix(b.FollowUp+"; "+p.FollowUp[i].Label(), "; ")
	}
	if b.PerformedPeriod, err = p.PerformedPeriod.EHRPeriod(r.Type + ".performedPeriod"); err != nil {
		return nil, err
	}
	if p.PerformedPeriod == nil {
		p.PerformedPeriod = &fhir.Period{}
	}
	at, err := firstDate(r.Type, 3, "performedPeriod.start", p.PerformedPeriod.Start, "performedDateTime", p.PerformedDateTime, "performedPeriod.end", p.PerformedPeriod.End)
	if err != nil {
		return nil, err
	}
	b.EffectiveAt = at.Time
	if b.Code, err = requiredCode(r.Type+".code", p.Code); err != nil {
		return nil, err
	}
	var doctors []*fhir.Reference
	for _, x := range p.Performer {
		doctors = append(doctors, x.Actor)
	}
	d := p.record("procedure", "performedPeriod.start", &b.Head, b, doctors, "reasons", "reasonCode", "bodySites", "bodySite", "complications", "complication", "doctorId", "performer")
	d.dateHead(at, p.Meta)
	d.setStatus(status, r.Type+".status")
	return d, nil
}
