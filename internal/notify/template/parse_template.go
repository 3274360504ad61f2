package template

import (
	"fmt"
	"slices"
	"strings"

	"github.com/goccy/go-yaml/ast"

	"carewire/internal/care"
	"carewire/internal/yamlnode"
)

// sections are the sections of a text, by channel.
var sections = []string{"email", "push", "sms", "whatsapp"}

// readTemplate reads one template. Sections directly in it are those of the default locale.
func (c *compiler) readTemplate(at int, n ast.Node) *message {
	m := &message{
		line: at, email: &localized[*emailSection]{}, push: &localized[*pushSection]{}, sms: &localized[*text]{},
		whatsapp: &localized[*whatsappSection]{}, smsSegments: defaultSegments,
	}
	first, found := &textSections{}, false
	c.reader.Each(n, "", func(key string, line int, value ast.Node) bool {
		found = found || slices.Contains(sections, key)
		switch key {
		case "image":
			c.readImage(m, value)
		case "actions":
			m.actions = c.readActions(value)
		case "platform":
			c.readPlatform(m, value)
		case "limits":
			c.readLimits(m, value)
		case "texts":
			c.eachLocale(value, "texts", func(locale string, line int, sectionsOf ast.Node) {
				s := &textSections{}
				c.reader.Each(sectionsOf, "texts."+locale, func(key string, line int, value ast.Node) bool {
					found = found || slices.Contains(sections, key)
					return c.readSection(s, key, "texts."+locale+"."+key, locale, line, value)
				}, sections...)
				c.addSections(m, s, locale, line)
			})
		default:
			return c.readSection(first, key, key, c.set.fallback, line, value)
		}
		return true
	}, slices.Concat([]string{"texts", "image", "actions", "platform", "limits"}, sections)...)
	if *first != (textSections{}) {
		if i := slices.Index(m.allLocales(), c.set.fallback); i >= 0 {
			c.fail(at, "texts."+c.set.fallback, "duplicate: the default locale's sections are in the template already")
		}
		c.addSections(m, first, c.set.fallback, at)
	}
	c.sealTemplate(m, found)
	return m
}

// sealTemplate records an error if the template has no section. found reports whether its source has
// one, with or without mistakes.
func (c *compiler) sealTemplate(m *message, found bool) {
	if !found {
		c.fail(m.line, "texts", "is empty: want at least one of the sections %s", strings.Join(sections, ", "))
	}
	sealSection(c, m.email, "email")
	sealSection(c, m.push, "push")
	sealSection(c, m.sms, "sms")
	sealSection(c, m.whatsapp, "whatsapp")
}

func sealSection[T any](c *compiler, l *localized[T], field string) {
	if !l.empty() {
		sealed(c, l, field, l.lines[0])
	}
}

// textSections are the sections in one locale; nil where there is none.
type textSections struct {
	email    *emailSection
	push     *pushSection
	sms      *text
	whatsapp *whatsappSection
}

func (c *compiler) addSections(m *message, s *textSections, locale string, line int) {
	if s.email != nil {
		m.email.add(locale, c.set.fallback, s.email.line, s.email)
	}
	if s.push != nil {
		m.push.add(locale, c.set.fallback, s.push.line, s.push)
	}
	if s.sms != nil {
		m.sms.add(locale, c.set.fallback, line, s.sms)
	}
	if s.whatsapp != nil {
		m.whatsapp.add(locale, c.set.fallback, line, s.whatsapp)
	}
}

func (c *compiler) readSection(s *textSections, key, field, locale string, line int, value ast.Node) bool {
	info := c.locale(locale)
	switch key {
	case "email":
		s.email = c.readEmail(value, field, info)
		s.email.line, s.email.field = line, field
	case "push":
		s.push = c.readPush(value, field, info)
		s.push.line = line
	case "sms":
		s.sms = c.compile(c.reader.Text(value, field), field, info)
	case "whatsapp":
		s.whatsapp = c.readWhatsApp(value, field, info)
	default:
		return false
	}
	return true
}

