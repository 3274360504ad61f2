package postgres

import (
	"context"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivermigrate"

	"carewire/migrations"
)

const (
	// riverSchema is the schema of River's tables; migration 00006 creates it.
	riverSchema = "river"
	// migrateLockPoll is the interval at which an instance checks whether another one has finished
	// migrating.
	migrateLockPoll = 50 * time.Millisecond
	// lockPatience is how long a migration that does not get its lock is retried. The waits double
	// from leastLockWait to mostLockWait, so that the transactions behind it get their turn.
	lockPatience   = 5 * time.Minute
	leastLockWait  = 200 * time.Millisecond
	mostLockWait   = 15 * time.Second
	undefinedTable = "42P01"
)

var (
	//go:embed sql/applied.sql
	appliedSQL string
	//go:embed sql/river_visible.sql
	riverVisibleSQL string
	//go:embed sql/river_indexes.sql
	riverIndexesSQL string
	//go:embed sql/river_notify.sql
	riverNotifySQL string
	//go:embed sql/migrate_trylock.sql
	migrateTrylockSQL string
)

// Migrate brings the database of url to this binary's schema: the roles as the connecting user,
// then the numbered migrations and River's as carewire_owner. Several instances may call it at
// once; one migrates, the others wait. The connecting user must be a superuser, or have CREATEROLE
// and own the database, or be a member of the roles already.
//
// Before it changes anything, Migrate returns an error for a server that is too old or read-only, a
// database with another program's tables, and one with migrations that are not carewire's. It
// leaves a database that a later release migrated unchanged, and logs a warning.
func Migrate(ctx context.Context, url string, logger *slog.Logger) error {
	return migrate(ctx, url, migrations.Files, logger)
}

func migrate(ctx context.Context, url string, files fs.FS, logger *slog.Logger) error {
	conn, err := ConnectListener(ctx, Config{URL: url, AppName: "carewire migrate", StatementTimeout: -1})
	if err != nil {
		return err
	}
	// The lock is released with its session.
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	if err := checkServer(ctx, conn); err != nil {
		return err
	}
	if err := lockMigrations(ctx, conn, logger); err != nil {
		return fmt.Errorf("wait for another instance's migrations: %w", err)
	}
	if err := checkStrangers(ctx, conn); err != nil {
		return err
	}
	if _, err := conn.Exec(ctx, migrations.Bootstrap); err != nil {
		return fmt.Errorf("create the service's roles (the user of DATABASE_URL needs CREATEROLE and must own the database, or must be a member of the roles): %w", err)
	}
	pool, err := Open(ctx, Config{URL: url, Role: Owner, MaxConns: 4, AppName: "carewire migrate", StatementTimeout: -1})
	if err != nil {
		return err
	}
	defer pool.Close()
	if err := migrateSchema(ctx, pool, files, logger); err != nil {
		return err
	}
	if err := buildPartitionIndexes(ctx, pool, logger); err != nil {
		return err
	}
	return migrateRiver(ctx, pool, logger)
}

