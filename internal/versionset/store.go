package versionset

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"carewire/internal/care"
	"carewire/internal/event"
	"carewire/internal/outbox"
	"carewire/internal/postgres"
	"carewire/internal/postgres/db"
)

// MaxNote is the maximum length of a note, in characters.
const MaxNote = 500

// Version is a published version of a set.
type Version struct {
	Version int32
	Note    string
	// PublishedBy is the id of the actor.
	PublishedBy string
	PublishedAt time.Time
	// Position is the position of the event after which the version is in force; 0 until the planner
	// has passed it.
	Position int64
	// Source is the YAML; List leaves it out.
	Source string
}

// Publish stores a source as the next version and announces it, in one transaction. It is in force
// from the event after that one on. If the source equals the newest version's, Publish changes
// nothing and returns that version. check runs in the transaction, while no other set of any kind
// can be published; its error is returned as it is.
func (k *Kind) Publish(ctx context.Context, writer *outbox.Writer, cmd care.Command, src []byte, note string, check func(tx pgx.Tx) error) (int32, error) {
	var p care.FieldErrors
	if p.Text("note", note, 0, MaxNote); len(p) > 0 {
		return 0, p.Err()
	}
	checksum := sha256.Sum256(src)
	var version int32
	err := writer.InTx(ctx, cmd, func(tx pgx.Tx) error {
		queries := db.New(tx)
		if err := queries.RuleSetLock(ctx); err != nil {
			return fmt.Errorf("lock %ss: %w", k.Name, err)
		}
		newest, err := k.tables.newest(ctx, queries)
		if err != nil && !errors.Is(err, pgx.ErrNoRows) {
			return fmt.Errorf("read newest %s: %w", k.Name, err)
		}
		if version = newest.Version; bytes.Equal(newest.Checksum, checksum[:]) {
			return nil
		}
		if err := check(tx); err != nil {
			return err
		}
		version++
		err = k.tables.insert(ctx, queries, db.RuleSetInsertParams{
			Version: version, Source: string(src), Checksum: checksum[:], Note: note, PublishedBy: cmd.Actor.ID,
		})
		if err != nil {
			return fmt.Errorf("insert %s: %w", k.Name, err)
		}
		return outbox.Append(ctx, tx, k.publication(cmd, version))
	})
	if err != nil {
		return 0, err
	}
	return version, nil
}

func (k *Kind) publication(cmd care.Command, version int32) event.Event {
	e := event.New(cmd, k.Event, care.Ref{}, k.payload(version))
	e.Subject = k.Subject
	if cmd.Actor.UserID != uuid.Nil {
		e.ActorRole = cmp.Or(string(cmd.Actor.PlatformRole()), "none")
	}
	return e.AtVersion(int64(version))
}

// Newest returns the newest version, with its source: the one in force once the planner has reached
// it. The error before the first publication is care.NotFound.
func (k *Kind) Newest(ctx context.Context, conn db.DBTX) (Version, error) {
	row, err := k.tables.newest(ctx, db.New(conn))
	if errors.Is(err, pgx.ErrNoRows) {
		return Version{}, care.Errorf(care.NotFound, "no %s was published yet", k.Name)
	}
	if err != nil {
		return Version{}, fmt.Errorf("read newest %s: %w", k.Name, postgres.Translate(err))
	}
	return k.Get(ctx, conn, row.Version)
}

// Get returns one version, with its source. The error for a version that was not published is
// care.NotFound.
func (k *Kind) Get(ctx context.Context, conn db.DBTX, version int32) (Version, error) {
	row, err := k.tables.get(ctx, db.New(conn), version)
	if errors.Is(err, pgx.ErrNoRows) {
		return Version{}, care.Errorf(care.NotFound, "there is no %s version %d", k.Name, version)
	}
	if err != nil {
		return Version{}, fmt.Errorf("read %s: %w", k.Name, postgres.Translate(err))
	}
	return Version{
		Version: row.Version, Note: row.Note, PublishedBy: row.PublishedBy, PublishedAt: row.PublishedAt.UTC(), Position: row.Position, Source: row.Source,
	}, nil
}

// Find returns a version, or the newest for 0, as Get and Newest do.
func (k *Kind) Find(ctx context.Context, conn db.DBTX, version int32) (Version, error) {
	if version == 0 {
		return k.Newest(ctx, conn)
	}
	return k.Get(ctx, conn, version)
}

// List returns the published versions below one (0: all), newest first, at most limit of them.
func (k *Kind) List(ctx context.Context, conn db.DBTX, before, limit int32) ([]Version, error) {
	if before == 0 {
		before = math.MaxInt32
	}
	rows, err := k.tables.list(ctx, db.New(conn), db.RuleSetListParams{BeforeVersion: before, MaxRows: limit})
	if err != nil {
		return nil, postgres.Translate(fmt.Errorf("list %ss: %w", k.Name, err))
	}
	all := make([]Version, len(rows))
	for i, row := range rows {
		all[i] = Version{Version: row.Version, Note: row.Note, PublishedBy: row.PublishedBy, PublishedAt: row.PublishedAt.UTC(), Position: row.Position}
	}
	return all, nil
}

// Rollback returns an earlier version and the note for publishing it again: the default has the
// version. The error for a version that was not published is care.NotFound.
func (k *Kind) Rollback(ctx context.Context, conn db.DBTX, version int32, note string) (Version, string, error) {
	old, err := k.Get(ctx, conn, version)
	return old, cmp.Or(note, fmt.Sprintf("back to version %d", version)), err
}

// Pair returns two versions to compare; 0 is the newest.
func (k *Kind) Pair(ctx context.Context, conn db.DBTX, from, to int32) (a, b Version, err error) {
	if a, err = k.Find(ctx, conn, from); err != nil {
		return a, b, err
	}
	b, err = k.Find(ctx, conn, to)
	return a, b, err
}

// PairWithPrevious returns a version, or the newest for 0, and the one before. Before the first
// version is version 0, with the source none.
func (k *Kind) PairWithPrevious(ctx context.Context, conn db.DBTX, version int32, none string) (from, to Version, err error) {
	if to, err = k.Find(ctx, conn, version); err != nil || to.Version == 1 {
		return Version{Source: none}, to, err
	}
	from, err = k.Get(ctx, conn, to.Version-1)
	return from, to, err
}

// Sources returns the sources of versions. It returns an error if one is not stored.
func (k *Kind) Sources(ctx context.Context, q *db.Queries, versions []int32) (map[int32]string, error) {
	rows, err := k.tables.sources(ctx, q, versions)
	if err != nil {
		return nil, fmt.Errorf("read %ss: %w", k.Name, err)
	}
	if len(rows) < len(versions) {
		return nil, fmt.Errorf("one of the %s versions %v is not stored", k.Name, versions)
	}
	sources := make(map[int32]string, len(rows))
	for _, row := range rows {
		sources[row.Version] = row.Source
	}
	return sources, nil
}
