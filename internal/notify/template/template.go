// Package template renders the texts of messages, by name, channel and locale.
//
// A set is one YAML source. Its texts use text/template with the fixed list Values, without loops and
// includes: a template has no access to a person, a clinic or anything clinical, and the length of a
// message is bounded. Parse finds every mistake of a set with its line.
//
// The built-in set is in builtin. It names the kind of thing there is to read, and asks to sign in.
//
// Parsing, checks and rendering are one package because the checks render every text: all use the
// unexported parsed texts.
package template

import (
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"

	"carewire/internal/care"
)

// Set holds the texts of every message, by name, channel and locale. It is immutable, and safe for
// concurrent use.
type Set struct {
	channels care.Channels
	byName   map[string]*message
	frames   *localized[*frame]
	// fallback is the default locale.
	fallback string
	cache    *cached
}

// message is one template.
type message struct {
	line        int
	email       *localized[*emailSection]
	push        *localized[*pushSection]
	sms         *localized[*text]
	whatsapp    *localized[*whatsappSection]
	image       *image
	actions     []*action
	platform    Platform
	smsSegments int
	// dated reports that a text of the template, or of the frame, has a time.
	dated bool
}

type emailSection struct {
	line            int
	field           string
	subject, button *text
	paragraphs      []*text
}

type pushSection struct {
	line        int
	title, body *text
}

type whatsappSection struct {
	name, language string
	variables      []*text
	button         approvedButton
}

// approvedButton is the variable part of the URL of an approved template's button.
type approvedButton int

const (
	buttonNone approvedButton = iota
	// buttonLink is the link without its host.
	buttonLink
	// buttonCode is the code, which Meta requires of templates of its category authentication.
	// https://developers.facebook.com/docs/whatsapp/business-management-api/authentication-templates
	buttonCode
)

type frame struct {
	greeting, or *text
	footer       []*text
}

type image struct {
	url string
	alt *localized[string]
}

type action struct {
	id, path string
	label    *localized[string]
}

// Names returns the names of all templates, sorted.
func (s *Set) Names() []string { return slices.Sorted(maps.Keys(s.byName)) }

// Locales returns the locales of the template, sorted; nil for an unknown name.
func (s *Set) Locales(name string) []string {
	m := s.byName[name]
	if m == nil {
		return nil
	}
	all := m.allLocales()
	slices.Sort(all)
	return all
}

func (m *message) allLocales() []string {
	var all []string
	for _, locales := range [][]string{m.email.locales, m.push.locales, m.sms.locales, m.whatsapp.locales} {
		for _, l := range locales {
			if !slices.Contains(all, l) {
				all = append(all, l)
			}
		}
	}
	return all
}

// Has reports whether the template has the section that the channel's messages are rendered from.
func (s *Set) Has(name, channel string) bool {
	c, ok := s.channels.Lookup(channel)
	return ok && s.byName[name].has(c.Format)
}

// has reports whether the template has the section for the format.
func (m *message) has(f care.MessageFormat) bool {
	switch {
	case m == nil:
		return false
	case f == care.FormatEmail:
		return !m.email.empty()
	case f == care.FormatWhatsApp:
		return !m.whatsapp.empty()
	case f == care.FormatPush:
		return !m.push.empty()
	default:
		return !m.push.empty() || !m.sms.empty()
	}
}

// Render returns the template's message for the channel in the closest locale that has the channel's
// section: "es-MX", then "es", then the default locale.
func (s *Set) Render(name, channel, locale string, data Data) (Content, error) {
	of, _ := s.channels.Lookup(channel)
	m := s.byName[name]
	if !m.has(of.Format) {
		return Content{}, fmt.Errorf("template %q has no section for the channel %s", name, channel)
	}
	key, own, ok := m.cacheKey(name, channel, locale, &data)
	if !ok {
		return s.render(m, of, name, locale, data)
	}
	c, ok := s.cache.Get(key)
	if !ok {
		var err error
		if c, err = s.render(m, of, name, locale, key.withPlaceholders(data)); err != nil {
			return Content{}, err
		}
		if c.size() <= maxRenderedSize {
			s.cache.Add(key, c)
		}
	}
	return c.fill(&own), nil
}

