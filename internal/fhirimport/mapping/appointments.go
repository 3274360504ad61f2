package mapping

import (
	"cmp"
	"slices"
	"strconv"
	"time"

	"carewire/internal/clinic/appointment"
	"carewire/internal/clinic/ehr"
	"carewire/internal/fhirimport/fhir"
	"carewire/internal/fhirimport/meaning"
)

// defaultDuration is the duration of a visit without an end and a length.
const defaultDuration = 15 * time.Minute

var encounterPaths = map[string]string{"startsAt": "period.start", "endsAt": "period.end", "patientId": "subject", "doctorId": "participant.individual", "status": "status", "clinicId": "serviceProvider"}

type encounter struct {
	Meta            meta                   `json:"meta"`
	Status          string                 `json:"status"`
	Subject         *fhir.Reference        `json:"subject"`
	Participant     []encounterParticipant `json:"participant"`
	Period          *fhir.Period           `json:"period"`
	Length          *fhir.Quantity         `json:"length"`
	ServiceProvider *fhir.Reference        `json:"serviceProvider"`
}

type encounterParticipant struct {
	Type       []fhir.CodeableConcept `json:"type"`
	Period     *fhir.Period           `json:"period"`
	Individual *fhir.Reference        `json:"individual"`
}

// participantTypes are the types of participants who treat the patient, the main one first (v3
// ParticipationType). A participant without a type follows the attender.
var participantTypes = []string{"PPRF", "ATND", "", "ADM", "DIS", "SPRF", "PART", "CON"}

// notTreating are the types of participants who do not treat the patient: who referred them, was
// called or informed, escorts, translates, or is their contact.
var notTreating = []string{"REF", "CALLBCK", "ESC", "translator", "emergency", "TRANS", "NOT"}

// rank returns the position among participantTypes, or -1 for a participant who does not treat the
// patient. An unknown type is the last.
func (p *encounterParticipant) rank() int {
	best := -1
	for i := range p.Type {
		if p.Type[i].HasCode(notTreating...) {
			continue
		}
		rank := slices.IndexFunc(participantTypes, func(code string) bool { return code != "" && p.Type[i].HasCode(code) })
		if rank < 0 {
			rank = len(participantTypes)
		}
		if best < 0 || rank < best {
			best = rank
		}
	}
	if len(p.Type) == 0 {
		return slices.Index(participantTypes, "")
	}
	return best
}

// addDoctors adds the participants who treat the patient: first those who took part to the end of
// the encounter, and among them the main one.
func (e *encounter) addDoctors(d *Draft) {
	type ranked struct {
		rank int
		ref  *fhir.Reference
	}
	end := d.Appointment.EndsAt
	var all []ranked
	for i := range e.Participant {
		p := &e.Participant[i]
		r := ranked{p.rank(), p.Individual}
		if r.rank < 0 || r.ref == nil {
			continue
		}
		if p.Period.HasEnded(end.Add(-time.Nanosecond)) {
			r.rank += len(participantTypes) + 1
		}
		all = append(all, r)
	}
	slices.SortStableFunc(all, func(a, b ranked) int { return cmp.Compare(a.rank, b.rank) })
	for _, r := range all {
		d.ReferDoctor("participant.individual", r.ref)
	}
}

func readEncounter(_ *Options, r *fhir.Resource) (*Draft, error) {
	var e encounter
	if err := fhir.Decode(r.Type, r.Raw, &e); err != nil {
		return nil, err
	}
	status, err := meaning.DecideStatus(r.Type, "status", e.Status)
	if err != nil {
		return nil, err
	}
	if e.Period == nil {
		e.Period = &fhir.Period{}
	}
	at, err := e.startsAt(r.Type)
	if err != nil {
		return nil, err
	}
	s, err := readSpan(r.Type, "period.start", e.Period.Start, "period.end", e.Period.End, e.Length.Duration())
	if err != nil {
		return nil, err
	}
	d := &Draft{
		Kind: "appointment", Paths: encounterPaths, Appointment: &appointment.Imported{Status: appointment.Status(status.As)},
	}
	d.ReferPatient("subject", e.Subject)
	d.Clinics = d.Refer("serviceProvider", e.ServiceProvider, "Organization")
	d.setSpan(s)
	e.addDoctors(d)
	d.setStatus(status, r.Type+".status")
	d.date(at, meta{}, nil)
	return d, nil
}

