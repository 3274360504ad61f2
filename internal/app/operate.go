package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"slices"
	"strings"

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
	"carewire/internal/postgres"
	"carewire/internal/postgres/db"
)

// Followers are the names of those that follow the ledger in this binary.
func Followers() []string {
	return append([]string{dispatch.Follower}, slices.Sorted(maps.Keys(listeners()))...)
}

func checkFollower(name string) error {
	if slices.Contains(Followers(), name) {
		return nil
	}
	return fmt.Errorf("--name: there is no follower %q: name one of %s", name, strings.Join(Followers(), ", "))
}

// FollowerFailures lists at most limit events that a follower, or with an empty name any, passed over.
func FollowerFailures(ctx context.Context, cfg config.Config, name string, limit int32) (failures []ledger.Failure, err error) {
	if name != "" {
		if err := checkFollower(name); err != nil {
			return nil, err
		}
	}
	err = withPool(ctx, cfg, postgres.App, func(pool *pgxpool.Pool) error {
		failures, err = ledger.Failures(ctx, pool, name, limit)
		return err
	})
	return failures, err
}

// FollowerRedrive lets a follower's handler work on an event that it passed over.
func FollowerRedrive(ctx context.Context, cfg config.Config, name string, position int64) error {
	if err := checkFollower(name); err != nil {
		return err
	}
	return withPool(ctx, cfg, postgres.Worker, func(pool *pgxpool.Pool) error {
		h, err := handlerOf(ctx, cfg, pool, name)
		if err != nil {
			return err
		}
		err = ledger.Redrive(ctx, pool, name, position, h)
		if code := care.CodeOf(err); code == care.NotFound || code == care.Conflict {
			return inWords(err)
		}
		if err != nil {
			return fmt.Errorf("follower %s still cannot handle position %d (%s): mend the cause, then redrive it again", name, position, postgres.SafeError(err))
		}
		return nil
	})
}

// handlerOf makes the handler of the follower as the service does.
func handlerOf(ctx context.Context, cfg config.Config, pool *pgxpool.Pool, name string) (ledger.Handler, error) {
	if h, ok := listeners()[name]; ok {
		return h, nil
	}
	known, err := knownToRules()
	if err != nil {
		return nil, err
	}
	channels, err := configuredChannels(ctx, cfg, pool)
	if err != nil {
		return nil, err
	}
	client, err := inserter(cfg, pool)
	if err != nil {
		return nil, err
	}
	return dispatch.New(dispatch.Config{River: client, Known: known, Channels: channels, Logger: newLogger(cfg, os.Stderr)}), nil
}

// configuredChannels are those that the service has a provider for: in a database that a demo seeded the sandbox's, else
// what the settings say.
func configuredChannels(ctx context.Context, cfg config.Config, pool *pgxpool.Pool) ([]string, error) {
	_, err := db.New(pool).ServiceSettingGet(ctx, demoMark)
	if err == nil {
		return channelNames(func(c channel) bool { return c.sandboxed }), nil
	}
	if !errors.Is(err, pgx.ErrNoRows) {
		return nil, fmt.Errorf("read the settings: %w", postgres.Translate(err))
	}
	return channelNames(func(c channel) bool { return c.configured(cfg) }), nil
}

// inserter is a River client that inserts jobs and works none.
func inserter(cfg config.Config, pool *pgxpool.Pool) (*river.Client[pgx.Tx], error) {
	client, err := river.NewClient(riverpgxv5.New(pool), &river.Config{
		Schema: notify.Schema, Logger: slog.New(quiet{newLogger(cfg, os.Stderr).Handler()}),
	})
	if err != nil {
		return nil, fmt.Errorf("build the River client: %w", err)
	}
	return client, nil
}

// Deliveries lists at most limit deliveries, by state and channel where they are given.
func Deliveries(ctx context.Context, cfg config.Config, state, channel string, limit int32) (all []notify.DeliveryStatus, err error) {
	err = withPool(ctx, cfg, postgres.App, func(pool *pgxpool.Pool) error {
		all, err = notify.Deliveries(ctx, pool, notify.DeliveryFilter{State: state, Channel: channel, Limit: limit})
		return err
	})
	return all, err
}

// DeliveryRedrive queues a delivery again.
func DeliveryRedrive(ctx context.Context, cfg config.Config, id uuid.UUID) error {
	return withPool(ctx, cfg, postgres.Worker, func(pool *pgxpool.Pool) error {
		client, err := inserter(cfg, pool)
		if err != nil {
			return err
		}
		return inWords(notify.Redrive(ctx, pool, client, care.Command{Actor: care.SystemActor("cli")}, id))
	})
}

// RulesExplain tells why each person was told of an event, or not.
func RulesExplain(ctx context.Context, cfg config.Config, eventID uuid.UUID) (x dispatch.Explanation, err error) {
	err = withPool(ctx, cfg, postgres.App, func(pool *pgxpool.Pool) error {
		x, err = dispatch.Explain(ctx, pool, eventID)
		return err
	})
	return x, err
}

// inWords leaves a refusal's own words, which say what to do, and of any other error what may be shown in one line.
func inWords(err error) error {
	if refusal, ok := errors.AsType[*care.Error](err); ok {
		return refusal
	}
	if err == nil {
		return nil
	}
	return errors.New(postgres.SafeError(err))
}
