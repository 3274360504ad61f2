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

// DeadLetter is an outbox row that the ledger rejected. The complete row is in outbox_rejected.
type DeadLetter struct {
	ID      int64  `json:"id" doc:"The row's id in the outbox, which identifies the dead letter."`
	EventID string `json:"eventId" format:"uuid"`
	// Type and Subject are empty if the row has no valid ones.
	Type       string    `json:"type" doc:"Empty if the row has no valid one." example:"ehr.lab_report.created"`
	Subject    string    `json:"subject" doc:"Empty if the row has no valid one."`
	Error      string    `json:"error" doc:"Error classes and codes, never data." example:"SQLSTATE 54000"`
	RejectedAt time.Time `json:"rejectedAt" format:"date-time"`
}

// ListDeadLetters returns at most limit rejected rows with an id above after that were not redriven
// yet, oldest first. The connection must run as the worker role, the only one that may read
// rejected rows: they can contain any data.
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

// Requeue puts a rejected row back into the outbox, as its newest row, and returns the event's id.
// The sequencer then moves it, or rejects it again under another id. Its position is then after
// events of the same subject with a newer version, which is the only exception to their order.
// Requeue returns care.NotFound for a row that was not rejected, and care.Conflict for one that was
// redriven already or still violates a constraint of the outbox.
func Requeue(ctx context.Context, tx pgx.Tx, id int64) (eventID uuid.UUID, err error) {
	q := db.New(tx)
	row, err := q.RejectedTake(ctx, id)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return uuid.Nil, care.Errorf(care.NotFound, "unknown rejected outbox row %d", id)
	case err != nil:
		return uuid.Nil, fmt.Errorf("take the rejected row: %w", err)
	case row.RedrivenAt != nil:
		return uuid.Nil, care.Errorf(care.Conflict, "outbox row %d was already redriven; if it was rejected again, it has a new id", id)
	}
	eventID, err = q.RejectedRequeue(ctx, id)
	if rowsFault(err) {
		return uuid.Nil, care.Errorf(care.Conflict, "outbox row %d is still invalid (%s); fix its event in outbox_rejected and redrive it again", id, postgres.SafeError(err))
	}
	if err != nil {
		return uuid.Nil, fmt.Errorf("requeue the rejected row: %w", err)
	}
	return eventID, q.RejectedRedriven(ctx, id)
}
