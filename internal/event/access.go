package event

import (
	"strings"

	"carewire/internal/care"
)

// ReadAction returns the action of care.Access that reading the subject of an event of the type
// takes. It is empty for events that other systems append: their subjects cannot be read here.
func (d *Declaration) ReadAction() care.Action {
	if d.Type == "user.invited" { // The clinic must not learn who is known elsewhere.
		return care.SelfManage
	}
	return d.Payload.readAction()
}

// noSubject is the read action of events whose subject nobody reads by the access table: those of
// the system, which rules do not match, and those that other systems append.
const noSubject care.Action = ""

// Critical reports whether an event of the type must reach a clinician at once.
func (d *Declaration) Critical() bool {
	_, ok := d.Payload.(Record)
	return ok && strings.HasSuffix(d.Type, ".critical")
}
