package template

import (
	"cmp"
	"encoding/json"
	"slices"
	"strings"
	"sync"
	"time"

	"carewire/internal/event"
)

// Data is what a message is rendered from. Templates can use Values alone. It contains no person, no
// clinic's name and nothing clinical.
type Data struct {
	// EventType is the event's type, such as "ehr.lab_report.created".
	EventType string
	// Thing is the kind of its subject in words, such as "lab report".
	Thing string
	// Action is the change in words, such as "created", "corrected" or "checked in".
	Action string
	Link   string
	// Code is the verification code that the message carries, or empty.
	Code     string
	Priority string
	// AppName is the name of the service, or the display name of the clinic's brand.
	AppName string
	// Count is the number of things that the message is about; 0 means 1.
	Count int
	// Items are the kinds of things that a digest is about, the most frequent first; nil means Thing,
	// Count times.
	Items []Item
	// Time is the time of the event; StartsAt of an appointment's begin; both in the zone that they
	// are shown in, and nil if unknown.
	Time, StartsAt *time.Time
	// DueOn is the day on which an invoice is due, at midnight; nil if unknown.
	DueOn *time.Time

	// Brand is the look of the clinic's messages. The zero value is the look of the service.
	Brand Brand
	// ActionLink returns the URL of a button with a path of its own, such as "/appointments". Buttons
	// count from 1. Nil puts the path behind the host of Link.
	ActionLink func(button int, path string) string
}

// Item is one kind of thing that a digest is about, with its number.
type Item struct {
	Thing string
	Count int
}

// Value describes a value that templates can use.
type Value struct {
	Name, Doc string
	date      bool
	list      bool
}

// Values are all values that templates can use, as in {{.Thing}}. None is about a person's health.
var Values = []Value{
	{Name: "Action", Doc: "the change: created, corrected, withdrawn, checked in"},
	{Name: "AppName", Doc: "the display name of the clinic's brand, or the name of the service"},
	{Name: "Code", Doc: "the code of a verification message; otherwise empty"},
	{Name: "Count", Doc: "the number of things that the message is about, at least 1"},
	{Name: "DueOn", Doc: "the day on which an invoice is due; only with {{if .DueOn}} and {{day .DueOn}}", date: true},
	{Name: "EventType", Doc: "the event's type, such as ehr.lab_report.created"},
	{Name: "Items", Doc: "the kinds of things that a digest is about, with their numbers; only with {{list .Items}}", list: true},
	{Name: "Link", Doc: "the URL of the message's notification, which asks to sign in"},
	{Name: "Priority", Doc: "critical, high, normal or bulk"},
	{Name: "ReplyTo", Doc: "the address for answers to emails of the clinic's brand; empty if nobody reads them"},
	{Name: "StartsAt", Doc: "the begin of an appointment in the clinic's zone; only with {{if .StartsAt}}, {{date .StartsAt}} and {{day .StartsAt}}", date: true},
	{Name: "Thing", Doc: "the kind of subject: lab report, appointment, invoice"},
	{Name: "Time", Doc: "the time of the event in the person's zone; only with {{if .Time}}, {{date .Time}} and {{day .Time}}", date: true},
}

func valueOf(name string) (Value, bool) {
	i := slices.IndexFunc(Values, func(v Value) bool { return v.Name == name })
	if i < 0 {
		return Value{}, false
	}
	return Values[i], true
}

// view has the Values: templates are executed with it, so that nothing else is in their reach.
type view struct {
	EventType, Thing, Action, Link, Code, Priority, AppName, ReplyTo string
	Count                                                            int
	Items                                                            []Item
	Time, StartsAt, DueOn                                            *moment
}

// moment is a time as a message shows it.
type moment struct {
	time.Time
	// year reports whether the year is shown.
	year bool
}

// moment returns the time with its year, unless it is in the year of the event.
func (d *Data) moment(t *time.Time) *moment {
	if t == nil {
		return nil
	}
	return &moment{Time: *t, year: d.Time == nil || d.Time.Year() != t.Year()}
}

