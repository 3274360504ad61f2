package ehr

import (
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
