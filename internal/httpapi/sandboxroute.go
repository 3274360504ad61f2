package httpapi

import (
	"net"
	"net/http"
	"net/netip"
	"strings"

	"github.com/labstack/echo/v5"

	"carewire/internal/care"
)

// sandboxPolicy is the Content-Security-Policy of the sandbox's page unless it sets its own.
const sandboxPolicy = "default-src 'self'; style-src 'self' 'unsafe-inline'; script-src 'self' 'unsafe-inline'; object-src 'none'; base-uri 'none'; frame-ancestors 'none'; form-action 'self'"

// addSandbox mounts what the providers' stand-ins received: for everybody in demo mode, else for operators.
func (s *Server) addSandbox() {
	if s.cfg.Sandbox == nil {
		return
	}
	a := access{action: care.OperatorConsole, page: true}
	if s.cfg.Demo {
		a = access{public: true}
	}
	h := func(c *echo.Context) error {
		if err := s.demoHost(c.Request()); err != nil {
			return err
		}
		// Nobody is asked who they are in the demo: what another site's page sends must not count.
		if err := s.sameOrigin(c.Request()); err != nil {
			return err
		}
		c.Response().Header().Set("Content-Security-Policy", sandboxPolicy)
		s.cfg.Sandbox.ServeHTTP(c.Response(), c.Request())
		return nil
	}
	s.handle(http.MethodGet, "/sandbox", a, h)
	for _, verb := range []string{http.MethodGet, http.MethodPost, http.MethodDelete} {
		s.handle(verb, "/sandbox/*", a, h)
	}
}

// demoHost refuses, in the demo, a request that names another host than the service's own, localhost or an address. A page of another
// site whose name is made to lead here (DNS rebinding) is of the same origin as the sandbox to a browser.
func (s *Server) demoHost(r *http.Request) error {
	if !s.cfg.Demo || r.Method == http.MethodGet {
		return nil
	}
	host, _, err := net.SplitHostPort(r.Host)
	if err != nil {
		host = r.Host
	}
	host = strings.ToLower(strings.TrimSuffix(strings.Trim(host, "[]"), "."))
	if _, err := netip.ParseAddr(host); err == nil || host == "localhost" || host == s.host {
		return nil
	}
	return newProblem(http.StatusMisdirectedRequest, codeWrongHost, "the demo answers to localhost, an address, or the host of CAREWIRE_BASE_URL")
}
