package appointment

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"carewire/internal/care"
	"carewire/internal/event"
	"carewire/internal/outbox"
	"carewire/internal/postgres/db"
)

const (
	// attentionBatch is the number of appointments in one transaction.
	attentionBatch = 200
	// departureBatch is the number of departed people that one sweep handles.
	departureBatch = 100
)

// SweepAttention appends appointment.needs_attention for the upcoming open appointments of people
// who left a clinic or were disabled, except those that the departure itself reported, and returns
// their number. A transaction handles at most 200. It is safe to run concurrently.
func (s *Service) SweepAttention(ctx context.Context) (int, error) {
	cmd := care.Command{Actor: care.SystemActor("appointment")}
	var left []db.AppointmentDepartureListRow
	err := s.writer.InTx(ctx, cmd, func(tx pgx.Tx) (err error) {
		if left, err = db.New(tx).AppointmentDepartureList(ctx, departureBatch); err != nil {
			return fmt.Errorf("look up departures: %w", err)
		}
		return nil
	})
	if err != nil {
		return 0, err
	}
	total := 0
	var failed error // A failed departure does not stop the others.
	for _, d := range left {
		n, err := s.sweepDeparture(ctx, cmd, d)
		total, failed = total+n, errors.Join(failed, err)
	}
	return total, failed
}

func (s *Service) sweepDeparture(ctx context.Context, cmd care.Command, d db.AppointmentDepartureListRow) (total int, err error) {
	for taken := attentionBatch; taken == attentionBatch; total += taken {
		taken = 0
		err = s.writer.InTx(ctx, cmd, func(tx pgx.Tx) error {
			rows, err := db.New(tx).AppointmentDepartureTake(ctx, db.AppointmentDepartureTakeParams{
				ClinicID: d.ClinicID, PersonID: d.PersonID, Role: d.Role, RowLimit: attentionBatch,
			})
			if err != nil {
				return fmt.Errorf("take departure: %w", err)
			}
			events := make([]event.Event, len(rows))
			for i, row := range rows {
				events[i] = event.NeedsAttention(cmd, event.AppointmentAttention{
					AppointmentID: row.ID, UserID: row.PatientID, ClinicID: row.ClinicID, DoctorID: row.DoctorID, Status: row.Status,
					StartsAt: row.StartsAt.UTC().Format(time.RFC3339), Reason: row.Reason,
				})
			}
			taken = len(rows)
			return outbox.Append(ctx, tx, events...)
		})
		if err != nil {
			return total, err
		}
	}
	return total, nil
}
