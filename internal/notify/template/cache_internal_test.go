package template

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"carewire/internal/care"
)

// cacheSet is the built-in set with a template that has its links in every place where one can be.
func cacheSet(t *testing.T) *Set {
	t.Helper()
	s, err := Parse(append(Source(), []byte(`  buttons:
    push: {title: 't {{.Link}}', body: b}
    email: {subject: s, paragraphs: ['See {{.Link}}'], button: x}
    whatsapp: {name: a, language: en, variables: ['{{.Link}}'], button: true}
    actions:
      - {id: open, label: Open, path: /appointments}
      - {id: call, label: Call, path: /contact}
      - {id: plain, label: Plain}
`)...), Options{})
	require.NoError(t, err)
	return s
}

func linked(n int) Data {
	d := DataFor("ehr.lab_report.created", "normal", fmt.Sprintf("https://clinic.example/a&b/l/%040d", n), "Demo & Clinic")
	d.ActionLink = func(button int, _ string) string { return fmt.Sprintf("https://clinic.example/l/%d%039d", button, n) }
	return d
}

func TestRender_FromTheCacheIsWhatIsRenderedWithoutIt(t *testing.T) {
	t.Parallel()
	s := cacheSet(t)
	for _, name := range s.Names() {
		for _, channel := range care.BuiltinChannels {
			if !s.Has(name, channel.Name) {
				continue
			}
			for _, locale := range []string{"en", "ar", "es-MX"} {
				for n := range 3 {
					got, err := s.Render(name, channel.Name, locale, linked(n))
					require.NoError(t, err)
					want, err := s.render(s.byName[name], channel, name, locale, linked(n))
					require.NoError(t, err)
					require.Equal(t, want, got, "%s %s %s", name, channel.Name, locale)
				}
			}
		}
	}
	require.Positive(t, s.cache.Len())
}

func TestRender_CachesNoSecretNoTimeAndNoLinkOfAnotherForm(t *testing.T) {
	t.Parallel()
	s := cacheSet(t)
	at := time.Date(2026, time.March, 3, 14, 30, 0, 0, time.UTC)
	for name, c := range map[string]struct {
		template string
		change   func(*Data)
	}{
		"a code":            {"verification", func(d *Data) { d.Code = "204816" }},
		"an invitation":     {"invitation", func(d *Data) { d.Link = "https://clinic.example/login?invitation=q83vEjRWeJCrze8SNFZ4" }},
		"a time":            {"appointment", func(d *Data) { d.StartsAt = &at }},
		"a short last part": {"clinical", func(d *Data) { d.Link = "https://clinic.example/notifications/1" }},
		"a button's link":   {"buttons", func(d *Data) { d.ActionLink = func(int, string) string { return "https://clinic.example/?a=b" } }},
	} {
		d := linked(1)
		c.change(&d)
		_, err := s.Render(c.template, care.ChannelEmail, "en", d)
		require.NoError(t, err, name)
		require.Zero(t, s.cache.Len(), name)
	}
}

func TestRender_TheCacheSeparatesWhatMessagesDifferIn(t *testing.T) {
	t.Parallel()
	s := cacheSet(t)
	first, err := s.Render("clinical", care.ChannelEmail, "en", linked(1))
	require.NoError(t, err)
	for name, change := range map[string]func(*Data){
		"app name": func(d *Data) { d.AppName = "Other" },
		"brand":    func(d *Data) { d.Brand = Brand{DisplayName: "Practice", Color: "#0b5c6b"} },
		"thing":    func(d *Data) { d.Thing = "invoice" },
		"action":   func(d *Data) { d.Action = "corrected" },
		"base":     func(d *Data) { d.Link = strings.Replace(d.Link, "clinic", "other", 1) },
	} {
		d := linked(1)
		change(&d)
		other, err := s.Render("clinical", care.ChannelEmail, "en", d)
		require.NoError(t, err)
		require.NotEqual(t, first, other, name)
	}
	require.Equal(t, 6, s.cache.Len())
}
