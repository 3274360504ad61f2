package web

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/labstack/echo/v5"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"
	"riverqueue.com/riverui"

	"carewire/internal/care"
	"carewire/internal/httpapi"
	"carewire/internal/layout"
)

const dashboardPath = "/admin/river"

// dashboardPolicy is the Content-Security-Policy of River's page: it allows its own scripts, and
// the styles that they set.
const dashboardPolicy = "default-src 'self'; style-src 'self' 'unsafe-inline'; " +
	"img-src 'self' data:; font-src 'self' data:; " +
	"object-src 'none'; base-uri 'none'; frame-ancestors 'none'; form-action 'self'"

// deliveryKind is the kind of the jobs that send messages (notify.DeliveryArgs).
const deliveryKind = "delivery"

// watched are the states of jobs that an operator looks at first: the dashboard opens on the first
// one that has deliveries, else on the completed ones.
var watched = []rivertype.JobState{rivertype.JobStateRetryable, rivertype.JobStateRunning, rivertype.JobStateAvailable, rivertype.JobStateScheduled}

// homeLink leads from River's page back to this service's.
const homeLink = `<a href="/" style="position:fixed;right:.8rem;bottom:.8rem;z-index:50;padding:.35rem .8rem;border-radius:.4rem;` +
	`background:#14262e;color:#fff;font:14px/1.4 system-ui,sans-serif;text-decoration:none;border:1px solid #51636c">carewire: start page</a>`

// Dashboard is River's web UI. It has no authentication: the server's guard is in front of it.
type Dashboard struct {
	handler http.Handler
	// start starts the background queries, which end with ctx.
	start func(ctx context.Context) error
	// first returns the state that the dashboard opens on.
	first func(ctx context.Context) rivertype.JobState
	// visits holds an element if there was a request since Run last looked.
	visits chan struct{}
}

// dashboardIdle is how long the background queries continue after the last request.
const dashboardIdle = 5 * time.Minute

// NewDashboard returns the web UI of a River client. Job arguments are hidden by default.
func NewDashboard(client *river.Client[pgx.Tx], logger *slog.Logger) (*Dashboard, error) {
	handler, err := riverui.NewHandler(&riverui.HandlerOpts{
		Endpoints: riverui.NewEndpoints(client, nil), JobListHideArgsByDefault: true, Logger: logger, Prefix: dashboardPath,
	})
	if err != nil {
		return nil, fmt.Errorf("build River's dashboard: %w", err)
	}
	return newDashboard(handler, handler.Start, func(ctx context.Context) rivertype.JobState { return firstState(ctx, client) }), nil
}

func newDashboard(h http.Handler, start func(context.Context) error, first func(context.Context) rivertype.JobState) *Dashboard {
	return &Dashboard{handler: h, start: start, first: first, visits: make(chan struct{}, 1)}
}

// firstState returns the first of the watched states that has a delivery. A failure of the database
// shows in the dashboard itself.
func firstState(ctx context.Context, client *river.Client[pgx.Tx]) rivertype.JobState {
	for _, state := range watched {
		found, err := client.JobList(ctx, river.NewJobListParams().Kinds(deliveryKind).States(state).First(1))
		if err == nil && len(found.Jobs) > 0 {
			return state
		}
	}
	return rivertype.JobStateCompleted
}

// Run runs the background queries while the dashboard is used: from a request until dashboardIdle after
// the last one. They count all jobs, which takes 50 ms of the database for 100,000 of them. Run returns
// when ctx ends.
func (d *Dashboard) Run(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-d.visits:
			if err := d.runVisit(ctx); err != nil {
				return fmt.Errorf("start River's dashboard: %w", err)
			}
		}
	}
}

// runVisit runs the background queries until dashboardIdle after the last request.
func (d *Dashboard) runVisit(ctx context.Context) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	if err := d.start(ctx); err != nil {
		return err
	}
	idle := time.NewTimer(dashboardIdle)
	defer idle.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-idle.C:
			return nil
		case <-d.visits:
			idle.Reset(dashboardIdle)
		}
	}
}

// ServeHTTP implements http.Handler. Its entry redirects to the deliveries, and its page has a link
// back to the start page.
func (d *Dashboard) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	select {
	case d.visits <- struct{}{}:
	default:
	}
	entry := r.URL.Path == dashboardPath || r.URL.Path == dashboardPath+"/" || r.URL.Path == dashboardPath+"/jobs"
	if r.Method == http.MethodGet && entry && r.URL.RawQuery == "" {
		query := url.Values{"state": {string(d.first(r.Context()))}, "kind": {deliveryKind}}
		http.Redirect(w, r, dashboardPath+"/jobs?"+query.Encode(), http.StatusSeeOther)
		return
	}
	page := &pageWriter{ResponseWriter: w}
	d.handler.ServeHTTP(page, r)
	page.finish()
}

// pageWriter adds homeLink and the script river.js to an HTML page, which it collects. It passes on
// everything else.
type pageWriter struct {
	http.ResponseWriter
	status int
	html   bool
	page   bytes.Buffer
}

// WriteHeader implements http.ResponseWriter.
func (w *pageWriter) WriteHeader(status int) {
	w.status = status
	w.html = strings.HasPrefix(w.Header().Get("Content-Type"), "text/html")
	if !w.html {
		w.ResponseWriter.WriteHeader(status)
	}
}

// Write implements io.Writer.
func (w *pageWriter) Write(b []byte) (int, error) {
	if w.status == 0 {
		w.WriteHeader(http.StatusOK)
	}
	if w.html {
		return w.page.Write(b)
	}
	return w.ResponseWriter.Write(b)
}

// Unwrap returns the writer for http.ResponseController.
func (w *pageWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (w *pageWriter) finish() {
	if !w.html {
		return
	}
	body := bytes.Replace(w.page.Bytes(), []byte("</body>"), []byte(homeLink+"</body>"), 1)
	body = bytes.Replace(body, []byte("<script"), []byte(`<script src="`+layout.AssetPath("river.js")+`"></script><script`), 1)
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.ResponseWriter.WriteHeader(w.status)
	_, _ = w.ResponseWriter.Write(body) // An error means that the client is gone.
}

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
