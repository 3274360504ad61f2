package event

import (
	"github.com/google/uuid"

	"carewire/internal/care"
)

// Shown is one item of a list that was shown: its patient, its clinic and its id.
type Shown struct{ PatientID, ClinicID, ID uuid.UUID }

// ListReads returns one record.read event for each patient and clinic in a list. shown describes
// each row.
func ListReads[R any](cmd care.Command, rows []R, shown func(R) Shown) []Event {
	type key struct{ patient, clinic uuid.UUID }
	var order []key
	ids := map[key][]uuid.UUID{}
	for _, row := range rows {
		s := shown(row)
		at := key{s.PatientID, s.ClinicID}
		if ids[at] == nil {
			order = append(order, at)
		}
		ids[at] = append(ids[at], s.ID)
	}
	events := make([]Event, len(order))
	for i, at := range order {
		events[i] = ListRead(cmd, at.patient, &at.clinic, ids[at])
	}
	return events
}

// ListRead returns the record.read event of a list. Its subject is the patient, and ids are the
// records that were shown; there may be none.
func ListRead(cmd care.Command, patientID uuid.UUID, clinicID *uuid.UUID, ids []uuid.UUID) Event {
	return New(cmd, "record.read", care.Ref{Kind: "patient", ID: patientID}, RecordRead{
		UserID: patientID, ClinicID: clinicID, Action: "list", RecordIDs: ids,
	}).About(cmd, patientID, clinicID)
}
