package ledger

import (
	"context"
	"errors"
	"fmt"
	"time"

	"carewire/internal/event"
	"carewire/internal/postgres"
	"carewire/internal/postgres/db"
)

// UnreadableError reports an event in the ledger that cannot be read completely.
type UnreadableError struct {
	Position int64
	// Column is the event's Unreadable: the column and the Go type.
	Column string
}

// Error implements error.
func (e *UnreadableError) Error() string {
	return fmt.Sprintf("cannot read the event at position %d: %s", e.Position, e.Column)
}

// SafeText implements postgres.SafeTexter.
func (e *UnreadableError) SafeText() string { return "cannot read " + e.Column }

// HoleError reports that positions are missing from the ledger: a partition was detached, or rows
// were removed. A follower does not continue after the hole, because it would skip the missing
// events for ever.
type HoleError struct {
	// After is the last position before the hole, Found the first one after it.
	After, Found int64
}

// Error implements error.
func (e *HoleError) Error() string {
	return fmt.Sprintf("the ledger has no events between position %d and position %d", e.After, e.Found)
}

// SafeText implements postgres.SafeTexter. The error has only positions.
func (e *HoleError) SafeText() string { return e.Error() }

// contiguous checks that the events follow the position without a hole. Positions may be missing
// only where a new epoch begins: their events were lost with the earlier history.
func contiguous(ctx context.Context, q db.DBTX, position int64, events []event.Event) error {
	for i := range events {
		if found := events[i].Position; found != position+1 {
			begins, err := db.New(q).EpochBeginsAt(ctx, db.EpochBeginsAtParams{Position: found, Epoch: events[i].Epoch})
			if err != nil {
				return fmt.Errorf("look for the epoch's beginning: %w", postgres.Translate(err))
			}
			if !begins {
				return &HoleError{After: position, Found: found}
			}
		}
		position = events[i].Position
	}
	return nil
}

// Stalled returns an error with the cause if the follower has not advanced for StallAfter although
// there are events to handle: its steps fail, its handler does not return, or this binary does not
// know the next event's type. It returns nil while another instance works or advances, and while
// the next event is blocked. It may be called from any goroutine.
func (f *Follower) Stalled(ctx context.Context) error {
	why := f.obstacle.Load()
	if since := f.working.Load(); since > 0 && time.Since(time.Unix(0, since)) > f.cfg.StallAfter {
		why = new("its handler does not return")
	}
	if why == nil {
		return nil
	}
	followers, err := db.New(f.cfg.Pool).FollowerList(ctx)
	if err != nil {
		return errors.New("cannot read its row: " + postgres.SafeError(err))
	}
	for _, row := range followers {
		stalled := time.Duration(row.StalledSeconds * float64(time.Second))
		if row.Name == f.cfg.Name && stalled >= f.cfg.StallAfter {
			return fmt.Errorf("has not advanced after position %d for %s: %s", row.Position, stalled.Round(time.Second), *why)
		}
	}
	return nil
}
