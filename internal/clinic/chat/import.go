package chat

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"carewire/internal/care"
	"carewire/internal/event"
	"carewire/internal/outbox"
	"carewire/internal/postgres/db"
)

// Imported is a message of another system.
type Imported struct {
	ID uuid.UUID
	// Known reports whether it was imported before.
	Known bool
	// ConversationID is the conversation of the message. Its first message creates it.
	ConversationID uuid.UUID
	ClinicID       uuid.UUID
	PatientID      uuid.UUID
	AuthorID       uuid.UUID
	Subject        string
	Text           string
	WrittenAt      time.Time
}

// ImportTx imports messages in bulk, with their events; only carewire's own import may call it. For
// each it returns nil, or a care.Error if it is refused. A new conversation has the patient and
// their current care team. Imported messages cause no reminders, and cannot be changed.
func (s *Service) ImportTx(ctx context.Context, tx pgx.Tx, cmd care.Command, all []Imported) (itemErrs []error, err error) {
	if !cmd.Actor.MayOnPlatform(care.MessageWrite) {
		return nil, care.Errorf(care.Forbidden, "only the platform imports messages")
	}
	q := db.New(tx)
	itemErrs = make([]error, len(all))
	taken := map[uuid.UUID][]Imported{}
	for i, in := range all {
		if itemErrs[i] = in.check(s.now()); itemErrs[i] != nil {
			continue
		}
		if in.Known {
			if itemErrs[i], err = checkUnchanged(ctx, q, in); err != nil {
				return nil, err
			}
			continue
		}
		taken[in.ConversationID] = append(taken[in.ConversationID], in)
	}
	// Everything that locks several conversations does so in the order of their ids.
	var events []event.Event
	ids := slices.SortedFunc(maps.Keys(taken), func(a, b uuid.UUID) int { return bytes.Compare(a[:], b[:]) })
	for _, id := range ids {
		imported, err := importConversation(ctx, q, cmd, taken[id])
		if err != nil {
			return nil, err
		}
		events = append(events, imported...)
	}
	return itemErrs, outbox.Append(ctx, tx, events...)
}

func (in *Imported) check(now time.Time) error {
	var p care.FieldErrors
	if in.PatientID == uuid.Nil {
		p.Add("patientId", "must name the patient")
	}
	if in.ClinicID == uuid.Nil {
		p.Add("clinicId", "must name the clinic")
	}
	if in.AuthorID == uuid.Nil {
		p.Add("authorId", "must name the author")
	}
	if in.WrittenAt.Year() < 1900 || in.WrittenAt.After(now.Add(time.Hour)) {
		p.Add("writtenAt", "must be from 1900 on, and in the past")
	}
	checkText(&p, in.Text)
	return p.Err()
}

// checkUnchanged returns a refusal if a message differs from what was imported before.
func checkUnchanged(ctx context.Context, q *db.Queries, in Imported) (itemErr, err error) {
	m, err := q.MessageGet(ctx, db.MessageGetParams{ConversationID: in.ConversationID, ID: in.ID})
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return care.Errorf(care.Conflict, "the patient and clinic of a message cannot change"), nil
	case err != nil:
		return nil, fmt.Errorf("read message: %w", err)
	case m.Text != in.Text || m.AuthorID != in.AuthorID:
		return care.Errorf(care.Conflict, "messages cannot change"), nil
	}
	return nil, nil
}

// importConversation adds messages to a conversation, and creates it if it does not exist.
func importConversation(ctx context.Context, q *db.Queries, cmd care.Command, messages []Imported) ([]event.Event, error) {
	slices.SortStableFunc(messages, func(a, b Imported) int { return a.WrittenAt.Compare(b.WrittenAt) })
	first := messages[0]
	begun, err := q.ConversationImport(ctx, db.ConversationImportParams{
		ID: first.ConversationID, ClinicID: first.ClinicID, PatientID: first.PatientID, Subject: first.Subject,
		LastActivityAt: first.WrittenAt, CreatedBy: cmd.Actor.ID,
	})
	if err != nil {
		return nil, fmt.Errorf("insert conversation: %w", err)
	}
	row, err := q.ConversationLock(ctx, first.ConversationID)
	if err != nil {
		return nil, fmt.Errorf("lock conversation: %w", err)
	}
	var events []event.Event
	if begun > 0 {
		team, err := q.ConversationTeam(ctx, db.ConversationTeamParams{PatientID: row.PatientID, ClinicID: row.ClinicID})
		if err != nil {
			return nil, fmt.Errorf("read care team: %w", err)
		}
		if events, err = addParticipants(ctx, q, cmd, row, joining{people: append([]uuid.UUID{row.PatientID}, team...)}); err != nil {
			return nil, err
		}
	}
	p := db.MessageImportParams{ConversationID: row.ID}
	for _, m := range messages {
		p.Ids, p.AuthorIds = append(p.Ids, m.ID), append(p.AuthorIds, m.AuthorID)
		p.Texts, p.WrittenAts = append(p.Texts, m.Text), append(p.WrittenAts, m.WrittenAt)
	}
	rows, err := q.MessageImport(ctx, p)
	if err != nil {
		return nil, fmt.Errorf("insert messages: %w", err)
	}
	slices.SortFunc(rows, func(a, b db.ConversationMessage) int { return int(a.Number - b.Number) })
	for _, m := range rows {
		events = append(events, messageEvent(cmd, "created", row, m).AtVersion(m.Number))
	}
	return events, nil
}
