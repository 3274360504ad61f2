package web

import (
	"net"
	"net/http"
	"net/netip"
	"strings"

	"carewire/internal/httpapi"

	"github.com/labstack/echo/v5"

	"carewire/internal/care"
)

// sandboxPolicy is the Content-Security-Policy of the sandbox's page unless it sets its own.
const sandboxPolicy = "default-src 'self'; style-src 'self' 'unsafe-inline'; script-src 'self' 'unsafe-inline'; object-src 'none'; base-uri 'none'; frame-ancestors 'none'; form-action 'self'"

// addSandbox mounts what the providers' stand-ins received: for everybody in demo mode, else for operators.
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
		// Nobody is asked who they are in the demo: what another site's page sends must not count.
		if err := p.api.CheckOrigin(c.Request()); err != nil {
			return err
		}
		c.Response().Header().Set("Content-Security-Policy", sandboxPolicy)
		p.cfg.Sandbox.ServeHTTP(c.Response(), c.Request())
		return nil
	}
	p.api.Handle(http.MethodGet, "/sandbox", a, h)
	for _, verb := range []string{http.MethodGet, http.MethodPost, http.MethodDelete} {
		p.api.Handle(verb, "/sandbox/*", a, h)
	}
}

// demoHost refuses, in the demo, a request that names another host than the service's own, localhost or an address. A page of another
// site whose name is made to lead here (DNS rebinding) is of the same origin as the sandbox to a browser.
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
	return httpapi.WrongHost()
}
