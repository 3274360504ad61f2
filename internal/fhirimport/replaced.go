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

// scanReplaced records which patients a Patient replaces.
func (r *run) scanReplaced(ctx context.Context, res *fhir.Resource) error {
	if res.Type != "Patient" || !bytes.Contains(res.Raw, []byte(`"replaces"`)) {
		return nil
	}
	c := &candidate{Draft: &mapping.Draft{Resource: res, Patient: mapping.ReplacedPatients(res.Raw)}}
	if err := r.qualify(ctx, c); err != nil {
		return err
	}
	for _, k := range c.Patient {
		if r.replaced.by == nil {
			r.replaced.by = map[fhir.Key]fhir.Key{}
		}
		r.replaced.by[k] = res.Key()
	}
	return nil
}

// override makes the draft that of a replaced patient if another one says to replace it.
func (p *replacedPatients) override(c *candidate) {
	if survivor, ok := p.by[c.Resource.Key()]; ok && c.Kind == "user" {
		res := c.Resource
		c.Draft = mapping.ReplacedBy(survivor)
		c.Resource = res
	}
}

// storeReplaced stores the replaced patients, after all others.
func (r *run) storeReplaced(ctx context.Context) error {
	waiting := r.replaced.waiting
	r.replaced.waiting = nil
	next := map[fhir.Key][]fhir.Key{}
	for _, d := range waiting {
		next[d.Resource.Key()] = d.Patient
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
	own, known := rows[d.Resource.Key()]
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
