package template_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"carewire/internal/care"
	"carewire/internal/notify/template"
)

// head is the beginning of a small set; the first template begins on line 3.
const head = "frame: {greeting: Hello, or: or, footer: [bye]}\ntemplates:\n"

func set(t *testing.T, src string) *template.Set {
	t.Helper()
	s, err := template.Parse([]byte(head+src), template.Options{ImageHosts: []string{"img.example.org"}})
	require.NoError(t, err)
	return s
}

func TestParse_RefusesAMistakeWithItsLine(t *testing.T) {
	t.Parallel()
	push := func(body string) string { return "  a:\n    push:\n      title: t\n      body: " + body + "\n" }
	for name, row := range map[string]struct{ src, want string }{
		"an unknown value":         {push("'{{.PatientName}}'"), "line 6: template a: push.body: unknown value .PatientName; want one of .Action"},
		"an unknown value deep in": {push("|\n        one\n        {{if .Code}}\n        {{.Name}}{{end}}"), "line 9: template a: push.body: unknown value .Name"},
		"a branch never taken":     {push("'{{if false}}{{.PatientName}}{{end}}x'"), "unknown value .PatientName"},
		"everything at once":       {push("'{{.}}'"), "line 6: template a: push.body: . is not available"},
		"an endless include":       {push(`'{{define "x"}}{{template "x"}}{{end}}{{template "x"}}'`), "includes are not available"},
		"an include of itself":     {push(`'{{template "text"}}'`), "includes are not available"},
		"a loop":                   {push("'{{range 1000000000}}x{{end}}'"), "{{range}} is not available"},
		"a variable":               {push("'{{$x := .Thing}}{{$x}}'"), "variables are not available"},
		"printf":                   {push(`'{{printf "%1000000000d" 1}}'`), "function printf is not available"},
		"an unknown function":      {push(`'{{env "HOME"}}'`), "want one of article"},
		"broken braces":            {push("'{{'"), "line 6: template a: push.body: invalid template"},
		"a plural without other":   {push(`'{{plural .Count "one" "# item"}}'`), `line 6: template a: push.body: plural: the category "other" is missing`},
		"an unknown category":      {push(`'{{plural .Count "few" "#" "other" "#"}}'`), `unknown category "few" in the locale en; want one of one, other`},
		"a category without text":  {push(`'{{plural .Count "one"}}'`), "a category is without its text"},
		"a date without a guard":   {push("'On {{date .StartsAt}}'"), "{{if .StartsAt}}"},
		"a bare date":              {push("'{{if .StartsAt}}{{.StartsAt}}{{end}}x'"), ".StartsAt is a time: write"},
		"a bare list":              {push("'{{.Items}}'"), ".Items is a list: write {{list .Items}}"},
		"a list of a number":       {push("'{{list .Count}}'"), "want {{list .Items}}"},
		"a text for some events":   {push(`'{{if eq .Action "created"}}x{{end}}'`), "is empty for some events"},
		"an unknown plural":        {push(`'{{plural .Count "one" "#" "several" "#"}}'`), `unknown category "several"`},
		"a plural of a text":       {push(`'{{plural .Thing "one" "#" "other" "#"}}'`), "the number is not .Count"},
		"a plural said twice":      {push(`'{{plural .Count "one" "#" "one" "#" "other" "#"}}'`), `duplicate category "one"`},
		"an include by block":      {push(`'{{block "x" .}}y{{end}}'`), "includes are not available"},
		"a value of a value":       {push("'{{.Thing.Name}}'"), "unknown value .Thing.Name"},
		"a method of a time":       {push("'{{if .Time}}{{.Time.Local}}{{end}}x'"), "unknown value .Time.Local"},
		"the caller's data":        {push("'{{$.PatientName}}'"), "is not available"},
		"a call of a value":        {push("'{{call .Link}}'"), "function call is not available"},
		"raw HTML":                 {push("'{{html .Thing}}'"), "function html is not available"},
		"a condition":              {push("'{{if .PatientName}}x{{end}}y'"), "unknown value .PatientName"},
		"a pipe":                   {push("'{{.Thing | printf \"%s\"}}'"), "function printf is not available"},
		"segments of an sms":       {"  a:\n    limits: {smsSegments: 1}\n    sms: '" + strings.Repeat("x", 160) + "'\n", "line 5: template a: sms: needs 2 segments (GSM-7) as a text message with its link"},
		"segments of a language":   {"  a:\n    limits: {smsSegments: 1}\n    texts:\n      en: {sms: short}\n      ar: {sms: " + strings.Repeat("ي", 60) + "}\n", "line 7: template a: texts.ar.sms: needs 2 segments (UCS-2)"},
		"an endless email":         {"  a:\n    email:\n      subject: s\n      button: b\n      paragraphs:\n" + strings.Repeat("        - '"+strings.Repeat("<", 3000)+"'\n", 20), "line 4: template a: email: the HTML has"},
		"an empty alt":             {"  a:\n    image: {url: 'https://img.example.org/x.png', alt: ''}\n    push: {title: t, body: b}\n", "line 4: template a: image.alt: is empty"},
		"an alt without default":   {"  a:\n    image: {url: 'https://img.example.org/x.png', alt: {de: Bild}}\n    push: {title: t, body: b}\n", "line 4: template a: image.alt: is missing in the default locale en"},
		"an http image":            {"  a:\n    image: {url: 'http://img.example.org/x.png', alt: x}\n    push: {title: t, body: b}\n", "line 4: template a: image.url: must be an https URL"},
		"an image with a password": {"  a:\n    image: {url: 'https://u:p@img.example.org/x.png', alt: x}\n    push: {title: t, body: b}\n", "user name"},
		"an image with a port":     {"  a:\n    image: {url: 'https://img.example.org:8443/x.png', alt: x}\n    push: {title: t, body: b}\n", "must be on one of the hosts"},
		"a host that ends alike":   {"  a:\n    image: {url: 'https://img.example.org.evil.example/x.png', alt: x}\n    push: {title: t, body: b}\n", "must be on one of the hosts"},
		"a button of another kind": {"  a:\n    whatsapp: {name: a, language: en, button: open}\n", `line 4: template a: whatsapp.button: unknown value "open"; want true (the link), code`},
		"too many segments":        {push(strings.Repeat("word ", 90)), "segments (GSM-7) as a text message"},
		"an image elsewhere":       {"  a:\n    image: {url: 'https://evil.example/x.png', alt: x}\n    push: {title: t, body: b}\n", "line 4: template a: image.url: must be on one of the hosts"},
		"a signed image":           {"  a:\n    image: {url: 'https://img.example.org/x.png?sig=1', alt: x}\n    push: {title: t, body: b}\n", "query"},
		"a personal image":         {"  a:\n    image: {url: 'https://img.example.org/{{.Code}}.png', alt: x}\n    push: {title: t, body: b}\n", "the same for everybody"},
		"an image without alt":     {"  a:\n    image: {url: 'https://img.example.org/x.png'}\n    push: {title: t, body: b}\n", "image.alt: is missing"},
		"too many actions":         {"  a:\n    actions: [{id: a, label: a}, {id: b, label: b}, {id: c, label: c}, {id: d, label: d}]\n    push: {title: t, body: b}\n", "line 4: template a: actions: has 4 entries; want at most 3"},
		"a link elsewhere":         {"  a:\n    actions: [{id: a, label: a, path: 'https://evil.example'}]\n    push: {title: t, body: b}\n", "invalid path"},
		"an unknown key":           {"  a:\n    push: {title: t, body: b, colour: red}\n", "line 4: template a: push.colour: unknown field"},
		"an unknown level":         {"  a:\n    platform: {apns: {interruption: loud}}\n    push: {title: t, body: b}\n", "unknown level"},
		"no texts":                 {"  a:\n    limits: {smsSegments: 2}\n", "texts: is empty"},
		"no default locale":        {"  a:\n    texts:\n      de:\n        push: {title: t, body: b}\n", "is missing in the default locale en"},
		"a locale that is none":    {"  a:\n    texts:\n      german-ish:\n        push: {title: t, body: b}\n", "line 5: template a: texts"},
		"an email without text":    {"  a:\n    email: {subject: s, button: b}\n", "email.paragraphs: is missing"},
		"an anchor":                {"  a: &a\n    push: {title: t, body: b}\n", "line 3: an anchor or alias is not supported"},
		"nesting":                  {"  a: " + strings.Repeat("[", 5000) + "\n", "nested deeper"},
		"size":                     {"#" + strings.Repeat("x", 2<<20), "want at most 1048576"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := template.Parse([]byte(head+row.src), template.Options{ImageHosts: []string{"img.example.org"}})
			errs, ok := errors.AsType[template.Errors](err)
			require.True(t, ok, "%v", err)
			require.Contains(t, errs.Error(), row.want)
		})
	}
}

