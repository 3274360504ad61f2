package ehr

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"

	"carewire/internal/care"
	"carewire/internal/postgres/db"
)

// contentChanged reports whether the body differs from the stored one in any field other than the
// status and the kind's StatusFields. A missing field equals the zero value.
func (k *Kind[B]) contentChanged(stored []byte, b B) (bool, error) {
	before, err := k.decode(stored)
	if err != nil {
		return false, err
	}
	var contents [2]map[string]any
	for i, body := range []B{before, b} {
		data, err := json.Marshal(body)
		if err == nil {
			err = json.Unmarshal(data, &contents[i])
		}
		if err != nil {
			return false, fmt.Errorf("compare %s: %w", k.name, err)
		}
		// A changed patient or clinic has its own error with the name of the field, regardless of
		// other changes.
		for _, field := range slices.Concat([]string{"status", "patientId", "clinicId"}, k.spec.StatusFields) {
			delete(contents[i], field)
		}
	}
	return !reflect.DeepEqual(contents[0], contents[1]), nil
}

// maskedCode replaces a code that the patient may not read (FHIR R4, data-absent-reason).
var maskedCode = Coding{System: "http://terminology.hl7.org/CodeSystem/data-absent-reason", Code: "masked", Display: "Masked"}

// view is the part of a record that the actor may see.
type view struct {
	// first is the first visible version.
	first int64
	// masked reports whether the actor may see only that the record was entered in error.
	masked bool
}

// viewOf returns the part of the record that the actor may see. ok is false if the record is hidden
// from them. A clinician sees all of it. Its patient sees it from the first released version on,
// unless it is held until a clinician has seen a critical finding. Of a record that was entered in
// error, the patient sees only that fact.
func viewOf(actor care.Actor, row db.Record, s standing) (view, bool) {
	switch {
	case mayAsStaff(actor, care.RecordRead, row, s):
		return view{first: 1}, true
	case row.PatientID != actor.UserID || !care.Allowed(care.RecordRead, care.Patient, care.Own) || row.ReleasedVersion == nil || held(row.HeldUntil):
		return view{}, false
	case row.Status == retracted:
		return view{first: row.Version, masked: true}, true
	default:
		return view{first: *row.ReleasedVersion}, true
	}
}

// seen returns the current version as the view shows it.
func (k *Kind[B]) seen(row db.Record, v view) (Record[B], error) {
	if v.masked {
		return k.masked(row), nil
	}
	return k.record(row)
}

// masked returns the part of an erroneous record that its patient may see: its existence, and the
// time at which it became void. The rest may be about another person.
func (k *Kind[B]) masked(row db.Record) Record[B] {
	r := Record[B]{ID: row.ID, Version: row.Version, CreatedAt: row.CreatedAt, UpdatedAt: row.UpdatedAt}
	h := k.body(&r.Body).head()
	h.PatientID, h.ClinicID, h.Status = row.PatientID, row.ClinicID, row.Status
	h.Code, h.EffectiveAt = maskedCode, At(row.UpdatedAt)
	return r
}
