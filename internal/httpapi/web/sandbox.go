package web

import (
	"net"
	"net/http"
	"net/netip"
	"strings"

	"github.com/labstack/echo/v5"

	"carewire/internal/care"
	"carewire/internal/httpapi"
	"carewire/internal/httpapi/problem"
	"carewire/internal/layout"
)

// sandboxPolicy is the Content-Security-Policy of the sandbox, unless it sets one.
const sandboxPolicy = "default-src 'self'; style-src 'self' 'unsafe-inline'; " +
	"script-src 'self' 'unsafe-inline'; " +
	"object-src 'none'; base-uri 'none'; frame-ancestors 'none'; form-action 'self'"

// addSandbox adds the sandbox: for everybody in demo mode, otherwise for operators.
func (p *pages) addSandbox() {
	if p.cfg.Sandbox == nil {
		return
	}
	a := httpapi.Access{Action: care.OperatorConsole, Page: true}
	if p.api.Demo() {
		a = httpapi.Access{Public: true}
	}
	h := func(c *echo.Context) error {
		if err := p.demoHost(c.Request()); err != nil {
			return err
		}
		// Demo mode has no authentication, so requests of other sites' pages must be refused.
		if err := p.api.CheckOrigin(c.Request()); err != nil {
			return err
		}
		c.Response().Header().Set("Content-Security-Policy", sandboxPolicy)
		r := c.Request()
		if r.Method == http.MethodGet && r.URL.Path == "/sandbox" {
			r = r.WithContext(layout.WithHeader(r.Context(), p.api.Header(r)))
		}
		p.cfg.Sandbox.ServeHTTP(c.Response(), r)
		return nil
	}
	p.api.Handle(http.MethodGet, "/sandbox", a, h)
	for _, verb := range []string{http.MethodGet, http.MethodPost, http.MethodDelete} {
		p.api.Handle(verb, "/sandbox/*", a, h)
	}
}

// sandboxVisible reports whether the actor may open the sandbox.
func (p *pages) sandboxVisible(actor care.Actor) bool {
	return p.api.Demo() || actor.MayOnPlatform(care.OperatorConsole)
}

// demoHost refuses, in demo mode, a request whose Host is not the service's own, localhost or an IP
// address. Otherwise a page of another site whose name resolves to this service (DNS rebinding)
// would have the same origin as the sandbox.
func (p *pages) demoHost(r *http.Request) error {
	if !p.api.Demo() || r.Method == http.MethodGet {
		return nil
	}
	host, _, err := net.SplitHostPort(r.Host)
	if err != nil {
		host = r.Host
	}
	host = strings.ToLower(strings.TrimSuffix(strings.Trim(host, "[]"), "."))
	if _, err := netip.ParseAddr(host); err == nil || host == "localhost" || host == strings.ToLower(p.api.BaseURL().Hostname()) {
		return nil
	}
	return problem.WrongHost()
}
