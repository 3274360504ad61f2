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

// Imported is the current state of a record in another system.
type Imported[B any] struct {
	ID uuid.UUID
	// Known reports whether a version of the record was imported before; Body is then the next
	// version.
	Known bool
	Body  *B
}

// ImportTx imports records in bulk and appends their events. Only carewire's own import may call
// it. itemErrs has for each record nil or a care.Error; a record with an error is not written.
// Bodies are checked as in Create and Update, except that any status may follow any other, as it
// already did in the other system.
func (k *Kind[B]) ImportTx(ctx context.Context, tx pgx.Tx, cmd care.Command, records []Imported[B]) (itemErrs []error, err error) {
	if !cmd.Actor.MayOnPlatform(care.RecordCreate) || !cmd.Actor.MayOnPlatform(care.RecordReplace) {
		return nil, care.Errorf(care.Forbidden, "only the platform imports records")
	}
	itemErrs = make([]error, len(records))
	p := db.RecordInsertManyParams{Kind: k.name, CreatedBy: cmd.Actor.ID}
	first := map[uuid.UUID]int{}
	var events []event.Event
	for i, r := range records {
		h, err := k.prepareImported(r.Body)
		// A further version without a doctor keeps the doctor of the one before.
		if err == nil && h.DoctorID == nil && !r.Known {
			err = care.InvalidField("doctorId", "must name the responsible doctor")
		}
		switch {
		case err != nil:
			itemErrs[i] = err
		case r.Known:
			written, err := k.importVersion(ctx, tx, cmd, r)
			if itemErrs[i] = asItemError(&err); err != nil {
				return nil, err
			}
			events = append(events, written...)
		default:
			data, err := json.Marshal(r.Body)
			if err != nil {
				return nil, fmt.Errorf("encode %s: %w", k.name, err)
			}
			addRecord(&p, r.ID, h, data, k.spec.Releases(h.Status))
			first[r.ID] = i
		}
	}
	inserted, err := db.New(tx).RecordInsertMany(ctx, p)
	if err != nil {
		return nil, fmt.Errorf("insert records: %w", err)
	}
	limits, err := k.limits.ofClinics(ctx, tx, p.ClinicIds)
	if err != nil {
		return nil, err
	}
	for _, id := range inserted {
		body := records[first[id]].Body
		delete(first, id)
		h := k.body(body).head()
		events = append(events, k.written(cmd, version{
			id: id, number: 1, what: "created", head: h, released: k.spec.Releases(h.Status), critical: len(k.criticalFindings(body, limits[h.ClinicID])) > 0,
		})...)
	}
	for _, i := range first {
		itemErrs[i] = care.InvalidField("patientId", "must be an active patient of the clinic, and doctorId an active doctor of it")
	}
	return itemErrs, outbox.Append(ctx, tx, events...)
}

// importVersion writes the next version of a record that was imported before, and returns its
// events.
func (k *Kind[B]) importVersion(ctx context.Context, tx pgx.Tx, cmd care.Command, r Imported[B]) ([]event.Event, error) {
	row, err := db.New(tx).RecordLock(ctx, db.RecordLockParams{ActorID: cmd.Actor.UserID, ID: r.ID, Kind: k.name, Measures: k.limits != nil})
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, care.Errorf(care.NotFound, "the record that was imported before no longer exists")
	}
	if err != nil {
		return nil, fmt.Errorf("lock record: %w", err)
	}
	_, events, err := k.writeVersion(ctx, tx, cmd, row, revision[B]{
		next: func(_ B, row db.RecordLockRow) (B, string, error) {
			old := row.Record
			if old.Status == retracted {
				return *r.Body, "", k.spec.checkTransition(old.Status, retracted)
			}
			return *r.Body, k.spec.changeName(old.ReleasedVersion != nil, k.body(r.Body).head().Status), nil
		},
	})
	return events, err
}

// RetractImportedTx retracts a record that was imported before and that the other system has
// deleted. Only carewire's own import may call it. refused is a care.Error if the record cannot be
// retracted.
func (k *Kind[B]) RetractImportedTx(ctx context.Context, tx pgx.Tx, cmd care.Command, id uuid.UUID, reason string) (refused, err error) {
	if !cmd.Actor.MayOnPlatform(care.RecordReplace) {
		return nil, care.Errorf(care.Forbidden, "only the platform imports records")
	}
	row, err := db.New(tx).RecordLock(ctx, db.RecordLockParams{ActorID: cmd.Actor.UserID, ID: id, Kind: k.name, Measures: k.limits != nil})
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return care.Errorf(care.NotFound, "the record that was imported before no longer exists"), nil
	case err != nil:
		return nil, fmt.Errorf("lock record: %w", err)
	case row.Record.Status == retracted:
		return nil, nil
	}
	_, events, err := k.writeVersion(ctx, tx, cmd, row, k.retraction(reason))
	if refused := asItemError(&err); refused != nil || err != nil {
		return refused, err
	}
	return nil, outbox.Append(ctx, tx, events...)
}

// asItemError returns *err and sets it to nil if the error concerns one record only. Otherwise it
// returns nil.
func asItemError(err *error) error {
	refusal := *err
	if !slices.Contains([]care.Code{care.Invalid, care.Conflict, care.NotFound}, care.CodeOf(refusal)) {
		return nil
	}
	*err = nil
	return refusal
}

func addRecord(p *db.RecordInsertManyParams, id uuid.UUID, h *Head, data []byte, releases bool) {
	p.Ids = append(p.Ids, id)
	p.Statuses = append(p.Statuses, h.Status)
	p.PatientIds = append(p.PatientIds, h.PatientID)
	p.ClinicIds = append(p.ClinicIds, h.ClinicID)
	p.DoctorIds = append(p.DoctorIds, *h.DoctorID)
	p.CodeSystems = append(p.CodeSystems, h.Code.System)
	p.Codes = append(p.Codes, h.Code.Code)
	p.EffectiveAts = append(p.EffectiveAts, h.EffectiveAt.Start())
	p.Partials = append(p.Partials, h.EffectiveAt.IsPartial())
	p.Bodies = append(p.Bodies, data)
	p.Releases = append(p.Releases, releases)
}
