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
	"carewire/internal/postgres/db"
)

const (
	// unreadFor is how long a message may be unread before the person is reminded.
	unreadFor = 2 * time.Minute
	// batch is how many people one transaction reminds.
	batch = 200
)

// Remind appends chat.message_unread for each person who has not read a message for two minutes, and gives how many they
// were. A person is reminded once until they have read something. It is safe to run twice at once.
func (s *Service) Remind(ctx context.Context) (int, error) {
	cmd := care.Command{Actor: care.SystemActor("chat")}
	cutoff := s.now().Add(-unreadFor)
	return s.batches(ctx, cmd, func(q *db.Queries) ([]event.Event, error) {
		rows, err := q.ParticipantRemind(ctx, db.ParticipantRemindParams{Cutoff: cutoff, RowLimit: batch})
		if err != nil {
			return nil, fmt.Errorf("take who has not read: %w", err)
		}
		events := make([]event.Event, 0, len(rows))
		for _, row := range rows {
			if row.MessageID == uuid.Nil {
				continue // It was withdrawn at this moment.
			}
			events = append(events, event.New(cmd, "chat.message_unread", ref(row.ConversationID), event.ChatUnread{
				MessageID: row.MessageID, ConversationID: row.ConversationID, UserID: row.UserID, ClinicID: row.ClinicID,
			}).About(cmd, row.UserID, &row.ClinicID))
		}
		return events, nil
	})
}

// batches appends what take gives, a transaction each time, until it gives less than a batch.
func (s *Service) batches(ctx context.Context, cmd care.Command, take func(q *db.Queries) ([]event.Event, error)) (int, error) {
	for total := 0; ; {
		var events []event.Event
		err := s.writer.InTx(ctx, cmd, func(tx pgx.Tx) (err error) {
			if events, err = take(db.New(tx)); err != nil {
				return err
			}
			return outbox.Append(ctx, tx, events...)
		})
		if err != nil {
			return total, err
		}
		if total += len(events); len(events) < batch {
			return total, nil
		}
	}
}