func TestParse_ReportsEveryMistake(t *testing.T) {
	t.Parallel()
	_, err := template.Parse([]byte(head+"  a:\n    push: {title: '{{.X}}', body: '{{.Y}}'}\n  b:\n    sms: '{{.Z}}'\n"), template.Options{})
	errs, ok := errors.AsType[template.Errors](err)
	require.True(t, ok)
	require.Len(t, errs, 3)
	require.Contains(t, errs.In("set.yaml").Error(), "set.yaml:6: template b: sms: unknown value .Z")
}

func TestRender_TakesTheClosestLocale(t *testing.T) {
	t.Parallel()
	s := set(t, "  a:\n    push: {title: News, body: b}\n    texts:\n      es: {push: {title: Novedades, body: b}}\n      de: {push: {title: Neues, body: b}}\n      de-AT: {push: {title: Neuigkeiten, body: b}}\n")
	for locale, want := range map[string]string{"es-MX": "Novedades", "de-AT": "Neuigkeiten", "de-CH": "Neues", "de_DE": "Neues", "fr": "News", "": "News", "x!": "News"} {
		for range 2 { // The second time from the cache.
			c, err := s.Render("a", care.ChannelPush, locale, template.Data{})
			require.NoError(t, err)
			require.Equal(t, want, c.Title, locale)
		}
	}
}

