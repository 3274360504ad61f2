package app

import (
	"context"
	"errors"
	"time"

	"carewire/internal/postgres"
)

// schemaPoll is the interval at which an instance that may not migrate checks whether the schema
// has been migrated.
const schemaPoll = 500 * time.Millisecond

var errPending = errors.New("schema: migrations are pending")

// awaitSchema waits until the schema is that of this binary. An instance with the owner's URL has
// migrated it. One without waits for another process to do so, for as long as that takes, and
// serves meanwhile that it is alive and not ready.
func (s *Service) awaitSchema(ctx context.Context) error {
	if s.db.migrated {
		return nil
	}
	for waits := false; ; waits = true {
		var pending bool
		err := s.waiter.do(ctx, "check the schema", func(ctx context.Context) (err error) {
			pending, err = postgres.Pending(ctx, s.db.probe)
			return err
		})
		if waits && err != nil && ctx.Err() == nil { // The schema may be changing; check again later.
			s.logger.WarnContext(ctx, "cannot check the schema", "error", postgres.SafeError(err))
			pending, err = true, nil
		}
		if err != nil || !pending {
			return err
		}
		if !waits {
			s.logger.WarnContext(ctx, "migrations are pending and DATABASE_URL is not set: waiting for `carewire migrate`")
		}
		s.waiter.note("migrations are pending: waiting for `carewire migrate`")
		if err := s.waiter.pause(ctx, schemaPoll); err != nil {
			return err
		}
	}
}