// startsAt completes the start of an encounter that has only an end, or none of both and is over.
func (e *encounter) startsAt(typ string) (dated, error) {
	pairs := []string{"period.start", e.Period.Start, "period.end", e.Period.End}
	if e.Status == "finished" || e.Status == "cancelled" || e.Status == "unknown" {
		pairs = append(pairs, "meta.lastUpdated", e.Meta.LastUpdated)
	}
	at, err := requireDate(typ, pairs...)
	if err == nil && at.instead != "" {
		e.Period.Start = cmp.Or(e.Period.End, e.Meta.LastUpdated)
	}
	return at, err
}

// span is the start and the end of a visit. A nil end means start and duration.
type span struct {
	startPath, endPath string
	start              ehr.Time
	end                *ehr.Time
	duration           time.Duration
}

// readSpan reads the start and the end of a visit. If the end is absent or equal to the start, the
// visit lasts as long as given, or defaultDuration. So does one whose end is a partial date that
// includes the start.
func readSpan(typ, startPath, startText, endPath, endText string, duration time.Duration) (s span, err error) {
	s = span{startPath: typ + "." + startPath, endPath: typ + "." + endPath, duration: duration}
	if s.duration <= 0 {
		s.duration = defaultDuration
	}
	if s.start, err = fhir.FirstTime(typ, startPath, startText); err != nil {
		return s, err
	}
	if s.end, err = fhir.OptionalTime(s.endPath, endText); err != nil || s.end == nil {
		return s, err
	}
	if start, end := s.start.Start(), s.end.Start(); end.Equal(start) || (s.end.IsPartial() && end.Before(start)) {
		s.end = nil
	}
	return s, nil
}

// setSpan sets the start and the end of the appointment.
func (d *Draft) setSpan(s span) {
	slot := &d.Appointment.Slot
	d.SetInstant(&slot.StartsAt, s.startPath, s.start)
	if s.end != nil {
		d.SetInstant(&slot.EndsAt, s.endPath, *s.end)
		return
	}
	slot.EndsAt = slot.StartsAt.Add(s.duration)
	if s.start.IsPartial() {
		d.Floating = append(d.Floating, &slot.EndsAt)
	}
}

func readAppointment(_ *Options, r *fhir.Resource) (*Draft, error) {
	var a struct {
		Status          string       `json:"status"`
		Start           string       `json:"start"`
		End             string       `json:"end"`
		MinutesDuration *ehr.Decimal `json:"minutesDuration"`
		Participant     []struct {
			Actor    *fhir.Reference `json:"actor"`
			Status   string          `json:"status"`
			Required string          `json:"required"`
			Period   *fhir.Period    `json:"period"`
		} `json:"participant"`
	}
	if err := fhir.Decode(r.Type, r.Raw, &a); err != nil {
		return nil, err
	}
	status, err := meaning.DecideStatus(r.Type, "status", a.Status)
	if err != nil {
		return nil, err
	}
	duration := (&fhir.Quantity{Value: a.MinutesDuration, Code: "min"}).Duration()
	s, err := readSpan(r.Type, "start", a.Start, "end", a.End, duration)
	if err != nil {
		return nil, err
	}
	d := &Draft{
		Kind: "appointment", PatientPath: "participant.actor",
		Paths:       map[string]string{"startsAt": "start", "endsAt": "end", "patientId": "participant.actor", "doctorId": "participant.actor", "status": "status"},
		Appointment: &appointment.Imported{Status: appointment.Status(status.As)},
	}
	d.setSpan(s)
	d.setStatus(status, r.Type+".status")
	declined := 0
	for i, p := range a.Participant {
		patient, doctor := p.Actor.Keys("Patient"), p.Actor.Keys("Practitioner", "PractitionerRole")
		path := "participant[" + strconv.Itoa(i) + "]"
		if !slices.Contains(participationStatuses, p.Status) {
			return nil, fhir.NewError(r.Type+"."+path+".status", "is not a code of FHIR R4; want one of accepted, declined, tentative, needs-action")
		}
		if p.Status == "declined" || p.Period.HasEnded(d.Appointment.StartsAt) {
			if len(patient) > 0 {
				return nil, &meaning.SkipError{Reason: "the patient does not take part"}
			}
			declined += len(doctor)
			continue
		}
		if p.Required == "information-only" && len(patient) == 0 {
			continue
		}
		d.Patient = append(d.Patient, patient...)
		d.ReferDoctor(path+".actor", p.Actor)
	}
	if declined > 0 && len(d.Doctors) == 0 {
		return nil, &meaning.SkipError{Reason: "no doctor takes part: those invited declined"}
	}
	return d, nil
}

// participationStatuses is FHIR R4's value set participationstatus, and none.
var participationStatuses = []string{"", "accepted", "declined", "tentative", "needs-action"}
