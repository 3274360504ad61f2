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
	// probe is the one connection of /readyz, so that it waits for nobody and nobody for it.
	probe *pgxpool.Pool
}

// openDatabase starts the embedded server unless DATABASE_URL names one, migrates it, and opens a pool for each of the
// service's roles. It waits for a database that is away. What it started is stopped with the group.
func openDatabase(ctx context.Context, cfg config.Config, g *group, w *waiter, tracer *tracing.Tracer, logger *slog.Logger) (*database, error) {
	db := &database{url: cfg.DatabaseURL}
	if db.url == "" {
		server, err := postgres.StartEmbedded(ctx, postgres.EmbeddedConfig{DataDir: cfg.DataDir, Logger: logger})
		if err != nil {
			return nil, fmt.Errorf("start the embedded database, since there is no DATABASE_URL: %w", err)
		}
		if !cfg.Demo {
			logger.WarnContext(ctx, "no DATABASE_URL: the embedded database is for trials; it has no backups, and whoever may enter its directory is its superuser", "dir", server.Dir())
		}
		g.onStop(base, "database", server.Stop)
		go func() {
			if err, ok := <-server.Wait(); ok {
				g.fail(fmt.Errorf("the embedded database ended: %w", err))
			}
		}()
		db.url, db.psql = server.URL(), server.PSQL(postgres.Auditor)
	}
	if err := w.do(ctx, "migrate", func(ctx context.Context) error { return postgres.Migrate(ctx, db.url, logger) }); err != nil {
		return nil, err
	}
	for _, p := range []struct {
		pool **pgxpool.Pool
		role postgres.Role
		max  int32
	}{{&db.app, postgres.App, cfg.MaxConns}, {&db.worker, postgres.Worker, cfg.MaxConns}, {&db.probe, postgres.Worker, 1}} {
		err := w.do(ctx, "connect to the database", func(ctx context.Context) (err error) {
			*p.pool, err = postgres.Open(ctx, postgres.Config{URL: db.url, Role: p.role, MaxConns: p.max, AppName: "carewire", Tracer: tracer.PGX()})
			return err
		})
		if err != nil {
			return nil, err
		}
		pool := *p.pool
		g.onStop(pools, "pool "+string(p.role), func(ctx context.Context) error { return closePool(ctx, pool) })
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
		return cfg.DatabaseURL, cfg.CheckDatabase()
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
	return postgres.Explain(fn(pool))
}
