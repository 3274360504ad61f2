package directory

import (
	"context"
	"fmt"
	"slices"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"carewire/internal/care"
	"carewire/internal/event"
	"carewire/internal/outbox"
	"carewire/internal/postgres/db"
)

// deceased replaces the status of a deceased person in the views for sign-ins.
const deceased = "deceased"

// Death is the day on which a patient died.
type Death struct {
	Date string `json:"date" format:"date" doc:"The day on which the patient died." example:"2026-02-28"`
}

// DeathWithdrawal is the reason why the record of a death was a mistake.
type DeathWithdrawal struct {
	Reason string `json:"reason" minLength:"1" maxLength:"1000" doc:"The reason why it was a mistake. It is kept for the audit and not sent." example:"Recorded for another patient of the same name."`
}

// RecordDeath records that a patient has died. They can no longer sign in, their sessions end, and
// they receive no messages. Their status is unchanged, and records about them are still written.
// For present and former patients of a clinic, its receptionists, doctors and administrators may
// call it. For a person who works at a clinic, only the administrator of every clinic where the
// person holds a role may call it. Recording the same day again changes nothing; another day is
// care.Conflict.
func (s *Service) RecordDeath(ctx context.Context, cmd care.Command, id uuid.UUID, in Death) (User, error) {
	return s.changeDeath(ctx, cmd, id, func(q *db.Queries, row db.User, clinicID uuid.UUID) (db.User, []event.Event, error) {
		if err := in.validate(row); err != nil {
			return row, nil, err
		}
		switch dateText(row.DeceasedOn) {
		case in.Date:
			return row, nil, nil
		case "":
		default:
			return row, nil, conflict("date", "the death of this person is recorded with another day: withdraw it first")
		}
		err := q.DeathInsert(ctx, db.DeathInsertParams{
			ID: uuid.Must(uuid.NewV7()), UserID: id, ClinicID: clinicID, DeceasedOn: dateOf(in.Date), RecordedBy: cmd.Actor.ID,
		})
		if err != nil {
			return row, nil, fmt.Errorf("insert death: %w", err)
		}
		if row, err = q.UserDeceasedSet(ctx, db.UserDeceasedSetParams{ID: id, DeceasedOn: dateOf(in.Date)}); err != nil {
			return row, nil, fmt.Errorf("mark user as deceased: %w", err)
		}
		ended, err := endSessions(ctx, q, cmd, id, accountClosed)
		if err != nil {
			return row, nil, err
		}
		// The periodic sweep reports the appointments at other clinics and in other roles.
		behind, err := departureEvents(ctx, q, cmd, id, care.Membership{ClinicID: &clinicID, Role: care.Patient})
		return row, slices.Concat([]event.Event{deathEvent(cmd, "user.deceased", row, clinicID)}, ended, behind), err
	})
}

func (d Death) validate(row db.User) error {
	var errs care.FieldErrors
	day(&errs, "date", d.Date)
	if born := dateText(row.BirthDate); len(errs) == 0 && d.Date < born {
		errs.Add("date", "must not be before the birth date")
	}
	return errs.Err()
}

// WithdrawDeath withdraws the record of a death that was a mistake, with the reason. The person may
// sign in and receives messages again. Messages that were suppressed in the meantime are not sent.
// Actors who may record a death may withdraw it. The error is care.Conflict if no death is
// recorded.
func (s *Service) WithdrawDeath(ctx context.Context, cmd care.Command, id uuid.UUID, in DeathWithdrawal) (User, error) {
	return s.changeDeath(ctx, cmd, id, func(q *db.Queries, row db.User, clinicID uuid.UUID) (db.User, []event.Event, error) {
		var errs care.FieldErrors
		errs.Text("reason", in.Reason, 1, 1000)
		if err := errs.Err(); err != nil {
			return row, nil, err
		}
		if !row.DeceasedOn.Valid {
			return row, nil, care.Errorf(care.Conflict, "no death of this person is recorded")
		}
		err := q.DeathWithdraw(ctx, db.DeathWithdrawParams{UserID: id, WithdrawnBy: cmd.Actor.ID, WithdrawalReason: in.Reason})
		if err != nil {
			return row, nil, fmt.Errorf("withdraw death: %w", err)
		}
		if row, err = q.UserDeceasedSet(ctx, db.UserDeceasedSetParams{ID: id}); err != nil {
			return row, nil, fmt.Errorf("mark user as living: %w", err)
		}
		return row, []event.Event{deathEvent(cmd, "user.deceased_withdrawn", row, clinicID)}, nil
	})
}

