package event

import (
	"github.com/google/uuid"

	"carewire/internal/care"
)

// Shown is one item of a list that was shown: its patient, its clinic and its id.
type Shown struct{ PatientID, ClinicID, ID uuid.UUID }

// List describes a list for the audit trail: the kind of its items, such as "lab_report", and the
// names of the filters in use. Filters never has the values, which may be health information.
type List struct {
	Kind    string
	Filters []string
}

// Filter is one criterion of a list: its name in the API, and whether it is in use.
type Filter struct {
	Name string
	Used bool
}

// ListOf returns the List of a kind with the filters that are in use.
func ListOf(kind string, filters ...Filter) List {
	return List{Kind: kind, Filters: FiltersInUse(filters...)}
}

// FiltersInUse returns the names of the filters that are in use; never nil.
func FiltersInUse(filters ...Filter) []string {
	names := []string{}
	for _, f := range filters {
		if f.Used {
			names = append(names, f.Name)
		}
	}
	return names
}

// ListReads returns one record.read event for each patient and clinic in a list. shown describes
// each row.
func ListReads[R any](cmd care.Command, l List, rows []R, shown func(R) Shown) []Event {
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
		events[i] = ListRead(cmd, l, at.patient, &at.clinic, ids[at])
	}
	return events
}

// ListRead returns the record.read event of a list. Its subject is the patient, and ids are the
// records that were shown; there may be none.
func ListRead(cmd care.Command, l List, patientID uuid.UUID, clinicID *uuid.UUID, ids []uuid.UUID) Event {
	return l.event(cmd, patientID, clinicID, RecordRead{Count: new(int64(len(ids))), RecordIDs: ids})
}

// PeopleRead is ListRead for a list of people around a patient, such as the care team.
func PeopleRead(cmd care.Command, l List, patientID uuid.UUID, clinicID *uuid.UUID, people []uuid.UUID) Event {
	return l.event(cmd, patientID, clinicID, RecordRead{Count: new(int64(len(people))), UserIDs: people})
}

func (l List) event(cmd care.Command, patientID uuid.UUID, clinicID *uuid.UUID, data RecordRead) Event {
	data.UserID, data.ClinicID, data.Action, data.Kind, data.Filters = patientID, clinicID, "list", l.Kind, l.Filters
	return New(cmd, "record.read", care.Ref{Kind: "patient", ID: patientID}, data).About(cmd, patientID, clinicID)
}
