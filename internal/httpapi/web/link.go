package web

import (
	"context"
	"errors"
	"html/template"
	"net/http"
	"strings"

	"github.com/google/uuid"
	"github.com/labstack/echo/v5"

	"carewire/internal/care"
	"carewire/internal/httpapi"
	"carewire/internal/layout"
	"carewire/internal/notify"
	"carewire/internal/notify/link"
)

// appLinkPath is replaced in Config.AppLink.
const appLinkPath = "{path}"

var messagePage = template.Must(template.New("message").Parse(`<h1>{{.Title}}</h1>
<p class="lead">{{.Text}}</p>
{{- if .Button}}
<form class="actions" method="post"><input type="hidden" name="List-Unsubscribe" value="One-Click"><button>{{.Button}}</button></form>
{{- end}}
<p class="note"><a href="{{.Path}}">{{.Link}}</a></p>`))

// addLinks adds the routes of links in messages: deep links, and one-click unsubscribe links.
func (p *pages) addLinks() {
	if p.cfg.Links == nil {
		return
	}
	p.api.Handle(http.MethodGet, link.Path+":token", httpapi.Access{Public: true}, p.openLink)
	p.api.Handle(http.MethodGet, link.UnsubscribePath+":token", httpapi.Access{Public: true}, p.showUnsubscribe)
	p.api.Handle(http.MethodPost, link.UnsubscribePath+":token", httpapi.Access{Public: true}, p.unsubscribe)
}

// openLink redirects to the notification in the clinic's app, and counts the first opening. It marks
// nothing as read, as mail servers open links too.
func (p *pages) openLink(c *echo.Context) error {
	r := c.Request()
	if err := p.api.AllowLink(r); err != nil {
		return err
	}
	o, err := p.cfg.Links.ParseOpen(c.Param("token"))
	if err != nil {
		p.observe("open", err)
		return p.badLink(c, err, "/", "Your notifications")
	}
	id, err := p.cfg.Own.Opened(r.Context(), o.DeliveryID, r.Method == http.MethodGet && !scanner(r.UserAgent()))
	if care.CodeOf(err) == care.NotFound {
		p.observe("open", link.ErrInvalid)
		return p.badLink(c, link.ErrInvalid, "/", "Your notifications")
	}
	if err != nil {
		return err
	}
	p.observe("open", nil)
	path := p.linkPath(r.Context(), id, o)
	target := "/" + path
	if p.cfg.AppLink != "" {
		target = strings.ReplaceAll(p.cfg.AppLink, appLinkPath, path)
	}
	return c.Redirect(http.StatusFound, target)
}

// linkPath returns where a link leads in the clinic's app, without a slash at its beginning: to the
// notification, to the inbox, or for a button to the path in its template. The app gets the number of a button whose
// template is not available.
func (p *pages) linkPath(ctx context.Context, notification uuid.UUID, o link.Opening) string {
	message := "notifications/" + notification.String()
	switch o.Action {
	case 0:
		return message
	case notify.ActionInbox:
		return ""
	}
	if p.cfg.Templates != nil && p.cfg.Writer != nil {
		path, err := p.cfg.Templates.ActionPath(ctx, p.cfg.Writer, o.DeliveryID, o.Action)
		if err == nil && path != "" {
			return strings.TrimPrefix(path, "/")
		}
	}
	return message + "?action=" + string(rune('0'+o.Action%10))
}

// scanners are parts of the user agents of programs that open links in messages to check or preview
// them. Others look like browsers: an opening is a hint, not a proof.
var scanners = []string{
	"bot", "crawler", "spider", "preview", "scan", "proofpoint", "mimecast", "barracuda", "safelinks", "facebookexternalhit", "whatsapp", "slack",
	"skypeuri", "googleimageproxy", "curl/", "wget/", "python", "go-http-client",
}

func scanner(agent string) bool {
	agent = strings.ToLower(agent)
	for _, part := range scanners {
		if strings.Contains(agent, part) {
			return true
		}
	}
	return agent == ""
}

