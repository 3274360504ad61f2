package template

import (
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"golang.org/x/text/language"
)

// maxCached bounds the locales of people for which the choice is kept.
const maxCached = 256

// localized holds a value in several locales, of which the default locale is the first.
type localized[T any] struct {
	locales []string
	values  []T
	lines   []int
	matcher language.Matcher
	cached  *sync.Map // A person's locale → index.
	size    *atomic.Int64
}

// add adds a value in a locale. The default locale becomes the first.
func (l *localized[T]) add(locale, byDefault string, line int, value T) {
	at := len(l.locales)
	if locale == byDefault {
		at = 0
	}
	l.locales = slices.Insert(l.locales, at, locale)
	l.values = slices.Insert(l.values, at, value)
	l.lines = slices.Insert(l.lines, at, line)
}

// seal prepares find. No value may be added afterwards.
func (l *localized[T]) seal() {
	tags := make([]language.Tag, len(l.locales))
	for i, locale := range l.locales {
		tags[i] = language.Make(locale)
	}
	l.matcher, l.cached, l.size = language.NewMatcher(tags), &sync.Map{}, &atomic.Int64{}
}

func (l *localized[T]) empty() bool { return l == nil || len(l.values) == 0 }

// find returns the value in the closest locale, and that locale: "es-MX", then "es", then the
// default.
func (l *localized[T]) find(locale string) (T, string) {
	i := l.index(locale)
	return l.values[i], l.locales[i]
}

func (l *localized[T]) index(locale string) int {
	if len(l.locales) == 1 || locale == "" {
		return 0
	}
	if i := slices.Index(l.locales, locale); i >= 0 {
		return i
	}
	if i, ok := l.cached.Load(locale); ok {
		return i.(int) //nolint:forcetypeassert // Only index stores.
	}
	_, i, confidence := l.matcher.Match(language.Make(strings.ReplaceAll(locale, "_", "-")))
	if confidence < language.High { // A related language is not the person's own.
		i = 0
	}
	if l.size.Add(1) <= maxCached {
		l.cached.Store(locale, i)
	}
	return i
}

// rightToLeft reports whether a locale is written from right to left.
func rightToLeft(locale string) bool {
	script, _ := language.Make(locale).Script()
	return slices.Contains([]string{"Arab", "Hebr", "Thaa", "Syrc", "Nkoo", "Adlm", "Rohg"}, script.String())
}

// canonical returns the locale in its canonical form, such as "es-MX", and whether it is one.
func canonical(locale string) (string, bool) {
	tag, err := language.Parse(locale)
	if err != nil || tag == language.Und {
		return "", false
	}
	return tag.String(), true
}
