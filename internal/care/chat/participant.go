package chat

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"carewire/internal/care"
	"carewire/internal/event"
	"carewire/internal/outbox"
	"carewire/internal/postgres/db"
)

// Add lets a member of the patient's care team take part; one who does already is fine. Who takes part from the clinic may.
// Errors: care.NotFound, care.Forbidden, care.Invalid for somebody who is not on the team.
func (s *Service) Add(ctx context.Context, cmd care.Command, id, userID uuid.UUID) (Conversation, error) {
	var c Conversation
	err := s.writer.InTx(ctx, cmd, func(tx pgx.Tx) error {
		q := db.New(tx)
		row, err := lock(ctx, q, cmd, care.ConversationManage, id)
		if err != nil {
			return err
		}
		team, err := q.ConversationTeam(ctx, db.ConversationTeamParams{PatientID: row.Conversation.PatientID, ClinicID: row.Conversation.ClinicID})
		if err != nil {
			return fmt.Errorf("read care team: %w", err)
		}
		if !slices.Contains(append(team, row.Conversation.PatientID), userID) {
			return care.InvalidField("userId", "must be a doctor or nurse on the patient's care team at this clinic")
		}
		events, err := join(ctx, q, cmd, row.Conversation, []uuid.UUID{userID})
		if err != nil {
			return err
		}
		if c, err = whole(ctx, q, row.Conversation, row.ReadNumber, row.Unread); err != nil {
			return err
		}
		return outbox.Append(ctx, tx, events...)
	})
	if err != nil {
		return Conversation{}, err
	}
	return c, nil
}

// Remove ends somebody's part, also one's own. Who takes part from the clinic may; the patient stays. Errors: care.NotFound
// also for who does not take part, care.Forbidden, care.Conflict for the patient.
func (s *Service) Remove(ctx context.Context, cmd care.Command, id, userID uuid.UUID) error {
	return s.writer.InTx(ctx, cmd, func(tx pgx.Tx) error {
		q := db.New(tx)
		row, err := lock(ctx, q, cmd, care.ConversationManage, id)
		if err != nil {
			return err
		}
		if userID == row.Conversation.PatientID {
			return care.Errorf(care.Conflict, "the conversation is the patient's: they cannot be taken out of it")
		}
		_, err = q.ParticipantLeave(ctx, db.ParticipantLeaveParams{ConversationID: id, UserID: userID})
		if errors.Is(err, pgx.ErrNoRows) {
			return care.Errorf(care.NotFound, "this person does not take part in the conversation")
		}
		if err != nil {
			return fmt.Errorf("leave conversation: %w", err)
		}
		return outbox.Append(ctx, tx, moved(cmd, "left", row.Conversation, userID))
	})
}

// TellLeft appends chat.participant_left for those who left with their patient's care team, each once, and gives how many
// they were. It is safe to run twice at once.
func (s *Service) TellLeft(ctx context.Context) (int, error) {
	cmd := care.Command{Actor: care.SystemActor("chat")}
	return s.batches(ctx, cmd, func(q *db.Queries, limit, skip int32) (int, []event.Event, error) {
		rows, err := q.ParticipantLeftTell(ctx, db.ParticipantLeftTellParams{RowLimit: limit, RowSkip: skip})
		if err != nil {
			return 0, nil, fmt.Errorf("take who left: %w", err)
		}
		events := make([]event.Event, len(rows))
		for i, row := range rows {
			c := db.Conversation{ID: row.ConversationID, ClinicID: row.ClinicID, PatientID: row.PatientID}
			events[i] = moved(cmd, "left", c, row.UserID)
		}
		return len(rows), events, nil
	})
}
