package template

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"carewire/internal/care"
	"carewire/internal/event"
	"carewire/internal/smstext"
)

const (
	// sampleLink has the length of a link to a notification.
	sampleLink = "https://clinic.example/notifications/01990000-0000-7000-8000-000000000001"
	sampleName = "Clinic at the Park"
	// maxEmail is the size above which Gmail cuts an email off, in bytes.
	// https://support.google.com/mail/answer/6594 names no number; senders measure 102 kB.
	maxEmail = 102_000
	// maxPush bounds the texts of a push message, in bytes: the payload has at most 4,096, of which
	// the ids, the link and the buttons need up to 2,000.
	// https://firebase.google.com/docs/cloud-messaging/concept-options
	maxPush = 2_000
	// maxSubject bounds subjects, in characters: a header's line has at most 998 (RFC 5322, section
	// 2.1.1), of up to 12 for an encoded one.
	maxSubject = 150
	// maxVariable bounds a variable of a WhatsApp template, in characters.
	maxVariable = 200
)

// check renders every text for every event type, and every email's page once.
func (c *compiler) check() {
	views := sampleViews()
	for _, f := range c.set.frames.values {
		for _, t := range append([]*text{f.greeting, f.or}, f.footer...) {
			c.each(t, views, func(string) string { return "" })
		}
	}
	for _, name := range slices.Sorted(maps.Keys(c.set.byName)) {
		c.template = name
		c.checkTemplate(c.set.byName[name], views)
	}
	c.template = ""
}

func (c *compiler) checkTemplate(m *message, views []*view) {
	errs := len(c.errs)
	for _, e := range m.email.values {
		c.each(e.subject, views, longest(maxSubject))
		for _, t := range append([]*text{e.button}, e.paragraphs...) {
			c.each(t, views, func(string) string { return "" })
		}
	}
	for _, p := range m.push.values {
		c.each(p.title, views, fits(maxPush/4))
		c.each(p.body, views, fits(maxPush*3/4))
	}
	for _, w := range m.whatsapp.values {
		for _, t := range w.variables {
			c.each(t, views, longest(maxVariable))
		}
	}
	if c.sendsText() {
		for _, t := range m.smsTexts() {
			c.each(t, views, segments(m.smsSegments))
		}
	}
	if len(c.errs) == errs {
		c.checkPages(m)
	}
}

// sendsText reports whether a channel has text messages with segments.
func (c *compiler) sendsText() bool {
	return slices.ContainsFunc(c.options.Channels, func(ch care.Channel) bool { return ch.Format == care.FormatSMS })
}

// smsTexts returns the texts of text messages.
func (m *message) smsTexts() []*text {
	if !m.sms.empty() {
		return m.sms.values
	}
	var bodies []*text
	for _, p := range m.push.values {
		bodies = append(bodies, p.body)
	}
	return bodies
}

// each renders the text for every sample that it can tell apart, and records the first mistake that
// is found.
func (c *compiler) each(t *text, views []*view, mistake func(string) string) {
	seen := map[string]bool{}
	for _, v := range views {
		key := v.key(t.uses)
		if seen[key] {
			continue
		}
		seen[key] = true
		s, err := t.render(v)
		var message string
		switch {
		case err != nil:
			message = executionError(err)
		case strings.TrimSpace(s) == "":
			message = "is empty for some events; write a text for each"
		default:
			message = mistake(s)
		}
		if message != "" {
			if len(t.uses) > 0 {
				message += " (event type " + v.EventType + ")"
			}
			c.fail(t.line, t.field, "%s", message)
			return
		}
	}
}

func longest(most int) func(string) string {
	return func(s string) string {
		if n := len([]rune(s)); n > most {
			return fmt.Sprintf("has %d characters; want at most %d", n, most)
		}
		return ""
	}
}

func fits(most int) func(string) string {
	return func(s string) string {
		if len(s) > most {
			return fmt.Sprintf("has %d bytes, and a push message 4,096 with everything; want at most %d", len(s), most)
		}
		return ""
	}
}

func segments(most int) func(string) string {
	return func(s string) string {
		n, encoding := smstext.Segments(joined(s, sampleLink))
		if n > most {
			return fmt.Sprintf("needs %d segments (%s) as a text message with its link; shorten it, write a shorter section sms, or raise limits.smsSegments above %d", n, encoding, most)
		}
		return ""
	}
}

// key returns what the view has of the values.
func (v *view) key(uses map[string]bool) string {
	if len(uses) == 0 {
		return ""
	}
	var b strings.Builder
	for _, one := range [...][2]string{{"EventType", v.EventType}, {"Thing", v.Thing}, {"Action", v.Action}, {"Priority", v.Priority}, {"ReplyTo", v.ReplyTo}} {
		if uses[one[0]] {
			b.WriteString(one[1] + "\n")
		}
	}
	if uses["StartsAt"] || uses["DueOn"] || uses["Time"] {
		fmt.Fprint(&b, v.StartsAt != nil, v.DueOn != nil, v.Time != nil)
	}
	if uses["Count"] {
		fmt.Fprint(&b, v.Count)
	}
	if uses["Items"] {
		fmt.Fprint(&b, v.Items)
	}
	if uses["Code"] {
		b.WriteString(v.Code)
	}
	return b.String()
}

// sampleViews returns data of every event type, and of one of them with and without what events can
// lack.
func sampleViews() []*view {
	var all []*view
	at := time.Date(2026, time.September, 30, 12, 45, 0, 0, zone("America/Argentina/Buenos_Aires"))
	full := func(d Data) *view {
		d.Code, d.Time, d.StartsAt, d.DueOn, d.Count = "204816", &at, &at, &at, 2
		d.Brand.ReplyTo = "reception@clinic.example"
		return d.view()
	}
	for _, d := range event.Catalog {
		data := DataFor(d.Type, "normal", sampleLink, sampleName)
		all = append(all, full(data))
	}
	bare := DataFor(event.Catalog[0].Type, "critical", sampleLink, sampleName)
	bare.Code = "204816"
	all = append(all, bare.view())
	many := *full(bare)
	many.Items = nil
	for _, d := range event.Catalog[:min(2*maxListed, len(event.Catalog))] {
		many.Items = append(many.Items, Item{Thing: DataFor(d.Type, "", "", "").Thing, Count: 1000})
	}
	all = append(all, &many)
	for _, n := range []int{1, 3, 11, 100} {
		v := *full(bare)
		v.Count = n
		all = append(all, &v)
	}
	for _, priority := range []string{"critical", "high", "bulk"} {
		v := *full(bare)
		v.Priority = priority
		all = append(all, &v)
	}
	return all
}

// checkPages checks the HTML of the template's emails.
func (c *compiler) checkPages(m *message) {
	for i, locale := range m.email.locales {
		e := m.email.values[i]
		data := DataFor(event.Catalog[0].Type, "normal", sampleLink, sampleName)
		data.Code = "204816"
		r := &renderer{view: data.view()}
		content, _ := c.set.renderEmail(r, m, locale, &data)
		if r.err != nil {
			c.fail(e.line, e.field, "%s", executionError(r.err))
			continue
		}
		for _, mistake := range checkHTML(content.HTML, content.Text, locale) {
			c.fail(e.line, e.field, "%s", mistake)
		}
	}
}
