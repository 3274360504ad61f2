package app

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"carewire/internal/httpapi"
	"carewire/internal/postgres"
)

// schemaPoll is how often an instance that may not migrate looks whether somebody has.
const schemaPoll = 500 * time.Millisecond

var (
	errPending = errors.New("schema: migrations are pending")
	// errStopped says that the service was asked to stop while it waited for the schema.
	errStopped = errors.New("stopped before the schema was up to date")
)

// awaitSchema waits until the schema is this binary's. An instance that knows the owner's URL has migrated it; one without
// waits for whoever does, and answers meanwhile that it is alive and not ready.
func (s *Service) awaitSchema(ctx context.Context) error {
	if s.db.migrated {
		return nil
	}
	pending, err := postgres.Pending(ctx, s.db.worker)
	if err != nil || !pending {
		return err
	}
	s.logger.WarnContext(ctx, "migrations are pending, and without DATABASE_URL this instance cannot run them: waiting for `carewire migrate`")
	stop, err := s.answerMeanwhile(ctx)
	if err != nil {
		return err
	}
	defer stop()
	tick := time.NewTicker(schemaPoll)
	defer tick.Stop()
	for pending {
		select {
		case <-ctx.Done():
			return errStopped
		case <-tick.C:
		}
		// A database that is away for a moment is waited for too.
		if pending, err = postgres.Pending(ctx, s.db.worker); err != nil {
			s.logger.WarnContext(ctx, "cannot look at the schema", "error", postgres.SafeError(err))
			pending = true
		}
	}
	s.logger.InfoContext(ctx, "the schema is up to date")
	return nil
}

// answerMeanwhile serves health on a second descriptor of the listener's socket. Closing that one leaves the socket to the
// server that follows, so that no connection is refused in between.
func (s *Service) answerMeanwhile(ctx context.Context) (stop func(), err error) {
	tcp, ok := s.listener.(*net.TCPListener)
	if !ok {
		return nil, fmt.Errorf("serve health: %T is not a TCP listener", s.listener)
	}
	file, err := tcp.File()
	if err != nil {
		return nil, fmt.Errorf("serve health: %w", err)
	}
	listener, err := net.FileListener(file)
	_ = file.Close()
	if err != nil {
		return nil, fmt.Errorf("serve health: %w", err)
	}
	server := &http.Server{Handler: httpapi.NotReady(errPending), ReadHeaderTimeout: 5 * time.Second}
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			s.group.fail(fmt.Errorf("serve health: %w", err))
		}
	}()
	return func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		if server.Shutdown(ctx) != nil {
			_ = server.Close()
		}
		<-done
	}, nil
}