// lockMigrations also covers the roles and River, which goose's own lock does not.
func lockMigrations(ctx context.Context, conn *pgx.Conn, logger *slog.Logger) error {
	tick := time.NewTicker(migrateLockPoll)
	defer tick.Stop()
	for waited := false; ; waited = true {
		var locked bool
		if err := conn.QueryRow(ctx, migrateTrylockSQL).Scan(&locked); err != nil || locked {
			return err
		}
		if !waited {
			logger.InfoContext(ctx, "another instance is migrating; waiting for it")
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}

// migrateSchema runs the numbered migrations. A migration that does not get its lock within its
// lock_timeout lets the transactions behind it pass and is retried, because the holder will release
// the lock.
func migrateSchema(ctx context.Context, pool *pgxpool.Pool, files fs.FS, logger *slog.Logger) error {
	known, err := versions(files)
	if err != nil {
		return err
	}
	applied, err := appliedVersions(ctx, pool)
	if err != nil {
		return err
	}
	newer, err := checkVersions(applied, known)
	if err != nil {
		return err
	}
	if len(newer) > 0 {
		logger.WarnContext(ctx, "the schema is newer than this binary: a later release migrated it; roll back at most one release", "newest_known", slices.Max(known), "schema", slices.Max(newer))
	}
	patience, cancel := context.WithTimeout(ctx, lockPatience)
	defer cancel()
	for wait := leastLockWait; ; wait = min(2*wait, mostLockWait) {
		err := up(ctx, pool, files, logger)
		if !lockMissed(err) {
			return err
		}
		logger.WarnContext(ctx, "a migration is waiting for another transaction's lock; see pg_stat_activity", "error", SafeError(err), "again_in", wait.String())
		select {
		case <-time.After(wait):
		case <-patience.Done():
			return errors.Join(ctx.Err(), Explain(err))
		}
	}
}

// lockMissed reports whether a migration rolled back because of another transaction's lock.
func lockMissed(err error) bool {
	pgErr, ok := errors.AsType[*pgconn.PgError](err)
	return ok && (pgErr.Code == lockNotAvailable || pgErr.Code == deadlockDetected)
}

// up runs the migrations that did not run yet.
func up(ctx context.Context, pool *pgxpool.Pool, files fs.FS, logger *slog.Logger) (err error) {
	locker, err := lock.NewPostgresSessionLocker(lock.WithLockTimeout(1, 300))
	if err != nil {
		return fmt.Errorf("create the migrations' lock: %w", err)
	}
	db := stdlib.OpenDBFromPool(pool)
	defer func() { err = errors.Join(err, db.Close()) }()
	provider, err := goose.NewProvider(goose.DialectPostgres, db, files, goose.WithSessionLocker(locker), goose.WithDisableGlobalRegistry(true))
	if err != nil {
		return fmt.Errorf("read the migrations: %w", err)
	}
	results, err := provider.Up(ctx)
	if partial, ok := errors.AsType[*goose.PartialError](err); ok {
		results = partial.Applied
	}
	for _, r := range results {
		logger.InfoContext(ctx, "migrated", "version", r.Source.Version, "duration_ms", r.Duration.Milliseconds())
	}
	return err
}

// appliedVersions returns the numbers of the applied migrations, ascending; none in an empty
// database.
func appliedVersions(ctx context.Context, pool *pgxpool.Pool) ([]int64, error) {
	rows, _ := pool.Query(ctx, appliedSQL) // CollectRows returns its error too.
	applied, err := pgx.CollectRows(rows, pgx.RowTo[int64])
	// The privilege on the table of versions is granted by a migration, too.
	if pgErr, ok := errors.AsType[*pgconn.PgError](err); ok && (pgErr.Code == undefinedTable || pgErr.Code == insufficientPrivilege) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the schema's version: %w", err)
	}
	return applied, nil
}

func migrateRiver(ctx context.Context, pool *pgxpool.Pool, logger *slog.Logger) error {
	migrator, err := riverMigrator(pool)
	if err != nil {
		return err
	}
	result, err := migrator.Migrate(ctx, rivermigrate.DirectionUp, nil)
	if err != nil {
		return fmt.Errorf("migrate River's tables: %w", err)
	}
	for _, v := range result.Versions {
		logger.InfoContext(ctx, "migrated the job queue", "version", v.Version, "duration_ms", v.Duration.Milliseconds())
	}
	if _, err := pool.Exec(ctx, riverIndexesSQL); err != nil {
		return fmt.Errorf("index River's tables: %w", err)
	}
	if _, err := pool.Exec(ctx, riverNotifySQL); err != nil {
		return fmt.Errorf("create the trigger of River's table: %w", err)
	}
	return nil
}

func riverMigrator(pool *pgxpool.Pool) (*rivermigrate.Migrator[pgx.Tx], error) {
	migrator, err := rivermigrate.New(riverpgxv5.New(pool), &rivermigrate.Config{Schema: riverSchema, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		return nil, fmt.Errorf("read River's migrations: %w", err)
	}
	return migrator, nil
}

// Pending reports whether the database lacks a migration of this binary, with any number. A
// database that is ahead of the binary has nothing pending. With a pool of carewire_app, which may
// not read River's schema, it covers the numbered migrations only; River's run right after them.
func Pending(ctx context.Context, pool *pgxpool.Pool) (bool, error) {
	return pending(ctx, pool, migrations.Files)
}

func pending(ctx context.Context, pool *pgxpool.Pool, files fs.FS) (bool, error) {
	applied, err := appliedVersions(ctx, pool)
	if err != nil {
		return false, Translate(err)
	}
	known, err := versions(files)
	if err != nil {
		return false, err
	}
	for _, v := range known {
		if !slices.Contains(applied, v) {
			return true, nil
		}
	}
	var visible bool
	if err := pool.QueryRow(ctx, riverVisibleSQL).Scan(&visible); err != nil {
		return false, fmt.Errorf("find River's tables: %w", Translate(err))
	}
	if !visible {
		return false, nil
	}
	migrator, err := riverMigrator(pool)
	if err != nil {
		return false, err
	}
	result, err := migrator.Validate(ctx, nil)
	if err != nil {
		return false, fmt.Errorf("read River's version: %w", Translate(err))
	}
	return !result.OK, nil
}

// SchemaSum returns a short hash of everything that makes the schema: the roles, our migrations,
// River's and our index there. Binaries with the same hash need the same schema.
func SchemaSum() (string, error) {
	sum := sha256.New()
	_, _ = sum.Write([]byte(migrations.Bootstrap))
	entries, err := migrations.Files.ReadDir(".")
	if err != nil {
		return "", fmt.Errorf("read the migrations: %w", err)
	}
	for _, e := range entries {
		text, err := migrations.Files.ReadFile(e.Name())
		if err != nil {
			return "", fmt.Errorf("read the migrations: %w", err)
		}
		_, _ = fmt.Fprintf(sum, "%s %d\n%s", e.Name(), len(text), text)
	}
	river, err := riverMigrator(nil)
	if err != nil {
		return "", err
	}
	for _, m := range river.AllVersions() {
		_, _ = fmt.Fprintf(sum, "river %d\n%s", m.Version, m.SQLUp)
	}
	_, _ = sum.Write([]byte(riverIndexesSQL))
	_, _ = sum.Write([]byte(riverNotifySQL))
	_, _ = sum.Write([]byte(missingIndexesSQL))
	return hex.EncodeToString(sum.Sum(nil)[:8]), nil
}
