package ehr

import (
	"slices"
	"strings"

	"carewire/internal/care"
)

// Spec is what a kind says of itself: how it is called, and how its records live.
type Spec struct {
	// Name is the kind's name in subjects and event types: "lab_report".
	Name string
	// Path is the collection's name in the API: "lab-reports".
	Path string
	// Transitions are the kind's statuses, each with those that can follow it. A record may always stay what it is or be
	// entered in error, which is not listed; nothing follows that.
	Transitions Transitions
	// Released are the statuses in which others rely on the record. None means all. The first version in one of them
	// releases the record: from that version on the patient may read it, and its content changes by amendment only.
	Released []string
	// Void are those of Released that release nothing by themselves, such as a draft that is cancelled.
	Void []string
	// StatusFields are the body's fields, by their JSON names, that say more of the status. They may change with it.
	StatusFields []string
	// Corrected are the statuses that say a released record was corrected. A kind without any keeps its status.
	Corrected []string
	// Example is a body in JSON without the ids of people and clinic, for the reference and the tests.
	Example string
}

// Transition is a status and those that can follow it.
type Transition struct {
	From string
	To   []string
}

// Transitions are a kind's statuses, in the reference's order.
type Transitions []Transition

// retracted is the status of a record of any kind that should never have been made (FHIR R4 has it for each).
const retracted = "entered-in-error"

// Statuses lists the statuses that a record of the kind can have.
func (s Spec) Statuses() []string {
	var all []string
	for _, t := range s.Transitions {
		all = append(all, t.From)
	}
	return append(all, retracted)
}

// from lists the statuses that can follow one, itself not counted.
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

// Releases reports whether a version of the status releases a record that was not released before.
func (s Spec) Releases(status string) bool {
	if status == retracted || slices.Contains(s.Void, status) {
		return false
	}
	return len(s.Released) == 0 || slices.Contains(s.Released, status)
}

// reliedOn reports whether others rely on a record in the status: it says what has happened.
func (s Spec) reliedOn(status string) bool {
	return status != retracted && (len(s.Released) == 0 || slices.Contains(s.Released, status))
}

// checkTransition refuses a status that cannot follow the one that is, and says which can.
func (s Spec) checkTransition(from, to string) error {
	if from == retracted {
		return care.Errorf(care.Conflict, "the record was entered in error and can only be read: write another in its place")
	}
	if allowed := s.from(from); from != to && !slices.Contains(allowed, to) {
		return care.Errorf(care.Conflict, "the status cannot go from %s to %s: from %s it can go to %s", from, to, from, strings.Join(allowed, ", "))
	}
	return nil
}

// changeName names what a replacement did to a record.
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

// checkUpdate refuses a replacement that changes more of a released record than how far it is. changed says whether anything
// but the status and its fields differs.
func (s Spec) checkUpdate(released bool, from, to string, changed bool) error {
	if !released || from == retracted {
		return s.checkTransition(from, to)
	}
	switch {
	case to == retracted:
		return care.Errorf(care.Conflict, "the record is released: mark it as entered in error with POST to its path with /retract behind it, and a reason")
	case slices.Contains(s.Corrected, to) || changed || from == to:
		return care.Errorf(care.Conflict, "the record is released: PUT only moves its status on, with the content as it is; correct it with POST to its path with /amend behind it, and a reason, or /retract it")
	}
	return s.checkTransition(from, to)
}

// checkAmendment refuses an amendment of a record that nobody relies on yet, and one whose status does not say that it is one.
func (s Spec) checkAmendment(released bool, from, to string) error {
	switch {
	case from == retracted:
		return s.checkTransition(from, to)
	case !released:
		return care.Errorf(care.Conflict, "the record is %s and was never released: replace it with PUT", from)
	case len(s.Corrected) > 0 && !slices.Contains(s.Corrected, to):
		return care.InvalidField("status", "must be one of %s in an amendment", strings.Join(s.Corrected, ", "))
	case len(s.Corrected) == 0 && from != to:
		return care.InvalidField("status", "must stay %s in an amendment: to move the record on, replace it with PUT", from)
	}
	return nil
}
