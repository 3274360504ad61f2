package ehr

import (
	"context"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"carewire/internal/care"
	"carewire/internal/event"
	"carewire/internal/outbox"
	"carewire/internal/postgres/db"
)

// standing holds the stored facts that relate the actor to a record.
type standing struct {
	onCareTeam bool
	// releasedBy is the id of the author of the version that released the record. It is undefined
	// before the release.
	releasedBy string
}

// standingOf returns the actor's standing for a record that is locked for its next version.
func standingOf(row db.RecordLockRow) standing {
	return standing{onCareTeam: row.OnCareTeam, releasedBy: row.ReleasedBy}
}

// relations returns the relations of the actor to the record through roles at its clinic.
func (s standing) relations(actor care.Actor, row db.Record) []care.Relation {
	relations := []care.Relation{care.SameClinic}
	if s.onCareTeam {
		relations = append(relations, care.CareTeam)
	}
	if row.DoctorID == actor.UserID {
		relations = append(relations, care.Responsible)
	}
	if s.author(actor, row) {
		relations = append(relations, care.Author)
	}
	return relations
}

// author reports whether care.Author relates the actor to the record. The author of a released
// record is the actor who released it: a nurse who began it has no right to change a record that a
// doctor signed.
func (s standing) author(actor care.Actor, row db.Record) bool {
	began := row.CreatedBy == actor.ID
	switch {
	case began && actor.Holds(row.ClinicID, care.Doctor):
		return true
	case row.ReleasedVersion == nil:
		return began && s.onCareTeam
	default:
		return s.releasedBy == actor.ID && s.onCareTeam
	}
}

// mayAsStaff reports whether the actor may do the action on the record by a role at its clinic.
func mayAsStaff(actor care.Actor, action care.Action, row db.Record, s standing) bool {
	return actor.MayOn(row.Kind, row.ClinicID, action, s.relations(actor, row)...)
}

// creation is the extent to which the actor may create a record.
type creation struct {
	// anyPatient reports whether they may do so for any patient of the clinic. Otherwise they must
	// be on the patient's care team.
	anyPatient bool
	// inTheirName reports whether they could do so for any patient if the record named them as the
	// doctor.
	inTheirName bool
	// notReleased reports whether they may not release a record of this kind, for any patient.
	notReleased bool
}

// mayCreate determines the doctor, and the extent to which the actor may create the record. A
// record that is released with its first version also requires the right to release it.
func (k *Kind[B]) mayCreate(cmd care.Command, h *Head) (creation, error) {
	actor := cmd.Actor
	onPlatform := actor.MayOnPlatform(care.RecordCreate)
	anyPatient := onPlatform || actor.MayOn(k.name, h.ClinicID, care.RecordCreate, care.SameClinic)
	if !anyPatient && !actor.MayOn(k.name, h.ClinicID, care.RecordCreate, care.CareTeam) {
		answer := care.Errorf(care.Forbidden, "none of your roles may write records at this clinic")
		return creation{}, outbox.Deny(cmd, answer, care.RecordCreate, care.Ref{Kind: "clinic", ID: h.ClinicID}, nil, &h.ClinicID)
	}
	if h.DoctorID == nil && !actor.Holds(h.ClinicID, care.Doctor) {
		return creation{}, care.InvalidField("doctorId", "must name the responsible doctor, because you are not a doctor at this clinic")
	}
	if h.DoctorID == nil {
		h.DoctorID = &actor.UserID
	}
	if onPlatform || !k.spec.Releases(h.Status) {
		return creation{anyPatient: anyPatient}, nil
	}
	relations := []care.Relation{care.SameClinic}
	if *h.DoctorID == actor.UserID {
		relations = append(relations, care.Responsible)
	}
	releasesAny := actor.MayOn(k.name, h.ClinicID, care.RecordRelease, relations...)
	releasesOfTeam := actor.MayOn(k.name, h.ClinicID, care.RecordRelease, care.CareTeam)
	return creation{
		anyPatient:  anyPatient && (releasesAny || !releasesOfTeam),
		inTheirName: anyPatient && actor.MayOn(k.name, h.ClinicID, care.RecordRelease, care.Responsible),
		notReleased: !releasesAny && !releasesOfTeam,
	}, nil
}

// denyRelease returns the error for a first version that the actor may not release. Errors about
// the people named in the record come first. Actors who may not write for the patient at all get no
// information about those people.
func (k *Kind[B]) denyRelease(ctx context.Context, cmd care.Command, h *Head, right creation) error {
	return k.writer.Read(ctx, cmd.Actor, func(tx pgx.Tx) error {
		_, err := db.New(tx).RecordPartiesHold(ctx, db.RecordPartiesHoldParams{
			PatientID: h.PatientID, ClinicID: h.ClinicID, DoctorID: *h.DoctorID, AnyPatient: right.anyPatient, ActorID: cmd.Actor.UserID,
		})
		if err != nil {
			return insertError(cmd, h, right, err)
		}
		return outbox.Deny(cmd, k.releasedByOthers(), care.RecordRelease, care.Ref{Kind: "patient", ID: h.PatientID}, &h.PatientID, &h.ClinicID)
	})
}