// ReplayDeath returns the person for a replayed RecordDeath or WithdrawDeath, as actors who may
// record the death see them. It includes former patients of the clinic.
func (s *Service) ReplayDeath(ctx context.Context, cmd care.Command, id uuid.UUID) (User, error) {
	return s.changeDeath(ctx, cmd, id, func(_ *db.Queries, row db.User, clinicID uuid.UUID) (db.User, []event.Event, error) {
		read := event.New(cmd, "record.read", userRef(id), event.RecordRead{UserID: id, ClinicID: &clinicID, Action: "read", Version: row.Version})
		return row, []event.Event{read.About(cmd, id, &clinicID)}, nil
	})
}

// changeDeath locks the person, checks that the actor may record their death, and appends the
// events of the change.
func (s *Service) changeDeath(ctx context.Context, cmd care.Command, id uuid.UUID, change func(q *db.Queries, row db.User, clinicID uuid.UUID) (db.User, []event.Event, error)) (User, error) {
	var user User
	err := s.writer.InTx(ctx, cmd, func(tx pgx.Tx) error {
		q := db.New(tx)
		row, err := q.UserLock(ctx, id)
		if notFound(err) {
			return denyUser(cmd, care.DeathRecord, id, nil)
		}
		if err != nil {
			return fmt.Errorf("lock user: %w", err)
		}
		held, err := heldBy(ctx, q, id)
		if err != nil {
			return err
		}
		clinicID, err := mayRecordDeath(ctx, q, cmd, row, held)
		if err != nil {
			return err
		}
		row, events, err := change(q, row, clinicID)
		if err != nil {
			return err
		}
		seen := visible(cmd.Actor, care.UserRead, held)
		user = userFrom(row, seen)
		numbers, err := numbersOf(ctx, q, id)
		if err != nil {
			return err
		}
		user.MedicalRecordNumbers = numbersAt(numbers, clinicsOf(seen))
		return outbox.Append(ctx, tx, events...)
	})
	if err != nil {
		return User{}, err
	}
	return user, nil
}

// mayRecordDeath returns the clinic where the actor may record the death. One clinic must not end
// the account of a person who works at another one, or on the platform.
func mayRecordDeath(ctx context.Context, q *db.Queries, cmd care.Command, row db.User, held []care.Membership) (uuid.UUID, error) {
	at, err := q.PatientEverAt(ctx, db.PatientEverAtParams{UserID: row.ID, ClinicIds: cmd.Actor.ClinicsFor(care.DeathRecord, care.SameClinic)})
	if err != nil {
		return uuid.Nil, fmt.Errorf("look up patient: %w", err)
	}
	known := visible(cmd.Actor, care.UserRead, held)
	own := row.ID == cmd.Actor.UserID
	deny := func(words string, clinicID *uuid.UUID) (uuid.UUID, error) {
		return uuid.Nil, outbox.Deny(cmd, care.Errorf(care.Forbidden, "%s", words), care.DeathRecord, userRef(row.ID), &row.ID, clinicID)
	}
	switch {
	case row.MergedInto != nil, len(at) == 0 && len(known) == 0 && !own:
		return uuid.Nil, denyUser(cmd, care.DeathRecord, row.ID, &row.ID)
	case own:
		return deny("you cannot record your own death", nil)
	case len(at) == 0:
		return deny("only receptionists, doctors and administrators of a clinic may record the death of its patients", known[0].ClinicID)
	}
	staff, err := q.StaffRolesHeld(ctx, row.ID)
	if err != nil {
		return uuid.Nil, fmt.Errorf("count roles: %w", err)
	}
	everywhere, err := q.MembershipsHeld(ctx, row.ID)
	if err != nil {
		return uuid.Nil, fmt.Errorf("count memberships: %w", err)
	}
	if staff > 0 && len(visible(cmd.Actor, care.UserUpdate, held)) < int(everywhere) {
		return deny("this person works at a clinic: only an administrator of every clinic where they hold a role may record it; otherwise their roles must be revoked first", &at[0])
	}
	return at[0], nil
}

func deathEvent(cmd care.Command, typ string, row db.User, clinicID uuid.UUID) event.Event {
	return userEvent(cmd, typ, row, &clinicID, []string{"deceasedOn"})
}
