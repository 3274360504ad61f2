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

// database is the PostgreSQL the service works on: its own embedded server, or the one that the settings name.
type database struct {
	// work is where connections of the worker role go, for listeners.
	work config.Database
	// migrated says that this instance has brought the schema up to date: it knows the owner's URL.
	migrated bool
	// notes say what is weaker than it could be, for /readyz.
	notes []string
	// psql is a command line that opens the database as the auditor; empty where it is not ours to say.
	psql   string
	app    *pgxpool.Pool
	worker *pgxpool.Pool
	// probe is the one connection of /readyz, so that it waits for nobody and nobody for it.
	probe *pgxpool.Pool
}

// The settings that name a database.
const (
	appSetting    = "CAREWIRE_APP_DATABASE_URL"
	workerSetting = "CAREWIRE_WORKER_DATABASE_URL"
)

// openDatabase starts the embedded server unless the settings name one, migrates where it knows the owner's URL, and opens
// a pool for each of the service's roles, over the role's own login where there is one. It waits for a database that is away.
// What it started is stopped with the group.
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
		err = w.do(ctx, "look at the database's logins", func(ctx context.Context) error { return db.checkLogin(ctx, p.role, from, pool, logger) })
		if err != nil {
			return nil, err
		}
	}
	return db, nil
}

func startEmbedded(ctx context.Context, cfg config.Config, g *lifecycle, logger *slog.Logger) (*embedded.Server, error) {
	server, err := embedded.Start(ctx, embedded.Config{DataDir: cfg.DataDir, Logger: logger})
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
	return server, nil
}

// checkLogin looks at what the pool's login can do beyond its role. SQL that is injected into a request could do that too,
// so that row-level security would stop nobody. A login that was named for the role alone is refused; of DATABASE_URL's,
// which has to migrate, the log and /readyz tell.
func (db *database) checkLogin(ctx context.Context, role postgres.Role, from config.Database, pool *pgxpool.Pool, logger *slog.Logger) error {
	excess, err := postgres.LoginExcess(ctx, pool, role)
	if err != nil || len(excess) == 0 {
		return err
	}
	can := strings.Join(excess, "; ")
	setting := map[postgres.Role]string{postgres.App: appSetting, postgres.Worker: workerSetting}[role]
	if from.Setting == setting {
		return fmt.Errorf("%s: its login can do more than %s needs: %s; give it a login made by `CREATE ROLE … LOGIN NOINHERIT` and `GRANT %s TO …` alone (docs/operating.md, \"The database\")", setting, role, can, role)
	}
	logger.WarnContext(ctx, `row-level security does not hold against SQL that leaves its role: name a login of that role alone (docs/operating.md, "The database")`,
		"setting", setting, "role", string(role), "login", can)
	db.notes = append(db.notes, fmt.Sprintf("%s is not set: the login in use can do more than %s", setting, role))
	return nil
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
