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
	"carewire/internal/postgres"
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

// manyPatients is the number of patients above which an actor's list is read from the records of
// their clinics: looking up the newest record of each of their patients takes longer.
const manyPatients = 1000

// List returns the records that the actor may see, in descending order of EffectiveAt. With a filter,
// and for an actor with more than a thousand patients, a page may be short, or empty, and have a next
// one: at most 1,000 records of each index are looked at for it. If the actor may not see any records of
// the patient or at the clinic, the error is care.NotFound for the patient, and care.Forbidden for the
// clinic.
func (k *Kind[B]) List(ctx context.Context, cmd care.Command, f Filter) (Page[B], error) {
	from, err := f.check(k.spec)
	if err != nil {
		return Page[B]{}, err
	}
	page := Page[B]{Items: []Record[B]{}}
	err = k.writer.InTx(ctx, cmd, func(tx pgx.Tx) error {
		q := db.New(tx)
		if err := q.PlanForAnyValues(ctx); err != nil {
			return fmt.Errorf("list records: %w", err)
		}
		found, err := k.rows(ctx, q, cmd.Actor, f, from)
		if err != nil {
			return fmt.Errorf("list records: %w", err)
		}
		found, next := care.PaginateFiltered(found, f.Limit, func(r db.RecordListOfPatientRow) (care.Place, care.PageCursor) {
			return care.Place{Matches: r.Matches, LastRead: r.LastRead}, care.PageCursor{Time: r.Record.EffectiveAt, ID: r.Record.ID}
		})
		page.Next = next.String()
		rows := postgres.ConvertRows(found, func(r db.RecordListOfPatientRow) db.Record { return r.Record })
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

// rows reads one row more than the page holds, to detect whether there is a next page, along the index
// that leaves the fewest records to the other filters.
func (k *Kind[B]) rows(ctx context.Context, q *db.Queries, actor care.Actor, f Filter, from care.PageCursor) ([]db.RecordListOfPatientRow, error) {
	system, code := f.code()
	p := db.RecordListOfPatientParams{
		Kind: k.name, PatientID: care.NonZero(f.PatientID), ClinicID: care.NonZero(f.ClinicID), DoctorID: care.NonZero(f.DoctorID),
		Status: care.NonZero(f.Status), CodeSystem: care.NonZero(system), Code: care.NonZero(code),
		FromTime: f.From, BeforeTime: from.Time, BeforeID: from.ID, Own: actor.MayOwn(care.RecordRead), ActorID: actor.UserID,
		DoctorClinics: f.at(actor.ClinicsFor(care.RecordRead, care.Responsible)),
		TeamClinics:   f.at(actor.ClinicsFor(care.RecordRead, care.CareTeam)),
		AuthorClinics: f.at(actor.ClinicsFor(care.RecordRead, care.Author)), ActorText: actor.ID,
		RowLimit: int32(f.Limit) + 1,
	}
	if f.AuthorID != uuid.Nil {
		p.AuthorID = new(f.AuthorID.String())
	}
	if p.PatientID == nil && len(p.DoctorClinics)+len(p.TeamClinics)+len(p.AuthorClinics) == 0 {
		p.PatientID = &actor.UserID // They may see only their own.
	}
	switch {
	case p.PatientID != nil:
		return q.RecordListOfPatient(ctx, p)
	case p.DoctorID != nil:
		found, err := q.RecordListOfDoctor(ctx, db.RecordListOfDoctorParams(p))
		return postgres.ConvertRows(found, func(r db.RecordListOfDoctorRow) db.RecordListOfPatientRow { return db.RecordListOfPatientRow(r) }), err
	case p.AuthorID != nil:
		found, err := q.RecordListOfAuthor(ctx, db.RecordListOfAuthorParams(p))
		return postgres.ConvertRows(found, func(r db.RecordListOfAuthorRow) db.RecordListOfPatientRow { return db.RecordListOfPatientRow(r) }), err
	}
	return visible(ctx, q, p)
}

// at returns those of the clinics that the filter selects.
func (f *Filter) at(clinics []uuid.UUID) []uuid.UUID {
	if f.ClinicID == uuid.Nil {
		return clinics
	}
	if slices.Contains(clinics, f.ClinicID) {
		return []uuid.UUID{f.ClinicID}
	}
	return []uuid.UUID{}
}

// visible reads what the actor may see, without a filter by patient, doctor or author.
func visible(ctx context.Context, q *db.Queries, p db.RecordListOfPatientParams) ([]db.RecordListOfPatientRow, error) {
	patients, err := q.RecordPatientCount(ctx, db.RecordPatientCountParams{ActorID: p.ActorID, TeamClinics: p.TeamClinics})
	if err != nil {
		return nil, err
	}
	if patients > manyPatients {
		found, err := q.RecordListOfClinics(ctx, db.RecordListOfClinicsParams{
			ClinicID: p.ClinicID, Status: p.Status, CodeSystem: p.CodeSystem, Code: p.Code, Own: p.Own, ActorID: p.ActorID, ActorText: p.ActorText,
			Kind: p.Kind, FromTime: p.FromTime, BeforeTime: p.BeforeTime, BeforeID: p.BeforeID, RowLimit: p.RowLimit,
			DoctorClinics: p.DoctorClinics, AuthorClinics: p.AuthorClinics, TeamClinics: p.TeamClinics,
		})
		return postgres.ConvertRows(found, func(r db.RecordListOfClinicsRow) db.RecordListOfPatientRow { return db.RecordListOfPatientRow(r) }), err
	}
	maxPatients, maxRecords := p.RowLimit, p.RowLimit
	if p.Status != nil || p.Code != nil { // Some match: more are read, to find these on few pages.
		maxPatients = max(maxPatients, 100)
		maxRecords = max(maxRecords, 1000/max(1, min(int32(patients), maxPatients)))
	}
	found, err := q.RecordListOfTeams(ctx, db.RecordListOfTeamsParams{
		ClinicID: p.ClinicID, Status: p.Status, CodeSystem: p.CodeSystem, Code: p.Code, Own: p.Own, ActorID: p.ActorID, ActorText: p.ActorText,
		Kind: p.Kind, FromTime: p.FromTime, BeforeTime: p.BeforeTime, BeforeID: p.BeforeID, RowLimit: p.RowLimit,
		MaxPatients: maxPatients, MaxRecords: maxRecords,
		DoctorClinics: p.DoctorClinics, AuthorClinics: p.AuthorClinics, TeamClinics: p.TeamClinics,
	})
	return postgres.ConvertRows(found, func(r db.RecordListOfTeamsRow) db.RecordListOfPatientRow { return db.RecordListOfPatientRow(r) }), err
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
