package template

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/goccy/go-yaml/ast"

	"carewire/internal/care"
	"carewire/internal/yamlnode"
)

// The bounds of a set, beside those of yamlnode.
const (
	maxSource     = 1 << 20
	maxTemplates  = 200
	maxLocales    = 40
	maxParagraphs = 20
	maxWords      = 500
	maxVariables  = 10
	// defaultSegments and maxSegments bound the segments of a text message.
	defaultSegments, maxSegments = 3, 10
)

// Options are what a set is checked against.
type Options struct {
	// Channels are those of the messages; none means care.BuiltinChannels.
	Channels care.Channels
	// ImageHosts are the hosts from which a message may show images.
	ImageHosts []string
}

var (
	templateName = regexp.MustCompile(`^[a-z][a-z0-9_]{0,62}$`)
	shortID      = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_.-]{0,63}$`)
	linkPath     = regexp.MustCompile(`^/[A-Za-z0-9_~-][A-Za-z0-9/_.~-]{0,198}$`)
	// approvedName is the form of the names of WhatsApp's templates, approvedLanguage that of their
	// languages.
	approvedName     = regexp.MustCompile(`^[a-z0-9_]{1,512}$`)
	approvedLanguage = regexp.MustCompile(`^[a-z]{2,3}(_[A-Z]{2}|_[A-Z][a-z]{3})?$`)
)

// Parse returns a set after checking all of it: each text is rendered for every event type, so that a
// mistake is found here and not when a message is due. The error is of type Errors.
func Parse(src []byte, options Options) (*Set, error) {
	if len(options.Channels) == 0 {
		options.Channels = care.BuiltinChannels
	}
	c := &compiler{options: options, locales: map[string]*localeInfo{}, words: map[string]map[string]string{}}
	c.reader = &yamlnode.Reader{MaxSource: maxSource, Empty: "begin with `templates:` and a template below it", Fail: c.fail}
	c.set = &Set{channels: options.Channels, byName: map[string]*message{}, fallback: "en", cache: newCache()}
	if root := c.reader.Parse(src); root != nil {
		c.readSet(root)
	}
	if len(c.errs) == 0 {
		c.check()
	}
	if len(c.errs) > 0 {
		return nil, c.errs.sorted()
	}
	return c.set, nil
}

// compiler reads a set and records every mistake.
type compiler struct {
	reader   *yamlnode.Reader
	options  Options
	set      *Set
	locales  map[string]*localeInfo
	words    map[string]map[string]string
	template string // The template that is read.
	dated    bool   // Whether a text that was read has a time.
	errs     Errors
}

func (c *compiler) fail(line int, field, format string, args ...any) {
	c.errs = append(c.errs, Error{Line: max(line, 1), Template: c.template, Field: field, Message: fmt.Sprintf(format, args...)})
}

// locale returns what texts in the locale need.
func (c *compiler) locale(name string) *localeInfo {
	if c.locales[name] == nil {
		c.locales[name] = newLocaleInfo(name, c.words[name])
	}
	return c.locales[name]
}

func (c *compiler) readSet(root ast.Node) {
	sections, lines := map[string]ast.Node{}, map[string]int{}
	known := []string{"default", "words", "frame", "templates"}
	c.reader.Each(root, "", func(key string, line int, value ast.Node) bool {
		sections[key], lines[key] = value, line
		return slices.Contains(known, key)
	}, known...)
	if n, ok := sections["default"]; ok {
		c.readDefault(n)
	}
	if n, ok := sections["words"]; ok {
		c.readWords(n)
	}
	if n, ok := sections["frame"]; ok {
		c.readFrame(n)
	} else {
		c.fail(1, "frame", "is missing: want the greeting, or and the footer of emails")
	}
	n, ok := sections["templates"]
	if !ok {
		c.fail(1, "templates", "is missing: begin with `templates:` and a template below it")
		return
	}
	count, framesDated := 0, c.dated
	c.reader.Each(n, "templates", func(name string, line int, value ast.Node) bool {
		if count++; count > maxTemplates {
			c.fail(line, "templates", "more than %d templates", maxTemplates)
			return true
		}
		if !templateName.MatchString(name) {
			c.fail(line, "templates", "invalid name %q; want lower-case letters, digits and _, and a letter first", name)
		}
		c.template, c.dated = name, framesDated
		m := c.readTemplate(line, value)
		m.dated = c.dated
		c.set.byName[name], c.template = m, ""
		return true
	}, "the names of templates")
	if count == 0 && len(c.errs) == 0 {
		c.fail(lines["templates"], "templates", "is empty: want at least one template")
	}
}

func (c *compiler) readDefault(n ast.Node) {
	t := c.reader.Text(n, "default")
	if t.Line == 0 {
		return
	}
	if c.isLocale(t.Value, t.Line, "default") {
		c.set.fallback = t.Value
	}
}

// isLocale records an error unless the name is a locale in its canonical form.
func (c *compiler) isLocale(name string, line int, field string) bool {
	want, ok := canonical(name)
	switch {
	case !ok:
		c.fail(line, field, "invalid locale %q; want a language tag such as de or es-MX", name)
	case want != name:
		c.fail(line, field, "locale %q; write %s", name, want)
	default:
		return true
	}
	return false
}

func (c *compiler) readWords(n ast.Node) {
	c.eachLocale(n, "words", func(locale string, _ int, value ast.Node) {
		words := map[string]string{}
		c.reader.Each(value, "words."+locale, func(word string, line int, translation ast.Node) bool {
			if len(words) >= maxWords {
				c.fail(line, "words."+locale, "more than %d words", maxWords)
				return true
			}
			t := c.reader.Text(translation, "words."+locale+"."+word)
			if strings.Contains(t.Value, "{{") || len(t.Value) > 100 {
				c.fail(line, "words."+locale+"."+word, "want a word of at most 100 bytes, without {{")
			}
			words[word] = strings.TrimSpace(t.Value)
			return true
		}, "words")
		c.words[locale] = words
	})
}

// eachLocale calls fn for every locale of a mapping.
func (c *compiler) eachLocale(n ast.Node, field string, fn func(locale string, line int, value ast.Node)) {
	count := 0
	c.reader.Each(n, field, func(locale string, line int, value ast.Node) bool {
		if count++; count > maxLocales {
			c.fail(line, field, "more than %d locales", maxLocales)
			return true
		}
		if c.isLocale(locale, line, field) {
			fn(locale, line, value)
		}
		return true
	}, "locales such as en or es-MX")
}

// readFrame reads the frame: in the default locale alone, or by locale.
func (c *compiler) readFrame(n ast.Node) {
	frames := &localized[*frame]{}
	if yamlnode.Has(n, "greeting", "or", "footer") {
		frames.add(c.set.fallback, c.set.fallback, yamlnode.Line(n), c.readOneFrame(n, "frame", c.set.fallback))
	} else {
		c.eachLocale(n, "frame", func(locale string, line int, value ast.Node) {
			frames.add(locale, c.set.fallback, line, c.readOneFrame(value, "frame."+locale, locale))
		})
	}
	sealed(c, frames, "frame", yamlnode.Line(n))
	c.set.frames = frames
}

// sealed records an error if the default locale is missing.
func sealed[T any](c *compiler, l *localized[T], field string, line int) {
	switch {
	case l.empty():
		c.fail(line, field, "is empty: want texts in the default locale %s", c.set.fallback)
	case l.locales[0] != c.set.fallback:
		c.fail(line, field, "is missing in the default locale %s, which everybody with another language reads", c.set.fallback)
	}
	l.seal()
}

func (c *compiler) readOneFrame(n ast.Node, field, locale string) *frame {
	f, info := &frame{}, c.locale(locale)
	c.reader.Each(n, field, func(key string, _ int, value ast.Node) bool {
		at := field + "." + key
		switch key {
		case "greeting":
			f.greeting = c.compile(c.reader.Text(value, at), at, info)
		case "or":
			f.or = c.compile(c.reader.Text(value, at), at, info)
		case "footer":
			f.footer = c.compileAll(value, at, info, maxParagraphs)
		default:
			return false
		}
		return true
	}, "greeting", "or", "footer")
	c.required(n, field, "greeting", "or", "footer")
	return f
}

// required records an error for every key that the mapping lacks.
func (c *compiler) required(n ast.Node, field string, keys ...string) {
	if _, ok := n.(ast.MapNode); !ok {
		return
	}
	for _, key := range keys {
		if !yamlnode.Has(n, key) {
			c.fail(yamlnode.Line(n), field+"."+key, "is missing")
		}
	}
}

func (c *compiler) compileAll(n ast.Node, field string, l *localeInfo, most int) []*text {
	var all []*text
	for i, raw := range c.reader.Texts(n, field, most) {
		all = append(all, c.compile(raw, fmt.Sprintf("%s[%d]", field, i), l))
	}
	return all
}
