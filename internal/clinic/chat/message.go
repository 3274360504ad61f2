package chat

import (
	"context"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"carewire/internal/care"
	"carewire/internal/event"
	"carewire/internal/outbox"
	"carewire/internal/postgres/db"
)

// CreateMessage adds a message. It returns care.NotFound, care.Forbidden, care.Invalid by field,
// and care.Conflict for a patient's message in a conversation that the whole care team has left.
func (s *Service) CreateMessage(ctx context.Context, cmd care.Command, id uuid.UUID, n NewMessage) (Message, error) {
	var m db.ConversationMessage
	err := s.writer.InTx(ctx, cmd, func(tx pgx.Tx) error {
		q := db.New(tx)
		row, err := lock(ctx, q, cmd, care.MessageWrite, id)
		if err != nil {
			return err
		}
		if err := n.check(); err != nil {
			return err
		}
		if err := checkAttended(ctx, q, cmd, row.Conversation); err != nil {
			return err
		}
		m, err = q.MessageWrite(ctx, db.MessageWriteParams{
			ID: uuid.Must(uuid.NewV7()), ConversationID: id, AuthorID: cmd.Actor.UserID, Text: n.Text,
		})
		if err != nil {
			return fmt.Errorf("insert message: %w", err)
		}
		return outbox.Append(ctx, tx, messageEvent(cmd, "created", row.Conversation, m).AtVersion(m.Number))
	})
	if err != nil {
		return Message{}, err
	}
	return message(m), nil
}

// checkAttended returns a conflict for a patient's message that has no other reader.
func checkAttended(ctx context.Context, q *db.Queries, cmd care.Command, row db.Conversation) error {
	if row.PatientID != cmd.Actor.UserID {
		return nil
	}
	somebody, err := q.ConversationAttended(ctx, row.ID)
	if err != nil {
		return fmt.Errorf("look up who takes part: %w", err)
	}
	if !somebody {
		return care.Errorf(care.Conflict, "your care team has left this conversation: begin another")
	}
	return nil
}

// WithdrawMessage hides the text of the actor's own message. The text is kept for the audit.
// Withdrawing is idempotent. It returns care.NotFound or care.Forbidden.
func (s *Service) WithdrawMessage(ctx context.Context, cmd care.Command, id, messageID uuid.UUID) (Message, error) {
	var m db.ConversationMessage
	err := s.writer.InTx(ctx, cmd, func(tx pgx.Tx) error {
		q := db.New(tx)
		row, err := lock(ctx, q, cmd, care.MessageWrite, id)
		if err != nil {
			return err
		}
		if m, err = one(ctx, q, row, messageID); err != nil {
			return err
		}
		switch {
		case m.AuthorID != cmd.Actor.UserID:
			return forbidden(cmd, care.MessageWrite, row.Conversation, "only its author may withdraw a message")
		case m.WithdrawnAt != nil:
			return nil
		}
		if m, err = q.MessageWithdraw(ctx, messageID); err != nil {
			return fmt.Errorf("withdraw message: %w", err)
		}
		if err := q.ParticipantRecount(ctx, id); err != nil {
			return fmt.Errorf("look for who waits: %w", err)
		}
		return outbox.Append(ctx, tx, messageEvent(cmd, "withdrawn", row.Conversation, m))
	})
	if err != nil {
		return Message{}, err
	}
	return message(m), nil
}

// MarkRead records that the actor has read up to the message. The mark only moves forward: an older
// message changes nothing. Messages to the actor about what they have read are not sent any more. It
// returns care.NotFound, and care.Invalid if the message is not in this conversation.
func (s *Service) MarkRead(ctx context.Context, cmd care.Command, id uuid.UUID, mark ReadMark) error {
	return s.writer.InTx(ctx, cmd, func(tx pgx.Tx) error {
		q := db.New(tx)
		row, err := lock(ctx, q, cmd, care.ConversationRead, id)
		if err != nil {
			return err
		}
		m, err := one(ctx, q, row, mark.MessageID)
		if care.CodeOf(err) == care.NotFound {
			return care.InvalidField("messageId", "must be a message of this conversation")
		}
		if err != nil {
			return err
		}
		moved, err := q.ParticipantRead(ctx, db.ParticipantReadParams{ConversationID: id, UserID: cmd.Actor.UserID, Number: m.Number})
		if err != nil {
			return fmt.Errorf("mark as read: %w", err)
		}
		if moved == 0 {
			return nil
		}
		return outbox.CutOff(ctx, tx, cmd, outbox.PersonalCutOff{
			ConversationID: id, PersonID: cmd.Actor.UserID, Version: m.Number + 1, Cause: outbox.CauseRead,
		})
	})
}

// messageEvent returns the event of a change to a message.
func messageEvent(cmd care.Command, how string, row db.Conversation, m db.ConversationMessage) event.Event {
	return event.New(cmd, "chat.message_"+how, ref(row.ID), event.ChatMessage{
		MessageID: m.ID, ConversationID: row.ID, UserID: row.PatientID, ClinicID: row.ClinicID, AuthorID: m.AuthorID,
	}).About(cmd, row.PatientID, &row.ClinicID)
}
