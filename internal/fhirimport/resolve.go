package fhirimport

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"carewire/internal/clinic/ehr"
	"carewire/internal/fhirimport/fhir"
	"carewire/internal/fhirimport/mapping"
	"carewire/internal/fhirimport/meaning"
	"carewire/internal/postgres/db"
)

// candidate is a draft with its resolved references.
type candidate struct {
	*mapping.Draft
	known     bool
	id        uuid.UUID
	hash      []byte
	clinicID  uuid.UUID
	personID  uuid.UUID
	doctorID  uuid.UUID
	patientOf string // The patient's resource id.
	visitID   uuid.UUID
	// defaultDoctor means that the resource names no doctor; standIn, that the clinic's stand-in is
	// responsible.
	defaultDoctor, standIn bool
	// dateByImport means that the time of the import is the draft's date.
	dateByImport bool
	usedParts    []fhir.Key
	// guessed are keys of defaults on the source's own server: see guess.
	guessed map[fhir.Key]bool
	// again reports whether the run has imported an older version of the resource.
	again bool
	// deletes is the kind of the record that the draft deletes.
	deletes string
}

// resolve adds the parts and references of the drafts and returns those that are new or have
// changed.
func (r *run) resolve(ctx context.Context, batch []*candidate) (ready []*candidate, err error) {
	err = r.inTx(ctx, func(tx pgx.Tx) error {
		q := db.New(tx)
		r.ambiguous = map[fhir.Key]bool{}
		whole, err := r.assembleAll(ctx, q, batch)
		if err != nil {
			return err
		}
		rows, err := r.findIdentifiers(ctx, q, referencedKeys(whole))
		if err != nil {
			return err
		}
		located, deletions := r.locateAll(whole, rows)
		if located, err = r.dateAll(ctx, q, located); err != nil {
			return err
		}
		ready = deletions
		unchanged := db.ImportPartUseParams{Source: r.Source}
		for _, d := range located {
			outcome, err := r.complete(ctx, q, d, rows)
			if err != nil {
				return err
			}
			switch outcome {
			case isChanged:
				ready = append(ready, d)
			case isUnchanged:
				appendUsed(&unchanged, d)
			case isLeftOut:
			}
		}
		return r.markUsed(ctx, q, unchanged)
	})
	return ready, err
}

// locateAll returns the located drafts, and the deletions that have something to delete. It refuses
// the others.
func (r *run) locateAll(drafts []*candidate, rows map[fhir.Key]db.ImportIdentifier) (located, deletions []*candidate) {
	for _, d := range drafts {
		if d.Kind == kindDeletion {
			if r.locateDeletion(d, rows) {
				deletions = append(deletions, d)
			}
			continue
		}
		if err := r.locate(d, rows); err != nil {
			r.refuse(d.Resource, err)
			continue
		}
		located = append(located, d)
	}
	return located, deletions
}

// The outcomes of complete.
type completion int

const (
	isChanged completion = iota
	isUnchanged
	isLeftOut
)

// complete finishes the body of a located draft and lists its notes.
func (r *run) complete(ctx context.Context, q *db.Queries, d *candidate, rows map[fhir.Key]db.ImportIdentifier) (completion, error) {
	r.noteUnresolved(d, rows)
	if err := r.localize(ctx, q, d); err != nil {
		return isLeftOut, err
	}
	d.Clean()
	changed, err := d.hashChanged(rows)
	if err != nil {
		return isLeftOut, err
	}
	if d.SkipUnlessKnown != "" && !d.known {
		r.refuse(d.Resource, &meaning.SkipError{Reason: d.SkipUnlessKnown})
		return isLeftOut, nil
	}
	for _, w := range d.LeftOut {
		r.list(d.Resource, Partly, w.Path, w.Reason)
	}
	if d.standIn && d.known && d.Head != nil {
		d.Head.DoctorID = nil // The stand-in does not replace a doctor.
	}
	if d.dateByImport {
		d.Undated.Set(ehr.At(time.Now()))
	}
	if changed {
		return isChanged, nil
	}
	if !d.again {
		r.count(d.Resource.Type, Unchanged, "")
	}
	return isUnchanged, nil
}

// assembleAll returns the drafts whose parts are complete and refuses the others.
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

// assemble adds the parts to a draft.
func (r *run) assemble(d *candidate, parts map[fhir.Key]db.ImportPartListRow) error {
	for _, p := range d.Parts {
		row, ok := firstFound(parts, p.Keys)
		switch {
		case p.Apply == nil && ok && row.Used:
			// The observation is part of a report.
			return nil
		case p.Apply == nil:
		case ok && !bytes.Equal(row.Body, []byte("null")):
			used, err := p.Apply(row.Body)
			if err != nil {
				return err
			}
			if !used {
				continue
			}
			d.usedParts = append(d.usedParts, fhir.Key{Type: row.ResourceType, ID: row.ResourceID})
		case d.Kind == "lab_report":
			d.LeftOut = append(d.LeftOut, fhir.Error{Path: p.Path, Reason: "does not refer to an imported resource"})
		}
	}
	if d.Finish != nil {
		return d.Finish(d.Draft)
	}
	return nil
}

