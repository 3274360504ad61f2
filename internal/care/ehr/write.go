package ehr

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"carewire/internal/care"
	"carewire/internal/event"
	"carewire/internal/outbox"
	"carewire/internal/postgres"
	"carewire/internal/postgres/db"
)

// Create writes a first version with its ehr.<kind>.created, and .critical where the body holds what must be told at
// once. Errors: care.Invalid by field, care.Forbidden where the actor may not write for this patient at this clinic.
func (k *Kind[B]) Create(ctx context.Context, cmd care.Command, b B) (Record[B], error) {
	h, err := k.prepare(&b)
	if err != nil {
		return Record[B]{}, err
	}
	anyPatient, err := mayCreate(cmd, h)
	if err != nil {
		return Record[B]{}, k.writer.Audited(ctx, err)
	}
	data, err := json.Marshal(b)
	if err != nil {
		return Record[B]{}, fmt.Errorf("encode %s: %w", k.name, err)
	}
	r := Record[B]{ID: uuid.Must(uuid.NewV7()), Version: 1, CreatedBy: cmd.Actor.ID, UpdatedBy: cmd.Actor.ID, Body: b}
	releases := k.spec.Releases(h.Status)
	events := k.written(cmd, version{id: r.ID, number: 1, what: "created", head: h, released: releases, critical: len(k.alarms(&b)) > 0})
	ownDoctor := *h.DoctorID == cmd.Actor.UserID && cmd.Actor.Holds(h.ClinicID, care.Doctor)
	err = k.writer.InBatch(ctx, cmd, func(batch *outbox.Batch) {
		batch.QueryRow(func(row pgx.Row) error {
			if err := row.Scan(&r.CreatedAt); err != nil {
				return fmt.Errorf("insert record: %w", err)
			}
			return nil
		}, db.RecordInsert, r.ID, k.name, h.Status, h.PatientID, h.ClinicID, *h.DoctorID, h.Code.System, h.Code.Code,
			h.EffectiveAt, data, cmd.Actor.ID, releases, ownDoctor, anyPatient, cmd.Actor.UserID)
		batch.Append(ctx, events...)
	})
	if err != nil {
		return Record[B]{}, k.writer.Audited(ctx, notInserted(cmd, h, err))
	}
	r.UpdatedAt = r.CreatedAt
	return r, nil
}

// mayCreate settles who the doctor is, and whether the actor may write for any patient of the clinic or must be on the
// patient's care team.
func mayCreate(cmd care.Command, h *Head) (anyPatient bool, err error) {
	anyPatient = cmd.Actor.MayOnPlatform(care.RecordCreate) || cmd.Actor.MayAt(h.ClinicID, care.RecordCreate, care.SameClinic)
	if !anyPatient && !cmd.Actor.MayAt(h.ClinicID, care.RecordCreate, care.CareTeam) {
		answer := care.Errorf(care.Forbidden, "you hold no role that writes records at this clinic")
		return false, outbox.Refuse(cmd, answer, care.RecordCreate, care.Ref{Kind: "clinic", ID: h.ClinicID}, nil, &h.ClinicID)
	}
	if h.DoctorID == nil && !cmd.Actor.Holds(h.ClinicID, care.Doctor) {
		return false, care.InvalidField("doctorId", "must name the doctor who answers for the record, as you are not one")
	}
	if h.DoctorID == nil {
		h.DoctorID = &cmd.Actor.UserID
	}
	return anyPatient, nil
}

// notInserted makes an answer of the names of the checks that failed; any other error it leaves as it is. It does not tell
// whether an id exists elsewhere.
func notInserted(cmd care.Command, h *Head, err error) error {
	failed := postgres.Refused(err)
	if failed == nil {
		return err
	}
	var p care.Problems
	if slices.Contains(failed, "patient") {
		p.Add("patientId", "must be a patient of this clinic, or have been one")
	}
	if slices.Contains(failed, "doctor") {
		p.Add("doctorId", "must be an active doctor of this clinic")
	}
	if len(p) == 0 {
		answer := care.Errorf(care.Forbidden, "you are not on this patient's care team")
		return outbox.Refuse(cmd, answer, care.RecordCreate, care.Ref{Kind: "patient", ID: h.PatientID}, &h.PatientID, &h.ClinicID)
	}
	return p.Err()
}

// version is what the events of one version say of it.
type version struct {
	id     uuid.UUID
	number int64
	// what is the last part of the type of the version's event.
	what string
	head *Head
	// released says that the record was released with this version or before.
	released bool
	// critical says that the version holds a critical finding that no version before it held.
	critical bool
}

// written returns the version's event, and the critical event that it causes where there is one. The latter makes no
// version of its own.
func (k *Kind[B]) written(cmd care.Command, v version) []event.Event {
	events := []event.Event{k.event(cmd, v.what, v).AtVersion(v.number)}
	if v.critical {
		e := k.event(cmd, "critical", v)
		e.CauseID = &events[0].ID
		events = append(events, e)
	}
	return events
}

func (k *Kind[B]) event(cmd care.Command, what string, v version) event.Event {
	return event.New(cmd, k.eventType(what), k.ref(v.id), event.Record{
		RecordID: v.id, UserID: v.head.PatientID, ClinicID: v.head.ClinicID, DoctorID: *v.head.DoctorID, Status: v.head.Status,
		Version: v.number, Released: v.released, Critical: v.critical,
	}).About(cmd, v.head.PatientID, &v.head.ClinicID)
}