func TestRender_PluralsAndDatesOfTheLocale(t *testing.T) {
	t.Parallel()
	s := set(t, `  a:
    push:
      title: '{{plural .Count "one" "# item" "other" "# items"}}'
      body: 'x{{if .StartsAt}} {{date .StartsAt}}{{end}}'
    texts:
      ar:
        push:
          title: '{{plural .Count "zero" "صفر" "one" "واحد" "two" "اثنان" "few" "قليل" "many" "كثير" "other" "آخر"}}'
          body: 'x{{if .StartsAt}} {{date .StartsAt}}{{end}}'
      de:
        push:
          title: t
          body: 'x{{if .StartsAt}} {{date .StartsAt}}{{end}}'
`)
	data := template.DataFor("appointment.booked", "normal", sampleLink, "Demo")
	data.AddEvent([]byte(`{"startsAt":"2025-03-03T13:30:00Z"}`), time.Date(2025, 2, 1, 0, 0, 0, 0, time.UTC), "Europe/Berlin", "")
	render := func(locale string, n int) template.Content {
		data.Count = n
		c, err := s.Render("a", care.ChannelPush, locale, data)
		require.NoError(t, err)
		return c
	}
	require.Equal(t, "1 item", render("en", 1).Title)
	require.Equal(t, "1,200 items", render("en", 1200).Title)
	require.Equal(t, "اثنان", render("ar", 2).Title)
	require.Equal(t, "قليل", render("ar-EG", 3).Title)
	require.Equal(t, "x Mon 3 March, 14:30 (Europe/Berlin)", render("en", 1).Body)
	require.Equal(t, "x Mo., 3. März, 14:30 (Europe/Berlin)", render("de", 1).Body)
}

func TestRender_ListsAtMostTenKindsOfThings(t *testing.T) {
	t.Parallel()
	data := template.Data{Thing: "lab report", Count: 3}
	set, err := template.Parse([]byte(head+"  a:\n    sms: x\n    push: {title: x, body: '{{list .Items}}'}\n    texts: {de: {push: {title: x, body: '{{list .Items}}'}}}\n"), template.Options{})
	require.NoError(t, err)
	body := func(locale string) string {
		c, err := set.Render("a", care.ChannelPush, locale, data)
		require.NoError(t, err)
		return c.Body
	}
	require.Equal(t, "3 lab reports", body("en"), "a message that is no digest is about one kind")

	data.AddItems(map[string]int{"ehr.vital_signs.created": 1200, "ehr.lab_report.created": 2, "ehr.lab_report.amended": 1, "ehr.medical_history.created": 2, "chat.message_created": 1})
	require.Equal(t, 1206, data.Count)
	require.Equal(t, "1,200 sets of vital signs, 3 lab reports, 2 medical history entries, 1 message", body("en"))
	require.Equal(t, "1.200 × set of vital signs, 3 × lab report, 2 × medical history entry, 1 × message", body("de"), "without words of the locale")

	many := map[string]int{}
	for i := range 30 {
		many[fmt.Sprintf("thing%d.changed", i)] = i + 1
	}
	data.AddItems(many)
	require.Equal(t, 9, strings.Count(body("en"), ", ")-1)
	require.True(t, strings.HasSuffix(body("en"), "21 thing20s, …"))
}

