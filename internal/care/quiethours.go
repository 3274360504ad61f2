package care

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Weekdays are the names of the days in a QuietWindow, in their order.
var Weekdays = []string{"mon", "tue", "wed", "thu", "fri", "sat", "sun"}

const (
	// MaxQuietWindows is the maximum number of windows of QuietHours: two for each day.
	MaxQuietWindows = 14

	minutesPerDay  = 24 * 60
	minutesPerWeek = 7 * minutesPerDay
	// maxQuiet is the time after which Until follows no further window.
	maxQuiet = 7 * 24 * time.Hour
)

// QuietWindow is a span of wall time in which a person is not disturbed. It begins on each of the
// days at From and ends at the next To: on the following day if To is not after From.
type QuietWindow struct {
	Days []string `json:"days,omitempty" maxItems:"7" enum:"mon,tue,wed,thu,fri,sat,sun" doc:"The weekdays on which the window begins; the default is every day." example:"mon"`
	From string   `json:"from" pattern:"^([01][0-9]|2[0-3]):[0-5][0-9]$" doc:"When it begins, in the person's time zone." example:"22:00"`
	To   string   `json:"to" pattern:"^(([01][0-9]|2[0-3]):[0-5][0-9]|24:00)$" doc:"When it ends: on the following day if it is not after from." example:"07:00"`
}

// QuietHours are the windows in which messages wait, unless they are critical. nil means that none
// were set, so that a default applies; an empty list means that messages never wait.
type QuietHours []QuietWindow

// Validate returns an error with every fault of the windows, or nil. Its fields begin with
// quietHours.
func (q QuietHours) Validate() error {
	var errs FieldErrors
	errs.QuietHours("quietHours", q)
	return errs.Err()
}

// QuietHours adds an error for each window that is empty or has an unknown day or an invalid time,
// and for windows that overlap or leave no time of the week.
func (errs *FieldErrors) QuietHours(field string, q QuietHours) {
	if len(q) > MaxQuietWindows {
		errs.Add(field, "must have at most %d windows, not %d", MaxQuietWindows, len(q))
		return
	}
	before := len(*errs)
	for i, w := range q {
		errs.quietWindow(fmt.Sprintf("%s[%d]", field, i), w)
	}
	if len(*errs) > before || len(q) == 0 {
		return
	}
	// taken has the number of the window, from 1, of each minute of the week.
	taken := make([]int, minutesPerWeek)
	for i, w := range q {
		if j := w.mark(taken, i+1); j > 0 {
			errs.Add(fmt.Sprintf("%s[%d]", field, i), "overlaps %s[%d]; windows must not overlap, also across midnight", field, j-1)
			return
		}
	}
	if !slices.Contains(taken, 0) {
		errs.Add(field, "must leave some time of the week, as messages would wait forever")
	}
}

// quietWindow adds an error for each invalid part of a window.
func (errs *FieldErrors) quietWindow(field string, w QuietWindow) {
	for i, day := range w.Days {
		switch {
		case !slices.Contains(Weekdays, day):
			errs.Add(fmt.Sprintf("%s.days[%d]", field, i), "must be one of %s", strings.Join(Weekdays, ", "))
		case slices.Contains(w.Days[:i], day):
			errs.Add(fmt.Sprintf("%s.days[%d]", field, i), "is a duplicate")
		}
	}
	from, fromOK := minuteOfDay(w.From)
	if !fromOK || from == minutesPerDay {
		errs.Add(field+".from", "must be a time from 00:00 to 23:59, such as 22:00")
		fromOK = false
	}
	to, toOK := minuteOfDay(w.To)
	if !toOK {
		errs.Add(field+".to", "must be a time from 00:00 to 24:00, such as 07:00")
	}
	if fromOK && toOK && from == to {
		errs.Add(field+".to", "must not equal from, as the window is empty; remove it, or end it at 24:00")
	}
}

// mark writes n into the minutes of the week of a valid window. It returns another number that it
// found there, or 0.
func (w QuietWindow) mark(taken []int, n int) int {
	from, length := w.minutes()
	for day, name := range Weekdays {
		if !w.begins(name) {
			continue
		}
		for m := range length {
			at := &taken[(day*minutesPerDay+from+m)%minutesPerWeek]
			if *at != 0 && *at != n {
				return *at
			}
			*at = n
		}
	}
	return 0
}

func (w QuietWindow) begins(day string) bool { return len(w.Days) == 0 || slices.Contains(w.Days, day) }

// minutes returns the minute of the day at which the window begins, and its length in minutes of
// wall time.
func (w QuietWindow) minutes() (from, length int) {
	from, _ = minuteOfDay(w.From)
	to, _ := minuteOfDay(w.To)
	if to <= from {
		to += minutesPerDay
	}
	return from, to - from
}

