package appointment

import (
	"github.com/google/uuid"

	"carewire/internal/care"
	"carewire/internal/event"
	"carewire/internal/outbox"
	"carewire/internal/postgres/db"
)

// stranger denies access to an appointment, with the same message whether it does not exist or the
// actor may not see it.
func stranger(cmd care.Command, action care.Action, id uuid.UUID, row *db.Appointment) *outbox.DeniedError {
	answer := care.Errorf(care.NotFound, "appointment not found, or you may not see it")
	if row == nil {
		return outbox.Deny(cmd, answer, action, ref(id), nil, nil)
	}
	return outbox.Deny(cmd, answer, action, ref(id), &row.PatientID, &row.ClinicID)
}

// readEvent returns the event that audits the reading of one appointment.
func readEvent(cmd care.Command, row db.Appointment) event.Event {
	return event.New(cmd, "record.read", ref(row.ID), event.RecordRead{
		UserID: row.PatientID, ClinicID: &row.ClinicID, Action: "read", Version: row.Version,
	}).About(cmd, row.PatientID, &row.ClinicID)
}

// shown returns the entry of a row in the event that audits a list.
func shown(row db.Appointment) event.Shown {
	return event.Shown{PatientID: row.PatientID, ClinicID: row.ClinicID, ID: row.ID}
}

// may reports whether the actor may do the action on the appointment.
func may(actor care.Actor, action care.Action, row db.Appointment) bool {
	if row.PatientID == actor.UserID && actor.MayOwn(action) {
		return true
	}
	return actor.MayAt(row.ClinicID, action, care.SameClinic)
}