func TestRender_RichParts(t *testing.T) {
	t.Parallel()
	s := set(t, `  a:
    image: {url: 'https://img.example.org/x.png', alt: {en: A calendar, de: Ein Kalender}}
    actions:
      - {id: open, label: {en: Open, de: Öffnen}}
      - {id: list, path: /appointments, label: List}
    platform: {apns: {category: VISIT, thread: visits, interruption: active}, android: {channel: visits}}
    email: {subject: s, paragraphs: ['Read <it>'], button: b}
    push: {title: t, body: b}
`)
	data := template.Data{Link: "https://clinic.example/l/abc", AppName: "App", Brand: template.Brand{DisplayName: "Park", LogoURL: "https://img.example.org/l.png", Color: "#7a0000"}}
	c, err := s.Render("a", care.ChannelPush, "en", data)
	require.NoError(t, err)
	require.Equal(t, []template.Action{{ID: "open", Label: "Open", Link: data.Link}, {ID: "list", Label: "List", Link: "https://clinic.example/appointments"}}, c.Actions)
	require.Equal(t, template.Platform{APNSCategory: "VISIT", ThreadID: "visits", InterruptionLevel: "active", AndroidChannel: "visits"}, c.Platform)
	require.Equal(t, "https://img.example.org/x.png", c.Image)
	c, err = s.Render("a", care.ChannelEmail, "en", data)
	require.NoError(t, err)
	for _, want := range []string{"Read &lt;it&gt;", "#7a0000", "l.png", "Park", `alt="A calendar"`, "https://clinic.example/appointments"} {
		require.Contains(t, c.HTML, want)
	}
	require.NotContains(t, c.HTML, "#0b5c6b")
	require.False(t, s.Has("a", care.ChannelWhatsApp), "without a section whatsapp")
	require.True(t, s.Has("a", care.ChannelSMS), "from the section push")
}

func TestCompare_NamesWhatChanged(t *testing.T) {
	t.Parallel()
	a := set(t, "  a:\n    push: {title: t, body: b}\n  b:\n    sms: x\n")
	b := set(t, "  a: # A comment.\n    push: {title: t, body: c}\n  c:\n    sms: x\n")
	require.Equal(t, []template.Difference{
		{Name: "a", Change: "changed", Fields: []string{"texts.en.push.body"}}, {Name: "b", Change: "removed"}, {Name: "c", Change: "added"},
	}, template.Compare(a, b))
	require.Empty(t, template.Compare(a, a))
}

func TestParse_AcceptsAnSMSOfExactlyItsLimit(t *testing.T) {
	t.Parallel()
	link := len(" https://clinic.example/notifications/01990000-0000-7000-8000-000000000001")
	for length, ok := range map[int]bool{160 - link: true, 161 - link: false} {
		_, err := template.Parse([]byte(head+"  a:\n    limits: {smsSegments: 1}\n    sms: "+strings.Repeat("x", length)+"\n"), template.Options{})
		require.Equal(t, ok, err == nil, length)
	}
}

func TestRender_SetsTheDirectionOfTheLanguage(t *testing.T) {
	t.Parallel()
	email := "{email: {subject: s, paragraphs: [p], button: b}}"
	s := set(t, "  a:\n    texts:\n      en: "+email+"\n      ar: "+email+"\n      he: "+email+"\n")
	for locale, want := range map[string]string{"ar-EG": `<html lang="ar" dir="rtl">`, "he": `<html lang="he" dir="rtl">`, "en": `<html lang="en">`, "fr": `<html lang="en">`} {
		c, err := s.Render("a", care.ChannelEmail, locale, template.Data{Link: sampleLink})
		require.NoError(t, err)
		require.Contains(t, c.HTML, want, locale)
	}
}

func TestRender_GivesWhatsAppTheLinkOrTheCode(t *testing.T) {
	t.Parallel()
	s := set(t, "  link: {whatsapp: {name: a, language: en, button: true}}\n  code: {whatsapp: {name: b, language: en, variables: ['{{.Code}}'], button: code}}\n  none: {whatsapp: {name: c, language: en, button: false}}\n")
	for name, want := range map[string]string{"link": "l/q83vEjRWeJCrze8SNFZ4kKvN7xI0VniQq83vEjRW", "code": "204816", "none": ""} {
		c, err := s.Render(name, care.ChannelWhatsApp, "en", template.Data{Link: "https://clinic.example/l/q83vEjRWeJCrze8SNFZ4kKvN7xI0VniQq83vEjRW", Code: "204816"})
		require.NoError(t, err)
		require.Equal(t, want, c.Approved.Button, name)
	}
	c, err := defaultTemplates(t).Render("verification", care.ChannelWhatsApp, "de", template.Data{Link: "https://clinic.example/l/abc", Code: "204816"})
	require.NoError(t, err)
	require.Equal(t, []string{"204816"}, c.Approved.Variables)
	require.Equal(t, "204816", c.Approved.Button)
}
