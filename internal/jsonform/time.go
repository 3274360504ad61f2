package jsonform

import (
	"strings"
	"time"
)

// ParseTime parses a date-time of RFC 3339, section 5.6, and nothing else: time.Parse also accepts
// a comma before the fraction and hours of one digit, and refuses a lower-case t or z and leap
// seconds. A leap second, which is valid only at the end of June and December in UTC (section 5.7),
// is second 59 of its minute, so that it keeps its day.
func ParseTime(text string) (time.Time, bool) {
	canonical, leap, ok := upper(text)
	if !ok {
		return time.Time{}, false
	}
	t, err := time.Parse(time.RFC3339Nano, canonical)
	if err != nil {
		return time.Time{}, false
	}
	if leap {
		u := t.UTC()
		if next := u.Add(time.Second); next.Day() != 1 || next.Hour() != 0 || next.Minute() != 0 || (next.Month() != time.July && next.Month() != time.January) {
			return time.Time{}, false
		}
	}
	return t, true
}

// canonicalTime returns the form of a valid date-time that encoding/json reads.
func canonicalTime(text string) (string, bool) {
	t, ok := ParseTime(text)
	if !ok {
		return "", false
	}
	canonical, leap, _ := upper(text)
	if leap {
		canonical = t.Format(time.RFC3339Nano)
	}
	return canonical, true
}

// upper checks the form of a date-time and returns it with upper-case T and Z. A leap second is
// returned as second 59.
func upper(text string) (canonical string, leap, ok bool) {
	const form = "dddd-dd-ddTdd:dd:dd"
	if len(text) < len(form)+1 || len(text) > 64 {
		return "", false, false
	}
	text = strings.Map(func(r rune) rune {
		switch r {
		case 't':
			return 'T'
		case 'z':
			return 'Z'
		}
		return r
	}, text)
	if !matches(text[:len(form)], form) {
		return "", false, false
	}
	rest := text[len(form):]
	if fraction := strings.TrimLeft(strings.TrimPrefix(rest, "."), "0123456789"); rest[0] == '.' {
		if len(rest)-len(fraction) < 2 {
			return "", false, false
		}
		rest = fraction
	}
	if rest != "Z" && !validOffset(rest) {
		return "", false, false
	}
	if leap = text[17:19] == "60"; leap {
		text = text[:17] + "59" + text[19:]
	}
	return text, leap, true
}

// matches reports whether the text has a digit for each d of the form and is the same otherwise.
func matches(text, form string) bool {
	if len(text) != len(form) {
		return false
	}
	for i := range len(form) {
		if form[i] == 'd' && (text[i] < '0' || text[i] > '9') || form[i] != 'd' && text[i] != form[i] {
			return false
		}
	}
	return true
}

// validOffset reports whether the text is a numeric offset of at most 23:59.
func validOffset(text string) bool {
	return (matches(text, "+dd:dd") || matches(text, "-dd:dd")) && text[1:3] < "24" && text[4:6] < "60"
}
