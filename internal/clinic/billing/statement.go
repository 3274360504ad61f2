package billing

import (
	"context"
	"errors"
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

// Statement is a patient's account at a clinic in one currency. A positive balance is owed to the
// clinic; a negative one is the patient's credit. Paying from credit changes no balance and has no
// entry.
type Statement struct {
	PatientID    uuid.UUID        `json:"patientId" format:"uuid"`
	ClinicID     uuid.UUID        `json:"clinicId" format:"uuid"`
	Currency     string           `json:"currency" doc:"ISO 4217; empty if the patient has no invoices and the request has no currency." example:"EUR"`
	MinorDigits  int              `json:"minorDigits" doc:"The number of decimal digits of the currency's minor unit, by ISO 4217." example:"2"`
	From         string           `json:"from,omitempty" format:"date"`
	To           string           `json:"to,omitempty" format:"date"`
	OpeningMinor int64            `json:"openingBalanceMinor" doc:"The balance before the first day; 0 without a first day."`
	ClosingMinor int64            `json:"closingBalanceMinor" doc:"The balance after the last day."`
	CreditMinor  int64            `json:"creditMinor" doc:"The patient's current credit, which can pay invoices of the clinic: payments beyond the amount owed, less the part that was used or refunded."`
	Items        []StatementEntry `json:"items" doc:"Oldest first."`
	Next         string           `json:"next,omitempty" doc:"The cursor of the page after this one; left out on the last."`
}

// StatementEntry is one entry of a statement.
type StatementEntry struct {
	At           time.Time `json:"at" format:"date-time"`
	Type         string    `json:"type" enum:"invoice_issued,invoice_voided,credit_note_issued,payment_received,refund_made"`
	ID           uuid.UUID `json:"id" format:"uuid" doc:"The invoice, credit note, payment or refund."`
	InvoiceID    uuid.UUID `json:"invoiceId" format:"uuid"`
	Number       *string   `json:"number,omitempty" doc:"The number of the credit note or the invoice."`
	AmountMinor  int64     `json:"amountMinor" doc:"The change of the balance: positive for an invoice and a refund, negative for the others."`
	BalanceMinor int64     `json:"balanceMinor" doc:"The balance after the entry."`
}

// StatementFilter selects a statement. PatientID and ClinicID are required.
type StatementFilter struct {
	PatientID uuid.UUID
	ClinicID  uuid.UUID
	// Currency may be empty if all the patient's invoices at the clinic have the same.
	Currency string
	// From and To are days at the clinic, such as 2026-04-30, both inclusive. Empty means no bound.
	From, To string
	// Cursor is the Next of the page before.
	Cursor string
	// Limit is 1 to 200; 0 means 50.
	Limit int
}

// period is the filter's days as midnights in UTC. Zero means no bound.
type period struct{ from, to time.Time }

func (f *StatementFilter) check() (period, care.PageCursor, error) {
	var p care.FieldErrors
	if f.PatientID == uuid.Nil {
		p.Add("patientId", "must name the patient")
	}
	if f.ClinicID == uuid.Nil {
		p.Add("clinicId", "must name the clinic")
	}
	if f.Currency != "" && !isCurrencyCode(f.Currency) {
		p.Add("currency", "must be an ISO 4217 code in capitals, such as EUR")
	}
	days := period{from: optionalDay(&p, "from", f.From), to: optionalDay(&p, "to", f.To)}
	if !days.from.IsZero() && !days.to.IsZero() && days.to.Before(days.from) {
		p.Add("to", "must not be before from")
	}
	f.Limit = p.PageLimit(f.Limit)
	mark := p.Cursor(f.Cursor, care.BeforeAll)
	return days, mark, p.Err()
}

// list describes a statement for the audit trail: it lists invoices.
func (f *StatementFilter) list() event.List {
	return event.ListOf("invoice",
		event.Filter{Name: "patientId", Used: true}, event.Filter{Name: "clinicId", Used: true}, event.Filter{Name: "currency", Used: f.Currency != ""},
		event.Filter{Name: "from", Used: f.From != ""}, event.Filter{Name: "to", Used: f.To != ""},
	)
}

// isCurrencyCode reports whether the code has the form of a currency code. Invoices may be in a
// currency that is no longer in use.
func isCurrencyCode(code string) bool {
	return len(code) == 3 && strings.Trim(code, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") == ""
}

func optionalDay(p *care.FieldErrors, field, text string) time.Time {
	if text == "" {
		return time.Time{}
	}
	t, err := time.Parse(time.DateOnly, text)
	if err != nil || t.Year() < 1900 {
		p.Add(field, "must be a day from 1900 on, such as 2026-04-30")
	}
	return t
}

// bounds returns the period's moments at the clinic, the first inclusive and the second exclusive.
func (d period) bounds(location *time.Location) (from, until time.Time) {
	from, until = care.BeforeAll.Time, care.AfterAll.Time
	midnight := func(t time.Time) time.Time { return time.Date(t.Year(), t.Month(), t.Day(), 0, 0, 0, 0, location) }
	if !d.from.IsZero() {
		from = midnight(d.from)
	}
	if !d.to.IsZero() && d.to.Year() < care.AfterAll.Time.Year() {
		until = midnight(d.to.AddDate(0, 0, 1))
	}
	return from, until
}

// GetStatement returns a page of a patient's account at a clinic. It returns care.Invalid by field,
// also if there are several currencies and none is given, and care.NotFound if the person never was
// a patient there or the actor may not see their invoices.
func (s *Service) GetStatement(ctx context.Context, cmd care.Command, f StatementFilter) (Statement, error) {
	days, mark, err := f.check()
	if err != nil {
		return Statement{}, err
	}
	var st Statement
	err = s.writer.InTx(ctx, cmd, func(tx pgx.Tx) error {
		q := db.New(tx)
		currency, err := statementCurrency(ctx, q, cmd, f)
		if err != nil {
			return err
		}
		st = Statement{
			PatientID: f.PatientID, ClinicID: f.ClinicID, Currency: currency, MinorDigits: digits(currency), From: f.From, To: f.To,
			Items: []StatementEntry{},
		}
		shown, err := s.entries(ctx, q, &st, days, mark, f.Limit)
		if err != nil {
			return err
		}
		return outbox.Append(ctx, tx, event.ListRead(cmd, f.list(), f.PatientID, &f.ClinicID, shown))
	})
	if err != nil {
		return Statement{}, err
	}
	return st, nil
}

// statementCurrency returns the currency of the statement and checks that the actor may see it.
func statementCurrency(ctx context.Context, q *db.Queries, cmd care.Command, f StatementFilter) (string, error) {
	own := f.PatientID == cmd.Actor.UserID && readsOwn()
	if !own && !cmd.Actor.MayAt(f.ClinicID, care.InvoiceRead, care.SameClinic) {
		return "", statementNotFound(cmd, f)
	}
	if f.Currency != "" {
		known, err := q.StatementKnown(ctx, db.StatementKnownParams{PatientID: f.PatientID, ClinicID: f.ClinicID})
		if err != nil {
			return "", fmt.Errorf("look up invoices: %w", err)
		}
		if known {
			return f.Currency, nil
		}
		return f.Currency, statementListable(ctx, q, cmd, f)
	}
	all, err := q.StatementCurrencyList(ctx, db.StatementCurrencyListParams{PatientID: f.PatientID, ClinicID: f.ClinicID})
	if err != nil {
		return "", fmt.Errorf("list currencies: %w", err)
	}
	switch len(all) {
	case 0:
		return "", statementListable(ctx, q, cmd, f)
	case 1:
		return all[0], nil
	default:
		return "", care.InvalidField("currency", "must be one of %s, in which the patient has invoices", strings.Join(all, ", "))
	}
}

// statementListable returns nil for somebody without invoices who is or was a patient of the clinic.
func statementListable(ctx context.Context, q *db.Queries, cmd care.Command, f StatementFilter) error {
	patient, err := q.InvoiceListable(ctx, db.InvoiceListableParams{PatientID: f.PatientID, Clinics: []uuid.UUID{f.ClinicID}})
	if err != nil {
		return fmt.Errorf("look up patient: %w", err)
	}
	if !patient {
		return statementNotFound(cmd, f)
	}
	return nil
}

func statementNotFound(cmd care.Command, f StatementFilter) error {
	answer := care.Errorf(care.NotFound, "patient not found at this clinic, or you may not see their invoices")
	return outbox.Deny(cmd, answer, care.InvoiceRead, care.Ref{Kind: "patient", ID: f.PatientID}, nil, &f.ClinicID)
}

// entries sets the statement's balances and a page of its entries, and returns their invoices.
func (s *Service) entries(ctx context.Context, q *db.Queries, st *Statement, days period, mark care.PageCursor, limit int) ([]uuid.UUID, error) {
	zone, err := q.InvoiceTimeZone(ctx, st.ClinicID)
	if err != nil && !errors.Is(err, pgx.ErrNoRows) {
		return nil, fmt.Errorf("look up time zone: %w", err)
	}
	location, err := time.LoadLocation(zone)
	if err != nil {
		return nil, fmt.Errorf("load time zone: %w", err)
	}
	from, until := days.bounds(location)
	rows, err := q.StatementRead(ctx, db.StatementReadParams{
		PatientID: st.PatientID, ClinicID: st.ClinicID, Currency: st.Currency, FromTime: from, UntilTime: until,
		AfterTime: mark.Time, AfterID: mark.ID, RowLimit: int32(limit) + 1,
	})
	if err != nil {
		return nil, fmt.Errorf("read statement: %w", err)
	}
	st.OpeningMinor, st.ClosingMinor = rows[0].OpeningMinor, rows[0].ClosingMinor
	if rows[0].Type == "" { // There is no entry.
		rows = nil
	}
	st.CreditMinor, err = q.CreditBalance(ctx, db.CreditBalanceParams{ClinicID: st.ClinicID, PatientID: st.PatientID, Currency: st.Currency})
	if err != nil {
		return nil, fmt.Errorf("read credit: %w", err)
	}
	rows, st.Next = care.Paginate(rows, limit, func(last db.StatementReadRow) string {
		return care.PageCursor{Time: last.At, ID: last.ID}.String()
	})
	return addEntries(st, rows), nil
}

func addEntries(st *Statement, rows []db.StatementReadRow) (shown []uuid.UUID) {
	seen := map[uuid.UUID]bool{}
	for _, r := range rows {
		st.Items = append(st.Items, StatementEntry{
			At: r.At.UTC(), Type: r.Type, ID: r.ID, InvoiceID: r.InvoiceID, Number: r.Number, AmountMinor: r.AmountMinor, BalanceMinor: r.BalanceMinor,
		})
		if !seen[r.InvoiceID] {
			seen[r.InvoiceID], shown = true, append(shown, r.InvoiceID)
		}
	}
	return shown
}
