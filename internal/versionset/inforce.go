package versionset

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"carewire/internal/event"
	"carewire/internal/postgres/db"
)

// Publications lists the versions that a batch of events announces, with the positions from which
// they are in force, in the order of the positions.
type Publications struct {
	kind      *Kind
	positions []int64
	versions  []int32
}

// Versions returns the announced versions.
func (p Publications) Versions() []int32 { return p.versions }

// InForce returns the version in force for each event of the batch, and the publications to record.
// It is 0 for an event before the first publication, and for one that is hidden from rules.
func (k *Kind) InForce(ctx context.Context, q *db.Queries, batch []event.Event) ([]int32, Publications, error) {
	versions := make([]int32, len(batch))
	published := Publications{kind: k}
	current := int32(-1) // Not loaded yet.
	for i, e := range batch {
		if e.Type == k.Event {
			version, err := k.announced(e)
			if err != nil {
				return nil, published, err
			}
			published.positions = append(published.positions, e.Position)
			published.versions = append(published.versions, version)
			current = version
			continue
		}
		if d, ok := event.Lookup(e.Type); !ok || !d.RuleVisible {
			continue
		}
		if current < 0 {
			var err error
			if current, err = k.before(ctx, q, e.Position); err != nil {
				return nil, published, err
			}
		}
		versions[i] = current
	}
	return versions, published, nil
}

// Record stores the publications among the planned events.
func (p Publications) Record(ctx context.Context, q *db.Queries, done []event.Event) error {
	n := 0
	for n < len(p.positions) && len(done) > 0 && p.positions[n] <= done[len(done)-1].Position {
		n++
	}
	if n == 0 {
		return nil
	}
	err := p.kind.tables.record(ctx, q, db.RulePublicationInsertParams{Positions: p.positions[:n], Versions: p.versions[:n]})
	if err != nil {
		return fmt.Errorf("record publication of a %s: %w", p.kind.Name, err)
	}
	return nil
}

// announced returns the version that an event announces.
func (k *Kind) announced(e event.Event) (int32, error) {
	data, err := e.Decode()
	if err != nil {
		return 0, err
	}
	version, ok := k.version(data)
	if !ok || version <= 0 {
		return 0, fmt.Errorf("event %s names no %s version", e.ID, k.Name)
	}
	return version, nil
}

// before returns the version in force at the position, 0 for none.
func (k *Kind) before(ctx context.Context, q *db.Queries, position int64) (int32, error) {
	version, err := k.tables.before(ctx, q, position)
	if errors.Is(err, pgx.ErrNoRows) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("read publication of a %s: %w", k.Name, err)
	}
	return version, nil
}