// categoryWords are the categories of preferences in the words of a page.
var categoryWords = map[string]string{
	"clinical": "your health record", "appointment": "appointments", "billing": "invoices and payments",
	"account": "your account", "chat": "chat messages", "system": "the service",
}

// showUnsubscribe asks. It changes nothing, as mail servers open links.
func (p *pages) showUnsubscribe(c *echo.Context) error {
	s, err := p.subscription(c)
	if err != nil {
		return p.badLink(c, err, preferencesPath, "Choose which messages you get")
	}
	return p.renderMessage(c, http.StatusOK, message{
		Title: "Unsubscribe", Text: "Stop emails about " + categoryWords[s.Category] + "? Urgent messages are still sent.", Button: "Unsubscribe",
	})
}

// unsubscribe turns the emails of the link's category off (RFC 8058). The token is the credential:
// the request has no cookies, and a mail provider sends it on the person's behalf.
func (p *pages) unsubscribe(c *echo.Context) error {
	s, err := p.subscription(c)
	if err == nil {
		ctx := c.Request().Context()
		err = p.cfg.Directory.Unsubscribe(ctx, httpapi.CommandOf(ctx), s.UserID, s.Category, care.ChannelEmail)
	}
	switch {
	case care.CodeOf(err) == care.Conflict:
		p.observe("unsubscribe", nil)
		return p.renderMessage(c, http.StatusConflict, message{
			Title: "These emails cannot be switched off", Text: "Your clinic sends everybody emails about " + categoryWords[s.Category] + ". You can get them once a day.",
		})
	case care.CodeOf(err) == care.NotFound:
		err = link.ErrInvalid
		fallthrough
	case errors.Is(err, link.ErrInvalid), errors.Is(err, link.ErrExpired):
		return p.badLink(c, err, preferencesPath, "Choose which messages you get")
	case err != nil:
		return err
	}
	p.observe("unsubscribe", nil)
	return p.renderMessage(c, http.StatusOK, message{
		Title: "You are unsubscribed", Text: "You will get no more emails about " + categoryWords[s.Category] + ". Urgent messages are still sent.",
	})
}

// subscription returns the content of the request's token.
func (p *pages) subscription(c *echo.Context) (link.Subscription, error) {
	if err := p.api.AllowLink(c.Request()); err != nil {
		return link.Subscription{}, err
	}
	s, err := p.cfg.Links.ParseUnsubscribe(c.Param("token"))
	if err != nil {
		p.observe("unsubscribe", err)
	}
	return s, err
}

// observe counts a request of a link.
func (p *pages) observe(kind string, err error) {
	if p.cfg.LinkUsed == nil {
		return
	}
	outcome := "ok"
	switch {
	case errors.Is(err, link.ErrExpired):
		outcome = "expired"
	case err != nil:
		outcome = "invalid"
	}
	p.cfg.LinkUsed(kind, outcome)
}

// badLink answers a link that does not work; another error is returned.
func (p *pages) badLink(c *echo.Context, err error, path, text string) error {
	switch {
	case errors.Is(err, link.ErrExpired):
		return p.renderMessage(c, http.StatusGone, message{
			Title: "This link has expired", Text: "It was in an old message. Sign in to continue.", Path: path, Link: text,
		})
	case errors.Is(err, link.ErrInvalid):
		return p.renderMessage(c, http.StatusNotFound, message{
			Title: "This link does not work", Text: "It is incomplete or was changed. Copy the whole link from the message, or sign in.", Path: path, Link: text,
		})
	}
	return err
}

// message is the content of messagePage. Its link leads to the preferences by default.
type message struct{ Title, Text, Button, Path, Link string }

func (p *pages) renderMessage(c *echo.Context, status int, m message) error {
	if m.Path == "" {
		m.Path, m.Link = preferencesPath, "Choose which messages you get"
	}
	main, err := layout.Fragment(messagePage, m)
	if err != nil {
		return err
	}
	// Here is the page that signing in returns to, which must not be one with a token.
	return p.api.RenderPage(c, status, layout.Page{Title: m.Title, Here: m.Path, Main: main})
}
