package app

import (
	"context"
	"fmt"
	"log/slog"
	"strings"

	"github.com/jackc/pgx/v5/pgxpool"

	"carewire/internal/config"
	"carewire/internal/postgres"
	"carewire/internal/postgres/embedded"
	"carewire/internal/tracing"
)

// database is the service's PostgreSQL: an embedded server, or the one in the settings.
type database struct {
	// work is the database for connections of the worker role, for listeners.
	work config.Database
	// migrated is true if this instance migrated the schema, because it has the owner's URL.
	migrated bool
	// notes list weaknesses of the set-up, for /readyz.
	notes []string
	// psql is a command line that opens the database as the auditor; empty without an embedded server.
	psql   string
	app    *pgxpool.Pool
	worker *pgxpool.Pool
	// probe is a pool of one connection for /readyz, so that checks and requests never wait for each
	// other.
	probe *pgxpool.Pool
}

// The settings that name a database.
const (
	appSetting    = "CAREWIRE_APP_DATABASE_URL"
	workerSetting = "CAREWIRE_WORKER_DATABASE_URL"
)

// openDatabase starts the embedded server unless the settings name a database, migrates if it has
// the owner's URL, and opens a pool for each role, with the role's own login if there is one. It
// waits for a database that is unavailable. The lifecycle stops everything it started.
func openDatabase(ctx context.Context, cfg config.Config, g *lifecycle, w *waiter, tracer *tracing.Tracer, logger *slog.Logger) (*database, error) {
	db := &database{}
	find := func(role postgres.Role) config.Database { return cfg.DatabaseFor(string(role)) }
	if cfg.Embedded() {
		server, err := startEmbedded(ctx, cfg, g, logger)
		if err != nil {
			return nil, err
		}
		find = func(role postgres.Role) config.Database { return config.Database{URL: server.LoginURL(role)} }
		db.psql = server.PSQL(postgres.Auditor)
	}
	if owner := find(postgres.Owner); owner.URL != "" {
		if err := w.do(ctx, "migrate", func(ctx context.Context) error { return postgres.Migrate(ctx, owner.URL, logger) }); err != nil {
			return nil, err
		}
		db.migrated = true
	}
	db.work = find(postgres.Worker)
	for _, p := range []struct {
		pool **pgxpool.Pool
		role postgres.Role
		max  int32
	}{{&db.app, postgres.App, cfg.MaxConns}, {&db.worker, postgres.Worker, cfg.MaxConns}, {&db.probe, postgres.Worker, 1}} {
		from := find(p.role)
		err := w.do(ctx, "connect to the database", func(ctx context.Context) (err error) {
			*p.pool, err = postgres.Open(ctx, postgres.Config{
				URL: from.URL, Setting: from.Setting, Role: p.role, MaxConns: p.max, AppName: "carewire", Tracer: tracer.PGX(),
			})
			return err
		})
		if err != nil {
			return nil, err
		}
		pool := *p.pool
		g.onStop(pools, "pool "+string(p.role), func(ctx context.Context) error { return closePool(ctx, pool) })
		if p.pool == &db.probe {
			continue
		}
		err = w.do(ctx, "check the database logins", func(ctx context.Context) error { return db.checkLogin(ctx, p.role, from, pool, logger) })
		if err != nil {
			return nil, err
		}
	}
	return db, nil
}

func startEmbedded(ctx context.Context, cfg config.Config, g *lifecycle, logger *slog.Logger) (*embedded.Server, error) {
	server, err := embedded.Start(ctx, embedded.Config{DataDir: cfg.DataDir, Logger: logger})
	if err != nil {
		return nil, fmt.Errorf("start the embedded database, since DATABASE_URL is not set: %w", err)
	}
	if !cfg.Demo {
		logger.WarnContext(ctx, "DATABASE_URL is not set: the embedded database is for trials; it has no backups, and any user with access to its directory is its superuser", "dir", server.Dir())
	}
	g.onStop(base, "database", server.Stop)
	go func() {
		if err, ok := <-server.Wait(); ok {
			g.fail(fmt.Errorf("the embedded database exited: %w", err))
		}
	}()
	return server, nil
}

// checkLogin checks the privileges of the pool's login beyond its role. SQL injected into a request
// would have them too, so that row-level security would not protect anything. A login set for the
// role alone returns an error; that of DATABASE_URL, which has to migrate, is reported in the log
// and in /readyz.
func (db *database) checkLogin(ctx context.Context, role postgres.Role, from config.Database, pool *pgxpool.Pool, logger *slog.Logger) error {
	excess, err := postgres.LoginExcess(ctx, pool, role)
	if err != nil || len(excess) == 0 {
		return err
	}
	can := strings.Join(excess, "; ")
	setting := map[postgres.Role]string{postgres.App: appSetting, postgres.Worker: workerSetting}[role]
	if from.Setting == setting {
		return fmt.Errorf("%s: the login has more privileges than %s needs: %s; create it with `CREATE ROLE … LOGIN NOINHERIT` and `GRANT %s TO …` only (docs/operating.md, \"The database\")", setting, role, can, role)
	}
	logger.WarnContext(ctx, `row-level security does not protect against injected SQL that changes its role: set a login with that role alone (docs/operating.md, "The database")`,
		"setting", setting, "role", string(role), "login", can)
	db.notes = append(db.notes, fmt.Sprintf("%s is not set: the login in use has more privileges than %s", setting, role))
	return nil
}

// closePool closes the pool. It returns an error if a connection is still in use when ctx is done.
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
