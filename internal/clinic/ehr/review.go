package ehr

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"carewire/internal/care"
	"carewire/internal/event"
	"carewire/internal/outbox"
	"carewire/internal/postgres/db"
)

// held reports whether the record is still withheld from its patient.
func held(until *time.Time) bool { return until != nil && until.After(time.Now()) }

// CanBeCritical reports whether records of the kind can contain a critical finding, which a doctor
// reviews.
func (k *Kind[B]) CanBeCritical() bool {
	_, ok := k.body(new(B)).(criticalReporter)
	return ok
}

// answersFor reports whether the actor is the doctor named in the record, and still a doctor at its
// clinic.
func (k *Kind[B]) answersFor(actor care.Actor, row db.Record) bool {
	return row.DoctorID == actor.UserID && actor.MayAt(row.ClinicID, care.RecordAcknowledge, care.Responsible)
}

// Acknowledge records that the actor has seen the critical finding of the record: its patient may
// read it, and is notified. ifMatch is the version that the actor has read, or 0 for the current
// one. Errors: care.NotFound and care.Forbidden as for Update, care.PreconditionFailed, and
// care.Conflict if no finding is waiting for a review.
func (k *Kind[B]) Acknowledge(ctx context.Context, cmd care.Command, id uuid.UUID, ifMatch int64) (Record[B], error) {
	var r Record[B]
	err := k.writer.InTx(ctx, cmd, func(tx pgx.Tx) error {
		q := db.New(tx)
		row, err := q.RecordLock(ctx, db.RecordLockParams{ActorID: cmd.Actor.UserID, ID: id, Kind: k.name})
		if errors.Is(err, pgx.ErrNoRows) {
			return k.notFoundOrHidden(cmd, care.RecordAcknowledge, id, nil)
		}
		if err != nil {
			return fmt.Errorf("lock record: %w", err)
		}
		if err := k.mayRevise(cmd, care.RecordAcknowledge, row); err != nil {
			return err
		}
		if ifMatch != 0 {
			if err := checkVersion(ifMatch, row.Record.Version); err != nil {
				return err
			}
		}
		events, err := k.review(ctx, q, cmd, row.Record)
		if err != nil {
			return err
		}
		if len(events) == 0 {
			return care.Errorf(care.Conflict, "the record has no critical finding to acknowledge")
		}
		if r, err = k.record(row.Record); err != nil {
			return err
		}
		return outbox.Append(ctx, tx, events...)
	})
	if err != nil {
		return Record[B]{}, err
	}
	return r, nil
}

// review ends the hold of the version that was read, and returns the resulting event, or none if
// nothing is held. A record that was entered in error has no finding.
func (k *Kind[B]) review(ctx context.Context, q *db.Queries, cmd care.Command, row db.Record) ([]event.Event, error) {
	if row.HeldUntil == nil || row.Status == retracted {
		return nil, nil
	}
	_, err := q.RecordReview(ctx, db.RecordReviewParams{ID: row.ID, Version: row.Version})
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, nil // Another request has reviewed it, or written the next version.
	}
	if err != nil {
		return nil, fmt.Errorf("review record: %w", err)
	}
	return []event.Event{k.event(cmd, "reviewed", version{
		id: row.ID, number: row.Version, released: row.ReleasedVersion != nil,
		head: &Head{PatientID: row.PatientID, ClinicID: row.ClinicID, DoctorID: &row.DoctorID, Status: row.Status},
	})}, nil
}
