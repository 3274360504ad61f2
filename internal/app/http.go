package app

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"net/http/pprof"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"

	"carewire/internal/analytics"
	"carewire/internal/audit"
	"carewire/internal/clinic/appointment"
	"carewire/internal/clinic/billing"
	"carewire/internal/clinic/chat"
	"carewire/internal/clinic/intake"
	"carewire/internal/httpapi"
	"carewire/internal/httpapi/body"
	"carewire/internal/httpapi/peer"
	"carewire/internal/httpapi/rest"
	"carewire/internal/httpapi/web"
	"carewire/internal/inbox"
	"carewire/internal/notify"
)

// buildHTTP builds the API from the domain services and the pipeline.
func (s *Service) buildHTTP(ctx context.Context) (http.Handler, error) {
	var key []byte
	err := s.waiter.do(ctx, "read the cookie key", func(ctx context.Context) (err error) {
		key, err = sharedSecret(ctx, s.db.worker, "cookie_key")
		return err
	})
	if err != nil {
		return nil, err
	}
	dashboard, err := s.startDashboard()
	if err != nil {
		return nil, err
	}
	server, err := s.newServer()
	if err != nil {
		return nil, err
	}
	s.lifecycle.run("sign-in audit", server.RunAudit)
	if err := rest.Register(server, s.services()); err != nil {
		return nil, err
	}
	if err := web.Register(server, s.pages(key, dashboard)); err != nil {
		return nil, err
	}
	if err := s.registerWebhooks(server); err != nil {
		return nil, err
	}
	return server, server.Finish()
}

// startDashboard starts the dashboard of River's jobs.
func (s *Service) startDashboard() (*web.Dashboard, error) {
	dashboard, err := web.NewDashboard(s.pipeline.river, s.logger)
	if err != nil {
		return nil, err
	}
	s.lifecycle.run("dashboard", dashboard.Run)
	return dashboard, nil
}

// newServer returns the HTTP server without routes.
func (s *Service) newServer() (*httpapi.Server, error) {
	proxies, err := s.cfg.Proxies()
	if err != nil {
		return nil, fmt.Errorf("CAREWIRE_TRUSTED_PROXIES: %w", err)
	}
	return httpapi.New(httpapi.Config{
		Directory:      s.pipeline.directory,
		Writer:         s.pipeline.writer,
		Verifier:       s.pipeline.verifier,
		NoAPI:          !s.cfg.Does("api"),
		Demo:           s.cfg.Demo,
		BaseURL:        s.cfg.BaseURL,
		Origins:        s.cfg.Origins,
		RateLimit:      s.cfg.RateLimit,
		TrustedProxies: proxies,
		ClientAddress:  peer.AddressDetail(s.cfg.AuditClientAddress),
		Ready:          s.readiness,
		Version:        Version().Number,
		Notes:          slices.Concat(s.db.notes, s.cfg.Warnings),
		Registerer:     s.metrics.registry,
		Gatherer:       s.metrics.registry,
		Logger:         s.logger,
		Tracer:         s.tracer,
	})
}

// services returns the dependencies of the REST resources.
func (s *Service) services() rest.Services {
	return rest.Services{
		Directory:    s.pipeline.directory,
		Appointments: appointment.New(s.pipeline.writer),
		Billing:      billing.New(s.pipeline.writer),
		Chat:         chat.New(s.pipeline.writer),
		Intake:       intake.New(s.pipeline.writer),
		Audit:        audit.New(s.db.app),
		Writer:       s.pipeline.writer,
		Operations:   s.pipeline.operator,
		Rules:        s.pipeline.known,
		Templates:    s.pipeline.known.Templates,
		Hub:          s.pipeline.hub,
	}
}

// pages returns the dependencies of the HTML pages.
func (s *Service) pages(key []byte, dashboard http.Handler) web.Config {
	cfg := web.Config{
		Directory: s.pipeline.directory,
		Verifier:  s.pipeline.verifier,
		Inbox:     notify.NewInbox(s.pipeline.writer),
		Own:       inbox.New(s.pipeline.writer),
		Links:     s.links,
		AppLink:   s.cfg.AppLink,
		LinkUsed:  s.countLinks(),
		Chat:      chat.New(s.pipeline.writer),
		Hub:       s.pipeline.hub,
		Login:     web.LoginConfig{ClientID: s.cfg.OIDCClientID, ClientSecret: s.cfg.OIDCClientSecret},
		Templates: s.pipeline.known.Templates,
		Writer:    s.pipeline.writer,
		CookieKey: key,
		Dashboard: dashboard,
	}
	if s.pipeline.providers.sandbox != nil {
		cfg.Sandbox = s.pipeline.providers.sandbox.Handler()
	}
	if s.cfg.Demo {
		for _, p := range demoPeople {
			cfg.DemoPeople = append(cfg.DemoPeople, web.DemoPerson{
				Email: p.email, Name: p.givenName + " " + p.familyName, Role: string(p.role), Clinic: demoClinicNames[p.clinic],
			})
		}
		cfg.Events = s.recentEvents
	}
	return cfg
}

// recentEvents returns the numbers of the events of the last day by type, the most frequent first.
func (s *Service) recentEvents(ctx context.Context) ([]web.EventCount, error) {
	counts, err := analytics.ListCounts(ctx, s.db.worker, analytics.Filter{
		EveryClinic: true, From: time.Now().Add(-web.EventsWindow), To: time.Now().Add(time.Hour), Limit: maxCounted,
	})
	if err != nil {
		return nil, err
	}
	byType := map[string]int64{}
	for _, c := range counts {
		byType[c.Type] += c.Count
	}
	var all []web.EventCount
	for typ, n := range byType {
		all = append(all, web.EventCount{Type: typ, Count: n})
	}
	slices.SortFunc(all, func(a, b web.EventCount) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Type, b.Type))
	})
	return all[:min(len(all), maxEventCounts)], nil
}

const (
	// maxEventCounts is the number of event types on the start page.
	maxEventCounts = 12
	// maxCounted bounds the counts that are read for it: some 40 types in 24 hours at two clinics.
	maxCounted = 2000
)

// serveMetrics serves /metrics, and profiles at /debug/pprof/, on the address in the settings, if
// there is one. It does not authenticate: the address must be reachable for operators only.
func (s *Service) serveMetrics(ctx context.Context) error {
	if s.cfg.MetricsAddr == "" {
		return nil
	}
	listener, err := listen(ctx, s.cfg.MetricsAddr)
	if err != nil {
		return fmt.Errorf("CAREWIRE_METRICS_ADDR: %w", err)
	}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(s.metrics.registry, promhttp.HandlerOpts{}))
	mux.HandleFunc("GET /debug/pprof/", pprof.Index)
	mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	s.serve(back, "metrics", metricsServer(mux), listener)
	return nil
}

// metricsServer returns a server with limits on clients. It has no ReadTimeout, which would cut off
// a profile: a profile takes as long as requested and extends the write deadline itself.
func metricsServer(h http.Handler) *http.Server {
	return &http.Server{
		Handler:           body.Buffered(h, 0, 0), // No endpoint reads a body.
		ReadHeaderTimeout: readHeaderTimeout,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
	}
}
