package fhirimport

import (
	"context"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"carewire/internal/care"
	"carewire/internal/clinic/directory"
	"carewire/internal/fhirimport/fhir"
	"carewire/internal/fhirimport/mapping"
	"carewire/internal/postgres/db"
)

// kindStaff is the kind of a practitioner who is no doctor in the source, and of such a role. They
// are the author of what they wrote, but not responsible for records.
const kindStaff = "staff"

// findDoctor looks up the doctor of the options.
func (r *run) findDoctor(ctx context.Context) (err error) {
	if r.Doctor != "" {
		r.doctorID, r.doctorClinics, err = r.directory.FindImportDoctor(ctx, r.cmd, r.Doctor, r.ClinicID)
	}
	return err
}

// responsibleID returns the person of a Practitioner or a PractitionerRole, unless they are no
// doctor.
func responsibleID(row db.ImportIdentifier) uuid.UUID {
	if row.Kind == kindStaff {
		return uuid.Nil
	}
	return practitionerID(row)
}

// setDefaultDoctor makes the doctor of the options responsible for a draft that refers to none, or
// the clinic's stand-in if they are no doctor of the clinic. Nobody is informed of the appointment
// with a stand-in, so only a past one may have it.
func (r *run) setDefaultDoctor(d *candidate) error {
	path := fhir.JoinPath(d.Resource.Type, d.Paths["doctorId"])
	if slices.Contains(r.doctorClinics, d.clinicID) && r.doctorID != d.personID {
		d.doctorID, d.defaultDoctor = r.doctorID, true
		d.Note(path, "does not refer to an imported doctor: the one of --doctor is responsible")
		return nil
	}
	if d.Appointment != nil && d.Appointment.EndsAt.After(time.Now()) {
		return fhir.NewError(path, "does not refer to an imported doctor, which an appointment that has not passed must have; set --doctor to a doctor of the clinic")
	}
	d.doctorID, d.defaultDoctor, d.standIn = directory.StandInID(d.clinicID), true, true
	d.Note(path, "does not refer to an imported doctor: the clinic's stand-in is responsible; set --doctor to a doctor of the clinic to change that")
	return nil
}

// ensureStandIns creates the stand-ins that the drafts need and that this run has not created yet.
func (r *run) ensureStandIns(ctx context.Context, tx pgx.Tx, drafts []*candidate) ([]grant, error) {
	var clinics []uuid.UUID
	var created []grant
	for _, d := range drafts {
		g := grant{d.doctorID, d.clinicID, care.Doctor}
		if d.standIn && !r.granted[g] && !slices.Contains(clinics, d.clinicID) {
			clinics, created = append(clinics, d.clinicID), append(created, g)
		}
	}
	return created, r.directory.ImportStandInsTx(ctx, tx, r.cmd, clinics)
}

// storedDoctor returns the doctor that other resources take over from this one. They must not take
// over a default.
func (d *candidate) storedDoctor() uuid.UUID {
	if d.defaultDoctor {
		return uuid.Nil
	}
	return d.doctorID
}

// storedKind returns the kind of the draft in import_identifiers.
func (d *candidate) storedKind() string {
	switch {
	case d.deletes != "":
		return d.deletes
	case d.Kind == "membership" && d.Role != care.Doctor:
		return kindStaff
	case d.Kind == mapping.KindReplaced:
		return "user"
	}
	return d.Kind
}

// markStaff makes practitioners staff whose roles are none of a doctor.
func (r *run) markStaff(ctx context.Context, q *db.Queries, drafts []*candidate) error {
	p := db.ImportStaffMarkParams{Source: r.Source}
	for _, d := range drafts {
		if d.Kind == "membership" && !slices.Contains(p.PersonIds, d.doctorID) {
			p.PersonIds = append(p.PersonIds, d.doctorID)
		}
	}
	if len(p.PersonIds) == 0 {
		return nil
	}
	return q.ImportStaffMark(ctx, p)
}
