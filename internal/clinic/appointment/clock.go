package appointment

import (
	"slices"
	"time"

	"carewire/internal/care"
)

// maxZoneOffset exceeds the offset of any zone from UTC.
const maxZoneOffset = 24 * time.Hour

// clockSpans returns the spans in which clocks in the zone show a time from from (inclusive) to to
// (exclusive). Both are local times, written as if they were UTC.
//
// If clocks are put forward, a skipped time is the moment at which they change: a day that begins
// at 02:30 begins at the 03:00 that follows 01:59, and is an hour shorter. If clocks are put back,
// repeated times count twice: a day that ends at 02:30 ends at the first 02:30 and continues from
// the second 02:00 to the second 02:30. So the result can have two spans, or none.
func clockSpans(zone *time.Location, from, to time.Time) []care.Span {
	var spans []care.Span
	for at := from.Add(-maxZoneOffset); at.Before(to.Add(maxZoneOffset)); {
		_, seconds := at.In(zone).Zone()
		offset := time.Duration(seconds) * time.Second
		begin, end := at.In(zone).ZoneBounds() // The zone has this offset between the two; zero means forever.
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

// appendSpan appends a span that begins at or after the end of the last one. Adjacent spans are
// merged.
func appendSpan(spans []care.Span, next care.Span) []care.Span {
	if n := len(spans); n > 0 && spans[n-1].EndsAt.Equal(next.StartsAt) {
		spans[n-1].EndsAt = next.EndsAt
		return spans
	}
	return append(spans, next)
}

// openSpans returns when the doctor sees patients on a day. The day is its local midnight, written
// as if it were UTC.
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

// freeSlots divides each open span into consecutive slots of the length. It returns those that
// begin at notBefore or later and do not overlap with a busy span.
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
