package ehr

import (
	"slices"
	"strings"

	"carewire/internal/care"
)

// Spec is the specification of a kind: its names, and the life cycle of its records.
type Spec struct {
	// Name is the name of the kind in subjects and event types: "lab_report".
	Name string
	// Path is the name of the collection in the API: "lab-reports".
	Path string
	// Transitions are the statuses of the kind, each with its successors. Implicitly, every status
	// may also be kept, or be followed by entered-in-error, which is final.
	Transitions Transitions
	// Released are the statuses in which others rely on the record. None means all. The first
	// version in one of them releases the record: from that version on the patient may read it, and
	// its content changes only by amendment.
	Released []string
	// Void are the statuses among Released that do not release a record, such as that of a
	// cancelled draft.
	Void []string
	// StatusFields are the JSON names of fields that qualify the status. They may change with it.
	StatusFields []string
	// Corrected are the statuses of a corrected record. A record of a kind without any keeps its
	// status.
	Corrected []string
	// Example is a body in JSON without the ids of people and clinic, for the reference and the
	// tests.
	Example string
}

// Transition is a status and its possible successors.
type Transition struct {
	From string
	To   []string
}

// Transitions are the statuses of a kind, in the order of the reference.
type Transitions []Transition

// retracted is the status of an erroneous record of any kind (FHIR R4 has it for each).
const retracted = "entered-in-error"

// Statuses returns all statuses of the kind.
func (s Spec) Statuses() []string {
	var all []string
	for _, t := range s.Transitions {
		all = append(all, t.From)
	}
	return append(all, retracted)
}

// from returns the possible successors of a status, without the status itself.
func (s Spec) from(status string) []string {
	if status == retracted {
		return nil
	}
	i := slices.IndexFunc(s.Transitions, func(t Transition) bool { return t.From == status })
	if i < 0 {
		return []string{retracted}
	}
	return slices.Concat(s.Transitions[i].To, []string{retracted})
}

// Releases reports whether a version with the status releases a record that was not released
// before.
func (s Spec) Releases(status string) bool {
	if status == retracted || slices.Contains(s.Void, status) {
		return false
	}
	return len(s.Released) == 0 || slices.Contains(s.Released, status)
}

// reliedOn reports whether others rely on a record in the status, because it describes past events.
func (s Spec) reliedOn(status string) bool {
	return status != retracted && (len(s.Released) == 0 || slices.Contains(s.Released, status))
}

// checkTransition returns an error that lists the possible successors if the status cannot follow
// the current one.
func (s Spec) checkTransition(from, to string) error {
	if from == retracted {
		return care.Errorf(care.Conflict, "the record was entered in error and is read-only: create a new one")
	}
	if allowed := s.from(from); from != to && !slices.Contains(allowed, to) {
		return care.Errorf(care.Conflict, "the status cannot change from %s to %s; from %s it can change to %s", from, to, from, strings.Join(allowed, ", "))
	}
	return nil
}

// changeName returns the last part of the event type for an update of a record.
func (s Spec) changeName(released bool, to string) string {
	switch {
	case to == retracted:
		return "retracted"
	case released && slices.Contains(s.Corrected, to):
		return "amended"
	case !released && s.Releases(to):
		return "released"
	default:
		return "updated"
	}
}

// checkUpdate returns an error if the update changes more of a released record than its status.
// changed reports whether any other field differs, except StatusFields.
func (s Spec) checkUpdate(released bool, from, to string, changed bool) error {
	if !released || from == retracted {
		return s.checkTransition(from, to)
	}
	switch {
	case to == retracted:
		return care.Errorf(care.Conflict, "the record is released: use POST {path}/retract with a reason to mark it as entered in error")
	case slices.Contains(s.Corrected, to) || changed || from == to:
		return care.Errorf(care.Conflict, "the record is released: PUT may only change its status; use POST {path}/amend with a reason to correct it, or {path}/retract")
	}
	return s.checkTransition(from, to)
}

// checkAmendment returns an error for an amendment of a record that was never released, and for one
// without a status of Corrected.
func (s Spec) checkAmendment(released bool, from, to string) error {
	switch {
	case from == retracted:
		return s.checkTransition(from, to)
	case !released:
		return care.Errorf(care.Conflict, "the record is %s and was never released: update it with PUT", from)
	case len(s.Corrected) > 0 && !slices.Contains(s.Corrected, to):
		return care.InvalidField("status", "must be one of %s in an amendment", strings.Join(s.Corrected, ", "))
	case len(s.Corrected) == 0 && from != to:
		return care.InvalidField("status", "must stay %s in an amendment: use PUT to change the status", from)
	}
	return nil
}
