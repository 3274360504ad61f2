package ehr

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

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

// Filter narrows a list; what is zero does not. The zero value is the first page of all that the caller may see.
type Filter struct {
	PatientID uuid.UUID
	ClinicID  uuid.UUID
	// DoctorID is who answers for the record, AuthorID who wrote its first version.
	DoctorID uuid.UUID
	AuthorID uuid.UUID
	Status   string
	// Code is "system|code", or a code of any system.
	Code string
	// From is the earliest EffectiveAt, To the first that is too late.
	From, To time.Time
	// Cursor is the Next of the page before.
	Cursor string
	// Limit is 1 to 200; 0 means 50.
	Limit int
}

// check gives where the page begins.
func (f *Filter) check(s Spec) (care.PageCursor, error) {
	var p care.FieldErrors
	checkLimit(&p, &f.Limit)
	from, ok := care.ParsePageCursor(f.Cursor, care.AfterAll)
	if !ok {
		p.Add("cursor", "must be the next of the page before")
	}
	oneOf(&p, "status", f.Status, s.Statuses()...)
	if system, code := f.code(); f.Code != "" && (code == "" || (system == "" && strings.Contains(f.Code, "|"))) {
		p.Add("code", "must be a code, or system|code")
	}
	p.Text("code", f.Code, 0, 301)
	if !f.To.IsZero() {
		if !f.To.After(f.From) {
			p.Add("to", "must be after from")
		}
		// What is at To itself comes before every mark of that time.
		if f.To.Before(from.Time) || f.To.Equal(from.Time) {
			from = care.PageCursor{Time: f.To}
		}
	}
	return from, p.Err()
}

// checkLimit sets the limit of a page that names none.
func checkLimit(p *care.FieldErrors, limit *int) {
	if *limit == 0 {
		*limit = defaultLimit
	}
	if *limit < 1 || *limit > maxLimit {
		p.Add("limit", "must be 1 to %d", maxLimit)
	}
}

// code splits the filter's code; the system is empty for any. A code system's URI can hold a bar, a code does not.
func (f *Filter) code() (system, code string) {
	if i := strings.LastIndexByte(f.Code, '|'); i >= 0 {
		return f.Code[:i], f.Code[i+1:]
	}
	return "", f.Code
}

// optional gives nil, which is no filter, for a zero value.
func optional[T comparable](v T) *T {
	if v == *new(T) {
		return nil
	}
	return &v
}

