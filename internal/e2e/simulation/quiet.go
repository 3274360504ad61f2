package simulation

import (
	"slices"
	"time"
)

// grid is the distance of the times at which windows begin and end, in every zone of the simulation.
const grid = 30 * time.Minute

// quietUntil returns the end of the quiet hours that contain t, and whether there are any.
func quietUntil(windows []Window, zone *time.Location, t time.Time) (time.Time, bool) {
	type span struct{ from, to time.Time }
	var spans []span
	local := t.In(zone)
	// No windows of the simulation follow each other without a pause for longer than two days.
	for back := -2; back <= 3; back++ {
		day := date{local.Year(), local.Month(), local.Day()}.add(back)
		for _, w := range windows {
			if len(w.Days) > 0 && !slices.Contains(w.Days, day.weekday()) {
				continue
			}
			last := day
			if w.To <= w.From {
				last = day.add(1)
			}
			s := span{begin(day, w.From, zone), end(last, w.To, zone)}
			if s.from.Before(s.to) {
				spans = append(spans, s)
			}
		}
	}
	slices.SortFunc(spans, func(a, b span) int { return a.from.Compare(b.from) })
	until, found := time.Time{}, false
	for _, s := range spans {
		switch {
		case !found && !s.from.After(t) && s.to.After(t), found && !s.from.After(until) && s.to.After(until):
			until, found = s.to, true
		}
	}
	return until, found
}

// date is a calendar day.
type date struct {
	year  int
	month time.Month
	day   int
}

func (d date) add(days int) date {
	t := time.Date(d.year, d.month, d.day+days, 0, 0, 0, 0, time.UTC)
	return date{t.Year(), t.Month(), t.Day()}
}

func (d date) weekday() time.Weekday {
	return time.Date(d.year, d.month, d.day, 0, 0, 0, 0, time.UTC).Weekday()
}

// instants calls fn with every grid time of the day in the zone and its minutes from midnight, in their order. A time that the
// clock skips does not come; one that exists twice comes twice.
func (d date) instants(zone *time.Location, fn func(at time.Time, minute int)) {
	noon := time.Date(d.year, d.month, d.day, 12, 0, 0, 0, time.UTC)
	for at := noon.Add(-28 * time.Hour); at.Before(noon.Add(28 * time.Hour)); at = at.Add(grid) {
		if l := at.In(zone); (date{l.Year(), l.Month(), l.Day()}) == d {
			fn(at, l.Hour()*60+l.Minute())
		}
	}
}

// begin returns the first instant of the day at or after the minute.
func begin(d date, minute int, zone *time.Location) time.Time {
	var first, last time.Time
	d.instants(zone, func(at time.Time, m int) {
		if m >= minute && first.IsZero() {
			first = at
		}
		last = at
	})
	if first.IsZero() {
		return last.Add(grid)
	}
	return first
}

// end returns the instant after the last one of the day before the minute.
func end(d date, minute int, zone *time.Location) time.Time {
	var first, last time.Time
	d.instants(zone, func(at time.Time, m int) {
		if first.IsZero() {
			first = at
		}
		if m < minute {
			last = at
		}
	})
	if last.IsZero() {
		return first
	}
	return last.Add(grid)
}
