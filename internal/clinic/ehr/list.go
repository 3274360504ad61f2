package ehr

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"carewire/internal/care"
	"carewire/internal/event"
	"carewire/internal/outbox"
	"carewire/internal/postgres/db"
)

// Filter narrows a list. A zero field does not filter. The zero value is the first page of all
// records that the caller may see.
type Filter struct {
	PatientID uuid.UUID
	ClinicID  uuid.UUID
	// DoctorID is the responsible doctor, AuthorID the author of the first version.
	DoctorID uuid.UUID
	AuthorID uuid.UUID
	Status   string
	// Code is "system|code", or a code of any system.
	Code string
	// From is the earliest EffectiveAt, inclusive; To is the latest, exclusive.
	From, To time.Time
	// Cursor is the Next of the previous page.
	Cursor string
	// Limit is 1 to 200; 0 means 50.
	Limit int
}

// check returns the position at which the page begins.
func (f *Filter) check(s Spec) (care.PageCursor, error) {
	var errs care.FieldErrors
	f.Limit = errs.PageLimit(f.Limit)
	from := errs.Cursor(f.Cursor, care.AfterAll)
	oneOf(&errs, "status", f.Status, s.Statuses()...)
	if system, code := f.code(); f.Code != "" && (code == "" || (system == "" && strings.Contains(f.Code, "|"))) {
		errs.Add("code", "must be a code, or system|code")
	}
	errs.Text("code", f.Code, 0, 301)
	if !f.To.IsZero() {
		if !f.To.After(f.From) {
			errs.Add("to", "must be after from")
		}
		// Items at To itself sort before every cursor with that time.
		if f.To.Before(from.Time) || f.To.Equal(from.Time) {
			from = care.PageCursor{Time: f.To}
		}
	}
	return from, errs.Err()
}

// code splits the filter's code; the system is empty for any. The URI of a code system can contain
// a bar, a code cannot.
func (f *Filter) code() (system, code string) {
	if i := strings.LastIndexByte(f.Code, '|'); i >= 0 {
		return f.Code[:i], f.Code[i+1:]
	}
	return "", f.Code
}

// List returns the records that the actor may see, in descending order of EffectiveAt. If the actor
// may not see any records of the patient or at the clinic, the error is care.NotFound for the
// patient, and care.Forbidden for the clinic.
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
		rows, page.Next = care.Paginate(rows, f.Limit, func(last db.Record) string {
			return care.PageCursor{Time: last.EffectiveAt, ID: last.ID}.String()
		})
		for _, row := range rows {
			// Members of their own care team see in a list what patients see.
			v, _ := viewOf(cmd.Actor, row, standing{onCareTeam: row.PatientID != cmd.Actor.UserID})
			r, err := k.seen(row, v)
			if err != nil {
				return err
			}
			page.Items = append(page.Items, r)
		}
		events := event.ListReads(cmd, k.list(f), rows, shown)
		if len(rows) == 0 {
			if events, err = k.emptyList(ctx, q, cmd, f); err != nil {
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

// rows reads one row more than the page holds, to detect whether there is a next page.
func (k *Kind[B]) rows(ctx context.Context, q *db.Queries, actor care.Actor, f Filter, from care.PageCursor) ([]db.Record, error) {
	system, code := f.code()
	p := db.RecordListVisibleParams{
		Kind: k.name, PatientID: care.NonZero(f.PatientID), ClinicID: care.NonZero(f.ClinicID), DoctorID: care.NonZero(f.DoctorID),
		Status: care.NonZero(f.Status), CodeSystem: care.NonZero(system), Code: care.NonZero(code),
		FromTime: f.From, BeforeTime: from.Time, BeforeID: from.ID, Own: actor.MayOwn(care.RecordRead), ActorID: actor.UserID,
		DoctorClinics: actor.ClinicsFor(care.RecordRead, care.Responsible),
		TeamClinics:   actor.ClinicsFor(care.RecordRead, care.CareTeam),
		AuthorClinics: actor.ClinicsFor(care.RecordRead, care.Author), ActorText: actor.ID,
		RowLimit: int32(f.Limit) + 1,
	}
	if f.AuthorID != uuid.Nil {
		p.AuthorID = new(f.AuthorID.String())
	}
	// The most selective filter comes first.
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

// emptyList returns the events that audit an empty list, or a denial if the actor may not see any
// records.
func (k *Kind[B]) emptyList(ctx context.Context, q *db.Queries, cmd care.Command, f Filter) ([]event.Event, error) {
	actor := cmd.Actor
	var readsAt []uuid.UUID
	for _, relation := range []care.Relation{care.CareTeam, care.Responsible, care.Author, care.Own} {
		readsAt = append(readsAt, actor.ClinicsFor(care.RecordRead, relation)...)
	}
	return outbox.EmptyList{
		Action: care.RecordRead, Items: "records", List: k.list(f), PatientID: f.PatientID, ClinicID: f.ClinicID, ReadsAt: readsAt,
		PatientListable: func() (bool, error) {
			return q.RecordListable(ctx, db.RecordListableParams{
				PatientID: f.PatientID, ActorID: actor.UserID, Kind: k.name,
				TeamClinics:   actor.ClinicsFor(care.RecordRead, care.CareTeam),
				DoctorClinics: actor.ClinicsFor(care.RecordRead, care.Responsible),
				AuthorClinics: actor.ClinicsFor(care.RecordRead, care.Author), ActorText: actor.ID,
				AnyClinic: f.ClinicID == uuid.Nil, ClinicID: f.ClinicID,
			})
		},
	}.Events(ctx, q, cmd)
}
