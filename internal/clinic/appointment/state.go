package appointment

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"carewire/internal/care"
	"carewire/internal/postgres/db"
)

// Status is the status of an appointment.
type Status string

// The statuses. The last three are final, except for reversal on the same day.
const (
	Requested Status = "requested"
	Booked    Status = "booked"
	Confirmed Status = "confirmed"
	CheckedIn Status = "checked_in"
	Completed Status = "completed"
	Cancelled Status = "cancelled"
	NoShow    Status = "no_show"

	// previous in the table of steps is the status before the current one.
	previous Status = "previous"
)

// text returns the status for use in a sentence.
func (s Status) text() string {
	switch s {
	case CheckedIn:
		return "checked in"
	case NoShow:
		return "missed"
	default:
		return string(s)
	}
}

// Transition is the name of a transition.
type Transition string

// The transitions, as in the API's paths.
const (
	Book       Transition = "book"
	Confirm    Transition = "confirm"
	Reschedule Transition = "reschedule"
	Reassign   Transition = "reassign"
	CheckIn    Transition = "check-in"
	Complete   Transition = "complete"
	Cancel     Transition = "cancel"
	Miss       Transition = "no-show"
	Reverse    Transition = "reverse"
)

// moment is a point in time relative to an appointment.
type moment int

const (
	unbounded moment = iota
	dayBegins        // The midnight at the clinic at the beginning of the day of the start.
	starts
	ends
	dayEnds // The midnight at the clinic at the end of that day, or the appointment's end if it is later.
)

// of returns the moment for an appointment, in the clinic's zone.
func (m moment) of(row db.Appointment, zone *time.Location) time.Time {
	switch m {
	case dayBegins:
		return midnight(row.StartsAt.In(zone), 0)
	case starts:
		return row.StartsAt
	case ends:
		return row.EndsAt
	case dayEnds:
		if next := midnight(row.StartsAt.In(zone), 1); next.After(row.EndsAt) {
			return next
		}
		return row.EndsAt
	default:
		return time.Time{}
	}
}

// midnight returns the beginning of at's day, or of the day that many days later, in at's zone.
func midnight(at time.Time, later int) time.Time {
	year, month, day := at.Date()
	return time.Date(year, month, day+later, 0, 0, 0, 0, at.Location())
}

// text returns the moment for use in a sentence.
func (m moment) text() string {
	return [...]string{unbounded: "", dayBegins: "the day of the appointment begins", starts: "it starts", ends: "it ends", dayEnds: "the day of the appointment ends"}[m]
}

// window is when a transition is allowed: from its first moment (inclusive) to its last
// (exclusive). If patient is set, it is the last moment for the patient.
type window struct {
	from, until, patient moment
	// sameDay requires the day, at the clinic, of the transition that made the current version.
	sameDay bool
}

// check returns a conflict if the window is not open.
func (w window) check(t Transition, row db.Appointment, zone *time.Location, now time.Time, patient bool) error {
	until := w.until
	if patient && w.patient != unbounded {
		until = w.patient
	}
	if at := w.from.of(row, zone); w.from != unbounded && now.Before(at) {
		return care.Errorf(care.Conflict, "%s is not allowed before %s, at %s", t, w.from.text(), at.UTC().Format(time.RFC3339))
	}
	if at := until.of(row, zone); until != unbounded && !now.Before(at) {
		return care.Errorf(care.Conflict, "%s is only allowed before %s, which was at %s", t, until.text(), at.UTC().Format(time.RFC3339))
	}
	if at := midnight(row.UpdatedAt.In(zone), 1); w.sameDay && !now.Before(at) {
		return care.Errorf(care.Conflict, "%s is only allowed on the day on which the appointment was %s, which ended at %s", t, Status(row.Status).text(), at.UTC().Format(time.RFC3339))
	}
	return nil
}

// edge is the target of a transition from one status, with its window.
type edge struct {
	to Status
	window
}

// step is a transition with the action that it requires, its event and its edges by current status.
type step struct {
	Transition
	action care.Action
	event  string
	edges  map[Status]edge
}

var (
	always     = window{}
	beforeEnd  = window{until: ends, patient: starts}
	onTheDay   = window{from: dayBegins, until: dayEnds}
	afterStart = window{from: starts}
	sameDay    = window{sameDay: true}
)

