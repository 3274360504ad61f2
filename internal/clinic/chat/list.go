package chat

import (
	"context"
	"errors"
	"fmt"
	"math"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"carewire/internal/care"
	"carewire/internal/event"
	"carewire/internal/outbox"
	"carewire/internal/postgres/db"
)

// Get returns the conversation. The error is care.NotFound if there is no such conversation, or the
// actor may not see it.
func (s *Service) Get(ctx context.Context, cmd care.Command, id uuid.UUID) (Conversation, error) {
	var c Conversation
	err := s.writer.InTx(ctx, cmd, func(tx pgx.Tx) error {
		q := db.New(tx)
		row, err := visit(ctx, q, cmd, care.ConversationRead, id)
		if err != nil {
			return err
		}
		if c, err = whole(ctx, q, row.Conversation, row.ReadNumber, row.Unread); err != nil {
			return err
		}
		return outbox.Append(ctx, tx, event.New(cmd, "record.read", ref(id), event.RecordRead{
			UserID: c.PatientID, ClinicID: &c.ClinicID, Action: "read",
		}).About(cmd, c.PatientID, &c.ClinicID))
	})
	if err != nil {
		return Conversation{}, err
	}
	return c, nil
}

// List returns the conversations in which the actor takes part, in descending order of their last
// activity. cursor is the Next of the previous page; limit is 1 to 200, or 0 for 50. The error is
// care.Forbidden for an actor without a role that takes part in conversations.
func (s *Service) List(ctx context.Context, cmd care.Command, cursor string, limit int) (Page, error) {
	var errs care.FieldErrors
	limit = errs.PageLimit(limit)
	before := errs.Cursor(cursor, care.AfterAll)
	if err := errs.Err(); err != nil {
		return Page{}, err
	}
	page := Page{Items: []Conversation{}}
	err := s.writer.InTx(ctx, cmd, func(tx pgx.Tx) error {
		q := db.New(tx)
		clinics := cmd.Actor.ClinicsFor(care.ConversationRead, care.Participant)
		rows, err := q.ConversationList(ctx, db.ConversationListParams{
			UserID: cmd.Actor.UserID, BeforeTime: before.Time, BeforeID: before.ID, Clinics: clinics, RowLimit: int32(limit) + 1,
		})
		if err != nil {
			return fmt.Errorf("list conversations: %w", err)
		}
		if len(rows) == 0 && len(clinics) == 0 && len(cmd.Actor.ClinicsFor(care.ConversationRead, care.Own)) == 0 {
			answer := care.Errorf(care.Forbidden, "none of your roles takes part in conversations")
			denied := outbox.Deny(cmd, answer, care.ConversationRead, care.Ref{}, nil, nil)
			denied.Event.Subject = "route/" + string(care.ConversationRead)
			return denied
		}
		rows, page.Next = care.Paginate(rows, limit, func(last db.ConversationListRow) string {
			return care.PageCursor{Time: last.Conversation.LastActivityAt, ID: last.Conversation.ID}.String()
		})
		if page.Items, err = conversations(ctx, q, rows); err != nil {
			return err
		}
		return outbox.Append(ctx, tx, event.ListReads(cmd, event.ListOf("conversation"), rows, shown)...)
	})
	if err != nil {
		return Page{}, err
	}
	return page, nil
}

func conversations(ctx context.Context, q *db.Queries, rows []db.ConversationListRow) ([]Conversation, error) {
	ids := make([]uuid.UUID, len(rows))
	for i, row := range rows {
		ids[i] = row.Conversation.ID
	}
	people, err := participants(ctx, q, ids...)
	if err != nil {
		return nil, err
	}
	list := make([]Conversation, len(rows))
	for i, row := range rows {
		list[i] = conversation(row.Conversation, row.ReadNumber, row.Unread, people[row.Conversation.ID])
	}
	return list, nil
}

// shown returns the part of a listed row that record.read names.
func shown(row db.ConversationListRow) event.Shown {
	c := row.Conversation
	return event.Shown{PatientID: c.PatientID, ClinicID: c.ClinicID, ID: c.ID}
}

// GetMessage returns one message of the conversation. Errors as for Get; the error is also
// care.NotFound if the conversation has no such message.
func (s *Service) GetMessage(ctx context.Context, cmd care.Command, id, messageID uuid.UUID) (Message, error) {
	var m db.ConversationMessage
	err := s.writer.InTx(ctx, cmd, func(tx pgx.Tx) error {
		q := db.New(tx)
		row, err := visit(ctx, q, cmd, care.ConversationRead, id)
		if err != nil {
			return err
		}
		if m, err = one(ctx, q, row, messageID); err != nil {
			return err
		}
		c := row.Conversation
		return outbox.Append(ctx, tx, event.New(cmd, "record.read", ref(id), event.RecordRead{
			UserID: c.PatientID, ClinicID: &c.ClinicID, Action: "read", Kind: "message", RecordIDs: []uuid.UUID{messageID},
		}).About(cmd, c.PatientID, &c.ClinicID))
	})
	if err != nil {
		return Message{}, err
	}
	return message(m), nil
}

// one returns a message that is visible to the person.
func one(ctx context.Context, q *db.Queries, row db.ConversationOfRow, messageID uuid.UUID) (db.ConversationMessage, error) {
	m, err := q.MessageGet(ctx, db.MessageGetParams{ConversationID: row.Conversation.ID, ID: messageID})
	if errors.Is(err, pgx.ErrNoRows) || (err == nil && m.Number <= row.SeesAfter) {
		return m, care.Errorf(care.NotFound, "message not found in this conversation")
	}
	if err != nil {
		return m, fmt.Errorf("read message: %w", err)
	}
	return m, nil
}

// ListMessages returns messages of the conversation, newest first: those with a number below
// before, or all if before is 0. limit is 1 to 200, or 0 for 50. next is the value of before for
// the next page, or 0 on the last page. The read is audited as one record.read about the patient
// with the ids of all messages. A participant who was added without the history sees only later
// messages. Errors as for Get.
func (s *Service) ListMessages(ctx context.Context, cmd care.Command, id uuid.UUID, before int64, limit int) (list []Message, next int64, err error) {
	var errs care.FieldErrors
	limit = errs.PageLimit(limit)
	if err := errs.Err(); err != nil {
		return nil, 0, err
	}
	listed := event.ListOf("message", event.Filter{Name: "conversationId", Used: true}, event.Filter{Name: "before", Used: before != 0})
	if before == 0 {
		before = math.MaxInt64
	}
	err = s.writer.InTx(ctx, cmd, func(tx pgx.Tx) error {
		q := db.New(tx)
		row, err := visit(ctx, q, cmd, care.ConversationRead, id)
		if err != nil {
			return err
		}
		rows, err := q.MessageList(ctx, db.MessageListParams{ConversationID: id, Before: before, After: row.SeesAfter, RowLimit: int32(limit) + 1})
		if err != nil {
			return fmt.Errorf("list messages: %w", err)
		}
		rows, next = care.Paginate(rows, limit, func(last db.ConversationMessage) int64 { return last.Number })
		list = make([]Message, len(rows))
		ids := make([]uuid.UUID, len(rows))
		for i, m := range rows {
			list[i], ids[i] = message(m), m.ID
		}
		c := row.Conversation
		return outbox.Append(ctx, tx, event.ListRead(cmd, listed, c.PatientID, &c.ClinicID, ids))
	})
	if err != nil {
		return nil, 0, err
	}
	return list, next, nil
}
