package ehr

import (
	"context"
	"encoding/json"
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

// maxReason is the maximum length of a reason in characters. A table constraint has the same limit.
const maxReason = 1000

// revision describes how the next version of a record is made.
type revision[B any] struct {
	action  care.Action
	ifMatch int64
	// reason is stored with the version; no event contains it.
	reason string
	// right checks rights beyond the action, before the version check; nil checks nothing.
	right func(row db.RecordLockRow) error
	// next returns the next body and the name of the event, or an error. row is the previous
	// version.
	next func(before B, row db.RecordLockRow) (b B, what string, err error)
}

// Update writes the next version if ifMatch is the current version, and otherwise returns
// care.PreconditionFailed with the current version. The previous version is kept. The patient and
// the clinic cannot change. A status that cannot follow the current one is care.Conflict. So is any
// change of a released record except to its status: Amend and Retract make such changes, and record
// the reason.
func (k *Kind[B]) Update(ctx context.Context, cmd care.Command, id uuid.UUID, ifMatch int64, b B) (Record[B], error) {
	h, err := k.prepare(&b)
	if err != nil {
		return Record[B]{}, err
	}
	return k.revise(ctx, cmd, id, revision[B]{
		action: care.RecordReplace, ifMatch: ifMatch,
		right: func(row db.RecordLockRow) error { return k.mayReplace(cmd, row, h) },
		next: func(_ B, row db.RecordLockRow) (B, string, error) {
			old := row.Record
			if err := checkSameSubject(h, old); err != nil {
				return b, "", err
			}
			if h.DoctorID == nil {
				h.DoctorID = &old.DoctorID
			}
			changed, err := k.contentChanged(old.Body, b)
			if err != nil {
				return b, "", err
			}
			released := old.ReleasedVersion != nil
			if err := k.spec.checkUpdate(released, old.Status, h.Status, changed); err != nil {
				return b, "", err
			}
			return b, k.spec.changeName(released, h.Status), k.mayDiscard(cmd, row, h)
		},
	})
}

// Amend corrects a released record and records the reason. Errors as for Update; a record that was
// never released is care.Conflict.
func (k *Kind[B]) Amend(ctx context.Context, cmd care.Command, id uuid.UUID, ifMatch int64, reason string, b B) (Record[B], error) {
	if err := checkReason(reason); err != nil {
		return Record[B]{}, err
	}
	h, err := k.prepare(&b)
	if err != nil {
		return Record[B]{}, err
	}
	return k.revise(ctx, cmd, id, revision[B]{
		action: care.RecordAmend, ifMatch: ifMatch, reason: reason,
		right: func(row db.RecordLockRow) error { return k.mayRename(cmd, row, h) },
		next: func(_ B, row db.RecordLockRow) (B, string, error) {
			old := row.Record
			if err := k.spec.checkAmendment(old.ReleasedVersion != nil, old.Status, h.Status); err != nil {
				return b, "", err
			}
			return b, "amended", k.spec.checkTransition(old.Status, h.Status)
		},
	})
}

// Retract marks the record as entered in error and records the reason. The record is kept and
// remains readable, but is final. Errors as for Update.
func (k *Kind[B]) Retract(ctx context.Context, cmd care.Command, id uuid.UUID, ifMatch int64, reason string) (Record[B], error) {
	if err := checkReason(reason); err != nil {
		return Record[B]{}, err
	}
	rev := k.retraction(reason)
	rev.ifMatch = ifMatch
	return k.revise(ctx, cmd, id, rev)
}

func (k *Kind[B]) retraction(reason string) revision[B] {
	return revision[B]{
		action: care.RecordRetract, reason: reason,
		next: func(before B, row db.RecordLockRow) (B, string, error) {
			// The body is not validated again: a record that was valid under older rules can be
			// retracted too.
			k.body(&before).head().Status = retracted
			return before, "retracted", k.spec.checkTransition(row.Record.Status, retracted)
		},
	}
}

func checkReason(reason string) error {
	var errs care.FieldErrors
	errs.Text("reason", reason, 1, maxReason)
	return errs.Err()
}

func (k *Kind[B]) revise(ctx context.Context, cmd care.Command, id uuid.UUID, rev revision[B]) (Record[B], error) {
	var r Record[B]
	err := k.writer.InTx(ctx, cmd, func(tx pgx.Tx) error {
		q := db.New(tx)
		row, err := q.RecordLock(ctx, db.RecordLockParams{ActorID: cmd.Actor.UserID, ID: id, Kind: k.name, Measures: k.limits != nil})
		if errors.Is(err, pgx.ErrNoRows) {
			return k.notFoundOrHidden(cmd, rev.action, id, nil)
		}
		if err != nil {
			return fmt.Errorf("lock record: %w", err)
		}
		if err := k.mayRevise(cmd, rev.action, row); err != nil {
			return err
		}
		if rev.right != nil {
			if err := rev.right(row); err != nil {
				return err
			}
		}
		if err := checkVersion(rev.ifMatch, row.Record.Version); err != nil {
			return err
		}
		r, err = k.write(ctx, tx, cmd, row, rev)
		return err
	})
	if err != nil {
		return Record[B]{}, err
	}
	return r, nil
}

// checkVersion returns an error unless ifMatch is the current version.
func checkVersion(ifMatch, version int64) error {
	return care.MatchVersion("the record", "change", ifMatch, version)
}

// write writes the next version of the locked row, and appends its events last.
func (k *Kind[B]) write(ctx context.Context, tx pgx.Tx, cmd care.Command, row db.RecordLockRow, rev revision[B]) (Record[B], error) {
	r, events, err := k.writeVersion(ctx, tx, cmd, row, rev)
	if err != nil {
		return Record[B]{}, err
	}
	return r, outbox.Append(ctx, tx, events...)
}

// writeVersion writes the next version of the locked row, and returns the events to append.
func (k *Kind[B]) writeVersion(ctx context.Context, tx pgx.Tx, cmd care.Command, locked db.RecordLockRow, rev revision[B]) (Record[B], []event.Event, error) {
	old := locked.Record
	before, err := k.decode(old.Body)
	if err != nil {
		return Record[B]{}, nil, err
	}
	limits, err := k.limits.inTx(ctx, tx, old.ClinicID, locked.LimitsVersion)
	if err != nil {
		return Record[B]{}, nil, err
	}
	known := k.criticalFindings(&before, limits)
	b, what, err := rev.next(before, locked)
	if err != nil {
		return Record[B]{}, nil, err
	}
	h, q := k.body(&b).head(), db.New(tx)
	if err := checkReplacement(ctx, q, h, old); err != nil {
		return Record[B]{}, nil, err
	}
	data, err := json.Marshal(b)
	if err != nil {
		return Record[B]{}, nil, fmt.Errorf("encode %s: %w", k.name, err)
	}
	critical := slices.ContainsFunc(k.criticalFindings(&b, limits), func(a string) bool { return !slices.Contains(known, a) })
	row, err := q.RecordReplace(ctx, db.RecordReplaceParams{
		ID: old.ID, Status: h.Status, DoctorID: *h.DoctorID, CodeSystem: h.Code.System, Code: h.Code.Code,
		EffectiveAt: h.EffectiveAt.Start(), Partial: h.EffectiveAt.IsPartial(), Body: data, UpdatedBy: cmd.Actor.ID, Reason: rev.reason, Releases: k.spec.Releases(h.Status),
		Holds: critical && !cmd.Imported,
	})
	if err != nil {
		return Record[B]{}, nil, fmt.Errorf("replace record: %w", err)
	}
	events := k.written(cmd, version{
		id: old.ID, number: row.Version, what: what, head: h, released: row.ReleasedVersion != nil,
		critical: critical, held: held(row.HeldUntil),
	})
	return Record[B]{
		ID: old.ID, Version: row.Version, CreatedAt: old.CreatedAt, UpdatedAt: row.UpdatedAt,
		CreatedBy: old.CreatedBy, UpdatedBy: cmd.Actor.ID, Reason: rev.reason, Body: b,
	}, events, nil
}

// checkSameSubject returns an error if the version is about another patient or clinic.
func checkSameSubject(h *Head, old db.Record) error {
	var errs care.FieldErrors
	if h.PatientID != old.PatientID {
		errs.Add("patientId", "cannot change: retract this record and create a new one")
	}
	if h.ClinicID != old.ClinicID {
		errs.Add("clinicId", "cannot change: retract this record and create a new one")
	}
	return errs.Err()
}

// checkReplacement checks the people named in a new version. The doctor named in the previous
// version remains valid, even if they have left.
func checkReplacement(ctx context.Context, q *db.Queries, h *Head, old db.Record) error {
	if err := checkSameSubject(h, old); err != nil {
		return err
	}
	var errs care.FieldErrors
	if h.DoctorID == nil {
		h.DoctorID = &old.DoctorID
	}
	if *h.DoctorID != old.DoctorID {
		active, err := q.MembershipActive(ctx, db.MembershipActiveParams{UserID: *h.DoctorID, ClinicID: old.ClinicID, Role: string(care.Doctor)})
		if err != nil {
			return fmt.Errorf("look up doctor: %w", err)
		}
		if !active {
			errs.Add("doctorId", "must be an active doctor of this clinic")
		}
	}
	return errs.Err()
}
