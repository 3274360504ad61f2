package web

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"

	"github.com/jackc/pgx/v5"
	"github.com/labstack/echo/v5"
	"github.com/riverqueue/river"
	"riverqueue.com/riverui"

	"carewire/internal/care"
	"carewire/internal/httpapi"
)

const dashboardPath = "/admin/river"

// dashboardPolicy is the Content-Security-Policy of River's page: it allows its own scripts, and
// the styles that they set.
const dashboardPolicy = "default-src 'self'; style-src 'self' 'unsafe-inline'; " +
	"img-src 'self' data:; font-src 'self' data:; " +
	"object-src 'none'; base-uri 'none'; frame-ancestors 'none'; form-action 'self'"

// Dashboard is River's web UI. It has no authentication: the server's guard is in front of it.
type Dashboard struct {
	handler *riverui.Handler
}

// NewDashboard returns the web UI of a River client. Job arguments are hidden by default.
func NewDashboard(client *river.Client[pgx.Tx], logger *slog.Logger) (*Dashboard, error) {
	handler, err := riverui.NewHandler(&riverui.HandlerOpts{
		Endpoints: riverui.NewEndpoints(client, nil), JobListHideArgsByDefault: true, Logger: logger, Prefix: dashboardPath,
	})
	if err != nil {
		return nil, fmt.Errorf("build River's dashboard: %w", err)
	}
	return &Dashboard{handler}, nil
}

// Start starts the background queries, which end with ctx.
func (d *Dashboard) Start(ctx context.Context) error { return d.handler.Start(ctx) }

// ServeHTTP implements http.Handler.
func (d *Dashboard) ServeHTTP(w http.ResponseWriter, r *http.Request) { d.handler.ServeHTTP(w, r) }

// addDashboard adds the web UI, for operators.
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
