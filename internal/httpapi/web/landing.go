package web

import (
	"net/http"

	"github.com/labstack/echo/v5"
)

type link struct{ Path, Text string }

// landing shows links to all pages.
func (p *pages) landing(c *echo.Context) error {
	links := []link{{"/docs", "API, events and socket"}, {"/openapi.yaml", "OpenAPI document"}, {"/login", "sign in"}}
	if p.cfg.Sandbox != nil {
		links = append(links, link{"/sandbox", "messages of the demo"})
	}
	if p.cfg.Dashboard != nil {
		links = append(links, link{dashboardPath, "jobs, for operators"})
	}
	links = append(links, link{"/readyz", "readiness"})
	return render(c, http.StatusOK, landingPage, map[string]any{"Links": links})
}
