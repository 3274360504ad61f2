// Package template renders the texts of messages, by name, channel and locale.
//
// The built-in texts are the files in builtin. They name the kind of thing there is to read, and ask
// to sign in: a template has no access to a person, a clinic or anything clinical.
package template

import (
	"bytes"
	"embed"
	"fmt"
	htmltemplate "html/template"
	"io/fs"
	"path"
	"slices"
	"strings"
	"sync"
	texttemplate "text/template"

	"github.com/goccy/go-yaml"

	"carewire/internal/care"
	"carewire/internal/event"
)

//go:embed builtin
var embedded embed.FS

// frameName is the name of the file with the greeting and the footer of every email. It is not a
// template.
const frameName = "frame"

// Data is everything that a template can access. It contains no person, no clinic and nothing
// clinical.
type Data struct {
	// EventType is the event's type, such as "ehr.lab_report.created".
	EventType string
	// Thing is the kind of its subject in words, such as "lab report".
	Thing string
	// Action is the change in words, such as "created", "corrected" or "checked in".
	Action string
	Link   string
	// Code is the verification code that the message carries, or empty.
	Code     string
	Priority string
	// AppName is the name of the service, or the display name of the clinic's brand.
	AppName string
	// Brand is the look of the clinic's messages.
	Brand Brand
}

// Set holds the texts of every message, by name, channel and locale. It is immutable.
type Set struct {
	channels   care.Channels
	byKey      map[string]*wording // name, or name.locale
	frames     map[string]*frame   // locale, "" for the fallback
	layoutHTML *htmltemplate.Template
	layoutText *texttemplate.Template
}

// wording is the content of one file.
type wording struct {
	email *emailSection
	push  *pushSection
}

type emailSection struct {
	subject, button *texttemplate.Template
	paragraphs      []*texttemplate.Template
}

type pushSection struct {
	title, body *texttemplate.Template
}

type frame struct {
	greeting, or *texttemplate.Template
	footer       []*texttemplate.Template
}

// The format of the files.
type (
	wordingFile struct {
		Email *struct {
			Subject    string   `yaml:"subject"`
			Paragraphs []string `yaml:"paragraphs"`
			Button     string   `yaml:"button"`
		} `yaml:"email"`
		Push *struct {
			Title string `yaml:"title"`
			Body  string `yaml:"body"`
		} `yaml:"push"`
	}
	frameFile struct {
		Greeting string   `yaml:"greeting"`
		Or       string   `yaml:"or"`
		Footer   []string `yaml:"footer"`
	}
)

var funcs = texttemplate.FuncMap{
	// article puts "a" or "an" before an English word.
	"article": func(s string) string {
		if s != "" && strings.ContainsRune("aeiou", rune(s[0])) {
			return "an " + s
		}
		return "a " + s
	},
	// title makes the first letter upper case.
	"title": func(s string) string {
		if s == "" {
			return s
		}
		return strings.ToUpper(s[:1]) + s[1:]
	},
}

// Default returns the built-in templates, for messages on the channels; none means
// care.BuiltinChannels. Those of the built-in channels are loaded once: checking them takes 90 ms of
// CPU time, and rules and messages both need them.
func Default(channels ...care.Channel) (*Set, error) {
	if len(channels) == 0 || slices.Equal(channels, care.BuiltinChannels) {
		return builtinSet()
	}
	return loadDefaults(channels...)
}

var builtinSet = sync.OnceValues(func() (*Set, error) { return loadDefaults() })

func loadDefaults(channels ...care.Channel) (*Set, error) {
	sub, err := fs.Sub(embedded, "builtin")
	if err != nil {
		return nil, fmt.Errorf("open the built-in templates: %w", err)
	}
	return Load(sub, channels...)
}

// Load reads name.yaml and name.locale.yaml files, frame.yaml, layout.html and layout.txt,
// for messages on the channels; none means care.BuiltinChannels. It renders each template once for
// every event type, so that a mistake is found here and not when a message is due.
func Load(files fs.FS, channels ...care.Channel) (*Set, error) {
	if len(channels) == 0 {
		channels = care.BuiltinChannels
	}
	t := &Set{channels: channels, byKey: map[string]*wording{}, frames: map[string]*frame{}}
	var err error
	if t.layoutHTML, err = htmltemplate.New("layout.html").Option("missingkey=error").ParseFS(files, "layout.html"); err != nil {
		return nil, fmt.Errorf("template layout.html: %w", err)
	}
	if t.layoutText, err = texttemplate.New("layout.txt").Option("missingkey=error").ParseFS(files, "layout.txt"); err != nil {
		return nil, fmt.Errorf("template layout.txt: %w", err)
	}
	names, err := fs.Glob(files, "*.yaml")
	if err != nil {
		return nil, fmt.Errorf("list the templates: %w", err)
	}
	for _, name := range names {
		if err := t.load(files, name); err != nil {
			return nil, fmt.Errorf("template %s: %w", name, err)
		}
	}
	if t.frames[""] == nil {
		return nil, fmt.Errorf("template %s.yaml is missing", frameName)
	}
	return t, t.check()
}

