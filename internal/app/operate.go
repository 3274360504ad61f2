package app

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"

	"carewire/internal/care"
	"carewire/internal/config"
	"carewire/internal/dispatch"
	"carewire/internal/ledger"
	"carewire/internal/notify"
	"carewire/internal/outbox"
	"carewire/internal/postgres"
	"carewire/internal/postgres/db"
)

// Followers are the names of those that follow the ledger in this binary.
func Followers() []string {
	return append([]string{dispatch.Follower}, slices.Sorted(maps.Keys(listeners()))...)
}

// byCommand is who acts when a command does.
var byCommand = care.Command{Actor: care.SystemActor("cli")}

// FollowerStatus tells where each follower stands.
func FollowerStatus(ctx context.Context, cfg config.Config) (all []ledger.FollowerStatus, err error) {
	err = withPool(ctx, cfg, postgres.App, func(pool *pgxpool.Pool) error {
		all, err = ledger.Followers(ctx, pool)
		return inWords(err)
	})
	return all, err
}

// FollowerFailures lists at most limit events after a position that a follower, or with an empty name any, passed over.
func FollowerFailures(ctx context.Context, cfg config.Config, name string, after int64, limit int32) (failures []ledger.Failure, err error) {
	if name != "" {
		if err := checkFollower(name); err != nil {
			return nil, fmt.Errorf("--name: %w", err)
		}
	}
	err = withPool(ctx, cfg, postgres.App, func(pool *pgxpool.Pool) error {
		failures, err = ledger.Failures(ctx, pool, name, after, limit)
		return inWords(err)
	})
	return failures, err
}

// FollowerRedrive lets a follower's handler work on an event that it passed over.
func FollowerRedrive(ctx context.Context, cfg config.Config, name string, position int64) error {
	if err := checkFollower(name); err != nil {
		return fmt.Errorf("--name: %w", err)
	}
	return withOperations(ctx, cfg, func(o *operations) error { return o.FollowerRedrive(ctx, byCommand, name, position) })
}

// Rejections lists at most limit outbox rows above an id that the ledger refused.
func Rejections(ctx context.Context, cfg config.Config, after int64, limit int32) (all []ledger.DeadLetter, err error) {
	err = withOperations(ctx, cfg, func(o *operations) error {
		all, err = o.Rejections(ctx, after, limit)
		return err
	})
	return all, err
}

// RejectionRedrive puts an outbox row back that the ledger refused.
func RejectionRedrive(ctx context.Context, cfg config.Config, id int64) error {
	return withOperations(ctx, cfg, func(o *operations) error { return o.RejectionRedrive(ctx, byCommand, id) })
}

// withOperations runs fn with what the service has for the same.
func withOperations(ctx context.Context, cfg config.Config, fn func(o *operations) error) error {
	return withWriter(ctx, cfg, func(writer *outbox.Writer) error {
		known, err := knownToRules()
		if err != nil {
			return err
		}
		channels, err := configuredChannels(ctx, cfg, writer.Pool())
		if err != nil {
			return inWords(err)
		}
		client, err := inserter(cfg, writer.Pool())
		if err != nil {
			return err
		}
		planner := dispatch.New(dispatch.Config{River: client, Known: known, Channels: channels, Logger: newLogger(cfg, os.Stderr)})
		return inWords(fn(&operations{writer: writer, river: client, handlers: followerHandlers(planner)}))
	})
}

// withWriter runs fn with a writer of the worker role. The service hears of what it writes by its own poll.
func withWriter(ctx context.Context, cfg config.Config, fn func(writer *outbox.Writer) error) error {
	return withPool(ctx, cfg, postgres.Worker, func(pool *pgxpool.Pool) error {
		return fn(outbox.NewWriter(pool, outbox.NewBell(pool, newLogger(cfg, os.Stderr))))
	})
}

// followerHandlers are the handlers of Followers.
func followerHandlers(planner *dispatch.Planner) map[string]ledger.Handler {
	handlers := map[string]ledger.Handler{dispatch.Follower: planner}
	for name, l := range listeners() {
		handlers[name] = l.handler
	}
	return handlers
}

// configuredChannels are those that the service has a provider for: in a database that a demo seeded the sandbox's, else
// what the settings say.
func configuredChannels(ctx context.Context, cfg config.Config, pool *pgxpool.Pool) (care.Channels, error) {
	_, err := db.New(pool).ServiceSettingGet(ctx, demoMark)
	if err == nil {
		return channelsThat(func(c channel) bool { return c.sandboxed }), nil
	}
	if !errors.Is(err, pgx.ErrNoRows) {
		return nil, fmt.Errorf("read the settings: %w", postgres.Translate(err))
	}
	return channelsThat(func(c channel) bool { return c.configured(cfg) }), nil
}

// inserter is a River client that inserts jobs and works none.
func inserter(cfg config.Config, pool *pgxpool.Pool) (*river.Client[pgx.Tx], error) {
	client, err := river.NewClient(riverpgxv5.New(pool), &river.Config{
		Schema: notify.Schema, Logger: libraryLogger(newLogger(cfg, os.Stderr)),
	})
	if err != nil {
		return nil, fmt.Errorf("build the River client: %w", err)
	}
	return client, nil
}

// DeliveryFilter says which deliveries to list; an empty field asks for all.
type DeliveryFilter = notify.DeliveryFilter

// Deliveries lists deliveries, the last planned first; after is the last one of the page before, or the zero id.
func Deliveries(ctx context.Context, cfg config.Config, f DeliveryFilter, after uuid.UUID) (all []notify.DeliveryStatus, err error) {
	err = asOperator(ctx, cfg, func(tx pgx.Tx) error {
		if after != uuid.Nil {
			if f.Before, err = notify.DeliveryMark(ctx, tx, after); err != nil {
				return inWords(err)
			}
		}
		f.Channels = knownChannels().Names()
		all, err = notify.Deliveries(ctx, tx, f)
		return inWords(err)
	})
	return all, err
}

// DeliveryRedrive queues a delivery again.
func DeliveryRedrive(ctx context.Context, cfg config.Config, id uuid.UUID) error {
	return withOperations(ctx, cfg, func(o *operations) error { return o.DeliveryRedrive(ctx, byCommand, id) })
}

// RulesExplain tells why each person was told of an event, or not.
func RulesExplain(ctx context.Context, cfg config.Config, eventID uuid.UUID) (x dispatch.Explanation, err error) {
	err = asOperator(ctx, cfg, func(tx pgx.Tx) error {
		x, err = dispatch.Explain(ctx, tx, eventID)
		return err
	})
	return x, err
}

// asOperator runs fn in a transaction that sees what an operator may.
func asOperator(ctx context.Context, cfg config.Config, fn func(tx pgx.Tx) error) error {
	return withPool(ctx, cfg, postgres.App, func(pool *pgxpool.Pool) error {
		return postgres.InTxAs(ctx, pool, care.SystemActor("cli"), fn)
	})
}

// inWords leaves a refusal's own words, which say what to do, and of any other error what may be shown in one line.
func inWords(err error) error {
	if err == nil {
		return nil
	}
	if advice := postgres.Advice(err); advice != "" {
		return errors.New(postgres.SafeError(err) + ": " + advice)
	}
	if refusal, ok := errors.AsType[*care.Error](err); ok {
		return refusal
	}
	return errors.New(postgres.SafeError(err))
}
