// Package app builds the service from its settings, by hand and in one place: it starts the parts
// in the order of their dependencies and stops them in stages, so that each part still has its
// dependencies while it finishes (lifecycle.go).
//
// It is one package because it is only wiring: each file builds some parts from the same settings,
// pools and lifecycle, and no part imports it.
package app

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"carewire/internal/config"
	"carewire/internal/httpapi"
	"carewire/internal/logging"
	"carewire/internal/notify/link"
	"carewire/internal/postgres"
	"carewire/internal/tracing"
)

var errStopping = errors.New("stopping")

// Service is a running carewire.
type Service struct {
	// URL is the address of the service, without a trailing slash.
	URL string

	cfg       config.Config
	logger    *slog.Logger
	lifecycle *lifecycle
	waiter    *waiter
	gate      *gate
	probe     *probe
	db        *database
	pipeline  *pipeline
	metrics   *metrics
	tracer    *tracing.Tracer
	links     *link.Signer
	draining  atomic.Bool
	// hurry is closed to end the drain delay of a stop.
	hurry    chan struct{}
	hurrying sync.Once
	stopping sync.Once
}

// gcPercent is higher than Go's default of 100, because the live heap is small, so that a busy
// service would collect many times a second. It takes 3 % off the CPU time of a write (400 would
// take 5 % off). GOGC overrides it.
const gcPercent = 200

// Limits of the servers. They bound the resources that a slow or malicious client can hold.
const (
	// readHeaderTimeout is enough for headers of maxHeaderBytes on a slow mobile connection.
	readHeaderTimeout = 5 * time.Second
	// readTimeout is twice the API's own timeout for a body, which returns 408 before the connection
	// closes.
	readTimeout = 30 * time.Second
	// writeTimeout is longer than the API's timeouts for a body (15 s) and a request (30 s) together,
	// so that a request that times out still gets a response. Hijacked connections, such as sockets,
	// are exempt.
	writeTimeout = 60 * time.Second
	// idleTimeout is longer than the usual 60 seconds of a load balancer, so that the load balancer,
	// not the service, closes an idle connection, and never sends a request on one that is being
	// closed.
	idleTimeout = 2 * time.Minute
	// maxHeaderBytes leaves room for large bearer tokens and cookies, and is far below Go's default of
	// 1 MiB.
	maxHeaderBytes = 32 << 10
	// readyTimeout bounds the database queries of a readiness check, so that it returns before a load
	// balancer's timeout.
	readyTimeout = 2 * time.Second
)

// Serve runs the service until ctx is cancelled, and stops it gracefully. When hurry is cancelled
// too, the drain delay ends. In demo mode it prints a guide to out. Cancelling ctx during the start
// is not an error.
func Serve(ctx, hurry context.Context, cfg config.Config, out io.Writer) error {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	logger := logging.New(cfg, os.Stderr)
	for _, warning := range cfg.Warnings {
		logger.WarnContext(ctx, "setting ignored", "reason", warning)
	}
	s, err := Start(ctx, cfg, logger)
	if err != nil && ctx.Err() != nil {
		logger.Info("stopped before the start was complete")
		return nil
	}
	if err != nil {
		return err
	}
	go returnMemory(ctx)
	defer context.AfterFunc(hurry, s.Hurry)()
	if cfg.Demo {
		if err := s.printBanner(out); err != nil {
			s.Stop()
			return err
		}
	}
	err = s.Wait(ctx)
	s.Stop()
	return err
}

// Start builds and starts the service. If a step fails, it stops the parts that were started.
func Start(ctx context.Context, cfg config.Config, logger *slog.Logger) (*Service, error) {
	cfg.BaseURL = cmp.Or(cfg.BaseURL, "http://"+cfg.Addr)
	if err := validate(cfg); err != nil {
		return nil, fmt.Errorf("invalid settings:\n%w", err)
	}
	s := &Service{cfg: cfg, logger: logger, lifecycle: newLifecycle(logger), metrics: newMetrics(), hurry: make(chan struct{})}
	s.waiter, s.probe = newWaiter(cfg.StartTimeout, s.lifecycle.failed, logger), newProbe(s.ready)
	if err := s.start(ctx); err != nil {
		s.lifecycle.stopAll(cfg.ShutdownTimeout)
		return nil, err
	}
	return s, nil
}

// validate returns all errors of the settings and of the file of providers.
func validate(cfg config.Config) error {
	err := cfg.Validate()
	if !cfg.Demo {
		_, listed := readProviders(cfg)
		err = errors.Join(err, listed)
	}
	return err
}

