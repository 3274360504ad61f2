package template_test

import (
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"carewire/internal/care"
	"carewire/internal/notify/template"
)

// formatGuide returns the guide's section about the format of a template set.
func formatGuide(t *testing.T) string {
	t.Helper()
	guide, err := os.ReadFile("../../../docs/notifications.md")
	require.NoError(t, err)
	_, section, found := strings.Cut(string(guide), "\n### The format of a template set\n")
	require.True(t, found)
	section, _, _ = strings.Cut(section, "\n## ")
	return section
}

func TestGuide_HasAnExampleThatCanBePublished(t *testing.T) {
	t.Parallel()
	_, example, found := strings.Cut(formatGuide(t), "```yaml\n")
	require.True(t, found)
	example, _, _ = strings.Cut(example, "```")
	s, err := template.Parse([]byte(example), template.Options{ImageHosts: []string{"img.example.org"}})
	require.NoError(t, err)
	require.Equal(t, []string{"de", "en"}, s.Locales("visit"))
	data := template.DataFor("appointment.booked", "normal", "https://clinic.example/l/abc", "Park")
	data.AddEvent([]byte(`{"startsAt":"2025-03-03T13:30:00Z"}`), time.Date(2025, 2, 1, 0, 0, 0, 0, time.UTC), "Europe/Berlin", "")
	render := func(channel, locale string) template.Content {
		c, err := s.Render("visit", channel, locale, data)
		require.NoError(t, err)
		return c
	}
	email := render(care.ChannelEmail, "de-AT")
	require.Equal(t, "Termin: vereinbart", email.Subject)
	require.Contains(t, email.Text, "Zeit: Mo., 3. März, 14:30 (Europe/Berlin).")
	require.Contains(t, email.Text, "Es gibt 1 Nachricht.")
	require.Contains(t, email.Text, "Alle Termine:\nhttps://clinic.example/appointments")
	require.Equal(t, "Park: your appointment was booked. https://clinic.example/l/abc", render(care.ChannelSMS, "en-GB").Text)
	require.Equal(t, template.Approved{Name: "visit_changed", Language: "de", Variables: []string{"Termin", "vereinbart"}, Button: "l/abc"}, *render(care.ChannelWhatsApp, "de").Approved)
	require.Equal(t, "VISIT", render(care.ChannelPush, "en").Platform.APNSCategory)
}

func TestGuide_ListsEveryValue(t *testing.T) {
	t.Parallel()
	var listed []string
	for _, row := range regexp.MustCompile("(?m)^\\| `\\.([A-Za-z]+)` \\|").FindAllStringSubmatch(formatGuide(t), -1) {
		listed = append(listed, row[1])
	}
	var values []string
	for _, v := range template.Values {
		values = append(values, v.Name)
	}
	require.Equal(t, values, listed)
}
