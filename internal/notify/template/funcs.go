package template

import (
	"errors"
	"slices"
	"strings"
	texttemplate "text/template"
	"unicode/utf8"

	"golang.org/x/text/feature/plural"
	"golang.org/x/text/language"
	textmessage "golang.org/x/text/message"
)

// localeInfo holds what texts in a locale need.
type localeInfo struct {
	name  string
	tag   language.Tag
	funcs texttemplate.FuncMap
	// words translates things and actions.
	words map[string]string
}

// pluralNames are the names of the CLDR's plural categories.
var pluralNames = map[plural.Form]string{
	plural.Zero: "zero", plural.One: "one", plural.Two: "two", plural.Few: "few", plural.Many: "many", plural.Other: "other",
}

func newLocaleInfo(name string, words map[string]string) *localeInfo {
	l := &localeInfo{name: name, tag: language.Make(name), words: words}
	dates, printer := calendarOf(name), textmessage.NewPrinter(l.tag)
	l.funcs = texttemplate.FuncMap{
		"article": article, "title": title, "word": l.word,
		"plural": func(n int, pairs ...string) string { return l.plural(printer, n, pairs) },
		"list":   func(items []Item) string { return l.list(printer, items) },
		"date": func(m *moment) (string, error) {
			if m == nil {
				return "", errAbsent
			}
			return dates.formatTime(m), nil
		},
		"day": func(m *moment) (string, error) {
			if m == nil {
				return "", errAbsent
			}
			return dates.formatDay(m), nil
		},
	}
	return l
}

var errAbsent = errors.New("not every event has this time: put the text into {{if .StartsAt}}…{{end}}, with the value's name")

// article puts "a" or "an" before an English word.
func article(s string) string {
	if s != "" && strings.ContainsRune("aeiou", rune(s[0])) {
		return "an " + s
	}
	return "a " + s
}

// title makes the first letter upper case.
func title(s string) string {
	if s == "" {
		return s
	}
	_, size := utf8.DecodeRuneInString(s)
	return strings.ToUpper(s[:size]) + s[size:]
}

// word returns the translation of a thing or an action; the English word if there is none.
func (l *localeInfo) word(s string) string {
	if translated, ok := l.words[s]; ok {
		return translated
	}
	return s
}

// plural returns the text of the number's category, with the number in place of #.
func (l *localeInfo) plural(printer *textmessage.Printer, n int, pairs []string) string {
	category := pluralNames[plural.Cardinal.MatchPlural(l.tag, n, 0, 0, 0, 0)]
	text := ""
	for i := 0; i+1 < len(pairs); i += 2 {
		if pairs[i] == category {
			text = pairs[i+1]
			break
		}
		if pairs[i] == "other" {
			text = pairs[i+1]
		}
	}
	return strings.ReplaceAll(text, "#", printer.Sprintf("%d", n))
}

// maxListed is the number of kinds of things that list names, so that a message has a bounded length.
const maxListed = 10

// list returns the kinds of things with their numbers: "3 lab reports, 1 appointment" in English,
// and "3 × Laborbericht, 1 × Termin" in other locales, which have no plurals of words.
func (l *localeInfo) list(printer *textmessage.Printer, items []Item) string {
	base, _ := l.tag.Base()
	comma := ", "
	if base.String() == "ar" {
		comma = "، "
	}
	var b strings.Builder
	for i, item := range items {
		if i == maxListed {
			return b.String() + comma + "…"
		}
		if i > 0 {
			b.WriteString(comma)
		}
		if base.String() == "en" {
			b.WriteString(printer.Sprintf("%d", item.Count) + " " + plurals(item.Thing, item.Count))
		} else {
			b.WriteString(printer.Sprintf("%d", item.Count) + " × " + l.word(item.Thing))
		}
	}
	return b.String()
}

// plurals returns the English plural of a thing, unless it is one: "allergies", "sets of vital
// signs".
func plurals(thing string, n int) string {
	noun, rest, of := strings.Cut(thing, " of ")
	switch {
	case n == 1:
		return thing
	case of:
		return plurals(noun, n) + " of " + rest
	}
	if stem, y := strings.CutSuffix(thing, "y"); y && !strings.HasSuffix(stem, "a") && !strings.HasSuffix(stem, "e") && !strings.HasSuffix(stem, "o") {
		return stem + "ies"
	}
	return thing + "s"
}

// categories returns the plural categories that whole numbers have in the locale, "other" last.
func (l *localeInfo) categories() []string {
	var names []string
	for n := range 201 {
		names = append(names, pluralNames[plural.Cardinal.MatchPlural(l.tag, n, 0, 0, 0, 0)])
	}
	names = append(names, pluralNames[plural.Cardinal.MatchPlural(l.tag, 1_000_000, 0, 0, 0, 0)])
	slices.Sort(names)
	names = slices.DeleteFunc(slices.Compact(names), func(s string) bool { return s == "other" })
	return append(names, "other")
}
