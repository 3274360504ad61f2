package template_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"carewire/internal/care"
	"carewire/internal/event"
	"carewire/internal/notify/template"
)

var update = flag.Bool("update", false, "rewrite the goldens")

// samples names, for every template, the event types whose messages the goldens show.
var samples = map[string][]string{
	"clinical":            {"ehr.lab_report.created", "ehr.lab_report.released", "ehr.lab_report.amended", "ehr.lab_report.critical", "ehr.prescription.retracted"},
	"prescription":        {"ehr.prescription.created", "ehr.prescription.updated"},
	"critical_result":     {"ehr.lab_report.critical"},
	"critical_unattended": {"ehr.lab_report.critical", "ehr.vital_signs.critical"},
	"reading":             {"device.reading_received"},
	"desk":                {"appointment.requested", "appointment.needs_attention"},
	"welcome":             {"user.created"},
	"invitation":          {"user.invited"},
	"verification":        {"user.verification_requested"},
	"account":             {"user.updated", "device.removed"},
	"appointment":         {"appointment.booked", "appointment.checked_in", "appointment.no_show", "appointment.reversed"},
	"billing":             {"billing.invoice_issued", "billing.invoice_overdue", "billing.refund_made", "billing.credit_note_issued"},
	"chat":                {"chat.message_unread", "chat.message_created"},
	"system":              {"user.created"},
	"generic":             {"user.created"},
}

func defaultTemplates(t *testing.T) *template.Set {
	t.Helper()
	templates, err := template.Default()
	require.NoError(t, err)
	return templates
}

func TestTemplates_EveryOneHasItsGolden(t *testing.T) {
	t.Parallel()
	templates := defaultTemplates(t)
	var names []string
	for name := range samples {
		names = append(names, name)
	}
	require.ElementsMatch(t, names, templates.Names(), "a template without a golden, or the other way round")
	for name, types := range samples {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var b strings.Builder
			for i, typ := range types {
				data := template.DataFor(typ, "normal", "https://clinic.example/notifications/01990000-0000-7000-8000-000000000001", "Demo Clinic")
				data.Code = "204816"
				push, err := templates.Render(name, care.ChannelPush, "en-GB", data)
				require.NoError(t, err)
				email, err := templates.Render(name, care.ChannelEmail, "en-GB", data)
				require.NoError(t, err)
				fmt.Fprintf(&b, "=== %s\n--- push\n%s\n%s\n--- email\nSubject: %s\n\n%s", typ, push.Title, push.Body, email.Subject, email.Text)
				if i == 0 {
					fmt.Fprintf(&b, "--- html\n%s", email.HTML)
				}
			}
			golden(t, name+".txt", b.String())
		})
	}
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		require.NoError(t, os.MkdirAll("testdata", 0o755))
		require.NoError(t, os.WriteFile(file, []byte(got), 0o644))
	}
	want, err := os.ReadFile(file)
	require.NoError(t, err, "run the tests with -update")
	require.Equal(t, string(want), got)
}

func TestTemplates_HaveWordsForEveryCategoryOnBothChannels(t *testing.T) {
	t.Parallel()
	templates := defaultTemplates(t)
	for _, d := range event.Catalog {
		for _, channel := range []string{care.ChannelEmail, care.ChannelPush} {
			require.True(t, templates.Has(string(d.Category), channel), "%s on %s", d.Category, channel)
		}
	}
	require.True(t, templates.Has("clinical", care.ChannelSMS))
	require.True(t, templates.Has("clinical", care.ChannelWhatsApp))
	require.False(t, templates.Has("clinical", "fax"))
	require.False(t, templates.Has("no_such", care.ChannelSMS))
	require.False(t, templates.Has("no_such", care.ChannelEmail))
	require.False(t, templates.Has("frame", care.ChannelEmail))
}

