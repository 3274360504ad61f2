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
	start, end, err := readSpan(r.Type, "period.start", e.Period.Start, "period.end", e.Period.End, e.Length.Duration())
	if err != nil {
		return nil, err
	}
	d := &Draft{
		Kind: "appointment", Patient: e.Subject.Keys("Patient"), PatientPath: "subject", Clinics: e.ServiceProvider.Keys("Organization"), Paths: encounterPaths,
		Appointment: &appointment.Imported{Status: status, Input: appointment.Input{Slot: appointment.Slot{StartsAt: start, EndsAt: end}}},
	}
	for _, p := range e.Participant {
		d.Doctors = append(d.Doctors, p.Individual.Keys("Practitioner", "PractitionerRole")...)
	}
	return d, nil
}

// readSpan reads the start and the end of a visit. If the end is absent or equal to the start, the
// visit lasts as long as given, or defaultDuration.
func readSpan(typ, startPath, startText, endPath, endText string, duration time.Duration) (start, end time.Time, err error) {
	if start, err = fhir.FirstTime(typ, startPath, startText); err != nil {
		return start, end, err
	}
	explicitEnd, err := fhir.OptionalTime(typ+"."+endPath, endText)
	if err != nil {
		return start, end, err
	}
	if duration <= 0 {
		duration = defaultDuration
	}
	end = start.Add(duration)
	if explicitEnd != nil && !explicitEnd.Equal(start) {
		end = *explicitEnd
	}
	return start, end, nil
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
	start, end, err := readSpan(r.Type, "start", a.Start, "end", a.End, duration)
	if err != nil {
		return nil, err
	}
	d := &Draft{
		Kind: "appointment", PatientPath: "participant.actor",
		Paths:       map[string]string{"startsAt": "start", "endsAt": "end", "patientId": "participant.actor", "doctorId": "participant.actor", "status": "status"},
		Appointment: &appointment.Imported{Status: status, Input: appointment.Input{Slot: appointment.Slot{StartsAt: start, EndsAt: end}}},
	}
	for _, p := range a.Participant {
		d.Patient = append(d.Patient, p.Actor.Keys("Patient")...)
		d.Doctors = append(d.Doctors, p.Actor.Keys("Practitioner", "PractitionerRole")...)
	}
	return d, nil
}
