package chat

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"carewire/internal/care"
	"carewire/internal/outbox"
	"carewire/internal/postgres/db"
)

func ref(id uuid.UUID) care.Ref { return care.Ref{Kind: "conversation", ID: id} }

// notFoundOrHidden denies access to a conversation, with the same message whether it does not exist
// or the actor may not see it.
func notFoundOrHidden(cmd care.Command, action care.Action, id uuid.UUID, row *db.Conversation) *outbox.DeniedError {
	answer := care.Errorf(care.NotFound, "conversation not found, or you may not see it")
	if row == nil {
		return outbox.Deny(cmd, answer, action, ref(id), nil, nil)
	}
	return outbox.Deny(cmd, answer, action, ref(id), &row.PatientID, &row.ClinicID)
}

// may reports whether the actor may do the action in the conversation. Former patients of the
// clinic may still read theirs, but nothing else.
func may(actor care.Actor, action care.Action, row db.ConversationOfRow) bool {
	c := row.Conversation
	if c.PatientID == actor.UserID {
		return (action == care.ConversationRead && actor.MayOwn(action)) || actor.MayAt(c.ClinicID, action, care.Own)
	}
	return row.TakesPart && actor.MayAt(c.ClinicID, action, care.Participant)
}

// visit returns the conversation if the actor may do the action. It returns care.NotFound if there
// is none or the actor may not see it, and care.Forbidden if they may only see it.
func visit(ctx context.Context, q *db.Queries, cmd care.Command, action care.Action, id uuid.UUID) (db.ConversationOfRow, error) {
	row, err := q.ConversationOf(ctx, db.ConversationOfParams{ID: id, UserID: cmd.Actor.UserID})
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return row, notFoundOrHidden(cmd, action, id, nil)
	case err != nil:
		return row, fmt.Errorf("read conversation: %w", err)
	case may(cmd.Actor, action, row):
		return row, nil
	case !may(cmd.Actor, care.ConversationRead, row):
		return row, notFoundOrHidden(cmd, action, id, &row.Conversation)
	}
	return row, forbidden(cmd, action, row.Conversation, "you may read this conversation, but not do this in it")
}

func forbidden(cmd care.Command, action care.Action, row db.Conversation, words string) error {
	return outbox.Deny(cmd, care.Errorf(care.Forbidden, "%s", words), action, ref(row.ID), &row.PatientID, &row.ClinicID)
}

// lock is visit with a lock on the conversation's row. Later reads hold until the commit.
func lock(ctx context.Context, q *db.Queries, cmd care.Command, action care.Action, id uuid.UUID) (db.ConversationOfRow, error) {
	if _, err := q.ConversationLock(ctx, id); err != nil && !errors.Is(err, pgx.ErrNoRows) {
		return db.ConversationOfRow{}, fmt.Errorf("lock conversation: %w", err)
	}
	return visit(ctx, q, cmd, action, id)
}

// InConversation reports whether a person may follow the conversation live, and how they
// participate.
func (s *Service) InConversation(ctx context.Context, userID, conversationID uuid.UUID) (room care.ConversationRoom, in bool, err error) {
	var roles []string
	for _, r := range care.RolesFor(care.ConversationRead, care.Participant) {
		roles = append(roles, string(r))
	}
	var row db.ConversationRoomRow
	// The service itself asks, on behalf of the person.
	err = s.writer.Read(ctx, care.SystemActor("chat"), func(tx pgx.Tx) (err error) {
		row, err = db.New(tx).ConversationRoom(ctx, db.ConversationRoomParams{ID: conversationID, UserID: userID, Roles: roles})
		return err
	})
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return room, false, nil
	case err != nil:
		return room, false, fmt.Errorf("look up conversation: %w", err)
	}
	room = care.ConversationRoom{ClinicID: row.ClinicID, PatientID: row.PatientID, SeesAfter: row.SeesAfter}
	if row.Own {
		room.ClinicID = uuid.Nil
	}
	return room, true, nil
}
