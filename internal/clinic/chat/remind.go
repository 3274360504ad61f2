package chat

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"carewire/internal/care"
	"carewire/internal/event"
	"carewire/internal/outbox"
	"carewire/internal/postgres"
	"carewire/internal/postgres/db"
)

const (
	// remindAfter is how long a message may be unread before the person is reminded.
	remindAfter = 2 * time.Minute
	// sweepBatch is the number of people in one transaction.
	sweepBatch = 200
)

// SweepUnread appends chat.message_unread for each person with a message that is unread for two
// minutes, and returns their number. A person is reminded once until they have read something. It
// is safe to run concurrently.
func (s *Service) SweepUnread(ctx context.Context) (int, error) {
	cmd := care.Command{Actor: care.SystemActor("chat")}
	cutoff := s.now().Add(-remindAfter)
	return s.sweep(ctx, cmd, func(q *db.Queries, limit, skip int32) (b batch, err error) {
		rows, err := q.ParticipantRemind(ctx, db.ParticipantRemindParams{Cutoff: cutoff, RowLimit: limit, RowSkip: skip})
		if err != nil {
			return b, fmt.Errorf("take who has not read: %w", err)
		}
		b.taken = len(rows)
		for _, row := range rows {
			if row.MessageID == uuid.Nil {
				continue // It was withdrawn concurrently.
			}
			b.events = append(b.events, event.New(cmd, "chat.message_unread", ref(row.ConversationID), event.ChatUnread{
				MessageID: row.MessageID, ConversationID: row.ConversationID, UserID: row.UserID, ClinicID: row.ClinicID, Number: row.Number,
			}).About(cmd, row.UserID, &row.ClinicID))
		}
		return b, nil
	})
}

// batch is a batch of waiting rows.
type batch struct {
	taken   int
	events  []event.Event
	cutOffs []outbox.PersonalCutOff
}

// batchFunc processes a batch of the waiting rows for postgres.Batches.
type batchFunc func(q *db.Queries, limit, skip int32) (batch, error)

// sweep appends the events of all waiting rows, a transaction per batch, and returns their number.
// A batch that fails does not stop the others.
func (s *Service) sweep(ctx context.Context, cmd care.Command, next batchFunc) (int, error) {
	total := 0
	_, err := postgres.Batches(sweepBatch, func(limit, skip int32) (int, error) {
		var b batch
		err := s.writer.InTx(ctx, cmd, func(tx pgx.Tx) (err error) {
			if b, err = next(db.New(tx), limit, skip); err != nil {
				return err
			}
			if err := outbox.Append(ctx, tx, b.events...); err != nil {
				return err
			}
			return outbox.CutOff(ctx, tx, cmd, b.cutOffs...)
		})
		if err == nil {
			total += len(b.events)
		}
		return b.taken, err
	})
	return total, err
}