func (c *compiler) readEmail(n ast.Node, field string, l *localeInfo) *emailSection {
	s := &emailSection{}
	c.reader.Each(n, field, func(key string, _ int, value ast.Node) bool {
		at := field + "." + key
		switch key {
		case "subject":
			s.subject = c.compile(c.reader.Text(value, at), at, l)
		case "paragraphs":
			s.paragraphs = c.compileAll(value, at, l, maxParagraphs)
		case "button":
			s.button = c.compile(c.reader.Text(value, at), at, l)
		default:
			return false
		}
		return true
	}, "subject", "paragraphs", "button")
	c.required(n, field, "subject", "paragraphs", "button")
	return s
}

func (c *compiler) readPush(n ast.Node, field string, l *localeInfo) *pushSection {
	s := &pushSection{}
	c.reader.Each(n, field, func(key string, _ int, value ast.Node) bool {
		at := field + "." + key
		switch key {
		case "title":
			s.title = c.compile(c.reader.Text(value, at), at, l)
		case "body":
			s.body = c.compile(c.reader.Text(value, at), at, l)
		default:
			return false
		}
		return true
	}, "title", "body")
	c.required(n, field, "title", "body")
	return s
}

func (c *compiler) readWhatsApp(n ast.Node, field string, l *localeInfo) *whatsappSection {
	s := &whatsappSection{}
	c.reader.Each(n, field, func(key string, line int, value ast.Node) bool {
		at := field + "." + key
		switch key {
		case "name":
			if s.name = c.reader.Text(value, at).Value; s.name != "" && !approvedName.MatchString(s.name) {
				c.fail(line, at, "invalid name %q; want that of the approved template: lower-case letters, digits and _", s.name)
			}
		case "language":
			if s.language = c.reader.Text(value, at).Value; s.language != "" && !approvedLanguage.MatchString(s.language) {
				c.fail(line, at, "invalid language %q; want that of the approved template, such as de or en_US", s.language)
			}
		case "variables":
			s.variables = c.compileAll(value, at, l, maxVariables)
		case "button":
			s.button = c.readApprovedButton(value, at)
		default:
			return false
		}
		return true
	}, "name", "language", "variables", "button")
	c.required(n, field, "name", "language")
	return s
}

// readApprovedButton reads true, false or code.
func (c *compiler) readApprovedButton(n ast.Node, field string) approvedButton {
	if _, ok := n.(*ast.StringNode); !ok {
		if c.reader.Bool(n, field) {
			return buttonLink
		}
		return buttonNone
	}
	if t := c.reader.Text(n, field); t.Value != "code" {
		c.fail(t.Line, field, "unknown value %q; want true (the link), code (the code of a verification) or false", t.Value)
	}
	return buttonCode
}

func (c *compiler) readImage(m *message, n ast.Node) {
	m.image = &image{alt: &localized[string]{}}
	c.reader.Each(n, "image", func(key string, line int, value ast.Node) bool {
		switch key {
		case "url":
			t := c.reader.Text(value, "image.url")
			if m.image.url = t.Value; t.Line == 0 {
				return true
			}
			if strings.Contains(t.Value, "{{") {
				c.fail(line, "image.url", "must be the same for everybody: remove {{")
			} else if err := care.CheckImageURL(t.Value, c.options.ImageHosts); err != nil {
				c.fail(line, "image.url", "%v", err)
			}
		case "alt":
			c.readPlain(m.image.alt, value, "image.alt", 200)
		default:
			return false
		}
		return true
	}, "url", "alt")
	c.required(n, "image", "url", "alt")
}