func (t *Set) load(files fs.FS, name string) error {
	src, err := fs.ReadFile(files, name)
	if err != nil {
		return err
	}
	key := strings.ToLower(strings.TrimSuffix(path.Base(name), ".yaml"))
	if base, locale, _ := strings.Cut(key, "."); base == frameName {
		t.frames[locale], err = parseFrame(src)
		return err
	}
	t.byKey[key], err = parseWording(src)
	return err
}

func parseFrame(src []byte) (*frame, error) {
	var f frameFile
	if err := yaml.UnmarshalWithOptions(src, &f, yaml.Strict()); err != nil {
		return nil, err
	}
	p := &parser{}
	parsed := &frame{greeting: p.one("greeting", f.Greeting), or: p.one("or", f.Or), footer: p.many("footer", f.Footer)}
	return parsed, p.err
}

func parseWording(src []byte) (*wording, error) {
	var f wordingFile
	if err := yaml.UnmarshalWithOptions(src, &f, yaml.Strict()); err != nil {
		return nil, err
	}
	p, w := &parser{}, &wording{}
	if f.Email != nil {
		w.email = &emailSection{
			subject:    p.one("email.subject", f.Email.Subject),
			paragraphs: p.many("email.paragraphs", f.Email.Paragraphs),
			button:     p.one("email.button", f.Email.Button),
		}
	}
	if f.Push != nil {
		w.push = &pushSection{title: p.one("push.title", f.Push.Title), body: p.one("push.body", f.Push.Body)}
	}
	return w, p.err
}

// parser parses the texts of a file and keeps the first error.
type parser struct{ err error }

func (p *parser) one(field, src string) *texttemplate.Template {
	t, err := texttemplate.New(field).Option("missingkey=error").Funcs(funcs).Parse(src)
	if err == nil && strings.TrimSpace(src) == "" {
		err = fmt.Errorf("%s is empty", field)
	}
	if p.err == nil {
		p.err = err
	}
	return t
}

func (p *parser) many(field string, srcs []string) []*texttemplate.Template {
	if len(srcs) == 0 && p.err == nil {
		p.err = fmt.Errorf("%s is empty", field)
	}
	all := make([]*texttemplate.Template, len(srcs))
	for i, src := range srcs {
		all[i] = p.one(fmt.Sprintf("%s[%d]", field, i), src)
	}
	return all
}

