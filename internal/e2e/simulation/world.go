package simulation

import (
	"slices"
	"time"
)

// World is what happened: the input of the model. All times are those of the moved clock.
type World struct {
	// Clinics and People are by id. People are the possible recipients.
	Clinics map[string]*Clinic
	People  map[string]*Person
	Rules   []Rule
	// Events are in the order of the ledger.
	Events []Event
	// Outages are the times during which a channel's providers accepted nothing.
	Outages []Outage
	// Acknowledged has the time at which an event was acknowledged, by event.
	Acknowledged map[string]time.Time
}

// Clinic is a clinic with its defaults.
type Clinic struct {
	Zone *time.Location
	// Settings are on, off or digest.
	Settings  map[Setting]string
	Essential []string
	Quiet     []Window
	// Doctors are the ids of its doctors.
	Doctors []string
}

// Setting is a category on a channel, at one clinic or with "" at all.
type Setting struct{ Clinic, Category, Channel string }

// Person is a recipient. Their preferences change: each change has all of them, the first is in force from
// the begin.
type Person struct {
	Clinic  string
	Changes []Preferences
}

// Preferences are in force from a time on.
type Preferences struct {
	At         time.Time
	Zone       *time.Location
	DigestHour int
	// Quiet is nil if the person set none; the clinic's then apply.
	Quiet    []Window
	Settings map[Setting]string
}

// Window is a window of quiet hours, in minutes from midnight, on the weekdays on which it begins. One
// that does not end after it begins ends on the next day. Minutes are multiples of 30.
type Window struct {
	Days     []time.Weekday
	From, To int
}

// Event is a fact of the ledger.
type Event struct {
	ID, Type, Subject, Clinic string
	Version                   int
	At                        time.Time
	// Person is the patient, and Doctor who is responsible.
	Person, Doctor string
	// StartsAt and DueOn are the times in its data. DueOn has the date only.
	StartsAt, DueOn time.Time
	// Held reports that the event's record is not released to its patient.
	Held bool
}

// Rule is a rule of the simulation. It notifies the patient, or with Critical the doctor.
type Rule struct {
	Name, Category string
	Types          []string
	Channels       []string
	// Times are those of a schedule; without any, the messages are sent at once.
	Times []Time
	// Window is that of a digest of the category, for DigestChannels.
	Window         time.Duration
	DigestChannels []string
	// Max messages within Per, on each channel; 0 is no throttle.
	Max int
	Per time.Duration
	// Critical messages wait for nothing. Steps are those of the escalation to the clinic's doctors.
	Critical bool
	Steps    []Step
}

// Time is a time of a schedule.
type Time struct {
	// Label is the schedule's part of the plan key.
	Label string
	// Before is the distance to the event's StartsAt; a negative one is after it.
	Before time.Duration
	// Days is the distance to 09:00 on the event's DueOn in whole days, if the event has one; negative days are before it.
	Days int
	// Latest is the time of day, in minutes, in the person's zone up to which it is sent, and Earliest the one from which it is. A
	// time outside moves to the last Latest before. Both are 0 for the whole day.
	Earliest, Latest int
}

// Step is a step of an escalation: the channels on which the other doctors are told.
type Step struct {
	After    time.Duration
	Channels []string
}

// Outage is a time in which a channel's providers accept nothing.
type Outage struct {
	Channel  string
	From, To time.Time
}

// cuts are the events after which what was said before about the subject is untrue.
var cuts = []string{"appointment.rescheduled", "appointment.cancelled", "billing.payment_received", "billing.invoice_voided", "ehr.lab_report.retracted"}

// cutAt returns when messages about a version of a subject became untrue; zero if never.
func (w *World) cutAt(e Event) time.Time {
	for _, o := range w.Events {
		if o.Subject == e.Subject && o.Version > e.Version && slices.Contains(cuts, o.Type) {
			return o.At
		}
	}
	return time.Time{}
}

// at returns the preferences in force at a time.
func (p *Person) at(t time.Time) Preferences {
	found := p.Changes[0]
	for _, c := range p.Changes[1:] {
		if !c.At.After(t) {
			found = c
		}
	}
	return found
}

// setting returns on, off or digest, by the documented order of precedence.
func (w *World) setting(p Preferences, clinic, category, channel string) string {
	c := w.Clinics[clinic]
	chosen := "on"
	for _, s := range []string{
		p.Settings[Setting{clinic, category, channel}], p.Settings[Setting{"", category, channel}], c.Settings[Setting{"", category, channel}],
	} {
		if s != "" {
			chosen = s
			break
		}
	}
	if chosen == "off" && slices.Contains(c.Essential, category) {
		return "on"
	}
	return chosen
}
