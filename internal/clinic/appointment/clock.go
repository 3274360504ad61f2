package appointment

import (
	"slices"
	"time"

	"carewire/internal/care"
)

// farthest is more than any zone is from UTC.
const maxZoneOffset = 24 * time.Hour

// wall gives the spans in which the clock on a wall in the zone shows a time from from up to, and without, to. The two are
// what the clock shows, written as if it were UTC.
//
// Where clocks are put forward, a time that they leave out is reached when they are put forward: a day from 02:30 on begins
// at the 03:00 that follows 01:59, and it is an hour shorter. Where they are put back, what they show twice counts twice:
// a day up to 02:30 ends at the first 02:30 and goes on from the second 02:00 to the second 02:30. So a span can fall into
// two, or into none.
func clockSpans(zone *time.Location, from, to time.Time) []care.Span {
	var spans []care.Span
	for at := from.Add(-maxZoneOffset); at.Before(to.Add(maxZoneOffset)); {
		_, seconds := at.In(zone).Zone()
		offset := time.Duration(seconds) * time.Second
		begin, end := at.In(zone).ZoneBounds() // The times between which the zone has this offset; zero for ever.
		span := care.Span{StartsAt: from.Add(-offset).In(zone), EndsAt: to.Add(-offset).In(zone)}
		if !begin.IsZero() && begin.After(span.StartsAt) {
			span.StartsAt = begin
		}
		if !end.IsZero() && end.Before(span.EndsAt) {
			span.EndsAt = end
		}
		if span.StartsAt.Before(span.EndsAt) {
			spans = appendSpan(spans, span)
		}
		if end.IsZero() {
			break
		}
		at = end
	}
	return spans
}

// join adds a span that begins no sooner than the last one's end; where the two touch they become one.
func appendSpan(spans []care.Span, next care.Span) []care.Span {
	if n := len(spans); n > 0 && spans[n-1].EndsAt.Equal(next.StartsAt) {
		spans[n-1].EndsAt = next.EndsAt
		return spans
	}
	return append(spans, next)
}

// open gives when the doctor sees patients on a day, which is its midnight as if it were UTC.
func openSpans(zone *time.Location, day time.Time, openings []Opening) []care.Span {
	var spans []care.Span
	for _, o := range openings {
		if o.Weekday != weekdays[isoWeekday(day)-1] {
			continue
		}
		opens, closes := o.minutes()
		spans = append(spans, clockSpans(zone, day.Add(opens), day.Add(closes))...)
	}
	slices.SortFunc(spans, func(a, b care.Span) int { return a.StartsAt.Compare(b.StartsAt) })
	return spans
}

func isoWeekday(day time.Time) int16 {
	if day.Weekday() == time.Sunday {
		return 7
	}
	return int16(day.Weekday())
}

// slots cuts the open spans into slots of the length, one after the other from where each opens, and gives those that begin
// at notBefore or later and meet nothing busy.
func freeSlots(open, busy []care.Span, length time.Duration, notBefore time.Time) []care.Span {
	free := []care.Span{}
	for _, o := range open {
		for at := o.StartsAt; !at.Add(length).After(o.EndsAt); at = at.Add(length) {
			slot := care.Span{StartsAt: at, EndsAt: at.Add(length)}
			if !at.Before(notBefore) && !slices.ContainsFunc(busy, slot.Overlaps) {
				free = append(free, slot)
			}
		}
	}
	return free
}