// locate sets the patient, the clinic and the responsible doctor of a draft.
func (r *run) locate(d *candidate, rows map[fhir.Key]db.ImportIdentifier) error {
	if d.Kind == mapping.KindPart || d.Kind == "clinic" {
		return nil
	}
	if d.Kind == mapping.KindReplaced {
		return d.locateReplaced(rows)
	}
	if err := r.checkAmbiguous(d, rows); err != nil {
		return err
	}
	patient, hasPatient := firstFound(rows, d.Patient)
	visit, _ := firstFound(rows, d.Encounter)
	d.patientOf, d.personID = patient.ResourceID, patient.DomainID
	if visit.Kind == "appointment" {
		d.visitID = visit.DomainID
	}
	d.clinicID = r.locateClinic(d, rows, visit, patient)
	for _, k := range d.Doctors {
		switch row, ok := rows[k]; {
		case !ok || d.doctorID != uuid.Nil:
		case d.Kind == "membership":
			d.doctorID = practitionerID(row)
		default:
			d.doctorID = responsibleID(row)
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
		return fhir.NewError(typ+".practitioner", r.missing(d.Doctors, isNotAPerson))
	case d.Kind != "membership" && !hasPatient:
		return fhir.NewError(typ+"."+d.PatientPath, cmp.Or(d.PatientFault, r.missing(d.Patient, isNotAPerson)))
	case d.clinicID == uuid.Nil:
		return fhir.NewError(fhir.JoinPath(typ, d.Paths["clinicId"]), "does not refer to an imported clinic; set a default with --clinic")
	case d.Message != nil:
		if err := d.setAuthor(r.Source, rows); err != nil {
			return err
		}
	case d.Kind != "invoice" && d.doctorID == uuid.Nil:
		if err := r.setDefaultDoctor(d); err != nil {
			return err
		}
	}
	d.finalize()
	return nil
}

// locateClinic returns the clinic of a draft: the one it names, else the one of its encounter, else
// the one of the options, else the one where its patient is seen.
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

// unlessEncounter returns where, or by which doctor, the patient was first seen. It returns nil for
// encounters: they define that value, and must not depend on which of them was read first.
func (d *candidate) unlessEncounter(id *uuid.UUID) *uuid.UUID {
	if d.Resource.Type == "Encounter" {
		return nil
	}
	return id
}

// practitionerID returns the person of a Practitioner or a PractitionerRole.
func practitionerID(row db.ImportIdentifier) uuid.UUID {
	if row.ResourceType == "Practitioner" {
		return row.DomainID
	}
	if row.DoctorID != nil {
		return *row.DoctorID
	}
	return uuid.Nil
}

// finalize copies the patient, the clinic and the doctor to the body.
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

// hashChanged sets the draft's id and hash, and reports whether it is new or has changed since it
// was last imported.
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
	data, err := json.Marshal([]any{d.Kind, d.Role, d.Former, d.clinicID, d.doctorID, what})
	if err != nil {
		return false, fmt.Errorf("encode %s: %w", d.Kind, err)
	}
	sum := sha256.Sum256(data)
	d.hash = sum[:]
	if d.Kind == mapping.KindReplaced {
		row, known := rows[d.Resource.Key()]
		d.known = known
		return !bytes.Equal(row.Hash, d.hash), nil
	}
	row, known := rows[d.Resource.Key()]
	if !known || (row.Kind != d.Kind && row.Kind == mapping.KindPart) {
		d.id = uuid.Must(uuid.NewV7())
		if known {
			d.id = row.DomainID // No record uses the id.
		}
		return true, nil
	}
	d.id, d.known = row.DomainID, true
	return !bytes.Equal(row.Hash, d.hash), nil
}

// conversationNamespace is the namespace of the ids of imported conversations (UUID version 5, RFC
// 9562).
var conversationNamespace = uuid.MustParse("5f1c4c5e-0d3c-4c58-9a0e-6d2f6f1f7a11")

// setAuthor sets the author and the conversation of a message. Each source has one conversation per
// patient and clinic.
func (d *candidate) setAuthor(source string, rows map[fhir.Key]db.ImportIdentifier) error {
	author, ok := firstFound(rows, d.Author)
	switch {
	case !ok:
	case author.ResourceType != "Patient":
		d.Message.AuthorID = practitionerID(author)
	case author.DomainID != d.personID:
		return fhir.NewError(d.Resource.Type+".sender", "is not the patient that the message is about")
	default:
		d.Message.AuthorID = author.DomainID
	}
	if d.Message.AuthorID == uuid.Nil {
		return fhir.NewError(d.Resource.Type+".sender", "does not refer to an imported person")
	}
	d.doctorID = uuid.Nil // A message has an author and no responsible doctor; it grants no role.
	d.Message.ConversationID = uuid.NewSHA1(conversationNamespace, []byte(source+"\x00"+d.personID.String()+d.clinicID.String()))
	d.Message.Subject = source
	return nil
}
