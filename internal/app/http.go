package app

import (
	"context"
	"fmt"
	"net/http"
	"net/http/pprof"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"

	"carewire/internal/audit"
	"carewire/internal/clinic/appointment"
	"carewire/internal/clinic/billing"
	"carewire/internal/clinic/chat"
	"carewire/internal/clinic/intake"
	"carewire/internal/httpapi"
	"carewire/internal/httpapi/rest"
	"carewire/internal/httpapi/web"
	"carewire/internal/notify"
)

// buildHTTP wires the API to the domain and the spine.
func (s *Service) buildHTTP(ctx context.Context) (http.Handler, error) {
	var key []byte
	err := s.waiter.do(ctx, "read the cookies' key", func(ctx context.Context) (err error) {
		key, err = sharedSecret(ctx, s.db.worker, "cookie_key")
		return err
	})
	if err != nil {
		return nil, err
	}
	dashboard, err := web.NewDashboard(s.spine.river, s.logger)
	if err != nil {
		return nil, err
	}
	s.group.run("dashboard", func(ctx context.Context) error {
		if err := dashboard.Start(ctx); err != nil {
			return err
		}
		<-ctx.Done()
		return nil
	})
	proxies, err := s.cfg.Proxies()
	if err != nil {
		return nil, fmt.Errorf("CAREWIRE_TRUSTED_PROXIES: %w", err)
	}
	server, err := httpapi.New(httpapi.Config{
		Directory:      s.spine.directory,
		Writer:         s.spine.writer,
		Verifier:       s.spine.verifier,
		NoAPI:          !s.cfg.Does("api"),
		Demo:           s.cfg.Demo,
		BaseURL:        s.cfg.BaseURL,
		Origins:        s.cfg.Origins,
		RateLimit:      s.cfg.RateLimit,
		TrustedProxies: proxies,
		Ready:          s.readiness,
		Notes:          s.db.notes,
		Registerer:     s.metrics.registry,
		Gatherer:       s.metrics.registry,
		Logger:         s.logger,
		Tracer:         s.tracer,
	})
	if err != nil {
		return nil, err
	}
	if err := rest.Register(server, s.services()); err != nil {
		return nil, err
	}
	if err := web.Register(server, s.pages(key, dashboard)); err != nil {
		return nil, err
	}
	return server, server.Finish()
}

// services are what the REST resources call.
func (s *Service) services() rest.Services {
	return rest.Services{
		Directory:    s.spine.directory,
		Appointments: appointment.New(s.spine.writer),
		Billing:      billing.New(s.spine.writer),
		Chat:         chat.New(s.spine.writer),
		Intake:       intake.New(s.spine.writer),
		Audit:        audit.New(s.db.app),
		Writer:       s.spine.writer,
		Operations:   s.spine.operations,
		Rules:        s.spine.known,
		Hub:          s.spine.hub,
	}
}

// pages are what the HTML pages need.
func (s *Service) pages(key []byte, dashboard http.Handler) web.Config {
	cfg := web.Config{
		Directory: s.spine.directory,
		Verifier:  s.spine.verifier,
		Inbox:     notify.NewInbox(s.spine.writer),
		Hub:       s.spine.hub,
		Login:     web.LoginConfig{ClientID: s.cfg.OIDCClientID, ClientSecret: s.cfg.OIDCClientSecret},
		CookieKey: key,
		Dashboard: dashboard,
	}
	if s.spine.providers.sandbox != nil {
		cfg.Sandbox = s.spine.providers.sandbox.Handler()
	}
	if s.cfg.Demo {
		for _, p := range demoPeople {
			cfg.DemoPeople = append(cfg.DemoPeople, web.DemoPerson{Email: p.email, Label: p.label()})
		}
	}
	return cfg
}

// serveMetrics serves /metrics, and profiles at /debug/pprof/, on an address of its own, where one is set. It asks nobody
// who they are: the address is for the operator's network only.
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

// metricsServer bounds what a client can hold. It has no ReadTimeout: that would cut a profile, which takes as long as it is asked
// for and moves the deadline for writing itself.
func metricsServer(h http.Handler) *http.Server {
	return &http.Server{
		Handler:           httpapi.WithBodies(h, 0, 0), // Nothing there takes a body.
		ReadHeaderTimeout: 5 * time.Second,
		WriteTimeout:      time.Minute,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    32 << 10,
	}
}
