package app

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"carewire/internal/care"
	"carewire/internal/postgres"
	"carewire/internal/postgres/db"
)

// demoMark is the name of the setting that marks a database seeded by demo mode.
const demoMark = "demo"

// Settings are read and written with the worker's pool. They include keys, which carewire_app, the
// role of requests, may not read.

// setting returns the value that all instances on this database share: the value of the first
// instance that set it, or the given value if there is none yet.
func setting(ctx context.Context, pool *pgxpool.Pool, name string, value []byte) ([]byte, error) {
	q := db.New(pool)
	stored, err := q.ServiceSettingEnsure(ctx, db.ServiceSettingEnsureParams{Name: name, Value: value})
	if errors.Is(err, pgx.ErrNoRows) {
		// Another instance set it while the statement ran, after its snapshot.
		stored, err = q.ServiceSettingGet(ctx, name)
	}
	if err != nil {
		return nil, fmt.Errorf("read the setting %s: %w", name, err)
	}
	return stored, nil
}

// sharedSecret returns 32 random bytes that are stored under the name.
func sharedSecret(ctx context.Context, pool *pgxpool.Pool, name string) ([]byte, error) {
	secret := make([]byte, 32)
	_, _ = rand.Read(secret) // It never fails (crypto/rand).
	return setting(ctx, pool, name, secret)
}

// claimDemo marks an empty database as the demo's. It returns an error for a database with people
// that no demo seeded, because in demo mode anyone can sign in as anyone. People are counted with
// the app's pool.
func claimDemo(ctx context.Context, app, worker *pgxpool.Pool) error {
	q := db.New(worker)
	// Look for people first: another instance that is seeding them set its mark before, so the mark is
	// visible afterwards.
	var anybody bool
	err := postgres.InTxAs(ctx, app, care.SystemActor("setup"), func(tx pgx.Tx) (err error) {
		anybody, err = db.New(tx).AnybodyRegistered(ctx)
		return err
	})
	if err != nil {
		return fmt.Errorf("find people: %w", err)
	}
	_, err = q.ServiceSettingGet(ctx, demoMark)
	if err == nil || !errors.Is(err, pgx.ErrNoRows) {
		return err
	}
	if anybody {
		return errors.New("--demo: this database has people who were not seeded by the demo, and demo mode lets anyone sign in as any of them; start without --demo, or with an empty database")
	}
	_, err = setting(ctx, worker, demoMark, []byte("seeded"))
	return err
}
