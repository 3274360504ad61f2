package ehr

import (
	"github.com/google/uuid"

	"carewire/internal/care"
	"carewire/internal/event"
	"carewire/internal/outbox"
	"carewire/internal/postgres/db"
)

// The actions that record.read names of one record.
const (
	readOne     = "read"
	readHistory = "history"
	readVersion = "version"
)

// stranger refuses a record in the same words whether there is none or it is not theirs to know of.
func (k *Kind[B]) stranger(cmd care.Command, action care.Action, id uuid.UUID, row *db.Record) *outbox.RefusalError {
	answer := care.Errorf(care.NotFound, "there is no such record, or you may not see it")
	if row == nil {
		return outbox.Refuse(cmd, answer, action, k.ref(id), nil, nil)
	}
	return outbox.Refuse(cmd, answer, action, k.ref(id), &row.PatientID, &row.ClinicID)
}

// readEvent tells that the actor was shown one record.
func (k *Kind[B]) readEvent(cmd care.Command, row db.Record, action string, version int64) event.Event {
	return event.New(cmd, "record.read", k.ref(row.ID), event.RecordRead{
		UserID: row.PatientID, ClinicID: &row.ClinicID, Action: action, Version: version,
	}).About(cmd, row.PatientID, &row.ClinicID)
}

// shown says what a list showed of a row.
func shown(row db.Record) event.Shown {
	return event.Shown{PatientID: row.PatientID, ClinicID: row.ClinicID, ID: row.ID}
}

// mayAsStaff reports whether the actor may do the action on the record by a role at its clinic.
func mayAsStaff(actor care.Actor, action care.Action, row db.Record, onCareTeam bool) bool {
	var relations []care.Relation
	if onCareTeam {
		relations = append(relations, care.CareTeam)
	}
	if row.DoctorID == actor.UserID {
		relations = append(relations, care.Responsible)
	}
	return actor.MayAt(row.ClinicID, action, relations...)
}
