package httpapi

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/labstack/echo/v5"
	"github.com/riverqueue/river"
	"riverqueue.com/riverui"

	"carewire/internal/care"
)

const dashboardPath = "/admin/river"

// dashboardPolicy is the Content-Security-Policy of River's page: its own scripts, and the styles that they set.
const dashboardPolicy = "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; font-src 'self' data:; object-src 'none'; base-uri 'none'; frame-ancestors 'none'; form-action 'self'"

// Dashboard is River's own page. It asks nobody who they are: the server puts its guard before it.
type Dashboard struct {
	handler *riverui.Handler
}

// NewDashboard makes the page of a River client. Job arguments are hidden until somebody asks for them.
func NewDashboard(client *river.Client[pgx.Tx], logger *slog.Logger) (*Dashboard, error) {
	handler, err := riverui.NewHandler(&riverui.HandlerOpts{
		Endpoints: riverui.NewEndpoints(client, nil), JobListHideArgsByDefault: true, Logger: logger, Prefix: dashboardPath,
	})
	if err != nil {
		return nil, fmt.Errorf("build River's dashboard: %w", err)
	}
	return &Dashboard{handler}, nil
}

// Start begins the page's background queries; they end with ctx.
func (d *Dashboard) Start(ctx context.Context) error { return d.handler.Start(ctx) }

// ServeHTTP shows the page.
func (d *Dashboard) ServeHTTP(w http.ResponseWriter, r *http.Request) { d.handler.ServeHTTP(w, r) }

// addDashboard mounts the page for operators. A browser that is not signed in is sent to /login.
func (s *Server) addDashboard() {
	if s.cfg.Dashboard == nil {
		return
	}
	a := access{action: care.OperatorConsole, page: true}
	h := func(c *echo.Context) error {
		c.Response().Header().Set("Content-Security-Policy", dashboardPolicy)
		s.cfg.Dashboard.ServeHTTP(c.Response(), c.Request())
		return nil
	}
	for _, verb := range []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete} {
		s.handle(verb, dashboardPath, a, h)
		s.handle(verb, dashboardPath+"/*", a, h)
	}
}

// toLogin sends a browser that has to sign in to /login, and back here after it.
func toLogin(c *echo.Context) error {
	return c.Redirect(http.StatusSeeOther, "/login?next="+url.QueryEscape(c.Request().URL.RequestURI()))
}

// wantsPage reports whether a person looks at a page, rather than a program asking.
func wantsPage(r *http.Request) bool {
	return r.Method == http.MethodGet && strings.Contains(r.Header.Get("Accept"), "text/html")
}
