package template

import (
	"bytes"
	"cmp"
	htmltemplate "html/template"
)

// page is what the layouts are executed with.
type page struct {
	Locale, Dir, AppName, Link    string
	Subject, Greeting, Or, Button string
	ButtonLink                    string
	Paragraphs, Footer            []string
	Color                         htmltemplate.CSS
	Logo, Image, ImageAlt         string
	More                          []Action
}

func (s *Set) renderEmail(r *renderer, m *message, locale string, data *Data) (Content, string) {
	section, used := m.email.find(locale)
	f, _ := s.frames.find(used)
	p := page{
		Locale: used, AppName: cmp.Or(data.Brand.DisplayName, data.AppName), Link: data.Link, ButtonLink: data.Link,
		Subject: r.line(section.subject), Greeting: r.line(f.greeting), Or: r.line(f.or), Button: r.line(section.button),
		Paragraphs: r.lines(section.paragraphs), Footer: r.lines(f.footer),
		Color: htmltemplate.CSS(data.Brand.color()), //nolint:gosec // It is #rrggbb.
		Logo:  data.Brand.LogoURL,
	}
	if r.err != nil {
		return Content{}, used
	}
	if rightToLeft(used) {
		p.Dir = "rtl"
	}
	if m.image != nil {
		p.Image = m.image.url
		p.ImageAlt, _ = m.image.alt.find(used)
	}
	if actions := m.buttons(used, data); len(actions) > 0 {
		p.Button, p.ButtonLink, p.More = actions[0].Label, actions[0].Link, actions[1:]
	}
	var html, text bytes.Buffer
	if r.err = layoutHTML.Execute(&html, p); r.err == nil {
		r.err = layoutText.Execute(&text, p)
	}
	return Content{Subject: p.Subject, HTML: html.String(), Text: text.String()}, used
}
