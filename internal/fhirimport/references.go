package fhirimport

import (
	"github.com/google/uuid"

	"carewire/internal/fhirimport/fhir"
	"carewire/internal/postgres/db"
)

const (
	isAmbiguous  = "is an identifier of several resources; refer to one of them by its id"
	isNotFound   = "does not refer to an imported resource"
	isElsewhere  = "refers to a resource of another server, which is not imported"
	wasGuessed   = "is not on the server of the resource; the one with this id on the source's own server was used"
	isNotAPerson = "does not refer to an imported person; import the person too, in this run or before"
)

// guess adds the encounter and the clinic of the source's own server to those of a resource of
// another server that it refers to by a relative reference. They only supply defaults: people are
// never guessed.
func (d *candidate) guess(encounters, clinics []fhir.Key) {
	if d.Resource.Foreign == "" {
		return
	}
	d.guessed = map[fhir.Key]bool{}
	add := func(list *[]fhir.Key, keys []fhir.Key) {
		for _, k := range keys {
			if !k.IsAlias() && !fhir.IsURN(k.ID) && !fhir.IsAddress(k.ID) {
				*list = append(*list, k)
				d.guessed[k] = true
			}
		}
	}
	add(&d.Encounter, encounters)
	add(&d.Clinics, clinics)
}

// firstGuessed reports whether the first key that is found was guessed.
func (d *candidate) firstGuessed(rows map[fhir.Key]db.ImportIdentifier, keys []fhir.Key) bool {
	for _, k := range keys {
		if _, ok := rows[k]; ok {
			return d.guessed[k]
		}
	}
	return false
}

// missing returns the reason why none of the keys was found: reason, or a more specific one.
func (r *run) missing(keys []fhir.Key, reason string) string {
	for _, k := range keys {
		if r.ambiguous[k] {
			return isAmbiguous
		}
	}
	if len(keys) > 0 && fhir.IsAddress(keys[0].ID) {
		return isElsewhere
	}
	return reason
}

// checkAmbiguous returns an error if a reference to anything but the patient can only be resolved
// by an identifier of several resources.
func (r *run) checkAmbiguous(d *candidate, rows map[fhir.Key]db.ImportIdentifier) error {
	if len(r.ambiguous) == 0 || d.Kind == "user" {
		return nil
	}
	typ := d.Resource.Type
	for _, list := range []struct {
		keys []fhir.Key
		path string
	}{
		{d.Encounter, "encounter"}, {d.Clinics, d.Paths["clinicId"]}, {d.Doctors, d.Paths["doctorId"]}, {d.Author, d.Paths["authorId"]},
	} {
		if _, found := firstFound(rows, list.keys); found || r.missing(list.keys, "") != isAmbiguous {
			continue
		}
		return fhir.NewError(fhir.JoinPath(typ, list.path), isAmbiguous)
	}
	return nil
}

// noteUnresolved notes the references of the draft that were not found, and the people who cannot
// be responsible for a record. Another person or place was used instead, or none.
func (r *run) noteUnresolved(d *candidate, rows map[fhir.Key]db.ImportIdentifier) {
	for _, ref := range d.Refs {
		reason := ref.Fault
		switch row, found := firstFound(rows, ref.Keys); {
		case reason != "":
		case !found:
			reason = r.missing(ref.Keys, isNotFound)
		case ref.Doctor && d.Kind != "membership" && responsibleID(row) == uuid.Nil:
			reason = "is not a doctor"
		default:
			continue
		}
		if ref.Doctor && d.Head != nil && d.doctorID != uuid.Nil && !d.defaultDoctor {
			reason += ": another doctor is responsible"
		}
		d.Note(fhir.JoinPath(d.Resource.Type, ref.Path), reason)
	}
	if d.firstGuessed(rows, d.Encounter) {
		d.Note(fhir.JoinPath(d.Resource.Type, "encounter"), wasGuessed)
	}
	if d.firstGuessed(rows, d.Clinics) {
		d.Note(fhir.JoinPath(d.Resource.Type, d.Paths["clinicId"]), wasGuessed)
	}
}
