// Package app builds the service from its settings, by hand and in one place: it starts the parts in the order in which
// they depend on each other and stops them in the reverse. The tools beside the service (tokens, rules, migrations) are
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
	"sync/atomic"
	"time"

	"carewire/internal/config"
	"carewire/internal/postgres"
	"carewire/internal/tracing"
)

// Service is a running carewire.
type Service struct {
	// URL is where it serves, without a slash at the end.
	URL string

	cfg      config.Config
	logger   *slog.Logger
	group    *group
	db       *database
	spine    *spine
	metrics  *metrics
	tracer   *tracing.Tracer
	draining atomic.Bool
	listener net.Listener
}

// gcPercent lets the heap grow to three times what is live before it is collected, not to twice as by Go's own default:
// little is live, so that a busy service would collect many times a second. It takes 3 % off the CPU time of a write (400
// would take 5 % off). GOGC overrides it.
const gcPercent = 200

// Serve runs the service until ctx ends, and stops it cleanly. In demo mode it prints to out how to use it.
func Serve(ctx context.Context, cfg config.Config, out io.Writer) error {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	s, err := Start(ctx, cfg, newLogger(cfg, os.Stderr))
	if errors.Is(err, errStopped) {
		return nil
	}
	if err != nil {
		return err
	}
	// Starting leaves twice as much garbage as the service keeps; an idle one might hold it for as long as it runs.
	debug.FreeOSMemory()
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
	s := &Service{cfg: cfg, logger: logger, group: newGroup(logger), metrics: newMetrics()}
	if err := s.start(ctx); err != nil {
		s.group.stopAll(cfg.ShutdownTimeout)
		if s.listener != nil {
			_ = s.listener.Close()
		}
		return nil, err
	}
	return s, nil
}

func (s *Service) start(ctx context.Context) error {
	// The address first: when it is taken, nothing else needs to start.
	var err error
	s.listener, err = listen(ctx, s.cfg.Addr)
	if err != nil {
		return fmt.Errorf("CAREWIRE_ADDR: %w", err)
	}
	s.URL = "http://" + s.listener.Addr().String()
	if s.cfg.BaseURL == "" || s.cfg.BaseURL == "http://"+s.cfg.Addr {
		s.cfg.BaseURL = s.URL
	}
	if s.tracer, err = tracing.Open(ctx, Version().Number, s.logger); err != nil {
		return err
	}
	s.group.onStop("tracing", s.tracer.Close)
	s.db, err = openDatabase(ctx, s.cfg, s.group, s.tracer, s.logger)
	if err != nil {
		return err
	}
	if err := s.awaitSchema(ctx); err != nil {
		return err
	}
	s.metrics.registry.MustRegister(&loadCollector{pool: s.db.worker, logger: s.logger}, poolCollector{"requests": s.db.app, "work": s.db.worker})
	s.spine, err = s.startSpine(ctx)
	if err != nil {
		return err
	}
	handler, err := s.buildHTTP(ctx)
	if err != nil {
		return err
	}
	s.serve("http", &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       30 * time.Second,
		WriteTimeout:      60 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    32 << 10,
		ErrorLog:          slog.NewLogLogger(s.logger.Handler(), slog.LevelDebug),
	}, s.listener)
	s.logger.Info("serving", "url", s.URL, "roles", s.cfg.Roles)
	return nil
}

// Wait returns when ctx ends, or with the error of the part that failed.
func (s *Service) Wait(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return nil
	case err := <-s.group.failed:
		return err
	}
}

// Stop drains requests, sockets and jobs, and stops everything, the embedded database last.
func (s *Service) Stop() {
	s.draining.Store(true)
	s.logger.Info("stopping")
	s.group.stopAll(s.cfg.ShutdownTimeout)
	s.logger.Info("stopped")
}

// serve answers on the listener. Its stop refuses new requests, lets those under way finish, and ends what is still there
// at the deadline.
func (s *Service) serve(name string, server *http.Server, listener net.Listener) {
	go func() {
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			s.group.fail(fmt.Errorf("serve %s: %w", name, err))
		}
	}()
	s.group.onStop(name, func(ctx context.Context) error {
		// Requests may use at most half of the time that is left; sockets and jobs need the rest.
		if deadline, ok := ctx.Deadline(); ok {
			var cancel context.CancelFunc
			ctx, cancel = context.WithTimeout(ctx, time.Until(deadline)/2)
			defer cancel()
		}
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

// ready says why the service should get no requests, or nil: it is stopping, the database does not answer, its schema is
// not this binary's, or the planner has not yet looked at the ledger.
func (s *Service) ready(ctx context.Context) error {
	if s.draining.Load() {
		return errors.New("stopping")
	}
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	pending, err := postgres.Pending(ctx, s.db.worker)
	if err != nil {
		return fmt.Errorf("database: %s", postgres.SafeError(err))
	}
	if pending {
		return errPending
	}
	return s.spine.ready(ctx)
}