// List gives the records that the actor may see, newest EffectiveAt first. A patient or clinic of whose records the actor
// may see none at all is refused: care.NotFound for the patient, care.Forbidden for the clinic.
func (k *Kind[B]) List(ctx context.Context, cmd care.Command, f Filter) (Page[B], error) {
	from, err := f.check(k.spec)
	if err != nil {
		return Page[B]{}, err
	}
	page := Page[B]{Items: []Record[B]{}}
	err = k.writer.InTx(ctx, cmd, func(tx pgx.Tx) error {
		q := db.New(tx)
		if err := q.RecordListPlanForValues(ctx); err != nil {
			return fmt.Errorf("list records: %w", err)
		}
		rows, err := k.rows(ctx, q, cmd.Actor, f, from)
		if err != nil {
			return fmt.Errorf("list records: %w", err)
		}
		if len(rows) > f.Limit {
			rows = rows[:f.Limit]
			last := rows[f.Limit-1]
			page.Next = care.PageCursor{Time: last.EffectiveAt, ID: last.ID}.String()
		}
		for _, row := range rows {
			// Who is on their own care team sees in a list what a patient sees.
			v, _ := viewOf(cmd.Actor, row, standing{onCareTeam: row.PatientID != cmd.Actor.UserID})
			r, err := k.seen(row, v)
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
func (k *Kind[B]) rows(ctx context.Context, q *db.Queries, actor care.Actor, f Filter, from care.PageCursor) ([]db.Record, error) {
	system, code := f.code()
	p := db.RecordListVisibleParams{
		Kind: k.name, PatientID: optional(f.PatientID), ClinicID: optional(f.ClinicID), DoctorID: optional(f.DoctorID),
		Status: optional(f.Status), CodeSystem: optional(system), Code: optional(code),
		FromTime: f.From, BeforeTime: from.Time, BeforeID: from.ID, Own: actor.MayOwn(care.RecordRead), ActorID: actor.UserID,
		DoctorClinics: actor.ClinicsFor(care.RecordRead, care.Responsible),
		TeamClinics:   actor.ClinicsFor(care.RecordRead, care.CareTeam),
		AuthorClinics: actor.ClinicsFor(care.RecordRead, care.Author), ActorText: actor.ID,
		RowLimit: int32(f.Limit) + 1,
	}
	if f.AuthorID != uuid.Nil {
		p.AuthorID = new(f.AuthorID.String())
	}
	// The narrowest way in comes first.
	switch {
	case p.PatientID != nil:
		return q.RecordListOfPatient(ctx, db.RecordListOfPatientParams(p))
	case p.DoctorID != nil:
		return q.RecordListOfDoctor(ctx, db.RecordListOfDoctorParams(p))
	case p.AuthorID != nil:
		return q.RecordListOfAuthor(ctx, db.RecordListOfAuthorParams(p))
	case p.ClinicID != nil:
		return q.RecordListOfClinic(ctx, db.RecordListOfClinicParams(p))
	default:
		return q.RecordListVisible(ctx, p)
	}
}

// nothing settles what an empty list means: that there is nothing, or that the actor may not ask.
func (k *Kind[B]) nothing(ctx context.Context, q *db.Queries, cmd care.Command, f Filter) ([]event.Event, error) {
	actor := cmd.Actor
	var readsAt []uuid.UUID
	for _, relation := range []care.Relation{care.CareTeam, care.Responsible, care.Author, care.Own} {
		readsAt = append(readsAt, actor.ClinicsFor(care.RecordRead, relation)...)
	}
	if f.PatientID == uuid.Nil {
		if len(readsAt) == 0 || (f.ClinicID != uuid.Nil && !slices.Contains(readsAt, f.ClinicID)) {
			answer := care.Errorf(care.Forbidden, "you hold no role that reads records there")
			return nil, outbox.Deny(cmd, answer, care.RecordRead, care.Ref{Kind: "clinic", ID: f.ClinicID}, nil, clinicOf(f))
		}
		return nil, nil
	}
	listable := f.PatientID == actor.UserID && actor.MayOwn(care.RecordRead)
	if !listable {
		var err error
		listable, err = q.RecordListable(ctx, db.RecordListableParams{
			PatientID: f.PatientID, ActorID: actor.UserID, Kind: k.name,
			TeamClinics:   actor.ClinicsFor(care.RecordRead, care.CareTeam),
			DoctorClinics: actor.ClinicsFor(care.RecordRead, care.Responsible),
			AuthorClinics: actor.ClinicsFor(care.RecordRead, care.Author), ActorText: actor.ID,
			AnyClinic: f.ClinicID == uuid.Nil, ClinicID: f.ClinicID,
		})
		if err != nil {
			return nil, fmt.Errorf("look up care team: %w", err)
		}
	}
	if !listable {
		answer := care.Errorf(care.NotFound, "there is no such patient, or you may not see their records")
		return nil, outbox.Deny(cmd, answer, care.RecordRead, care.Ref{Kind: "patient", ID: f.PatientID}, nil, clinicOf(f))
	}
	return []event.Event{event.ListRead(cmd, f.PatientID, clinicOf(f), nil)}, nil
}

func clinicOf(f Filter) *uuid.UUID {
	if f.ClinicID == uuid.Nil {
		return nil
	}
	return &f.ClinicID
}