// steps is the whole state machine, in the order in which a conflict lists the allowed transitions.
// A new time or doctor must be confirmed again. A patient who has arrived is seen, and the
// appointment completed; one who comes late on the day is checked in even after a no-show. A
// request whose time has passed can still be declined or rescheduled, so that none remains open
// forever.
var steps = []step{
	{Book, care.AppointmentBook, "appointment.booked", map[Status]edge{Requested: {Booked, window{until: starts}}}},
	{Confirm, care.AppointmentConfirm, "appointment.confirmed", map[Status]edge{Booked: {Confirmed, beforeEnd}}},
	{Reschedule, care.AppointmentReschedule, "appointment.rescheduled", map[Status]edge{
		Requested: {Requested, always}, Booked: {Booked, always}, Confirmed: {Booked, always},
	}},
	{Reassign, care.AppointmentReassign, "appointment.reassigned", map[Status]edge{
		Requested: {Requested, window{until: ends}}, Booked: {Booked, window{until: ends}}, Confirmed: {Booked, window{until: ends}},
	}},
	{CheckIn, care.AppointmentCheckIn, "appointment.checked_in", map[Status]edge{
		Booked: {CheckedIn, onTheDay}, Confirmed: {CheckedIn, onTheDay}, NoShow: {CheckedIn, onTheDay},
	}},
	{Complete, care.AppointmentComplete, "appointment.completed", map[Status]edge{CheckedIn: {Completed, afterStart}}},
	{Cancel, care.AppointmentCancel, "appointment.cancelled", map[Status]edge{
		Requested: {Cancelled, window{patient: starts}}, Booked: {Cancelled, beforeEnd}, Confirmed: {Cancelled, beforeEnd},
	}},
	{Miss, care.AppointmentNoShow, "appointment.no_show", map[Status]edge{Booked: {NoShow, afterStart}, Confirmed: {NoShow, afterStart}}},
	{Reverse, care.AppointmentReverse, "appointment.reversed", map[Status]edge{
		Completed: {CheckedIn, sameDay}, Cancelled: {previous, window{until: ends, sameDay: true}}, NoShow: {previous, sameDay},
	}},
}

func stepOf(t Transition) (step, bool) {
	i := slices.IndexFunc(steps, func(s step) bool { return s.Transition == t })
	if i < 0 {
		return step{}, false
	}
	return steps[i], true
}

// Action returns the action that the transition requires, or "" for an unknown one.
func (t Transition) Action() care.Action {
	s, _ := stepOf(t)
	return s.action
}

// clinicTime is the current time and the clinic's zone.
type clinicTime struct {
	zone *time.Location
	now  time.Time
}

// target returns the status after the step. It returns care.Conflict if the status or the time does
// not allow it.
func (s step) target(actor care.Actor, row db.Appointment, here clinicTime) (Status, error) {
	e, ok := s.edges[Status(row.Status)]
	if !ok {
		return "", notAllowed(actor, s.Transition, row, here)
	}
	if err := e.check(s.Transition, row, here.zone, here.now, asPatient(actor, s.action, row)); err != nil {
		return "", err
	}
	if e.to != previous {
		return e.to, nil
	}
	if row.PreviousStatus != nil {
		return Status(*row.PreviousStatus), nil
	}
	return Booked, nil // It was cancelled or missed before the previous status was recorded.
}

// asPatient reports whether the actor may do the action only because the appointment is their own.
func asPatient(actor care.Actor, action care.Action, row db.Appointment) bool {
	return row.PatientID == actor.UserID && !actor.MayAt(row.ClinicID, action, care.SameClinic)
}

// notAllowed returns a conflict that lists the transitions which the actor may do instead.
func notAllowed(actor care.Actor, t Transition, row db.Appointment, here clinicTime) error {
	status, allowed := Status(row.Status), []string{}
	for _, s := range steps {
		e, ok := s.edges[status]
		if ok && may(actor, s.action, row) && e.check(s.Transition, row, here.zone, here.now, asPatient(actor, s.action, row)) == nil {
			allowed = append(allowed, string(s.Transition))
		}
	}
	message := fmt.Sprintf("%s is not allowed: the appointment is %s", t, status.text())
	if len(allowed) == 0 {
		return care.Errorf(care.Conflict, "%s; you cannot change it any further", message)
	}
	return care.Errorf(care.Conflict, "%s; allowed now: %s", message, strings.Join(allowed, ", "))
}