// render is Render without the cache.
func (s *Set) render(m *message, of care.Channel, name, locale string, data Data) (Content, error) {
	r := &renderer{view: data.view()}
	var c Content
	var used string // The locale of the section, which the rest of the message takes too.
	switch of.Format {
	case care.FormatPush:
		var push *pushSection
		push, used = m.push.find(locale)
		c = Content{Title: r.line(push.title), Body: r.line(push.body)}
	case care.FormatWhatsApp:
		var w *whatsappSection
		w, used = m.whatsapp.find(locale)
		c.Approved = r.approved(w, &data)
		if m.has(care.FormatSMS) {
			c.Text, _ = r.text(m, used, data.Link)
		}
	case care.FormatEmail:
		c, used = s.renderEmail(r, m, locale, &data)
	default: // care.FormatText, care.FormatSMS
		c.Text, used = r.text(m, locale, data.Link)
	}
	if r.err != nil {
		return Content{}, fmt.Errorf("render template %s for %s: %w", name, of.Name, r.err)
	}
	c.Platform, c.Actions = m.platform, m.buttons(used, &data)
	if m.image != nil {
		c.Image = m.image.url
		c.ImageAlt, _ = m.image.alt.find(used)
	}
	return c, nil
}

// buttons returns the message's buttons in the locale.
func (m *message) buttons(locale string, data *Data) []Action {
	if len(m.actions) == 0 {
		return nil
	}
	all := make([]Action, len(m.actions))
	for i, a := range m.actions {
		label, _ := a.label.find(locale)
		all[i] = Action{ID: a.id, Label: label, Link: data.actionLink(i+1, a.path)}
	}
	return all
}

// ActionPath returns the path of the template's button, which counts from 1, such as "/appointments";
// empty if the template or the button is unknown, or the button opens the message.
func (s *Set) ActionPath(name string, button int) string {
	m := s.byName[name]
	if m == nil || button < 1 || button > len(m.actions) {
		return ""
	}
	return m.actions[button-1].path
}

// actionLink returns the URL of a button, which counts from 1: that of the message if the button has
// no path.
func (d *Data) actionLink(button int, path string) string {
	switch {
	case path == "":
		return d.Link
	case d.ActionLink != nil:
		return d.ActionLink(button, path)
	}
	u, err := url.Parse(d.Link)
	if err != nil || u.Host == "" {
		return d.Link
	}
	return u.Scheme + "://" + u.Host + path
}

// renderer renders texts and keeps the first error.
type renderer struct {
	view *view
	err  error
}

func (r *renderer) line(t *text) string {
	s, err := t.render(r.view)
	if err != nil && r.err == nil {
		r.err = err
	}
	return s
}

func (r *renderer) lines(ts []*text) []string {
	all := make([]string, len(ts))
	for i, t := range ts {
		all[i] = r.line(t)
	}
	return all
}

// text returns the text of a text message, with the link behind it, and its locale. Without a section
// sms it is the body of the section push. A text with a code has no link: the code is entered where
// it was asked for.
func (r *renderer) text(m *message, locale, link string) (string, string) {
	var t *text
	var used string
	if m.sms.empty() {
		var push *pushSection
		push, used = m.push.find(locale)
		t = push.body
	} else {
		t, used = m.sms.find(locale)
	}
	if t.uses["Code"] && r.view.Code != "" {
		link = ""
	}
	return joined(r.line(t), link), used
}

func joined(text, link string) string { return strings.TrimSpace(text + " " + link) }

// approved returns the provider's template. The variable part of its button's URL is the link without
// its host, which is a part of the approved template, or the code.
func (r *renderer) approved(w *whatsappSection, data *Data) *Approved {
	a := &Approved{Name: w.name, Language: w.language}
	if len(w.variables) > 0 {
		a.Variables = r.lines(w.variables)
	}
	switch w.button {
	case buttonLink:
		a.Button = data.Link
		if u, err := url.Parse(data.Link); err == nil && u.Host != "" {
			a.Button = strings.TrimPrefix(u.RequestURI(), "/")
		}
	case buttonCode:
		a.Button = data.Code
	case buttonNone:
	}
	return a
}
