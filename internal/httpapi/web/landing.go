package web

import (
	"net/http"

	"github.com/labstack/echo/v5"
)

type link struct{ Path, What string }

// landing shows the way to what there is.
func (p *pages) landing(c *echo.Context) error {
	links := []link{{"/docs", "the API, the events, the socket"}, {"/openapi.yaml", "the API, to generate clients from"}, {"/login", "sign in"}}
	if p.cfg.Sandbox != nil {
		links = append(links, link{"/sandbox", "what would have been sent"})
	}
	if p.cfg.Dashboard != nil {
		links = append(links, link{dashboardPath, "jobs, for operators"})
	}
	links = append(links, link{"/readyz", "is it ready?"})
	return render(c, http.StatusOK, landingPage, map[string]any{"Links": links})
}
