package app

import (
	"context"
	"errors"
	"time"

	"carewire/internal/postgres"
)

// schemaPoll is how often an instance that may not migrate looks whether somebody has.
const schemaPoll = 500 * time.Millisecond

var errPending = errors.New("schema: migrations are pending")

// awaitSchema waits until the schema is this binary's. An instance that knows the owner's URL has migrated it; one without
// waits for whoever does, as long as that takes, and answers meanwhile that it is alive and not ready.
func (s *Service) awaitSchema(ctx context.Context) error {
	if s.db.migrated {
		return nil
	}
	for waits := false; ; waits = true {
		var pending bool
		err := s.waiter.do(ctx, "look at the schema", func(ctx context.Context) (err error) {
			pending, err = postgres.Pending(ctx, s.db.probe)
			return err
		})
		if waits && err != nil && ctx.Err() == nil { // A schema that somebody is changing can be looked at later.
			s.logger.WarnContext(ctx, "cannot look at the schema", "error", postgres.SafeError(err))
			pending, err = true, nil
		}
		if err != nil || !pending {
			return err
		}
		if !waits {
			s.logger.WarnContext(ctx, "migrations are pending, and without DATABASE_URL this instance cannot run them: waiting for `carewire migrate`")
		}
		s.waiter.note("migrations are pending: waiting for `carewire migrate`")
		if err := s.waiter.pause(ctx, schemaPoll); err != nil {
			return err
		}
	}
}
