package fhirimport

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"carewire/internal/fhirimport/fhir"
	"carewire/internal/fhirimport/mapping"
	"carewire/internal/postgres/db"
)

// candidate is a draft with what its references were resolved to.
type candidate struct {
	*mapping.Draft
	known     bool
	id        uuid.UUID
	hash      []byte
	clinicID  uuid.UUID
	personID  uuid.UUID
	doctorID  uuid.UUID
	patientOf string // The patient's resource id.
	usedParts []fhir.Key
}

// resolve fits in what the drafts are made of and refer to, and gives those that are to be written: new or changed.
func (r *run) resolve(ctx context.Context, batch []*candidate) (ready []*candidate, err error) {
	err = r.inTx(ctx, func(tx pgx.Tx) error {
		q := db.New(tx)
		whole, err := r.assembleAll(ctx, q, batch)
		if err != nil {
			return err
		}
		rows, err := r.findIdentifiers(ctx, q, referencedKeys(whole))
		if err != nil {
			return err
		}
		var unchanged db.ImportPartUseParams
		unchanged.Source = r.Source
		for _, d := range whole {
			if err := r.locate(d, rows); err != nil {
				r.refuse(d.Resource, err)
				continue
			}
			d.Clean()
			for _, w := range d.LeftOut {
				r.list(d.Resource, Partly, w.Path, w.Reason)
			}
			changed, err := d.hashChanged(rows)
			if err != nil {
				return err
			}
			if changed {
				ready = append(ready, d)
				continue
			}
			r.count(d.Resource.Type, Unchanged, "")
			appendUsed(&unchanged, d)
		}
		return r.markUsed(ctx, q, unchanged)
	})
	return ready, err
}

// fitParts gives the drafts whose parts are in; others it refuses.
func (r *run) assembleAll(ctx context.Context, q *db.Queries, batch []*candidate) ([]*candidate, error) {
	var names []fhir.Key
	for _, d := range batch {
		for _, p := range d.Parts {
			names = append(names, p.Keys...)
		}
	}
	parts, err := r.findParts(ctx, q, names)
	if err != nil {
		return nil, err
	}
	var whole []*candidate
	for _, d := range batch {
		if err := r.assemble(d, parts); err != nil {
			r.refuse(d.Resource, err)
			continue
		}
		whole = append(whole, d)
	}
	return whole, nil
}

// fit puts a draft's parts in.
func (r *run) assemble(d *candidate, parts map[fhir.Key]db.ImportPartListRow) error {
	for _, p := range d.Parts {
		row, ok := firstFound(parts, p.Keys)
		switch {
		case p.Apply == nil && ok && row.Used:
			// What a report holds is part of it.
			return nil
		case p.Apply == nil:
		case ok && !bytes.Equal(row.Body, []byte("null")):
			if err := p.Apply(row.Body); err != nil {
				return err
			}
			d.usedParts = append(d.usedParts, fhir.Key{Type: row.ResourceType, ID: row.ResourceID})
		case d.Kind == "lab_report":
			d.LeftOut = append(d.LeftOut, fhir.Error{Path: p.Path, Reason: "refers to nothing that was taken in"})
		}
	}
	if d.Finish != nil {
		return d.Finish(d.Draft)
	}
	return nil
}

// place says whom a draft is about, where it was and who answers for it.
func (r *run) locate(d *candidate, rows map[fhir.Key]db.ImportIdentifier) error {
	if d.Kind == mapping.KindPart || d.Kind == "clinic" {
		return nil
	}
	patient, hasPatient := firstFound(rows, d.Patient)
	visit, _ := firstFound(rows, d.Encounter)
	d.patientOf, d.personID = patient.ResourceID, patient.DomainID
	d.clinicID = r.locateClinic(d, rows, visit, patient)
	for _, k := range d.Doctors {
		if row, ok := rows[k]; ok && d.doctorID == uuid.Nil {
			d.doctorID = practitionerID(row)
		}
	}
	if d.Kind == "user" {
		d.personID = uuid.Nil
		return nil
	}
	for _, id := range []*uuid.UUID{visit.DoctorID, patient.DoctorID, d.unlessEncounter(patient.SeenDoctorID)} {
		if d.doctorID == uuid.Nil && id != nil {
			d.doctorID = *id
		}
	}
	typ := d.Resource.Type
	switch {
	case d.Kind == "membership" && d.doctorID == uuid.Nil:
		return fhir.NewError(typ+".practitioner", "refers to nobody that was taken in")
	case d.Kind != "membership" && !hasPatient:
		return fhir.NewError(typ+"."+d.PatientPath, "refers to nobody that was taken in")
	case d.clinicID == uuid.Nil:
		return fhir.NewError(fhir.JoinPath(typ, d.Paths["clinicId"]), "names no clinic that was taken in: name one with --clinic")
	case d.Message != nil:
		if err := d.setAuthor(r.Source, rows); err != nil {
			return err
		}
	case d.Kind != "invoice" && d.doctorID == uuid.Nil:
		return fhir.NewError(fhir.JoinPath(typ, d.Paths["doctorId"]), "names no practitioner that was taken in, who would answer for it")
	}
	d.finalize()
	return nil
}

