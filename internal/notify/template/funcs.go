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