// minuteOfDay parses a time such as 22:00, up to 24:00.
func minuteOfDay(text string) (int, bool) {
	if len(text) != 5 || text[2] != ':' {
		return 0, false
	}
	n := [4]int{}
	for i, at := range []int{0, 1, 3, 4} {
		if text[at] < '0' || text[at] > '9' {
			return 0, false
		}
		n[i] = int(text[at] - '0')
	}
	hour, minute := 10*n[0]+n[1], 10*n[2]+n[3]
	return 60*hour + minute, minute < 60 && 60*hour+minute <= minutesPerDay
}

// Until reports whether the time is in a window, and returns the instant at which quiet ends. A
// window that begins by that instant is followed through, for at most a week. The windows must be
// valid.
//
// Where a clock is set forward, a time that it jumps over is the instant of the jump: a window
// within the jump does not exist on that day. Where it is set back, a window begins at the first
// and ends at the last occurrence of its times.
func (q QuietHours) Until(t time.Time, zone *time.Location) (end time.Time, quiet bool) {
	end = t
	for end.Sub(t) < maxQuiet {
		next, in := q.endOfWindow(end, zone)
		if !in {
			break
		}
		end, quiet = next, true
	}
	return end, quiet
}

// endOfWindow returns the latest end of the windows that the time is in.
func (q QuietHours) endOfWindow(t time.Time, zone *time.Location) (end time.Time, in bool) {
	year, month, day := t.In(zone).Date()
	// A zone may skip a day, and set its clock back across midnight.
	for offset := -2; offset <= 1; offset++ {
		date := time.Date(year, month, day+offset, 0, 0, 0, 0, time.UTC)
		name := Weekdays[(int(date.Weekday())+6)%7]
		for _, w := range q {
			if !w.begins(name) {
				continue
			}
			from, length := w.minutes()
			wall := date.Add(time.Duration(from) * time.Minute)
			first, _ := instants(wall, zone)
			_, last := instants(wall.Add(time.Duration(length)*time.Minute), zone)
			if !t.Before(first) && t.Before(last) && last.After(end) {
				end, in = last, true
			}
		}
	}
	return end, in
}

// WallTime returns the first instant at which clocks in the zone show the wall time, which is given in
// UTC. If there is none, it is the instant at which the clock jumps over it.
func WallTime(wall time.Time, zone *time.Location) time.Time {
	first, _ := instants(wall, zone)
	return first
}

// instants returns the first and the last instant at which clocks in the zone show the wall time,
// which is given in UTC. If there is none, both are the instant at which the clock jumps over it.
func instants(wall time.Time, zone *time.Location) (first, last time.Time) {
	year, month, day := wall.Date()
	// time.Date chooses one of the two offsets at a transition.
	near := time.Date(year, month, day, wall.Hour(), wall.Minute(), 0, 0, zone)
	start, end := near.ZoneBounds()
	for _, about := range []time.Time{start.Add(-time.Second), near, end} {
		at := wall.Add(-offsetAt(about, zone)).In(zone)
		if offsetAt(at, zone) != offsetAt(about, zone) {
			continue // Clocks do not show the wall time then.
		}
		if first.IsZero() || at.Before(first) {
			first = at
		}
		if at.After(last) {
			last = at
		}
	}
	if !first.IsZero() {
		return first, last
	}
	for _, jump := range []time.Time{start, end} {
		shown := jump.Add(offsetAt(jump, zone)).UTC()
		if !jump.IsZero() && wall.Before(shown) && !wall.Before(jump.Add(offsetAt(jump.Add(-time.Second), zone)).UTC()) {
			return jump, jump
		}
	}
	return near, near
}

func offsetAt(t time.Time, zone *time.Location) time.Duration {
	_, seconds := t.In(zone).Zone()
	return time.Duration(seconds) * time.Second
}

// String returns the windows as codes, such as "mon-fri 22:00-07:00; sat,sun 21:00-09:00", "none"
// for an empty list, and "default" for nil.
func (q QuietHours) String() string {
	if q == nil {
		return "default"
	}
	if len(q) == 0 {
		return "none"
	}
	codes := make([]string, len(q))
	for i, w := range q {
		codes[i] = w.days() + " " + w.From + "-" + w.To
	}
	return strings.Join(codes, "; ")
}

// days returns the weekdays, with three and more consecutive ones as a range.
func (w QuietWindow) days() string {
	var parts []string
	for i := 0; i < len(Weekdays); i++ {
		run := i
		for run < len(Weekdays) && w.begins(Weekdays[run]) {
			run++
		}
		switch {
		case run-i > 2:
			parts = append(parts, Weekdays[i]+"-"+Weekdays[run-1])
		case run > i:
			parts = append(parts, Weekdays[i:run]...)
		}
		i = run
	}
	return strings.Join(parts, ",")
}

// Equal reports whether the two are the same windows in the same order, and both or neither set.
func (q QuietHours) Equal(other QuietHours) bool {
	return (q == nil) == (other == nil) && slices.EqualFunc(q, other, func(a, b QuietWindow) bool {
		return a.From == b.From && a.To == b.To && a.days() == b.days()
	})
}
