package chat

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"carewire/internal/care"
	"carewire/internal/outbox"
	"carewire/internal/postgres/db"
)

// AddParticipant adds a member of the patient's care team. They see later messages; with n.History
// also earlier ones, as far as the actor sees them, even if they are a participant already.
// Participants from the clinic may add others. It returns care.NotFound, care.Forbidden, and
// care.Invalid for a person who is not on the team.
func (s *Service) AddParticipant(ctx context.Context, cmd care.Command, id uuid.UUID, n NewParticipant) (Conversation, error) {
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
		if !slices.Contains(append(team, row.Conversation.PatientID), n.UserID) {
			return care.InvalidField("userId", "must be a doctor or nurse on the patient's care team at this clinic")
		}
		as := joining{people: []uuid.UUID{n.UserID}, seesAfter: row.Conversation.LastNumber, addedBy: &cmd.Actor.ID}
		if n.History {
			as.seesAfter = row.SeesAfter
		}
		events, err := addParticipants(ctx, q, cmd, row.Conversation, as)
		if err != nil {
			return err
		}
		if n.History && len(events) == 0 {
			if err := q.ParticipantShow(ctx, db.ParticipantShowParams{ConversationID: id, UserID: n.UserID, SeesAfter: row.SeesAfter}); err != nil {
				return fmt.Errorf("show history: %w", err)
			}
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

// RemoveParticipant removes a participant. The clinic's participants may always remove themselves.
// The person who began the conversation may remove anyone, and nobody else may remove them while
// they are on the patient's care team. A participant from the beginning may remove those who were
// added, and a doctor among them also the others from the beginning. A participant who was added
// may only remove those whom they added. It returns care.NotFound also if the person is not a
// participant, care.Forbidden, and care.Conflict for the patient, who cannot be removed.
func (s *Service) RemoveParticipant(ctx context.Context, cmd care.Command, id, userID uuid.UUID) error {
	return s.writer.InTx(ctx, cmd, func(tx pgx.Tx) error {
		q := db.New(tx)
		row, err := lock(ctx, q, cmd, care.ConversationManage, id)
		if err != nil {
			return err
		}
		if userID == row.Conversation.PatientID {
			return care.Errorf(care.Conflict, "the patient cannot be removed from the conversation")
		}
		if err := checkRemove(ctx, q, cmd, row, userID); err != nil {
			return err
		}
		_, err = q.ParticipantLeave(ctx, db.ParticipantLeaveParams{ConversationID: id, UserID: userID})
		if errors.Is(err, pgx.ErrNoRows) {
			return care.Errorf(care.NotFound, "this person is not a participant of the conversation")
		}
		if err != nil {
			return fmt.Errorf("leave conversation: %w", err)
		}
		if err := outbox.Append(ctx, tx, participantEvent(cmd, "left", row.Conversation, userID)); err != nil {
			return err
		}
		return outbox.CutOff(ctx, tx, cmd, cutOffOfLeaving(id, userID, row.Conversation.LastNumber))
	})
}

// checkRemove returns a denial if the actor may not remove the person. row is the actor's locked
// conversation.
func checkRemove(ctx context.Context, q *db.Queries, cmd care.Command, row db.ConversationOfRow, userID uuid.UUID) error {
	actor, c := cmd.Actor, row.Conversation
	if userID == actor.UserID {
		return nil
	}
	var roles []string
	for _, r := range care.RolesFor(care.ConversationRead, care.Participant) {
		roles = append(roles, string(r))
	}
	target, err := q.ParticipantStanding(ctx, db.ParticipantStandingParams{ConversationID: c.ID, UserID: userID, Roles: roles})
	if errors.Is(err, pgx.ErrNoRows) {
		return care.Errorf(care.NotFound, "this person is not a participant of the conversation")
	}
	if err != nil {
		return fmt.Errorf("look up who takes part: %w", err)
	}
	added := target.AddedBy != nil
	switch {
	case target.Began:
		return forbidden(cmd, care.ConversationManage, c, "the person who began the conversation cannot be removed by others while they are on the care team")
	case c.CreatedBy == actor.ID, added && *target.AddedBy == actor.ID:
		return nil
	case row.AddedBy == nil && (added || actor.Holds(c.ClinicID, care.Doctor)):
		return nil
	}
	return forbidden(cmd, care.ConversationManage, c, "only the person who began the conversation, the one who added this person, or they themselves may remove them")
}

// cutOffOfLeaving returns the cut-off for a participant who leaves: nothing of the conversation that was
// planned before is sent to them. lastNumber is that of the newest message.
func cutOffOfLeaving(id, userID uuid.UUID, lastNumber int64) outbox.PersonalCutOff {
	return outbox.PersonalCutOff{ConversationID: id, PersonID: userID, Version: lastNumber + 1, Cause: "chat.participant_left"}
}

// SweepDepartures appends one chat.participant_left for each participant who has left the patient's
// care team, and returns their number. It is safe to run concurrently.
func (s *Service) SweepDepartures(ctx context.Context) (int, error) {
	cmd := care.Command{Actor: care.SystemActor("chat")}
	return s.sweep(ctx, cmd, func(q *db.Queries, limit, skip int32) (b batch, err error) {
		rows, err := q.ParticipantLeftTell(ctx, db.ParticipantLeftTellParams{RowLimit: limit, RowSkip: skip})
		if err != nil {
			return b, fmt.Errorf("take who left: %w", err)
		}
		b.taken = len(rows)
		for _, row := range rows {
			c := db.Conversation{ID: row.ConversationID, ClinicID: row.ClinicID, PatientID: row.PatientID}
			b.events = append(b.events, participantEvent(cmd, "left", c, row.UserID))
			b.cutOffs = append(b.cutOffs, cutOffOfLeaving(row.ConversationID, row.UserID, row.LastNumber))
		}
		return b, nil
	})
}
