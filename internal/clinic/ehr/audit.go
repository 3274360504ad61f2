package ehr

import (
	"github.com/google/uuid"

	"carewire/internal/care"
	"carewire/internal/event"
	"carewire/internal/postgres/db"
)

// The actions of a record.read about one record.
const (
	readOne     = "read"
	readHistory = "history"
	readVersion = "version"
)

// readEvent returns the event that audits the read of one record.
func (k *Kind[B]) readEvent(cmd care.Command, row db.Record, action string, version int64) event.Event {
	return event.New(cmd, "record.read", k.ref(row.ID), event.RecordRead{
		UserID: row.PatientID, ClinicID: &row.ClinicID, Action: action, Version: version,
	}).About(cmd, row.PatientID, &row.ClinicID)
}

// shown returns the part of a listed row that record.read names.
func shown(row db.Record) event.Shown {
	return event.Shown{PatientID: row.PatientID, ClinicID: row.ClinicID, ID: row.ID}
}

// list describes a list for the audit trail.
func (k *Kind[B]) list(f Filter) event.List {
	return event.ListOf(k.name,
		event.Filter{Name: "patientId", Used: f.PatientID != uuid.Nil}, event.Filter{Name: "clinicId", Used: f.ClinicID != uuid.Nil},
		event.Filter{Name: "doctorId", Used: f.DoctorID != uuid.Nil}, event.Filter{Name: "authorId", Used: f.AuthorID != uuid.Nil},
		event.Filter{Name: "status", Used: f.Status != ""}, event.Filter{Name: "code", Used: f.Code != ""},
		event.Filter{Name: "from", Used: !f.From.IsZero()}, event.Filter{Name: "to", Used: !f.To.IsZero()},
	)
}
