package fhirimport

import (
	"bytes"
	"context"

	"carewire/internal/fhirimport/fhir"
	"carewire/internal/fhirimport/mapping"
	"carewire/internal/postgres/db"
)

// replacedPatients are the patients that others replace. They become no people of their own:
// references to them mean the surviving patient.
type replacedPatients struct {
	// by has the survivor of each patient that another one says to replace.
	by map[fhir.Key]fhir.Key
	// waiting are stored after all patients, because their survivors may come later.
	waiting []*candidate
}

// scan records which patients a Patient replaces.
func (p *replacedPatients) scan(res *fhir.Resource) {
	if res.Type != "Patient" || !bytes.Contains(res.Raw, []byte(`"replaces"`)) {
		return
	}
	for _, k := range mapping.ReplacedPatients(res.Raw) {
		if p.by == nil {
			p.by = map[fhir.Key]fhir.Key{}
		}
		p.by[k] = fhir.Key{Type: res.Type, ID: res.ID}
	}
}

// draft returns the draft, or that of a replaced patient if another one says to replace it.
func (p *replacedPatients) draft(res *fhir.Resource, d *mapping.Draft) *mapping.Draft {
	if survivor, ok := p.by[fhir.Key{Type: res.Type, ID: res.ID}]; ok && d.Kind == "user" {
		return mapping.ReplacedBy(survivor)
	}
	return d
}

// storeReplaced stores the replaced patients, after all others.
func (r *run) storeReplaced(ctx context.Context) error {
	waiting := r.replaced.waiting
	r.replaced.waiting = nil
	next := map[fhir.Key][]fhir.Key{}
	for _, d := range waiting {
		next[fhir.Key{Type: d.Resource.Type, ID: d.Resource.ID}] = d.Patient
	}
	for _, d := range waiting {
		// A survivor may be replaced too. A cycle ends with a patient that does not exist.
		for range waiting {
			keys, ok := firstFound(next, d.Patient)
			if !ok {
				break
			}
			d.Patient = keys
		}
		if err := r.enqueue(ctx, d); err != nil {
			return err
		}
	}
	return r.flush(ctx)
}

// locateReplaced gives a replaced patient the person of its survivor.
func (d *candidate) locateReplaced(rows map[fhir.Key]db.ImportIdentifier) error {
	survivor, ok := firstFound(rows, d.Patient)
	own, known := rows[fhir.Key{Type: d.Resource.Type, ID: d.Resource.ID}]
	switch {
	case !ok:
		return fhir.NewError("Patient.link.other", "does not refer to an imported patient; import the patient that replaces this one too")
	case known && own.DomainID != survivor.DomainID:
		return fhir.NewError("Patient.link", "is replaced by another patient, but was imported before as a person of its own; merge the two people in carewire, then import again")
	}
	d.id, d.personID = survivor.DomainID, survivor.DomainID
	if survivor.ClinicID != nil {
		d.clinicID = *survivor.ClinicID
	}
	if survivor.DoctorID != nil {
		d.doctorID = *survivor.DoctorID
	}
	return nil
}
