package template_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"carewire/internal/care"
	"carewire/internal/event"
	"carewire/internal/notify/template"
)

var update = flag.Bool("update", false, "rewrite the goldens")

// samples names, for every template, the event types whose messages the goldens show.
var samples = map[string][]string{
	"clinical":             {"ehr.lab_report.created", "ehr.lab_report.released", "ehr.lab_report.amended", "ehr.lab_report.critical", "ehr.prescription.retracted"},
	"prescription":         {"ehr.prescription.created", "ehr.prescription.updated"},
	"critical_result":      {"ehr.lab_report.critical"},
	"critical_unattended":  {"ehr.lab_report.critical", "ehr.vital_signs.critical"},
	"reading":              {"device.reading_received"},
	"desk":                 {"appointment.requested", "appointment.needs_attention"},
	"welcome":              {"user.created"},
	"invitation":           {"user.invited"},
	"verification":         {"user.verification_requested"},
	"account":              {"user.updated", "device.removed"},
	"appointment":          {"appointment.booked", "appointment.checked_in", "appointment.no_show", "appointment.reversed"},
	"billing":              {"billing.invoice_issued", "billing.invoice_overdue", "billing.refund_made", "billing.credit_note_issued"},
	"appointment_reminder": {"appointment.booked"},
	"invoice_reminder":     {"billing.invoice_issued"},
	"digest":               {"ehr.lab_report.created"},
	"chat":                 {"chat.message_unread", "chat.message_created"},
	"system":               {"user.created"},
	"generic":              {"user.created"},
}

func defaultTemplates(t *testing.T) *template.Set {
	t.Helper()
	templates, err := template.Default()
	require.NoError(t, err)
	return templates
}

const sampleLink = "https://clinic.example/notifications/01990000-0000-7000-8000-000000000001"

func TestTemplates_EveryOneHasItsGolden(t *testing.T) {
	t.Parallel()
	templates := defaultTemplates(t)
	var names []string
	for name := range samples {
		names = append(names, name)
	}
	require.ElementsMatch(t, names, templates.Names(), "a template without a golden, or the other way round")
	for name, types := range samples {
		require.Equal(t, []string{"ar", "de", "en", "es"}, templates.Locales(name), name)
		for locale, suffix := range map[string]string{"en-GB": "", "de-AT": ".de", "es-MX": ".es", "ar": ".ar"} {
			t.Run(name+suffix, func(t *testing.T) {
				t.Parallel()
				var b strings.Builder
				for i, typ := range types {
					b.WriteString(show(t, templates, name, locale, typ, i == 0))
				}
				golden(t, name+suffix+".txt", b.String())
			})
		}
	}
}

// show returns the messages of an event on every channel.
func show(t *testing.T, templates *template.Set, name, locale, typ string, withHTML bool) string {
	t.Helper()
	data := template.DataFor(typ, "normal", sampleLink, "Demo Clinic")
	if name == "verification" {
		data.Code = "204816"
	}
	if name == "digest" {
		data.AddItems(map[string]int{"ehr.lab_report.created": 2, "ehr.lab_report.amended": 1, "appointment.booked": 1, "ehr.allergy.created": 2})
	}
	data.AddEvent([]byte(`{"startsAt":"2025-03-03T13:30:00Z","dueOn":"2025-03-31"}`), time.Date(2025, 2, 1, 8, 0, 0, 0, time.UTC), "Europe/Berlin", "Europe/Madrid")
	render := func(channel string) template.Content {
		c, err := templates.Render(name, channel, locale, data)
		require.NoError(t, err)
		return c
	}
	push, email, whatsapp := render(care.ChannelPush), render(care.ChannelEmail), render(care.ChannelWhatsApp)
	var b strings.Builder
	fmt.Fprintf(&b, "=== %s\n--- push\n%s\n%s\n--- sms\n%s\n", typ, push.Title, push.Body, render(care.ChannelSMS).Text)
	fmt.Fprintf(&b, "--- whatsapp\n%s %s %q %s\n", whatsapp.Approved.Name, whatsapp.Approved.Language, whatsapp.Approved.Variables, whatsapp.Approved.Button)
	fmt.Fprintf(&b, "--- email\nSubject: %s\n\n%s", email.Subject, email.Text)
	if withHTML {
		fmt.Fprintf(&b, "--- html\n%s", email.HTML)
	}
	return b.String()
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