// readPlain reads a text without values, in the default locale alone or by locale.
func (c *compiler) readPlain(into *localized[string], n ast.Node, field string, most int) {
	read := func(locale, at string, value ast.Node) {
		t := c.reader.Text(value, at)
		switch {
		case t.Line == 0:
			return
		case len([]rune(t.Value)) > most || strings.Contains(t.Value, "{{"):
			c.fail(t.Line, at, "want a text of at most %d characters, without {{", most)
		}
		into.add(locale, c.set.fallback, t.Line, strings.Join(strings.Fields(t.Value), " "))
	}
	if _, ok := n.(ast.MapNode); ok {
		c.eachLocale(n, field, func(locale string, _ int, value ast.Node) { read(locale, field+"."+locale, value) })
	} else {
		read(c.set.fallback, field, n)
	}
	sealed(c, into, field, yamlnode.Line(n))
}

// maxLabel is the longest label of a button, in characters: WhatsApp allows 25, and phones show 20.
const maxLabel = 25

func (c *compiler) readActions(n ast.Node) []*action {
	var all []*action
	for i, item := range c.reader.List(n, "actions", MaxActions) {
		field, a := fmt.Sprintf("actions[%d]", i), &action{label: &localized[string]{}}
		c.reader.Each(item, field, func(key string, line int, value ast.Node) bool {
			at := field + "." + key
			switch key {
			case "id":
				if a.id = c.reader.Text(value, at).Value; a.id != "" && !shortID.MatchString(a.id) {
					c.fail(line, at, "invalid id %q; want letters, digits, _, . and -", a.id)
				}
				if slices.ContainsFunc(all, func(other *action) bool { return other.id == a.id }) {
					c.fail(line, at, "duplicate id %s", a.id)
				}
			case "path":
				if a.path = c.reader.Text(value, at).Value; a.path != "" && (!linkPath.MatchString(a.path) || strings.Contains(a.path, "..")) {
					c.fail(line, at, "invalid path %q; want one such as /appointments, without a host, a query and {{", a.path)
				}
			case "label":
				c.readPlain(a.label, value, at, maxLabel)
			default:
				return false
			}
			return true
		}, "id", "path", "label")
		c.required(item, field, "id", "label")
		all = append(all, a)
	}
	return all
}

func (c *compiler) readPlatform(m *message, n ast.Node) {
	id := func(into *string, value ast.Node, at string) {
		t := c.reader.Text(value, at)
		if *into = t.Value; t.Line > 0 && !shortID.MatchString(t.Value) {
			c.fail(t.Line, at, "invalid value %q; want letters, digits, _, . and -, at most 64", t.Value)
		}
	}
	c.reader.Each(n, "platform", func(key string, _ int, value ast.Node) bool {
		at := "platform." + key
		switch key {
		case "apns":
			c.reader.Each(value, at, func(key string, line int, value ast.Node) bool {
				switch key {
				case "category":
					id(&m.platform.APNSCategory, value, at+".category")
				case "thread":
					id(&m.platform.ThreadID, value, at+".thread")
				case "interruption":
					m.platform.InterruptionLevel = c.reader.Text(value, at+".interruption").Value
					if !slices.Contains(InterruptionLevels, m.platform.InterruptionLevel) {
						c.fail(line, at+".interruption", "unknown level %q; want one of %s", m.platform.InterruptionLevel, strings.Join(InterruptionLevels, ", "))
					}
				default:
					return false
				}
				return true
			}, "category", "thread", "interruption")
		case "android":
			c.reader.Each(value, at, func(key string, _ int, value ast.Node) bool {
				if key == "channel" {
					id(&m.platform.AndroidChannel, value, at+".channel")
				}
				return key == "channel"
			}, "channel")
		default:
			return false
		}
		return true
	}, "apns", "android")
}

func (c *compiler) readLimits(m *message, n ast.Node) {
	c.reader.Each(n, "limits", func(key string, _ int, value ast.Node) bool {
		if key == "smsSegments" {
			m.smsSegments = c.reader.Int(value, "limits.smsSegments", 1, maxSegments)
		}
		return key == "smsSegments"
	}, "smsSegments")
}
