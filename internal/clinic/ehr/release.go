package ehr

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"

	"carewire/internal/care"
	"carewire/internal/postgres/db"
)

// contentChanged reports whether the body differs from the stored one in anything but the status and what the kind lists as
// StatusFields. Fields that are left out equal those that hold the zero value.
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
		// Whom the record is about and where it was made are refused with the names of their fields, whatever else changed.
		for _, field := range slices.Concat([]string{"status", "patientId", "clinicId"}, k.spec.StatusFields) {
			delete(contents[i], field)
		}
	}
	return !reflect.DeepEqual(contents[0], contents[1]), nil
}

// maskedCode stands where the patient may not read the code (FHIR R4, data-absent-reason).
var maskedCode = Coding{System: "http://terminology.hl7.org/CodeSystem/data-absent-reason", Code: "masked", Display: "Masked"}

// view is how much of a record the actor sees.
type view struct {
	// first is the first version that there is for them.
	first int64
	// masked says that they see only that the record was entered in error.
	masked bool
}

// viewOf returns how much of the record the actor sees, or false where it does not exist for them. A clinician sees all of it.
// Its patient sees it from the first released version on, while it is not held for a clinician to see a critical finding first,
// and of one that was entered in error no more than that.
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

// masked returns all that a patient may know of a record that was entered in error: that there was one, and since when it is
// void. What it held may be about somebody else.
func (k *Kind[B]) masked(row db.Record) Record[B] {
	r := Record[B]{ID: row.ID, Version: row.Version, CreatedAt: row.CreatedAt, UpdatedAt: row.UpdatedAt}
	h := k.body(&r.Body).head()
	h.PatientID, h.ClinicID, h.Status = row.PatientID, row.ClinicID, row.Status
	h.Code, h.EffectiveAt = maskedCode, row.UpdatedAt
	return r
}
