package app

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"carewire/internal/config"
	"carewire/internal/postgres"
	"carewire/internal/tracing"
)

// database is the PostgreSQL the service works on: its own embedded server, or DATABASE_URL's.
type database struct {
	url string
	// psql is a command line that opens the database as the auditor; empty where it is not ours to say.
	psql   string
	app    *pgxpool.Pool
	worker *pgxpool.Pool
}

// openDatabase starts the embedded server unless DATABASE_URL names one, migrates it, and opens a pool for each of the
// service's roles. What it started is stopped with the group.
func openDatabase(ctx context.Context, cfg config.Config, g *group, tracer *tracing.Tracer, logger *slog.Logger) (*database, error) {
	db := &database{url: cfg.DatabaseURL}
	if db.url == "" {
		server, err := postgres.StartEmbedded(ctx, postgres.EmbeddedConfig{DataDir: cfg.DataDir, Logger: logger})
		if err != nil {
			return nil, fmt.Errorf("start the embedded database, since there is no DATABASE_URL: %w", err)
		}
		g.onStop("database", server.Stop)
		go func() {
			if err, ok := <-server.Wait(); ok {
				g.fail(fmt.Errorf("the embedded database ended: %w", err))
			}
		}()
		db.url, db.psql = server.URL(), server.PSQL(postgres.Auditor)
	}
	if err := postgres.Migrate(ctx, db.url, logger); err != nil {
		return nil, fmt.Errorf("migrate: %w", err)
	}
	for _, p := range []struct {
		pool **pgxpool.Pool
		role postgres.Role
	}{{&db.app, postgres.App}, {&db.worker, postgres.Worker}} {
		pool, err := postgres.Open(ctx, postgres.Config{URL: db.url, Role: p.role, MaxConns: cfg.MaxConns, AppName: "carewire", Tracer: tracer.PGX()})
		if err != nil {
			return nil, err
		}
		*p.pool = pool
		g.onStop("pool "+string(p.role), func(ctx context.Context) error { return closePool(ctx, pool) })
	}
	return db, nil
}

// closePool closes the pool, but does not wait for a connection that never comes back.
func closePool(ctx context.Context, pool *pgxpool.Pool) error {
	done := make(chan struct{})
	go func() {
		defer close(done)
		pool.Close()
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("connections still in use: %w", ctx.Err())
	}
}

// databaseURL is where a command beside the service finds the database: DATABASE_URL, or the embedded server that a
// running service keeps in CAREWIRE_DATA_DIR. It never starts one.
func databaseURL(cfg config.Config) (string, error) {
	if cfg.DatabaseURL != "" {
		return cfg.DatabaseURL, nil
	}
	return postgres.RunningURL(cfg.DataDir)
}

// withPool runs fn with a small pool in the given role.
func withPool(ctx context.Context, cfg config.Config, role postgres.Role, fn func(pool *pgxpool.Pool) error) error {
	url, err := databaseURL(cfg)
	if err != nil {
		return err
	}
	pool, err := postgres.Open(ctx, postgres.Config{URL: url, Role: role, MaxConns: 4, AppName: "carewire-cli", StatementTimeout: time.Minute})
	if err != nil {
		return err
	}
	defer pool.Close()
	return fn(pool)
}