func (d *Data) view() *view {
	items := d.Items
	if len(items) == 0 {
		items = []Item{{Thing: d.Thing, Count: max(d.Count, 1)}}
	}
	return &view{
		EventType: d.EventType, Thing: d.Thing, Action: d.Action, Link: d.Link, Code: d.Code, Priority: d.Priority,
		AppName: d.AppName, ReplyTo: d.Brand.ReplyTo, Count: max(d.Count, 1), Items: items, Time: d.moment(d.Time), StartsAt: d.moment(d.StartsAt), DueOn: d.moment(d.DueOn),
	}
}

// plainParticiples replaces some participles by plainer words.
var plainParticiples = map[string]string{"retracted": "withdrawn", "amended": "corrected", "reversed": "corrected"}

// DataFor returns the Data of an event of the type.
func DataFor(eventType, priority, link, appName string) Data {
	segments := strings.Split(eventType, ".")
	thing, action := segments[0], segments[len(segments)-1]
	switch thing {
	case "ehr":
		thing = segments[1]
	case "user":
		thing = "account"
	case "billing", "chat": // billing.credit_note_issued, chat.message_created
		if at := strings.LastIndex(action, "_"); at > 0 {
			thing, action = action[:at], action[at+1:]
		}
	}
	if d, ok := event.Lookup(eventType); ok && d.External() { // pharmacy.prescription_dispensed
		if at := strings.LastIndex(action, "_"); at > 0 {
			thing, action = action[:at], action[at+1:]
		}
	}
	if plain, ok := plainParticiples[action]; ok {
		action = plain
	}
	return Data{
		EventType: eventType, Thing: event.Thing(thing), Action: strings.ReplaceAll(action, "_", " "),
		Link: link, Priority: priority, AppName: appName,
	}
}

// AddItems sets what a digest is about, from the number of its items of each event type. Types of
// the same thing are counted together.
func (d *Data) AddItems(byType map[string]int) {
	byThing := map[string]int{}
	d.Count = 0
	for typ, n := range byType {
		byThing[DataFor(typ, "", "", "").Thing] += n
		d.Count += n
	}
	d.Items = make([]Item, 0, len(byThing))
	for thing, n := range byThing {
		d.Items = append(d.Items, Item{Thing: thing, Count: n})
	}
	slices.SortFunc(d.Items, func(a, b Item) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Thing, b.Thing))
	})
}

// EventFields are the fields of an event's data that AddEvent reads; the rest never reaches a
// message.
var EventFields = []string{"startsAt", "dueOn", "count"}

// AddEvent sets what templates can use of an event: its time, and EventFields of its data. The begin
// of an appointment is shown in the clinic's zone, the event's time in the person's; an unknown or
// empty zone counts as UTC. A field of another form is left out.
func (d *Data) AddEvent(data json.RawMessage, at time.Time, clinicZone, personZone string) {
	if !at.IsZero() {
		at = at.In(zone(personZone))
		d.Time = &at
	}
	var fields struct {
		StartsAt any `json:"startsAt"`
		DueOn    any `json:"dueOn"`
		Count    any `json:"count"`
	}
	if json.Unmarshal(data, &fields) != nil {
		return
	}
	if text, ok := fields.StartsAt.(string); ok && strings.HasPrefix(d.EventType, "appointment.") {
		if t, err := time.Parse(time.RFC3339, text); err == nil {
			t = t.In(zone(clinicZone))
			d.StartsAt = &t
		}
	}
	if text, ok := fields.DueOn.(string); ok && strings.HasPrefix(d.EventType, "billing.") {
		if t, err := time.Parse(time.DateOnly, text); err == nil {
			d.DueOn = &t
		}
	}
	if n, ok := fields.Count.(float64); ok && n >= 1 && n < 1e9 {
		d.Count = int(n)
	}
}

// zones has the zones that were loaded, by name. They are at most those of the IANA: reading one from
// its file takes as long as the rest of a message.
var zones sync.Map

// zone returns the zone of an IANA name. "Local" is the server's own, which means nothing to people.
func zone(name string) *time.Location {
	if name == "Local" {
		return time.UTC
	}
	if z, ok := zones.Load(name); ok {
		return z.(*time.Location)
	}
	z, err := time.LoadLocation(name)
	if err != nil {
		return time.UTC
	}
	zones.Store(name, z)
	return z
}
