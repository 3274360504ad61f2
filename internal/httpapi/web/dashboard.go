package web

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"

	"carewire/internal/httpapi"

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
func (p *pages) addDashboard() {
	if p.cfg.Dashboard == nil {
		return
	}
	a := httpapi.Access{Action: care.OperatorConsole, Page: true}
	h := func(c *echo.Context) error {
		c.Response().Header().Set("Content-Security-Policy", dashboardPolicy)
		p.cfg.Dashboard.ServeHTTP(c.Response(), c.Request())
		return nil
	}
	for _, verb := range []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete} {
		p.api.Handle(verb, dashboardPath, a, h)
		p.api.Handle(verb, dashboardPath+"/*", a, h)
	}
}