// notOnTeam returns the error for an actor who would have to be on the patient's care team.
func (c creation) notOnTeam(cmd care.Command, h *Head) error {
	words := "you are not on this patient's care team"
	if c.inTheirName {
		words += ": name yourself in doctorId, or create the record as a draft"
	}
	return outbox.Deny(cmd, care.Errorf(care.Forbidden, "%s", words), care.RecordCreate, care.Ref{Kind: "patient", ID: h.PatientID}, &h.PatientID, &h.ClinicID)
}

// releasedByOthers returns an error that explains who releases records of the kind.
func (k *Kind[B]) releasedByOthers() *care.Error {
	one := event.WithArticle(k.name)
	if care.AllowedOn(k.name, care.RecordRelease, care.Doctor, care.CareTeam) {
		return care.Errorf(care.Forbidden, "only the doctor in doctorId or the care team may release %s", one)
	}
	err := care.Errorf(care.Forbidden, "only the doctor in doctorId may release %s: create it as a draft", one)
	err.Fields = []care.FieldError{{Field: "status", Message: "may only be set by the doctor in doctorId: create a draft for them to release"}}
	return err
}

// mayRevise returns an error if the actor may not do the action on the record, or may not know of
// it.
func (k *Kind[B]) mayRevise(cmd care.Command, action care.Action, row db.RecordLockRow) error {
	old, stands := row.Record, standingOf(row)
	_, reads := viewOf(cmd.Actor, old, stands)
	switch {
	case mayAsStaff(cmd.Actor, action, old, stands):
		return nil
	case reads:
		return k.deny(cmd, explainDenial(action), action, old)
	default:
		return k.notFoundOrHidden(cmd, action, old.ID, &old)
	}
}

// explainDenial returns the error for an actor who may read the record but not do the action.
func explainDenial(action care.Action) *care.Error {
	if action == care.RecordAmend || action == care.RecordRetract {
		return care.Errorf(care.Forbidden, "you may read this record but not change it: only its author, the doctor named in it, and doctors of the care team may")
	}
	return care.Errorf(care.Forbidden, "you may read this record but not change it")
}

// mayReplace checks the additional right for an update that releases the record, or changes the
// status of a released one.
func (k *Kind[B]) mayReplace(cmd care.Command, row db.RecordLockRow, to *Head) error {
	old := row.Record
	switch {
	case old.ReleasedVersion != nil:
		answer := care.Errorf(care.Forbidden, "only the doctor named in %s, or a doctor of the care team, may change its status after the release", event.WithArticle(k.name))
		return k.may(cmd, answer, care.RecordMove, old, standingOf(row))
	case k.spec.Releases(to.Status):
		if to.DoctorID != nil {
			old.DoctorID = *to.DoctorID
		}
		return k.may(cmd, k.releasedByOthers(), care.RecordRelease, old, standingOf(row))
	}
	return nil
}

// mayDiscard checks the right to retract for an update that marks a draft as entered in error.
func (k *Kind[B]) mayDiscard(cmd care.Command, row db.RecordLockRow, to *Head) error {
	if to.Status != retracted {
		return nil
	}
	return k.may(cmd, explainDenial(care.RecordRetract), care.RecordRetract, row.Record, standingOf(row))
}

// mayRename checks, for an amendment that names another doctor, the right to release the record
// under that name.
func (k *Kind[B]) mayRename(cmd care.Command, row db.RecordLockRow, to *Head) error {
	if to.DoctorID == nil || *to.DoctorID == row.Record.DoctorID {
		return nil
	}
	named := row.Record
	named.DoctorID = *to.DoctorID
	answer := care.Errorf(care.Forbidden, "only the doctor in doctorId may put %s under their name", event.WithArticle(k.name))
	answer.Fields = []care.FieldError{{Field: "doctorId", Message: "must be unchanged, or name yourself"}}
	return k.may(cmd, answer, care.RecordRelease, named, standingOf(row))
}

// may returns the denial with the answer unless the actor may do the action on the record. The
// actor may know of the record.
func (k *Kind[B]) may(cmd care.Command, answer *care.Error, action care.Action, row db.Record, stands standing) error {
	if mayAsStaff(cmd.Actor, action, row, stands) {
		return nil
	}
	return k.deny(cmd, answer, action, row)
}

func (k *Kind[B]) deny(cmd care.Command, answer *care.Error, action care.Action, row db.Record) error {
	return outbox.Deny(cmd, answer, action, k.ref(row.ID), &row.PatientID, &row.ClinicID)
}

// notFoundOrHidden returns the same error for a missing record and for one that the actor may not
// know of.
func (k *Kind[B]) notFoundOrHidden(cmd care.Command, action care.Action, id uuid.UUID, row *db.Record) error {
	answer := care.Errorf(care.NotFound, "record not found, or you may not see it")
	if row == nil {
		return outbox.Deny(cmd, answer, action, k.ref(id), nil, nil)
	}
	return k.deny(cmd, answer, action, *row)
}
