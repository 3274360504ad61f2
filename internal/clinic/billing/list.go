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
	"carewire/internal/postgres"
	"carewire/internal/postgres/db"
)

// overdue is the flag in the form of a status filter.
const overdue = "overdue"

// Filter narrows a list. The zero value is the first page of all invoices that the caller may see.
type Filter struct {
	// PatientID and ClinicID are zero for any.
	PatientID uuid.UUID
	ClinicID  uuid.UUID
	// Status is empty for any; "overdue" selects overdue invoices of any status.
	Status string
	// Cursor is the Next of the previous page.
	Cursor string
	// Limit is 1 to 200; 0 means 50.
	Limit int
}

// Page is one page of a list, newest first.
type Page care.Page[Invoice]

func (f *Filter) check() (care.PageCursor, error) {
	var errs care.FieldErrors
	f.Limit = errs.PageLimit(f.Limit)
	if !slices.Contains([]string{"", StatusDraft, StatusIssued, StatusPartlyPaid, StatusPaid, StatusCredited, StatusVoid, overdue}, f.Status) {
		errs.Add("status", "must be draft, issued, partly_paid, paid, credited, void or overdue")
	}
	from := errs.Cursor(f.Cursor, care.AfterAll)
	return from, errs.Err()
}

// List returns the invoices that the actor may see, newest first. If the actor may not see any
// invoices of the patient or at the clinic, the error is care.NotFound for the patient, and
// care.Forbidden for the clinic.
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
		rows, page.Next = care.Paginate(rows, f.Limit, func(last db.Invoice) string {
			return care.PageCursor{Time: last.CreatedAt, ID: last.ID}.String()
		})
		if page.Items, err = details(ctx, q, rows); err != nil {
			return err
		}
		events := event.ListReads(cmd, list(f), rows, shown)
		if len(rows) == 0 {
			if events, err = emptyList(ctx, q, cmd, f); err != nil {
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

// invoices reads one row more than the page holds, to detect whether there is a next page.
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
	case p.Status != "":
		seen, err := q.InvoiceListInStatus(ctx, db.InvoiceListInStatusParams{
			Status: p.Status, AnyClinic: p.AnyClinic, ClinicID: p.ClinicID, BeforeTime: p.BeforeTime, BeforeID: p.BeforeID,
			Own: p.Own, ActorID: p.ActorID, Clinics: p.Clinics, RowLimit: p.RowLimit,
		})
		return postgres.ConvertRows(seen, func(r db.InvoiceListInStatusRow) db.Invoice { return db.Invoice(r) }), err
	default:
		seen, err := q.InvoiceListVisible(ctx, db.InvoiceListVisibleParams{
			AnyClinic: p.AnyClinic, ClinicID: p.ClinicID, OnlyOverdue: p.OnlyOverdue, BeforeTime: p.BeforeTime, BeforeID: p.BeforeID,
			Own: p.Own, ActorID: p.ActorID, Clinics: p.Clinics, RowLimit: p.RowLimit,
		})
		return postgres.ConvertRows(seen, func(r db.InvoiceListVisibleRow) db.Invoice { return db.Invoice(r) }), err
	}
}

// emptyList returns the events that audit an empty list, or a denial if the actor may not see any
// invoices.
func emptyList(ctx context.Context, q *db.Queries, cmd care.Command, f Filter) ([]event.Event, error) {
	clinics := cmd.Actor.ClinicsFor(care.InvoiceRead, care.SameClinic)
	return outbox.EmptyList{
		Action: care.InvoiceRead, Items: "invoices", List: list(f), PatientID: f.PatientID, ClinicID: f.ClinicID,
		ReadsAt: slices.Concat(clinics, cmd.Actor.ClinicsFor(care.InvoiceRead, care.Own)),
		PatientListable: func() (bool, error) {
			if f.ClinicID != uuid.Nil {
				clinics = slices.DeleteFunc(clinics, func(id uuid.UUID) bool { return id != f.ClinicID })
			}
			return q.InvoiceListable(ctx, db.InvoiceListableParams{PatientID: f.PatientID, Clinics: clinics})
		},
	}.Events(ctx, q, cmd)
}

// list describes a list for the audit trail.
func list(f Filter) event.List {
	return event.ListOf("invoice",
		event.Filter{Name: "patientId", Used: f.PatientID != uuid.Nil}, event.Filter{Name: "clinicId", Used: f.ClinicID != uuid.Nil},
		event.Filter{Name: "status", Used: f.Status != ""},
	)
}
