package billing

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

// overdue is the flag, as a filter names it beside the statuses.
const overdue = "overdue"

// Filter narrows a list. The zero value is the first page of all that the caller may see.
type Filter struct {
	// PatientID and ClinicID are zero for any.
	PatientID uuid.UUID
	ClinicID  uuid.UUID
	// Status is empty for any; "overdue" is those that are, in whichever status.
	Status string
	// Cursor is the Next of the page before.
	Cursor string
	// Limit is 1 to 200; 0 means 50.
	Limit int
}

// Page is one page of a list, the newest first; Next is the cursor of the page after it, or empty.
type Page struct {
	Items []Invoice `json:"items"`
	Next  string    `json:"next,omitempty" doc:"The cursor of the page after this one; left out on the last."`
}

func (f *Filter) check() (care.PageCursor, error) {
	var p care.FieldErrors
	if f.Limit == 0 {
		f.Limit = defaultLimit
	}
	if f.Limit < 1 || f.Limit > maxLimit {
		p.Add("limit", "must be 1 to %d", maxLimit)
	}
	if !slices.Contains([]string{"", StatusDraft, StatusIssued, StatusPartlyPaid, StatusPaid, StatusCredited, StatusVoid, overdue}, f.Status) {
		p.Add("status", "must be draft, issued, partly_paid, paid, credited, void or overdue")
	}
	from, ok := care.ParsePageCursor(f.Cursor, care.AfterAll)
	if !ok {
		p.Add("cursor", "must be the next of the page before")
	}
	return from, p.Err()
}

// List gives the invoices that the actor may see, the newest first. A patient or clinic of whose invoices the actor may
// see none at all is refused: care.NotFound for the patient, care.Forbidden for the clinic.
func (s *Service) List(ctx context.Context, cmd care.Command, f Filter) (Page, error) {
	from, err := f.check()
	if err != nil {
		return Page{}, err
	}
	var page Page
	err = s.writer.InTx(ctx, cmd, func(tx pgx.Tx) error {
		q := db.New(tx)
		rows, err := invoices(ctx, q, cmd.Actor, f, from)
		if err != nil {
			return fmt.Errorf("list invoices: %w", err)
		}
		if len(rows) > f.Limit {
			rows = rows[:f.Limit]
			last := rows[f.Limit-1]
			page.Next = care.PageCursor{Time: last.CreatedAt, ID: last.ID}.String()
		}
		if page.Items, err = details(ctx, q, rows); err != nil {
			return err
		}
		events := event.ListReads(cmd, rows, shown)
		if len(rows) == 0 {
			if events, err = nothing(ctx, q, cmd, f); err != nil {
				return err
			}
		}
		return outbox.Append(ctx, tx, events...)
	})
	if err != nil {
		return Page{}, err
	}
	return page, nil
}

// invoices asks for one row more than the page holds, to know whether there is a next one.
func invoices(ctx context.Context, q *db.Queries, actor care.Actor, f Filter, from care.PageCursor) ([]db.Invoice, error) {
	p := db.InvoiceListOfPatientParams{
		PatientID: f.PatientID, AnyClinic: f.ClinicID == uuid.Nil, ClinicID: f.ClinicID, Status: f.Status,
		BeforeTime: from.Time, BeforeID: from.ID, Own: readsOwn(), ActorID: actor.UserID,
		Clinics: actor.ClinicsFor(care.InvoiceRead, care.SameClinic), RowLimit: int32(f.Limit) + 1,
	}
	if f.Status == overdue {
		p.Status, p.OnlyOverdue = "", true
	}
	switch {
	case f.PatientID != uuid.Nil:
		return q.InvoiceListOfPatient(ctx, p)
	case f.ClinicID != uuid.Nil:
		return q.InvoiceListOfClinic(ctx, db.InvoiceListOfClinicParams{
			ClinicID: p.ClinicID, Status: p.Status, OnlyOverdue: p.OnlyOverdue, BeforeTime: p.BeforeTime, BeforeID: p.BeforeID,
			Own: p.Own, ActorID: p.ActorID, Clinics: p.Clinics, RowLimit: p.RowLimit,
		})
	default:
		return q.InvoiceListVisible(ctx, db.InvoiceListVisibleParams{
			Status: p.Status, OnlyOverdue: p.OnlyOverdue, BeforeTime: p.BeforeTime, BeforeID: p.BeforeID,
			Own: p.Own, ActorID: p.ActorID, Clinics: p.Clinics, RowLimit: p.RowLimit,
		})
	}
}

// nothing settles what an empty list means: that there is nothing, or that the actor may not ask.
func nothing(ctx context.Context, q *db.Queries, cmd care.Command, f Filter) ([]event.Event, error) {
	actor := cmd.Actor
	clinics := actor.ClinicsFor(care.InvoiceRead, care.SameClinic)
	if f.PatientID == uuid.Nil {
		readsAt := slices.Concat(clinics, actor.ClinicsFor(care.InvoiceRead, care.Own))
		if len(readsAt) == 0 || (f.ClinicID != uuid.Nil && !slices.Contains(readsAt, f.ClinicID)) {
			answer := care.Errorf(care.Forbidden, "you hold no role that reads invoices there")
			return nil, outbox.Deny(cmd, answer, care.InvoiceRead, care.Ref{Kind: "clinic", ID: f.ClinicID}, nil, clinicOf(f))
		}
		return nil, nil
	}
	if f.ClinicID != uuid.Nil {
		clinics = slices.DeleteFunc(clinics, func(id uuid.UUID) bool { return id != f.ClinicID })
	}
	listable := f.PatientID == actor.UserID && actor.MayOwn(care.InvoiceRead)
	if !listable {
		var err error
		listable, err = q.InvoiceListable(ctx, db.InvoiceListableParams{PatientID: f.PatientID, Clinics: clinics})
		if err != nil {
			return nil, fmt.Errorf("look up patient: %w", err)
		}
	}
	if !listable {
		answer := care.Errorf(care.NotFound, "there is no such patient, or you may not see their invoices")
		return nil, outbox.Deny(cmd, answer, care.InvoiceRead, care.Ref{Kind: "patient", ID: f.PatientID}, nil, clinicOf(f))
	}
	return []event.Event{event.ListRead(cmd, f.PatientID, clinicOf(f), nil)}, nil
}

func clinicOf(f Filter) *uuid.UUID {
	if f.ClinicID == uuid.Nil {
		return nil
	}
	return &f.ClinicID
}
