package ledger

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"math"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"carewire/internal/postgres"
	"carewire/internal/postgres/db"
)

const (
	// verifyPage is the number of events that Verify reads at once; a page takes about 0.2 s.
	verifyPage = 5000
	// maxProblems bounds the problems that Verify returns.
	maxProblems = 1000
)

// LastEvent is the last event of the ledger.
type LastEvent struct {
	Position int64     `json:"position"`
	Epoch    int32     `json:"epoch"`
	EventID  uuid.UUID `json:"eventId"`
	Type     string    `json:"type"`
	// LeafHash is the SHA-256 of the event's columns, in hexadecimal.
	LeafHash string `json:"leafHash"`
}

// GetLastEvent returns the last event of the ledger; the zero LastEvent if the ledger is empty.
func GetLastEvent(ctx context.Context, q db.DBTX) (LastEvent, error) {
	row, err := db.New(q).LedgerTop(ctx)
	if errors.Is(err, pgx.ErrNoRows) {
		return LastEvent{}, nil
	}
	if err != nil {
		return LastEvent{}, fmt.Errorf("read the head of the ledger: %w", postgres.Translate(err))
	}
	return LastEvent{Position: row.Position, Epoch: row.Epoch, EventID: row.EventID, Type: row.Type, LeafHash: hex.EncodeToString(row.LeafHash)}, nil
}

// Problem is a defect of the ledger.
type Problem struct {
	Position int64  `json:"position"`
	Epoch    int32  `json:"epoch"`
	Problem  string `json:"problem"`
}

// The problems that Verify finds.
const (
	ProblemHash      = "the leaf hash does not match the columns"
	ProblemGap       = "positions are missing before this one"
	ProblemDuplicate = "duplicate event id"
)

// Verification is the result of Verify.
type Verification struct {
	// Events is the number of events that were checked, up to the position Until.
	Events   int64     `json:"events"`
	Until    int64     `json:"until"`
	Problems []Problem `json:"problems"`
}

// Verify checks the events from one position to another, or to the last one for 0: whether
// positions are contiguous within each epoch, each leaf hash matches the columns, and no event id
// occurs twice. It ends early after 1000 problems. sql/audit/integrity.sql is the same check for
// auditors.
func Verify(ctx context.Context, q db.DBTX, from, until int64) (Verification, error) {
	v := Verification{Problems: []Problem{}}
	if until == 0 {
		until = math.MaxInt64
	}
	queries, before, epoch := db.New(q), int64(0), int32(0)
	for after := max(from, 1) - 1; len(v.Problems) < maxProblems; after = v.Until {
		rows, err := queries.LedgerLeaves(ctx, db.LedgerLeavesParams{After: after, Until: until, MaxRows: verifyPage})
		if err != nil {
			return v, fmt.Errorf("verify the ledger: %w", postgres.Translate(err))
		}
		for _, row := range rows {
			want := before + 1
			if row.Epoch != epoch {
				want = max(row.FirstPosition, from)
			}
			v.check(row, want)
			before, epoch = row.Position, row.Epoch
			v.Events, v.Until = v.Events+1, row.Position
		}
		if len(rows) < verifyPage {
			break
		}
	}
	return v, nil
}

// check adds the problems of an event that is expected at a position.
func (v *Verification) check(row db.LedgerLeavesRow, want int64) {
	for _, p := range []struct {
		found   bool
		problem string
	}{{!row.Intact, ProblemHash}, {row.Position != want, ProblemGap}, {row.Duplicate, ProblemDuplicate}} {
		if p.found {
			v.Problems = append(v.Problems, Problem{row.Position, row.Epoch, p.problem})
		}
	}
}
