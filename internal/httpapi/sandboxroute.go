package httpapi

import (
	"net/http"

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