// clinicOf is where a draft was: where it says, where its encounter was, where the run says, or where its patient is seen.
func (r *run) locateClinic(d *candidate, rows map[fhir.Key]db.ImportIdentifier, visit, patient db.ImportIdentifier) uuid.UUID {
	for _, k := range d.Clinics {
		switch row, ok := rows[k]; {
		case ok && row.Kind == "clinic":
			return row.DomainID
		case ok && row.ClinicID != nil:
			return *row.ClinicID
		}
	}
	switch {
	case visit.ClinicID != nil:
		return *visit.ClinicID
	case d.Kind == "user":
		return uuid.Nil
	case r.ClinicID != uuid.Nil:
		return r.ClinicID
	case patient.ClinicID != nil:
		return *patient.ClinicID
	case d.unlessEncounter(patient.SeenClinicID) != nil:
		return *patient.SeenClinicID
	}
	return uuid.Nil
}

// seen is where a patient was first seen, or by whom, for all but the encounters that say so: these must not depend on which
// of them came first.
func (d *candidate) unlessEncounter(id *uuid.UUID) *uuid.UUID {
	if d.Resource.Type == "Encounter" {
		return nil
	}
	return id
}

// doctorOf is the person that a Practitioner or a PractitionerRole is.
func practitionerID(row db.ImportIdentifier) uuid.UUID {
	if row.Kind == "user" {
		return row.DomainID
	}
	if row.DoctorID != nil {
		return *row.DoctorID
	}
	return uuid.Nil
}

// settle writes what place found into what the draft becomes.
func (d *candidate) finalize() {
	switch {
	case d.Head != nil:
		doctor := d.doctorID
		d.Head.PatientID, d.Head.ClinicID, d.Head.DoctorID = d.personID, d.clinicID, &doctor
	case d.Appointment != nil:
		d.Appointment.PatientID, d.Appointment.ClinicID, d.Appointment.DoctorID = d.personID, d.clinicID, d.doctorID
	case d.Invoice != nil:
		d.Invoice.PatientID, d.Invoice.ClinicID = d.personID, d.clinicID
	case d.Message != nil:
		d.Message.PatientID, d.Message.ClinicID = d.personID, d.clinicID
	}
}

// compare gives the draft its id and says whether it is new, or not what it was when it was last taken in.
func (d *candidate) hashChanged(rows map[fhir.Key]db.ImportIdentifier) (bool, error) {
	var what any
	switch {
	case d.Clinic != nil:
		what = d.Clinic
	case d.User != nil:
		what = d.User
	case d.Appointment != nil:
		what = d.Appointment
	case d.Invoice != nil:
		what = d.Invoice
	case d.Message != nil:
		what = d.Message
	default:
		what = d.Body
	}
	data, err := json.Marshal([]any{d.Kind, d.Role, d.clinicID, d.doctorID, what})
	if err != nil {
		return false, fmt.Errorf("encode %s: %w", d.Kind, err)
	}
	sum := sha256.Sum256(data)
	d.hash = sum[:]
	row, known := rows[fhir.Key{Type: d.Resource.Type, ID: d.Resource.ID}]
	if !known || (row.Kind != d.Kind && row.Kind == mapping.KindPart) {
		d.id = uuid.Must(uuid.NewV7())
		if known {
			d.id = row.DomainID // No record has it.
		}
		return true, nil
	}
	d.id, d.known = row.DomainID, true
	return !bytes.Equal(row.Hash, d.hash), nil
}

// conversations is the namespace (RFC 9562, version 5) of the ids of conversations that were taken in.
var conversationNamespace = uuid.MustParse("5f1c4c5e-0d3c-4c58-9a0e-6d2f6f1f7a11")

// written says who wrote a message, and which conversation it belongs to: the one of this source with the patient at the
// clinic.
func (d *candidate) setAuthor(source string, rows map[fhir.Key]db.ImportIdentifier) error {
	author, ok := firstFound(rows, d.Author)
	switch {
	case !ok:
	case author.ResourceType != "Patient":
		d.Message.AuthorID = practitionerID(author)
	case author.DomainID != d.personID:
		return fhir.NewError(d.Resource.Type+".sender", "is another patient than the one whom it is about")
	default:
		d.Message.AuthorID = author.DomainID
	}
	if d.Message.AuthorID == uuid.Nil {
		return fhir.NewError(d.Resource.Type+".sender", "refers to nobody that was taken in")
	}
	d.doctorID = uuid.Nil // Nobody answers for it but its author, who gets no role by it.
	d.Message.ConversationID = uuid.NewSHA1(conversationNamespace, []byte(source+"\x00"+d.personID.String()+d.clinicID.String()))
	d.Message.Subject = source
	return nil
}