// check renders every template once.
func (t *Set) check() error {
	for key, w := range t.byKey {
		name, locale, _ := strings.Cut(key, ".")
		for _, d := range event.Catalog {
			data := DataFor(d.Type, "normal", "https://clinic.example/notifications/1", "carewire")
			for _, channel := range t.channels {
				if !w.has(channel.Format) {
					continue
				}
				if _, err := t.Render(name, channel.Name, locale, data); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// Names returns the names of all templates, sorted.
func (t *Set) Names() []string {
	var names []string
	for key := range t.byKey {
		name, _, _ := strings.Cut(key, ".")
		names = append(names, name)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// Has reports whether the template has the section that the channel's messages are rendered from.
func (t *Set) Has(name, channel string) bool {
	c, ok := t.channels.Lookup(channel)
	return ok && t.byKey[name].has(c.Format)
}

// has reports whether the file has the section for the format. A text message is rendered from the
// section push.
func (w *wording) has(f care.MessageFormat) bool {
	switch {
	case w == nil:
		return false
	case f == care.FormatEmail:
		return w.email != nil
	default:
		return w.push != nil
	}
}

// Content is a rendered message: the parts of an email, those of a push message, or the Text of a
// text message.
type Content struct {
	Subject, Text, HTML string
	Title, Body         string
	Rich
}

// Rich are the parts of a message beside its texts. Each channel uses those that it can show.
type Rich struct {
	// Image is the https URL of a picture on an allowed host, or empty.
	Image string
	// Actions are the buttons, the primary one first: at most MaxActions.
	Actions []Action
	// Platform is how phones show a push message.
	Platform Platform
	// Approved is the provider's template that a WhatsApp message is sent with; nil on other channels.
	Approved *Approved
}

// MaxActions is the largest number of buttons of a message: what iOS and Android show at once.
const MaxActions = 3

// Action is a button of a message.
type Action struct {
	// ID is a short stable name such as "open", by which the app recognizes the button.
	ID    string
	Label string
	// Link is the URL that the button opens.
	Link string
}

// Platform is how phones show a push message. The zero value leaves everything to the app.
type Platform struct {
	// APNSCategory is the app's category of actions, ThreadID groups messages.
	APNSCategory, ThreadID string
	// InterruptionLevel is passive, active, time-sensitive or critical; empty derives it from the
	// message's priority.
	InterruptionLevel string
	// AndroidChannel is the id of the app's notification channel.
	AndroidChannel string
}

// Approved names a template that the provider has approved, and its variables.
type Approved struct {
	// Name and Language select it, such as "new_record" and "en_US".
	Name, Language string
	// Variables are the values of its body's variables, in order.
	Variables []string
	// Button is the variable part of its button's URL; empty if it has no button.
	Button string
}

// Render returns the template's message for the channel in the closest locale: "de-AT", then "de",
// then the file without a locale.
func (t *Set) Render(name, channel, locale string, data Data) (Content, error) {
	w, f, lang := t.find(name, channel, locale)
	if w == nil {
		return Content{}, fmt.Errorf("template %q has no section for the channel %s", name, channel)
	}
	r := &renderer{data: data}
	var c Content
	switch of, _ := t.channels.Lookup(channel); of.Format {
	case care.FormatPush:
		c = Content{Title: r.line(w.push.title), Body: r.line(w.push.body)}
	case care.FormatText:
		c = Content{Text: r.line(w.push.body) + " " + data.Link}
	case care.FormatEmail:
		c = t.renderEmail(r, w.email, f, lang)
	}
	if r.err != nil {
		return Content{}, fmt.Errorf("render template %s for %s: %w", name, channel, r.err)
	}
	return c, nil
}

// find returns the texts and the frame in the closest locale, and that locale.
func (t *Set) find(name, channel, locale string) (*wording, *frame, string) {
	for l := strings.ToLower(locale); l != ""; l = parent(l) {
		if w := t.byKey[name+"."+l]; w != nil && t.Has(name+"."+l, channel) {
			f := t.frames[l]
			for up := l; f == nil; up = parent(up) {
				f = t.frames[up]
			}
			return w, f, l
		}
	}
	if !t.Has(name, channel) {
		return nil, nil, ""
	}
	return t.byKey[name], t.frames[""], "en"
}

// parent returns the locale without its last part, and "" for a language.
func parent(locale string) string {
	i := strings.LastIndexAny(locale, "-_")
	return locale[:max(i, 0)]
}

func (t *Set) renderEmail(r *renderer, w *emailSection, f *frame, lang string) Content {
	page := struct {
		Locale, AppName, Link         string
		Subject, Greeting, Or, Button string
		Paragraphs, Footer            []string
	}{
		Locale: lang, AppName: r.data.AppName, Link: r.data.Link,
		Subject: r.line(w.subject), Greeting: r.line(f.greeting), Or: r.line(f.or), Button: r.line(w.button),
		Paragraphs: r.lines(w.paragraphs), Footer: r.lines(f.footer),
	}
	if r.err != nil {
		return Content{}
	}
	var html, text bytes.Buffer
	if r.err = t.layoutHTML.Execute(&html, page); r.err == nil {
		r.err = t.layoutText.Execute(&text, page)
	}
	return Content{Subject: page.Subject, HTML: html.String(), Text: text.String()}
}

// renderer renders texts and keeps the first error.
type renderer struct {
	data Data
	err  error
}

// line renders one line: no template can inject a second email header.
func (r *renderer) line(t *texttemplate.Template) string {
	var b strings.Builder
	if err := t.Execute(&b, r.data); err != nil && r.err == nil {
		r.err = err
	}
	return strings.Join(strings.Fields(b.String()), " ")
}

func (r *renderer) lines(ts []*texttemplate.Template) []string {
	all := make([]string, len(ts))
	for i, t := range ts {
		all[i] = r.line(t)
	}
	return all
}

// plainParticiples replaces some participles by plainer words.
var plainParticiples = map[string]string{"retracted": "withdrawn", "amended": "corrected", "reversed": "corrected"}

// DataFor returns the Data of an event of the type.
func DataFor(eventType, priority, link, appName string) Data {
	segments := strings.Split(eventType, ".")
	thing, action := segments[0], segments[len(segments)-1]
	switch thing {
	case "ehr":
		thing = segments[1]
	case "user":
		thing = "account"
	case "billing", "chat": // billing.credit_note_issued, chat.message_created
		if at := strings.LastIndex(action, "_"); at > 0 {
			thing, action = action[:at], action[at+1:]
		}
	}
	if d, ok := event.Lookup(eventType); ok && d.External() { // pharmacy.prescription_dispensed
		if at := strings.LastIndex(action, "_"); at > 0 {
			thing, action = action[:at], action[at+1:]
		}
	}
	if plain, ok := plainParticiples[action]; ok {
		action = plain
	}
	return Data{
		EventType: eventType, Thing: event.Thing(thing), Action: strings.ReplaceAll(action, "_", " "),
		Link: link, Priority: priority, AppName: appName,
	}
}
