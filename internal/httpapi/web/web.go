// Package web serves the HTML pages: sign-in, the landing page, the page that links in messages
// open, River's dashboard and the sandbox.
package web

import (
	"fmt"
	"net/http"
	"strings"

	"carewire/internal/auth"
	"carewire/internal/clinic/directory"
	"carewire/internal/httpapi"
	"carewire/internal/notify"
	"carewire/internal/realtime"
)

// minCookieKey is the shortest CookieKey: as long as the AES-256 key that is derived from it.
const minCookieKey = 32

// Config configures the pages. Directory, Verifier, Inbox and CookieKey are required.
type Config struct {
	Directory *directory.Service
	// Verifier verifies the ID tokens of the identity provider.
	Verifier *auth.Verifier
	Inbox    *notify.Inbox
	// Hub closes the sockets of a session that ends; it may be nil.
	Hub *realtime.Hub
	// Login is the client of the identity provider; the zero value disables sign-in with browsers.
	Login LoginConfig
	// DemoPeople are the people that anybody can sign in as, in demo mode.
	DemoPeople []DemoPerson
	// CookieKey encrypts the cookie of a sign-in: at least 32 bytes, the same on every instance.
	CookieKey []byte
	// Sandbox serves the messages that providers would have sent, or is nil.
	Sandbox http.Handler
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
	p.addDashboard()
	p.addSandbox()
	api.Handle(http.MethodGet, "/", httpapi.Access{Public: true}, p.landing)
	return nil
}
