package appointment

import (
	"github.com/google/uuid"

	"carewire/internal/care"
	"carewire/internal/event"
	"carewire/internal/outbox"
	"carewire/internal/postgres/db"
)

// stranger refuses an appointment in the same words whether there is none or it is not theirs to know of.
func stranger(cmd care.Command, action care.Action, id uuid.UUID, row *db.Appointment) *outbox.RefusalError {
	answer := care.Errorf(care.NotFound, "there is no such appointment, or you may not see it")
	if row == nil {
		return outbox.Refuse(cmd, answer, action, ref(id), nil, nil)
	}
	return outbox.Refuse(cmd, answer, action, ref(id), &row.PatientID, &row.ClinicID)
}

// readEvent tells that the actor was shown one appointment.
func readEvent(cmd care.Command, row db.Appointment) event.Event {
	return event.New(cmd, "record.read", ref(row.ID), event.RecordRead{
		UserID: row.PatientID, ClinicID: &row.ClinicID, Action: "read", Version: row.Version,
	}).About(cmd, row.PatientID, &row.ClinicID)
}

// listEvents tells, for each patient and clinic in a list, which appointments it showed.
func listEvents(cmd care.Command, rows []db.Appointment) []event.Event {
	type key struct{ patient, clinic uuid.UUID }
	var order []key
	shown := map[key][]uuid.UUID{}
	for _, row := range rows {
		at := key{row.PatientID, row.ClinicID}
		if shown[at] == nil {
			order = append(order, at)
		}
		shown[at] = append(shown[at], row.ID)
	}
	events := make([]event.Event, len(order))
	for i, at := range order {
		events[i] = listEvent(cmd, at.patient, &at.clinic, shown[at])
	}
	return events
}

func listEvent(cmd care.Command, patientID uuid.UUID, clinicID *uuid.UUID, shown []uuid.UUID) event.Event {
	return event.New(cmd, "record.read", care.Ref{Kind: "patient", ID: patientID}, event.RecordRead{
		UserID: patientID, ClinicID: clinicID, Action: "list", RecordIDs: shown,
	}).About(cmd, patientID, clinicID)
}

// may reports whether the actor may do the action on the appointment.
func may(actor care.Actor, action care.Action, row db.Appointment) bool {
	if row.PatientID == actor.UserID && actor.MayOwn(action) {
		return true
	}
	return actor.MayAt(row.ClinicID, action, care.SameClinic)
}
