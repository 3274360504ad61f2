package ledger

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"carewire/internal/care"
	"carewire/internal/postgres"
	"carewire/internal/postgres/db"
)

// DeadLetter is an outbox row that the ledger refused. It waits in outbox_rejected, whole.
type DeadLetter struct {
	ID      int64  `json:"id" doc:"The row's id in the outbox; names the rejection."`
	EventID string `json:"eventId" format:"uuid"`
	// Type and Subject are empty where the row holds there what is none.
	Type       string    `json:"type" doc:"Empty where the row holds there what is none." example:"ehr.lab_report.created"`
	Subject    string    `json:"subject" doc:"Empty where the row holds there what is none."`
	Error      string    `json:"error" doc:"Classes and codes, never data." example:"SQLSTATE 54000"`
	RejectedAt time.Time `json:"rejectedAt" format:"date-time"`
}

// ListDeadLetters lists at most limit rejected rows with an id above after that were not redriven yet, the oldest first. The
// connection is of the worker role: a rejected row can hold anything, and nobody else reads it.
func ListDeadLetters(ctx context.Context, q db.DBTX, after int64, limit int32) ([]DeadLetter, error) {
	rows, err := db.New(q).RejectedList(ctx, db.RejectedListParams{AfterID: after, MaxRows: limit})
	if err != nil {
		return nil, fmt.Errorf("list rejected outbox rows: %w", postgres.Translate(err))
	}
	all := make([]DeadLetter, len(rows))
	for i, r := range rows {
		all[i] = DeadLetter{ID: r.ID, EventID: r.EventID, Type: r.Type, Subject: r.Subject, Error: r.Error, RejectedAt: r.RejectedAt.UTC()}
	}
	return all, nil
}

// Requeue puts a rejected row back into the outbox, as its newest, and gives the event's id. The sequencer then moves it,
// or rejects it anew under another id. Its position is then behind events of the same subject with a newer version, which is
// the one exception from their order. It refuses with care.NotFound what was not rejected, and with care.Conflict what
// was redriven already and what the outbox's own constraints refuse.
func Requeue(ctx context.Context, tx pgx.Tx, id int64) (eventID uuid.UUID, err error) {
	q := db.New(tx)
	row, err := q.RejectedTake(ctx, id)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return uuid.Nil, care.Errorf(care.NotFound, "there is no rejected outbox row %d", id)
	case err != nil:
		return uuid.Nil, fmt.Errorf("take the rejected row: %w", err)
	case row.RedrivenAt != nil:
		return uuid.Nil, care.Errorf(care.Conflict, "outbox row %d was redriven already; if it was rejected again, it is under a new id", id)
	}
	eventID, err = q.RejectedRequeue(ctx, id)
	if rowsFault(err) {
		return uuid.Nil, care.Errorf(care.Conflict, "outbox row %d is still not acceptable (%s): mend its event in outbox_rejected, then redrive it again", id, postgres.SafeError(err))
	}
	if err != nil {
		return uuid.Nil, fmt.Errorf("put the rejected row back: %w", err)
	}
	return eventID, q.RejectedRedriven(ctx, id)
}
