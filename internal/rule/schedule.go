package rule

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"carewire/internal/care"
	"carewire/internal/event"
)

// Schedule is a time of a rule, relative to a time in the event's data. A rule with schedules sends
// one notification for each, and none at once.
type Schedule struct {
	// field is the field of the data, without "data.". Its value is a time (RFC 3339), or a day
	// (2006-01-02), which begins at dayStart in the zone.
	field string
	// before and after are the distance to the time; one of them is zero.
	before, after span
	// person selects the recipient's time zone instead of the clinic's.
	person bool
	// between is the part of the day in which the notification is sent; nil is the whole day.
	between *dayPart
	// late reports that a notification whose time has passed is sent at once.
	late bool
}

const (
	// dayStart is the time of day at which a day in the data counts, in hours: invoices are due on a
	// day, and a reminder at midnight would wake people.
	dayStart = 9
	// minSpan and maxSpan bound the distance of a schedule to its time.
	minSpan = time.Minute
	maxSpan = 400 * 24 * time.Hour
	// maxSteps bounds the schedules of a rule, and the steps of an escalation.
	maxSteps = 10
)

// span is a duration, of which the days are calendar days in a time zone.
type span struct {
	days int
	rest time.Duration
}

func (s span) zero() bool { return s == span{} }

// String returns the span as it is written in a rule.
func (s span) String() string {
	if s.days > 0 {
		return strconv.Itoa(s.days) + "d"
	}
	text := s.rest.String()
	text = strings.TrimSuffix(text, "0s")
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

// before returns the time a span before t. Days keep the time of day in t's zone.
func (s span) before(t time.Time) time.Time { return t.AddDate(0, 0, -s.days).Add(-s.rest) }

func (s span) after(t time.Time) time.Time { return t.AddDate(0, 0, s.days).Add(s.rest) }

var daysForm = regexp.MustCompile(`^([0-9]{1,3})d$`)

// parseSpan returns a span of days (3d), or of hours, minutes and seconds (24h, 1h30m).
func parseSpan(text string) (span, error) {
	if m := daysForm.FindStringSubmatch(text); m != nil {
		days, err := strconv.Atoi(m[1])
		if err != nil || days < 1 || time.Duration(days)*24*time.Hour > maxSpan {
			return span{}, fmt.Errorf("want between 1m and 400d, not %q", text)
		}
		return span{days: days}, nil
	}
	d, err := time.ParseDuration(text)
	switch {
	case err != nil:
		return span{}, fmt.Errorf("%q is not a duration; want days, hours or minutes with their unit, such as 3d, 24h or 90m", text)
	case d < minSpan || d > maxSpan:
		return span{}, fmt.Errorf("want between 1m and 400d, not %q", text)
	}
	return span{rest: d}, nil
}

// dayPart is a part of the day, in minutes from midnight; both ends belong to it.
type dayPart struct{ from, to int }

var dayPartForm = regexp.MustCompile(`^([01][0-9]|2[0-3]):([0-5][0-9])-([01][0-9]|2[0-3]):([0-5][0-9])$`)

func parseDayPart(text string) (*dayPart, error) {
	m := dayPartForm.FindStringSubmatch(strings.ReplaceAll(text, " ", ""))
	if m == nil {
		return nil, fmt.Errorf("invalid part of the day %q; want one such as 08:00-20:00", text)
	}
	var n [4]int
	for i := range n {
		n[i], _ = strconv.Atoi(m[i+1])
	}
	p := &dayPart{from: n[0]*60 + n[1], to: n[2]*60 + n[3]}
	if p.from >= p.to {
		return nil, fmt.Errorf("%q is empty or passes midnight; want an earlier and a later time of one day, such as 08:00-20:00", text)
	}
	return p, nil
}

// clamp returns t, or the last time before it that is in the part of the day.
func (p *dayPart) clamp(t time.Time) time.Time {
	minute := t.Hour()*60 + t.Minute()
	if p == nil || (minute >= p.from && minute < p.to) || (minute == p.to && t.Second() == 0 && t.Nanosecond() == 0) {
		return t
	}
	day := t.Day()
	if minute < p.from {
		day--
	}
	return time.Date(t.Year(), t.Month(), day, 0, p.to, 0, 0, t.Location())
}

// label names the schedule within its rule, such as "24h-before-startsAt". It is part of the plan
// key of notifications, and of the name under which decisions are stored.
func (s *Schedule) label() string {
	if s.before.zero() && s.after.zero() {
		return "at-" + s.field
	}
	if s.after.zero() {
		return s.before.String() + "-before-" + s.field
	}
	return s.after.String() + "-after-" + s.field
}

// planKey returns the key of the notifications that the schedule of a rule leads to.
func (s *Schedule) planKey(r *Rule) string { return r.Name + "/" + s.label() }

// due returns when the notification is sent, in a zone. It returns false for an event without a
// time in the field.
func (s *Schedule) due(m *Match, zone *time.Location) (time.Time, bool) {
	at, ok := s.at(m, zone)
	if !ok {
		return time.Time{}, false
	}
	return s.between.clamp(s.after.after(s.before.before(at.In(zone)))), true
}

// passes reports whether a notification that waits until then reminds of what has begun.
func (s *Schedule) passes(until time.Time, m *Match, zone *time.Location) bool {
	at, ok := s.at(m, zone)
	return ok && !s.before.zero() && !until.Before(at)
}

// at returns the time in the event's data.
func (s *Schedule) at(m *Match, zone *time.Location) (time.Time, bool) {
	text, _ := m.vars.decode()[s.field].(string)
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		day, err := time.ParseInLocation(time.DateOnly, text, zone)
		if err != nil {
			return time.Time{}, false
		}
		at = time.Date(day.Year(), day.Month(), day.Day(), dayStart, 0, 0, 0, zone)
	}
	return at, true
}

// isTime reports whether a field of the declared data holds a time or a day.
func isTime(d *event.Declaration, name string) bool {
	format := event.FormatOf(d, name)
	return format == "date-time" || format == "date"
}

// scheduled returns the schedule with a plan key, or nil.
func (r *Rule) scheduled(planKey string) *Schedule {
	for i := range r.schedule {
		if r.schedule[i].planKey(r) == planKey {
			return &r.schedule[i]
		}
	}
	return nil
}

// zoneOf returns the time zone of a schedule for a person.
func (s *Schedule) zoneOf(people *People, person *Person, clinicID *uuid.UUID) *time.Location {
	if s.person && person != nil {
		return people.zoneOf(person, clinicID)
	}
	return care.FirstZone(people.Zones[clinicOf(clinicID)])
}

// zoneOf returns the person's time zone, or else the clinic's.
func (p *People) zoneOf(person *Person, clinicID *uuid.UUID) *time.Location {
	return care.FirstZone(person.TimeZone, p.Zones[clinicOf(clinicID)])
}