func (s *Service) start(ctx context.Context) error {
	if err := s.open(ctx); err != nil {
		return err
	}
	var err error
	if s.tracer, err = tracing.Open(ctx, Version().Number, s.logger); err != nil {
		return err
	}
	s.lifecycle.onStop(base, "tracing", s.tracer.Close)
	s.db, err = openDatabase(ctx, s.cfg, s.lifecycle, s.waiter, s.tracer, s.logger)
	if err != nil {
		return err
	}
	if err := s.awaitSchema(ctx); err != nil {
		return err
	}
	s.metrics.registry.MustRegister(&loadCollector{pool: s.db.worker, logger: s.logger}, poolCollector{"requests": s.db.app, "work": s.db.worker})
	s.pipeline, err = s.startPipeline(ctx)
	if err != nil {
		return err
	}
	handler, err := s.buildHTTP(ctx)
	if err != nil {
		return err
	}
	s.gate.open(handler)
	s.logger.Info("serving", "url", s.URL, "roles", s.cfg.Roles)
	return nil
}

// open listens on the addresses first, so that nothing else starts if one is in use. From then on
// every request is answered, at first with the state of the start.
func (s *Service) open(ctx context.Context) error {
	listener, err := listen(ctx, s.cfg.Addr)
	if err != nil {
		return fmt.Errorf("CAREWIRE_ADDR: %w", err)
	}
	s.URL = "http://" + listener.Addr().String()
	if s.cfg.BaseURL == "http://"+s.cfg.Addr {
		s.cfg.BaseURL = s.URL
	}
	s.gate = &gate{starting: httpapi.Starting(Version().Number, s.waiter.status), draining: &s.draining}
	s.serve(front, "http", &http.Server{
		Handler:           s.gate,
		ReadHeaderTimeout: readHeaderTimeout,
		ReadTimeout:       readTimeout,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		ErrorLog:          slog.NewLogLogger(s.logger.Handler(), slog.LevelDebug),
	}, listener)
	return s.serveMetrics(ctx)
}

// Wait returns nil when ctx is done, or the error of a part that failed.
func (s *Service) Wait(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return nil
	case err := <-s.lifecycle.failed:
		return err
	}
}

// Stop stops the service. /readyz returns 503 immediately, and everything else is served as before
// until the drain delay has passed, so that load balancers stop sending requests. Then requests,
// sockets and jobs finish, and all parts stop, the embedded database last. Concurrent calls wait
// for the first one.
func (s *Service) Stop() {
	s.stopping.Do(func() {
		s.draining.Store(true)
		s.drain()
		s.logger.Info("stopping")
		s.lifecycle.stopAll(s.cfg.ShutdownTimeout)
		s.logger.Info("stopped")
	})
}

// drain waits for load balancers to notice that the service is not ready.
func (s *Service) drain() {
	delay := s.cfg.Drain()
	if delay == 0 {
		return
	}
	s.logger.Info("draining: no longer ready, but still serving", "delay", delay.String())
	timer := time.NewTimer(delay)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-s.hurry:
	}
}

// Hurry ends the drain delay of the current or a later stop.
func (s *Service) Hurry() { s.hurrying.Do(func() { close(s.hurry) }) }

// StopTime returns the longest time a stop takes with the settings, including the drain delay. A
// supervisor must wait longer before it kills the process.
func StopTime(cfg config.Config) time.Duration {
	longest := cfg.Drain() + cfg.ShutdownTimeout + stopMargin
	if cfg.Embedded() {
		longest += databaseTimeout
	}
	return longest
}

// serve serves on the listener. Its stop refuses new requests, lets running ones finish, and closes
// the remaining connections at the deadline.
func (s *Service) serve(at stage, name string, server *http.Server, listener net.Listener) {
	go func() {
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			s.lifecycle.fail(fmt.Errorf("serve %s: %w", name, err))
		}
	}()
	s.lifecycle.onStop(at, name, func(ctx context.Context) error {
		if err := server.Shutdown(ctx); err != nil {
			_ = server.Close()
			return fmt.Errorf("requests still running: %w", err)
		}
		return nil
	})
}

func listen(ctx context.Context, addr string) (net.Listener, error) {
	return (&net.ListenConfig{}).Listen(ctx, "tcp", addr)
}

// readiness is ready with a result shared by concurrent callers.
func (s *Service) readiness(ctx context.Context) error {
	if s.draining.Load() {
		return errStopping
	}
	return s.probe.ask(ctx)
}

// ready returns the reason the service should get no requests, or nil: it is stopping, the database
// does not respond, its schema is not that of this binary, or the pipeline is not ready.
func (s *Service) ready(ctx context.Context) error {
	if s.draining.Load() {
		return errStopping
	}
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	pending, err := postgres.Pending(ctx, s.db.probe)
	if err != nil {
		return fmt.Errorf("database: %s", postgres.SafeError(err))
	}
	if pending {
		return errPending
	}
	return s.pipeline.ready(ctx)
}
