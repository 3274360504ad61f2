package ehr

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

const (
	defaultLimit = 50
	maxLimit     = 200
)

// Filter narrows a list. The zero value is the first page of all that the caller may see.
type Filter struct {
	// PatientID and ClinicID are zero for any.
	PatientID uuid.UUID
	ClinicID  uuid.UUID
	// Cursor is the Next of the page before.
	Cursor string
	// Limit is 1 to 200; 0 means 50.
	Limit int
}

func (f *Filter) check() (care.PageMark, error) {
	var p care.Problems
	if f.Limit == 0 {
		f.Limit = defaultLimit
	}
	if f.Limit < 1 || f.Limit > maxLimit {
		p.Add("limit", "must be 1 to %d", maxLimit)
	}
	from, ok := care.ParsePageMark(f.Cursor, care.AfterAll)
	if !ok {
		p.Add("cursor", "must be the next of the page before")
	}
	return from, p.Err()
}

// List gives the records that the actor may see, newest EffectiveAt first. A patient or clinic of whose records the actor
// may see none at all is refused: care.NotFound for the patient, care.Forbidden for the clinic.
func (k *Kind[B]) List(ctx context.Context, cmd care.Command, f Filter) (Page[B], error) {
	from, err := f.check()
	if err != nil {
		return Page[B]{}, err
	}
	page := Page[B]{Items: []Record[B]{}}
	err = k.writer.InTx(ctx, cmd, func(tx pgx.Tx) error {
		q := db.New(tx)
		rows, err := k.rows(ctx, q, cmd.Actor, f, from)
		if err != nil {
			return fmt.Errorf("list records: %w", err)
		}
		if len(rows) > f.Limit {
			rows = rows[:f.Limit]
			last := rows[f.Limit-1]
			page.Next = care.PageMark{Time: last.EffectiveAt, ID: last.ID}.String()
		}
		for _, row := range rows {
			r, err := k.record(row)
			if err != nil {
				return err
			}
			page.Items = append(page.Items, r)
		}
		events := event.ListReads(cmd, rows, shown)
		if len(rows) == 0 {
			if events, err = k.nothing(ctx, q, cmd, f); err != nil {
				return err
			}
		}
		return outbox.Append(ctx, tx, events...)
	})
	if err != nil {
		return Page[B]{}, err
	}
	return page, nil
}

// rows asks for one row more than the page holds, to know whether there is a next one.
func (k *Kind[B]) rows(ctx context.Context, q *db.Queries, actor care.Actor, f Filter, from care.PageMark) ([]db.Record, error) {
	p := db.RecordListOfPatientParams{
		PatientID: f.PatientID, Kind: k.name, AnyClinic: f.ClinicID == uuid.Nil, ClinicID: f.ClinicID,
		BeforeTime: from.Time, BeforeID: from.ID, Own: actor.MayOwn(care.RecordRead), ActorID: actor.UserID,
		DoctorClinics: actor.ClinicsFor(care.RecordRead, care.Responsible),
		TeamClinics:   actor.ClinicsFor(care.RecordRead, care.CareTeam),
		RowLimit:      int32(f.Limit) + 1,
	}
	switch {
	case f.PatientID != uuid.Nil:
		return q.RecordListOfPatient(ctx, p)
	case f.ClinicID != uuid.Nil:
		return q.RecordListOfClinic(ctx, db.RecordListOfClinicParams{
			ClinicID: p.ClinicID, Kind: p.Kind, BeforeTime: p.BeforeTime, BeforeID: p.BeforeID, Own: p.Own, ActorID: p.ActorID,
			DoctorClinics: p.DoctorClinics, TeamClinics: p.TeamClinics, RowLimit: p.RowLimit,
		})
	default:
		return q.RecordListVisible(ctx, db.RecordListVisibleParams{
			Kind: p.Kind, BeforeTime: p.BeforeTime, BeforeID: p.BeforeID, Own: p.Own, ActorID: p.ActorID,
			DoctorClinics: p.DoctorClinics, TeamClinics: p.TeamClinics, RowLimit: p.RowLimit,
		})
	}
}

// nothing settles what an empty list means: that there is nothing, or that the actor may not ask.
func (k *Kind[B]) nothing(ctx context.Context, q *db.Queries, cmd care.Command, f Filter) ([]event.Event, error) {
	actor := cmd.Actor
	readsAt := slices.Concat(actor.ClinicsFor(care.RecordRead, care.CareTeam), actor.ClinicsFor(care.RecordRead, care.Responsible), actor.ClinicsFor(care.RecordRead, care.Own))
	if f.PatientID == uuid.Nil {
		if len(readsAt) == 0 || (f.ClinicID != uuid.Nil && !slices.Contains(readsAt, f.ClinicID)) {
			answer := care.Errorf(care.Forbidden, "you hold no role that reads records there")
			return nil, outbox.Refuse(cmd, answer, care.RecordRead, care.Ref{Kind: "clinic", ID: f.ClinicID}, nil, clinicOf(f))
		}
		return nil, nil
	}
	listable := f.PatientID == actor.UserID && actor.MayOwn(care.RecordRead)
	if !listable {
		var err error
		listable, err = q.RecordListable(ctx, db.RecordListableParams{
			PatientID: f.PatientID, ActorID: actor.UserID, TeamClinics: actor.ClinicsFor(care.RecordRead, care.CareTeam),
			AnyClinic: f.ClinicID == uuid.Nil, ClinicID: f.ClinicID,
		})
		if err != nil {
			return nil, fmt.Errorf("look up care team: %w", err)
		}
	}
	if !listable {
		answer := care.Errorf(care.NotFound, "there is no such patient, or you may not see their records")
		return nil, outbox.Refuse(cmd, answer, care.RecordRead, care.Ref{Kind: "patient", ID: f.PatientID}, nil, clinicOf(f))
	}
	return []event.Event{event.ListRead(cmd, f.PatientID, clinicOf(f), nil)}, nil
}

func clinicOf(f Filter) *uuid.UUID {
	if f.ClinicID == uuid.Nil {
		return nil
	}
	return &f.ClinicID
}
