package template

import (
	"fmt"
	"time"

	"golang.org/x/text/language"
)

// calendar has the words and the order of dates in a language. The Unicode CLDR is the source of the
// words; golang.org/x/text does not format dates.
type calendar struct {
	days   [7]string
	months [12]string
	// day is the format of the weekday, the day and the month. year precedes the year, comma the time.
	day, year, comma string
}

var calendars = map[string]*calendar{
	"en": {
		days:   [7]string{"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"},
		months: [12]string{"January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December"},
		day:    "%s %d %s", year: " ", comma: ", ",
	},
	"de": {
		days:   [7]string{"So.", "Mo.", "Di.", "Mi.", "Do.", "Fr.", "Sa."},
		months: [12]string{"Januar", "Februar", "März", "April", "Mai", "Juni", "Juli", "August", "September", "Oktober", "November", "Dezember"},
		day:    "%s, %d. %s", year: " ", comma: ", ",
	},
	"es": {
		days:   [7]string{"dom", "lun", "mar", "mié", "jue", "vie", "sáb"},
		months: [12]string{"enero", "febrero", "marzo", "abril", "mayo", "junio", "julio", "agosto", "septiembre", "octubre", "noviembre", "diciembre"},
		day:    "%s %d de %s", year: " de ", comma: ", ",
	},
	"ar": {
		days:   [7]string{"الأحد", "الاثنين", "الثلاثاء", "الأربعاء", "الخميس", "الجمعة", "السبت"},
		months: [12]string{"يناير", "فبراير", "مارس", "أبريل", "مايو", "يونيو", "يوليو", "أغسطس", "سبتمبر", "أكتوبر", "نوفمبر", "ديسمبر"},
		day:    "%s %d %s", year: " ", comma: "، ",
	},
}

// calendarOf returns the calendar of a locale's language, or nil.
func calendarOf(locale string) *calendar {
	base, _ := language.Make(locale).Base()
	return calendars[base.String()]
}

// formatDay returns a day such as "Mon 3 March", and "2025-03-03" in a language without a calendar.
func (c *calendar) formatDay(m *moment) string {
	if c == nil {
		return m.Format(time.DateOnly)
	}
	day := fmt.Sprintf(c.day, c.days[m.Weekday()], m.Day(), c.months[m.Month()-1])
	if m.year {
		day += fmt.Sprintf("%s%d", c.year, m.Year())
	}
	return day
}

// formatTime returns a time with the IANA name of its zone, as abbreviations such as IST name several:
// "Mon 3 March, 14:30 (Europe/Berlin)". Where clocks are set back, the offset tells the two hours
// of the same name apart.
func (c *calendar) formatTime(m *moment) string {
	comma := " "
	if c != nil {
		comma = c.comma
	}
	clock := m.Format("15:04")
	if ambiguous(m.Time) {
		clock += m.Format(" UTC-07:00")
	}
	return fmt.Sprintf("%s%s%s (%s)", c.formatDay(m), comma, clock, m.Location())
}

// ambiguous reports whether the clock shows the same time twice, an hour apart, as clocks are set
// back.
func ambiguous(t time.Time) bool {
	for _, d := range []time.Duration{-time.Hour, time.Hour} {
		if t.Add(d).Format("15:04") == t.Format("15:04") {
			return true
		}
	}
	return false
}
