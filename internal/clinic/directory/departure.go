package directory

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"

	"carewire/internal/care"
	"carewire/internal/event"
	"carewire/internal/postgres/db"
)

// maxReported is the maximum number of appointments reported in the transaction of a departure. The
// periodic sweep reports the others.
const maxReported = 200

// departureEvents returns the events for the first open appointments in each of these roles of a
// person who has just lost them, was disabled or died. The table appointment_departures stores the
// progress of each departure.
func departureEvents(ctx context.Context, q *db.Queries, cmd care.Command, userID uuid.UUID, lost ...care.Membership) ([]event.Event, error) {
	var events []event.Event
	for _, m := range lost {
		if m.ClinicID == nil || (m.Role != care.Doctor && m.Role != care.Patient) {
			continue
		}
		rows, err := q.AppointmentDepartureTake(ctx, db.AppointmentDepartureTakeParams{
			ClinicID: *m.ClinicID, PersonID: userID, Role: string(m.Role), RowLimit: maxReported,
		})
		if err != nil {
			return nil, fmt.Errorf("look up appointments left behind: %w", err)
		}
		for _, row := range rows {
			events = append(events, event.NeedsAttention(cmd, event.AppointmentAttention{
				AppointmentID: row.ID, UserID: row.PatientID, ClinicID: row.ClinicID, DoctorID: row.DoctorID, Status: row.Status,
				StartsAt: row.StartsAt.UTC().Format(time.RFC3339), Reason: row.Reason,
			}))
		}
	}
	return events, nil
}
