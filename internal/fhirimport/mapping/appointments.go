package mapping

import (
	"time"

	"carewire/internal/clinic/appointment"
	"carewire/internal/clinic/ehr"
	"carewire/internal/fhirimport/fhir"
)

// defaultDuration is the duration of a visit without an end and a length.
const defaultDuration = 15 * time.Minute

var encounterPaths = map[string]string{"startsAt": "period.start", "endsAt": "period.end", "patientId": "subject", "doctorId": "participant.individual", "status": "status", "clinicId": "serviceProvider"}

type encounter struct {
	Status      string          `json:"status"`
	Subject     *fhir.Reference `json:"subject"`
	Participant []struct {
		Individual *fhir.Reference `json:"individual"`
	} `json:"participant"`
	Period          *fhir.Period    `json:"period"`
	Length          *fhir.Quantity  `json:"length"`
	ServiceProvider *fhir.Reference `json:"serviceProvider"`
}

func readEncounter(_ *Options, r *fhir.Resource) (*Draft, error) {
	var e encounter
	if err := fhir.Decode(r.Type, r.Raw, &e); err != nil {
		return nil, err
	}
	status, ok := map[string]appointment.Status{
		"planned": appointment.Booked, "arrived": appointment.CheckedIn, "triaged": appointment.CheckedIn, "in-progress": appointment.CheckedIn,
		"onleave": appointment.CheckedIn, "finished": appointment.Completed, "cancelled": appointment.Cancelled,
		"entered-in-error": appointment.Cancelled, "unknown": appointment.Completed,
	}[e.Status]
	if !ok {
		return nil, fhir.NewError(r.Type+".status", "must be a FHIR R4 status")
	}
	if e.Period == nil {
		e.Period = &fhir.Period{}
	}
	s, err := readSpan(r.Type, "period.start", e.Period.Start, "period.end", e.Period.End, e.Length.Duration())
	if err != nil {
		return nil, err
	}
	d := &Draft{
		Kind: "appointment", Patient: e.Subject.Keys("Patient"), PatientPath: "subject", Clinics: e.ServiceProvider.Keys("Organization"), Paths: encounterPaths,
		Appointment: &appointment.Imported{Status: status},
	}
	d.setSpan(s)
	for _, p := range e.Participant {
		d.Doctors = append(d.Doctors, p.Individual.Keys("Practitioner", "PractitionerRole")...)
	}
	return d, nil
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
			Actor *fhir.Reference `json:"actor"`
		} `json:"participant"`
	}
	if err := fhir.Decode(r.Type, r.Raw, &a); err != nil {
		return nil, err
	}
	status, ok := map[string]appointment.Status{
		"proposed": appointment.Requested, "pending": appointment.Requested, "waitlist": appointment.Requested, "booked": appointment.Booked,
		"arrived": appointment.CheckedIn, "checked-in": appointment.CheckedIn, "fulfilled": appointment.Completed,
		"cancelled": appointment.Cancelled, "entered-in-error": appointment.Cancelled, "noshow": appointment.NoShow,
	}[a.Status]
	if !ok {
		return nil, fhir.NewError(r.Type+".status", "must be a FHIR R4 status")
	}
	duration := (&fhir.Quantity{Value: a.MinutesDuration, Code: "min"}).Duration()
	s, err := readSpan(r.Type, "start", a.Start, "end", a.End, duration)
	if err != nil {
		return nil, err
	}
	d := &Draft{
		Kind: "appointment", PatientPath: "participant.actor",
		Paths:       map[string]string{"startsAt": "start", "endsAt": "end", "patientId": "participant.actor", "doctorId": "participant.actor", "status": "status"},
		Appointment: &appointment.Imported{Status: status},
	}
	d.setSpan(s)
	for _, p := range a.Participant {
		d.Patient = append(d.Patient, p.Actor.Keys("Patient")...)
		d.Doctors = append(d.Doctors, p.Actor.Keys("Practitioner", "PractitionerRole")...)
	}
	return d, nil
}
