package billing

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"carewire/internal/care"
	"carewire/internal/event"
	"carewire/internal/outbox"
	"carewire/internal/postgres"
	"carewire/internal/postgres/db"
)

// overdueBatch is the number of invoices in one transaction.
const overdueBatch = 200

// SweepOverdue marks invoices with a balance whose due day is past at their clinic, each with one
// billing.invoice_overdue, and returns their number. An invoice is marked once, and again after a
// refund has reopened it. An unknown time zone affects only the invoices of its own clinics. It is
// safe to run concurrently.
func (s *Service) SweepOverdue(ctx context.Context) (int, error) {
	zones, err := db.New(s.writer.Pool()).InvoiceTimeZoneList(ctx)
	if err != nil {
		return 0, fmt.Errorf("list time zones: %w", err)
	}
	cmd := care.Command{Actor: care.SystemActor("billing")}
	now, marked := s.now(), 0
	var failed []error
	for _, zone := range zones {
		location, err := time.LoadLocation(zone)
		if err != nil {
			failed = append(failed, fmt.Errorf("load time zone: %w", err))
			continue
		}
		n, err := s.sweepZone(ctx, cmd, zone, now.In(location))
		marked += n
		if err != nil {
			failed = append(failed, err)
		}
	}
	return marked, errors.Join(failed...)
}

func (s *Service) sweepZone(ctx context.Context, cmd care.Command, zone string, today time.Time) (int, error) {
	p := db.InvoiceMarkOverdueParams{UpdatedBy: cmd.Actor.ID, Today: date(day(today)), TimeZone: zone}
	return postgres.Batches(overdueBatch, func(limit, skip int32) (int, error) {
		p.RowLimit, p.RowSkip = limit, skip
		var rows []db.Invoice
		err := s.writer.InTx(ctx, cmd, func(tx pgx.Tx) error {
			var err error
			if rows, err = db.New(tx).InvoiceMarkOverdue(ctx, p); err != nil {
				return fmt.Errorf("mark overdue: %w", err)
			}
			events := make([]event.Event, len(rows))
			for i, row := range rows {
				events[i] = invoiceEvent(cmd, "invoice_overdue", row, eventIDs{})
				events[i].CutsOff = true // Reminders about the overdue invoice replace those that its issue planned.
			}
			return outbox.Append(ctx, tx, events...)
		})
		return len(rows), err
	})
}
