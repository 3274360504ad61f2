// Package web serves the HTML pages: sign-in, the start page, the page that links in messages open,
// the pages of records, appointments, invoices and conversations, River's dashboard, and the
// sandbox.
//
// Pages of subjects read through the collections of the REST API (httpapi.Collection): the access
// checks and the audit events are those of the API.
//
// The pages are one package because they share the sign-in, the reader with their time zone, and the
// words of kinds and states; none is used without the others.
package web

import (
	"context"
	"fmt"
	"html/template"
	"net/http"
	"strings"

	"github.com/labstack/echo/v5"

	"carewire/internal/auth"
	"carewire/internal/care"
	"carewire/internal/clinic/chat"
	"carewire/internal/clinic/directory"
	"carewire/internal/httpapi"
	"carewire/internal/inbox"
	"carewire/internal/layout"
	"carewire/internal/notify"
	"carewire/internal/notify/link"
	"carewire/internal/outbox"
	"carewire/internal/realtime"
	"carewire/internal/templateset"
)

// minCookieKey is the shortest CookieKey: as long as the AES-256 key that is derived from it.
const minCookieKey = 32

// Config configures the pages. Directory, Verifier, Inbox, Own, Chat and CookieKey are required.
type Config struct {
	Directory *directory.Service
	// Verifier verifies the ID tokens of the identity provider.
	Verifier *auth.Verifier
	Inbox    *notify.Inbox
	// Own marks notifications as read when their page is opened.
	Own *inbox.Service
	// Links verifies the links in messages; nil disables their routes.
	Links *link.Signer
	// AppLink is the URL of a notification in the clinic's app, with {path} for the path; empty means
	// the page of this service.
	AppLink string
	// LinkUsed is called for each request of a link, with its kind (open, unsubscribe) and outcome
	// (ok, expired, invalid), for metrics. May be nil.
	LinkUsed func(kind, outcome string)
	// Chat reads the messages of conversations.
	Chat *chat.Service
	// Hub closes the sockets of a session that ends; it may be nil.
	Hub *realtime.Hub
	// Login is the client of the identity provider; the zero value disables sign-in with browsers.
	Login LoginConfig
	// DemoPeople are the people that anybody can sign in as, in demo mode.
	DemoPeople []DemoPerson
	// Events returns the numbers of recent events by type, for the start page in demo mode; it may be
	// nil.
	Events func(ctx context.Context) ([]EventCount, error)
	// CookieKey encrypts the cookie of a sign-in: at least 32 bytes, the same on every instance.
	CookieKey []byte
	// Sandbox serves the messages that providers would have sent, or is nil.
	Sandbox http.Handler
	// Templates and Writer serve previews of templates; without them there is no such page.
	Templates *templateset.Sets
	Writer    *outbox.Writer
	// Dashboard is River's web UI, or nil.
	Dashboard http.Handler
}

// Validate reports the required fields that are missing.
func (c Config) Validate() error {
	var missing []string
	for _, field := range []struct {
		name string
		set  bool
	}{
		{"Directory", c.Directory != nil},
		{"Verifier", c.Verifier != nil},
		{"Inbox", c.Inbox != nil},
		{"Own", c.Own != nil},
		{"Chat", c.Chat != nil},
		{"CookieKey (32 bytes)", len(c.CookieKey) >= minCookieKey},
	} {
		if !field.set {
			missing = append(missing, field.name)
		}
	}
	if len(missing) > 0 {
		return fmt.Errorf("web: not set: %s", strings.Join(missing, ", "))
	}
	return nil
}

// pages serves the pages.
type pages struct {
	cfg    Config
	api    *httpapi.Server
	sealer *auth.Sealer
}

// Register adds the routes of all pages to the server.
func Register(api *httpapi.Server, cfg Config) error {
	if err := cfg.Validate(); err != nil {
		return err
	}
	sealer, err := auth.NewSealer(cfg.CookieKey)
	if err != nil {
		return err
	}
	p := &pages{cfg, api, sealer}
	p.addLogin()
	p.addNotification()
	p.addNotifications()
	p.addLinks()
	p.addPreferences()
	p.addSubjects()
	p.addHeaderLinks()
	p.addDashboard()
	p.addSandbox()
	p.addTemplatePreview()
	api.Handle(http.MethodGet, "/", httpapi.Access{Public: true}, p.landing)
	return nil
}

// addHeaderLinks adds the links in the header of every page.
func (p *pages) addHeaderLinks() {
	p.api.AddHeaderLink("/docs", "Documentation", func(care.Actor) bool { return true })
	if p.cfg.Sandbox != nil {
		p.api.AddHeaderLink("/sandbox", "Sandbox", p.sandboxVisible)
	}
	if p.cfg.Dashboard != nil {
		p.api.AddHeaderLink(dashboardPath, "Jobs", func(actor care.Actor) bool { return actor.MayOnPlatform(care.OperatorConsole) })
	}
}

// render answers with a page whose main part is a template.
func (p *pages) render(c *echo.Context, title string, t *template.Template, data any) error {
	main, err := layout.Fragment(t, data)
	if err != nil {
		return err
	}
	return p.api.RenderPage(c, http.StatusOK, layout.Page{Title: title, Here: c.Request().URL.Path, Main: main})
}
