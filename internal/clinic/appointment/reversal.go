package appointment

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"carewire/internal/care"
	"carewire/internal/outbox"
	"carewire/internal/postgres/db"
)

// Reversed is a reversed transition.
type Reversed struct {
	Version    int64     `json:"version" doc:"The version of the appointment after the reversal."`
	From       Status    `json:"from" enum:"completed,cancelled,no_show" doc:"The reversed status."`
	To         Status    `json:"to" enum:"requested,booked,confirmed,checked_in" doc:"The restored status."`
	Reason     string    `json:"reason"`
	ReversedAt time.Time `json:"reversedAt" format:"date-time"`
	ReversedBy string    `json:"reversedBy" doc:"The id of the person who reversed it." example:"0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5c"`
}

// ListReversals returns the reversed transitions of an appointment, oldest first, to those who may
// reverse. The read is audited. It returns care.NotFound, and care.Forbidden for the patient, since
// a reason may name another person.
func (s *Service) ListReversals(ctx context.Context, cmd care.Command, id uuid.UUID) ([]Reversed, error) {
	list := []Reversed{}
	err := s.writer.InTx(ctx, cmd, func(tx pgx.Tx) error {
		q := db.New(tx)
		row, err := q.AppointmentGet(ctx, id)
		if errors.Is(err, pgx.ErrNoRows) {
			return stranger(cmd, care.AppointmentReverse, id, nil)
		}
		if err != nil {
			return fmt.Errorf("read appointment: %w", err)
		}
		switch {
		case may(cmd.Actor, care.AppointmentReverse, row):
		case may(cmd.Actor, care.AppointmentRead, row):
			answer := care.Errorf(care.Forbidden, "only staff of the clinic may see reversals")
			return outbox.Deny(cmd, answer, care.AppointmentReverse, ref(id), &row.PatientID, &row.ClinicID)
		default:
			return stranger(cmd, care.AppointmentReverse, id, &row)
		}
		rows, err := q.AppointmentReversalList(ctx, id)
		if err != nil {
			return fmt.Errorf("read reversals: %w", err)
		}
		for _, r := range rows {
			list = append(list, Reversed{
				Version: r.Version, From: Status(r.FromStatus), To: Status(r.ToStatus), Reason: r.Reason, ReversedAt: r.ReversedAt.UTC(), ReversedBy: r.ReversedBy,
			})
		}
		return outbox.Append(ctx, tx, readEvent(cmd, row))
	})
	return list, err
}
