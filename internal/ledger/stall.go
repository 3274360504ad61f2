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

// UnreadableError says that the ledger holds an event that cannot be read whole.
type UnreadableError struct {
	Position int64
	// What is the event's Unreadable: the column and the Go type.
	What string
}

// Error returns the position, the column and the Go type.
func (e *UnreadableError) Error() string {
	return fmt.Sprintf("the event at position %d cannot be read: %s", e.Position, e.What)
}

// SafeText returns the column and the Go type.
func (e *UnreadableError) SafeText() string { return "cannot read " + e.What }

// HoleError says that positions are missing from the ledger: a partition was detached, or rows were removed. A follower does
// not go past it, lest events are never handled.
type HoleError struct {
	// After is the last position before the hole, Found the first one behind it.
	After, Found int64
}

// Error returns where the hole is.
func (e *HoleError) Error() string {
	return fmt.Sprintf("the ledger has no events between position %d and position %d", e.After, e.Found)
}

// SafeText is Error: it holds positions only.
func (e *HoleError) SafeText() string { return e.Error() }

// contiguous checks that the events follow the position without a hole. Only where a new epoch begins may positions be
// missing: what stood there was lost with the history before it.
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

// Stalled returns an error that says why, once the follower has not advanced for StallAfter although there is something to
// do: its steps fail, its handler does not return, or the next event is of a type that this binary does not know. It is nil
// while another instance is at work or advances, and while the next event is held. It may be called from any goroutine.
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
		return errors.New("its row cannot be read: " + postgres.SafeError(err))
	}
	for _, row := range followers {
		stalled := time.Duration(row.StalledSeconds * float64(time.Second))
		if row.Name == f.cfg.Name && stalled >= f.cfg.StallAfter {
			return fmt.Errorf("has not advanced behind position %d for %s: %s", row.Position, stalled.Round(time.Second), *why)
		}
	}
	return nil
}
