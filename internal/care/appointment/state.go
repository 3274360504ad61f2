package appointment

import (
	"slices"
	"strings"

	"carewire/internal/care"
	"carewire/internal/postgres/db"
)

// Status is how far an appointment is.
type Status string

// The statuses. The last three are final.
const (
	Requested Status = "requested"
	Booked    Status = "booked"
	Confirmed Status = "confirmed"
	CheckedIn Status = "checked_in"
	Completed Status = "completed"
	Cancelled Status = "cancelled"
	NoShow    Status = "no_show"
)

// words is the status in a sentence.
func (s Status) words() string {
	switch s {
	case CheckedIn:
		return "checked in"
	case NoShow:
		return "missed"
	default:
		return string(s)
	}
}

// holds reports whether an appointment of this status keeps others out of its time. The exclusion constraints and
// AppointmentTaken name the same three.
func (s Status) holds() bool {
	return s == Booked || s == Confirmed || s == CheckedIn
}

// Transition is what can be done with an appointment.
type Transition string

// The transitions; as they stand in a path of the API.
const (
	Book       Transition = "book"
	Confirm    Transition = "confirm"
	Reschedule Transition = "reschedule"
	CheckIn    Transition = "check-in"
	Complete   Transition = "complete"
	Cancel     Transition = "cancel"
	Miss       Transition = "no-show"
)

// step is what a transition is: who may, which event tells of it, and where it leads from each status that it starts at.
type step struct {
	Transition
	action care.Action
	event  string
	to     map[Status]Status
}

// steps is the whole state machine, in the order in which a refusal names what is allowed. A new time is for the patient
// to confirm again; whoever has arrived and leaves before they were seen is cancelled.
var steps = []step{
	{Book, care.AppointmentBook, "appointment.booked", map[Status]Status{Requested: Booked}},
	{Confirm, care.AppointmentConfirm, "appointment.confirmed", map[Status]Status{Booked: Confirmed}},
	{Reschedule, care.AppointmentReschedule, "appointment.rescheduled", map[Status]Status{Requested: Requested, Booked: Booked, Confirmed: Booked}},
	{CheckIn, care.AppointmentCheckIn, "appointment.checked_in", map[Status]Status{Booked: CheckedIn, Confirmed: CheckedIn}},
	{Complete, care.AppointmentComplete, "appointment.completed", map[Status]Status{CheckedIn: Completed}},
	{Cancel, care.AppointmentCancel, "appointment.cancelled", map[Status]Status{Requested: Cancelled, Booked: Cancelled, Confirmed: Cancelled, CheckedIn: Cancelled}},
	{Miss, care.AppointmentNoShow, "appointment.no_show", map[Status]Status{Booked: NoShow, Confirmed: NoShow}},
}

func stepOf(t Transition) (step, bool) {
	i := slices.IndexFunc(steps, func(s step) bool { return s.Transition == t })
	if i < 0 {
		return step{}, false
	}
	return steps[i], true
}

// Action is what the actor must be granted for the transition, "" for one that there is not.
func (t Transition) Action() care.Action {
	s, _ := stepOf(t)
	return s.action
}

// notFrom refuses a transition in words that say what this actor can do instead.
func notFrom(actor care.Actor, t Transition, row db.Appointment) error {
	status, allowed := Status(row.Status), []string{}
	for _, s := range steps {
		if _, ok := s.to[status]; ok && may(actor, s.action, row) {
			allowed = append(allowed, string(s.Transition))
		}
	}
	if len(allowed) == 0 {
		return care.Errorf(care.Conflict, "%s is not possible: the appointment is %s, and you can do nothing more with it", t, status.words())
	}
	return care.Errorf(care.Conflict, "%s is not possible: the appointment is %s; what you can do now is %s", t, status.words(), strings.Join(allowed, ", "))
}
