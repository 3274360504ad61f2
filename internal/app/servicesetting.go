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

// demoMark says that demo mode filled this database.
const demoMark = "demo"

// Settings are read and made over the worker's pool: keys are among them, and carewire_app, as which requests run, may not
// read them.

// setting is the value under name that every instance on this database has in common: the one given, or that of
// whoever was first.
func setting(ctx context.Context, pool *pgxpool.Pool, name string, value []byte) ([]byte, error) {
	q := db.New(pool)
	stored, err := q.ServiceSettingEnsure(ctx, db.ServiceSettingEnsureParams{Name: name, Value: value})
	if errors.Is(err, pgx.ErrNoRows) {
		// Somebody set it while the statement ran, so that its snapshot does not show it.
		stored, err = q.ServiceSettingGet(ctx, name)
	}
	if err != nil {
		return nil, fmt.Errorf("read the setting %s: %w", name, err)
	}
	return stored, nil
}

// sharedSecret is 32 random bytes under the name.
func sharedSecret(ctx context.Context, pool *pgxpool.Pool, name string) ([]byte, error) {
	secret := make([]byte, 32)
	_, _ = rand.Read(secret) // It never fails (crypto/rand).
	return setting(ctx, pool, name, secret)
}

// claimDemo marks an empty database as the demo's, and refuses one that holds people whom no demo seeded: demo mode
// lets anybody be anybody. People are seen over the app's pool.
func claimDemo(ctx context.Context, app, worker *pgxpool.Pool) error {
	q := db.New(worker)
	// People first: those that another instance is seeding right now came after its mark, which is then there to be read.
	var anybody bool
	err := postgres.InTxAs(ctx, app, care.SystemActor("setup"), func(tx pgx.Tx) (err error) {
		anybody, err = db.New(tx).AnybodyRegistered(ctx)
		return err
	})
	if err != nil {
		return fmt.Errorf("look for people: %w", err)
	}
	_, err = q.ServiceSettingGet(ctx, demoMark)
	if err == nil || !errors.Is(err, pgx.ErrNoRows) {
		return err
	}
	if anybody {
		return errors.New("--demo: this database holds people whom no demo seeded, and demo mode lets anybody sign in as anybody; start without --demo, or with an empty database")
	}
	_, err = setting(ctx, worker, demoMark, []byte("seeded"))
	return err
}