func TestTemplates_SayInATextMessageWhatAPushSays(t *testing.T) {
	t.Parallel()
	data := template.DataFor("ehr.lab_report.created", "normal", "https://clinic.example/notifications/1", "Demo Clinic")
	text, err := defaultTemplates(t).Render("clinical", care.ChannelSMS, "en-GB", data)
	require.NoError(t, err)
	push, err := defaultTemplates(t).Render("clinical", care.ChannelPush, "en-GB", data)
	require.NoError(t, err)
	require.Equal(t, template.Content{Text: push.Body + " https://clinic.example/notifications/1"}, text)
}

func TestTemplates_TakeTheClosestLocale(t *testing.T) {
	t.Parallel()
	files := fstest.MapFS{
		"layout.html":      {Data: []byte(`<html lang="{{.Locale}}"><p>{{.Greeting}} {{index .Paragraphs 0}}</p>`)},
		"layout.txt":       {Data: []byte(`{{.Greeting}} {{index .Paragraphs 0}}`)},
		"frame.yaml":       {Data: []byte("greeting: Hello\nor: or\nfooter: [bye]\n")},
		"frame.de.yaml":    {Data: []byte("greeting: Guten Tag\nor: oder\nfooter: [ade]\n")},
		"note.yaml":        {Data: []byte("email: {subject: News, paragraphs: [Read <it>], button: Go}\npush: {title: News, body: Read it}\n")},
		"note.de.yaml":     {Data: []byte("email: {subject: Neues, paragraphs: [Lies es], button: Los}\n")},
		"note.de-AT.yaml":  {Data: []byte("email: {subject: Neuigkeiten, paragraphs: [Lies es], button: Los}\n")},
		"not-a-template.x": {Data: []byte("x")},
	}
	templates, err := template.Load(files)
	require.NoError(t, err)
	for locale, want := range map[string]string{"de-AT": "Neuigkeiten", "de-CH": "Neues", "de": "Neues", "fr": "News", "": "News", "en-US": "News"} {
		c, err := templates.Render("note", care.ChannelEmail, locale, template.Data{})
		require.NoError(t, err)
		require.Equal(t, want, c.Subject, locale)
	}
	c, err := templates.Render("note", care.ChannelEmail, "de-AT", template.Data{})
	require.NoError(t, err)
	require.Equal(t, "Guten Tag Lies es", c.Text, "the frame is in the same language")
	c, err = templates.Render("note", care.ChannelPush, "de-AT", template.Data{})
	require.NoError(t, err)
	require.Equal(t, "News", c.Title, "where a translation lacks the channel, the fallback has it")
	c, err = templates.Render("note", care.ChannelEmail, "fr", template.Data{})
	require.NoError(t, err)
	require.Contains(t, c.HTML, "Read &lt;it&gt;")
}

func TestTemplates_RefuseAMistakeWhenLoaded(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"a field that there is not":   "push: {title: '{{.PatientName}}', body: b}",
		"an empty text":               "push: {title: '', body: b}",
		"an unknown key":              "push: {title: t, body: b, colour: red}",
		"a template that is not one":  "push: {title: '{{', body: b}",
		"an email without paragraphs": "email: {subject: s, button: b}",
	} {
		files := fstest.MapFS{
			"layout.html": {Data: []byte(`x`)}, "layout.txt": {Data: []byte(`x`)},
			"frame.yaml": {Data: []byte("greeting: Hello\nor: or\nfooter: [bye]\n")}, "bad.yaml": {Data: []byte(text)},
		}
		_, err := template.Load(files)
		require.ErrorContains(t, err, "bad", name)
	}
}

func TestTemplates_SayNoMoreThanThereIsSomethingToRead(t *testing.T) {
	t.Parallel()
	c, err := defaultTemplates(t).Render("clinical", care.ChannelPush, "en", template.DataFor("ehr.lab_report.created", "normal", "", ""))
	require.NoError(t, err)
	require.Equal(t, "You have a new lab report. Sign in to read it.", c.Body)
}
