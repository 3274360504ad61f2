package app

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"carewire/internal/care"
	"carewire/internal/config"
	"carewire/internal/logging"
	"carewire/internal/operator"
	"carewire/internal/postgres"
	"carewire/internal/postgres/db"
)

// Followers returns the names of the ledger's followers in this binary.
func Followers() []string { return operator.FollowerNames(handlers()) }

// OpenOperator returns an Operator for a command, with this binary's channels and listeners. It
// logs to standard error.
func OpenOperator(cfg config.Config) (*operator.Operator, error) {
	logger := logging.New(cfg, os.Stderr)
	return operator.Open(operator.OpenConfig{
		Settings:  cfg,
		Listeners: handlers(),
		Channels:  knownChannels(),
		Configured: func(ctx context.Context, worker *pgxpool.Pool) (care.Channels, error) {
			return configuredChannels(ctx, cfg, worker)
		},
		LibraryLogger: logging.ForLibrary(logger),
		Logger:        logger,
	})
}

// CheckRules returns the number of rules in a rule file, or every error in it with its line. The
// rules may name the templates of the template file, or of this binary if it is nil. It needs no
// database.
func CheckRules(cfg config.Config, file string, src []byte, templates *operator.SourceFile) (int, error) {
	return operator.CheckRules(knownChannels(), cfg.ImageHosts, operator.SourceFile{Name: file, Source: src}, templates)
}

// CheckTemplates returns the number of templates in a template file, or every error in it with its
// line. Images may be on the hosts of the settings. It needs no database.
func CheckTemplates(cfg config.Config, file string, src []byte) (int, error) {
	return operator.CheckTemplates(knownChannels(), cfg.ImageHosts, file, src)
}

// configuredChannels returns the channels that the service has a provider for: those
// of the sandbox if a demo seeded the database, else those that the settings configure.
func configuredChannels(ctx context.Context, cfg config.Config, pool *pgxpool.Pool) (care.Channels, error) {
	_, err := db.New(pool).ServiceSettingGet(ctx, demoMark)
	if err == nil {
		return channelsThat(func(c channel) bool { return c.sandboxed }), nil
	}
	if !errors.Is(err, pgx.ErrNoRows) {
		return nil, fmt.Errorf("read the settings: %w", postgres.Translate(err))
	}
	return listedChannels(cfg)
}

// Migrate brings the database's schema up to date. It waits for a database that is unavailable, as
// a start does.
func Migrate(ctx context.Context, cfg config.Config) error {
	owner, err := operator.Database(cfg, postgres.Owner)
	if err != nil {
		return err
	}
	logger := logging.New(cfg, os.Stderr)
	w := newWaiter(cfg.StartTimeout, nil, logger)
	return w.do(ctx, "migrate", func(ctx context.Context) error { return postgres.Migrate(ctx, owner.URL, logger) })
}
