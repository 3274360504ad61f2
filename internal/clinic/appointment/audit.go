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

// list describes a list for the audit trail. It takes the filter as it was requested.
func list(f Filter) event.List {
	return event.ListOf("appointment",
		event.Filter{Name: "patientId", Used: f.PatientID != uuid.Nil}, event.Filter{Name: "doctorId", Used: f.DoctorID != uuid.Nil},
		event.Filter{Name: "clinicId", Used: f.ClinicID != uuid.Nil}, event.Filter{Name: "status", Used: len(f.Statuses) > 0},
		event.Filter{Name: "visitType", Used: f.VisitType != uuid.Nil}, event.Filter{Name: "needsAttention", Used: f.NeedsAttention},
		event.Filter{Name: "from", Used: !f.From.IsZero()}, event.Filter{Name: "to", Used: !f.To.IsZero()},
	)
}
