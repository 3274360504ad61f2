// Package app builds the service from its settings, by hand and in one place: it starts the parts in the order in which
// they depend on each other and stops them in stages, so that each still has what it depends on (lifecycle.go). The tools beside the service (tokens, rules, migrations) are
// here too, so that the commands are thin.
package app

import (
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
	"carewire/internal/postgres"
	"carewire/internal/tracing"
)

var errStopping = errors.New("stopping")

// Service is a running carewire.
type Service struct {
	// URL is where it serves, without a slash at the end.
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
	draining  atomic.Bool
	// hurry is closed when the wait of a stop shall end.
	hurry    chan struct{}
	hurrying sync.Once
	stopping sync.Once
}

// gcPercent lets the heap grow to three times what is live before it is collected, not to twice as by Go's own default:
// little is live, so that a busy service would collect many times a second. It takes 3 % off the CPU time of a write (400
// would take 5 % off). GOGC overrides it.
const gcPercent = 200

// Serve runs the service until ctx ends, and stops it cleanly; when hurry ends too, it waits no longer for load balancers.
// In demo mode it prints to out how to use it. A ctx that ends during the start is no error.
func Serve(ctx, hurry context.Context, cfg config.Config, out io.Writer) error {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	logger := newLogger(cfg, os.Stderr)
	s, err := Start(ctx, cfg, logger)
	if err != nil && ctx.Err() != nil {
		logger.Info("stopped before it had started")
		return nil
	}
	if err != nil {
		return err
	}
	// Starting leaves twice as much garbage as the service keeps; an idle one might hold it for as long as it runs.
	debug.FreeOSMemory()
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

// Start builds and starts the service. What was started is stopped again when something after it fails.
func Start(ctx context.Context, cfg config.Config, logger *slog.Logger) (*Service, error) {
	s := &Service{cfg: cfg, logger: logger, lifecycle: newLifecycle(logger), metrics: newMetrics(), hurry: make(chan struct{})}
	s.waiter, s.probe = newWaiter(cfg.StartTimeout, s.lifecycle.failed, logger), newProbe(s.ready)
	if err := s.start(ctx); err != nil {
		s.lifecycle.stopAll(cfg.ShutdownTimeout)
		return nil, err
	}
	return s, nil
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

// open takes the addresses: when one is taken, nothing else needs to start. From here on every connection is answered, at
// first with what the start waits for.
func (s *Service) open(ctx context.Context) error {
	listener, err := listen(ctx, s.cfg.Addr)
	if err != nil {
		return fmt.Errorf("CAREWIRE_ADDR: %w", err)
	}
	s.URL = "http://" + listener.Addr().String()
	if s.cfg.BaseURL == "" || s.cfg.BaseURL == "http://"+s.cfg.Addr {
		s.cfg.BaseURL = s.URL
	}
	s.gate = &gate{starting: httpapi.Starting(s.waiter.status), draining: &s.draining}
	s.serve(front, "http", &http.Server{
		Handler:           s.gate,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       30 * time.Second,
		WriteTimeout:      60 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    32 << 10,
		ErrorLog:          slog.NewLogLogger(s.logger.Handler(), slog.LevelDebug),
	}, listener)
	return s.serveMetrics(ctx)
}

// Wait returns when ctx ends, or with the error of the part that failed.
func (s *Service) Wait(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return nil
	case err := <-s.lifecycle.failed:
		return err
	}
}

// Stop stops the service. /readyz answers 503 at once, and everything else is served as before until the drain delay has
// passed, so that load balancers look elsewhere first. Then requests, sockets and jobs finish, and everything stops, the
// embedded database last. Whoever calls it again waits for the first call.
func (s *Service) Stop() {
	s.stopping.Do(func() {
		s.draining.Store(true)
		s.drain()
		s.logger.Info("stopping")
		s.lifecycle.stopAll(s.cfg.ShutdownTimeout)
		s.logger.Info("stopped")
	})
}

// drain waits for load balancers to look elsewhere.
func (s *Service) drain() {
	delay := s.cfg.Drain()
	if delay == 0 {
		return
	}
	s.logger.Info("draining: not ready any more, but still serving", "delay", delay.String())
	timer := time.NewTimer(delay)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-s.hurry:
	}
}

// Hurry ends the drain delay of a stop, now or later.
func (s *Service) Hurry() { s.hurrying.Do(func() { close(s.hurry) }) }

// StopTime returns the longest that a stop takes under the settings, the drain delay included. What kills the process must
// wait longer.
func StopTime(cfg config.Config) time.Duration {
	longest := cfg.Drain() + cfg.ShutdownTimeout + stopMargin
	if cfg.Embedded() {
		longest += databaseTimeout
	}
	return longest
}

// serve answers on the listener. Its stop refuses new requests, lets those under way finish, and ends what is still there
// at the deadline.
func (s *Service) serve(at stage, name string, server *http.Server, listener net.Listener) {
	go func() {
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			s.lifecycle.fail(fmt.Errorf("serve %s: %w", name, err))
		}
	}()
	s.lifecycle.onStop(at, name, func(ctx context.Context) error {
		if err := server.Shutdown(ctx); err != nil {
			_ = server.Close()
			return fmt.Errorf("requests still under way: %w", err)
		}
		return nil
	})
}

func listen(ctx context.Context, addr string) (net.Listener, error) {
	return (&net.ListenConfig{}).Listen(ctx, "tcp", addr)
}

// readiness is ready for all who ask, at the price of one.
func (s *Service) readiness(ctx context.Context) error {
	if s.draining.Load() {
		return errStopping
	}
	return s.probe.ask(ctx)
}

// ready says why the service should get no requests, or nil: it is stopping, the database does not answer, its schema is
// not this binary's, or the planner has not yet looked at the ledger.
func (s *Service) ready(ctx context.Context) error {
	if s.draining.Load() {
		return errStopping
	}
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
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
