package outbox

import (
	"fmt"
	"slices"

	"github.com/google/uuid"

	"carewire/internal/care"
	"carewire/internal/event"
)

// EmptyList describes a request for a list of data about patients that found no items. Either there
// are none, or the actor may not see them: the two are audited differently.
type EmptyList struct {
	Action care.Action
	// Items is the plural of an item, such as "invoices".
	Items string
	// PatientID and ClinicID are the filters of the request; zero is any.
	PatientID, ClinicID uuid.UUID
	// ReadsAt are the clinics where the actor has a role that the action is granted to.
	ReadsAt []uuid.UUID
	// PatientListable reports whether the actor may list the items of the patient. It is not called
	// for the actor's own items.
	PatientListable func() (bool, error)
}

// Events returns the events that audit the empty list. The error is a DeniedError if the actor may
// not see any items: of code care.NotFound with a PatientID, of code care.Forbidden without.
func (l EmptyList) Events(cmd care.Command) ([]event.Event, error) {
	clinicID := care.NonZero(l.ClinicID)
	if l.PatientID == uuid.Nil {
		if len(l.ReadsAt) == 0 || (l.ClinicID != uuid.Nil && !slices.Contains(l.ReadsAt, l.ClinicID)) {
			answer := care.Errorf(care.Forbidden, "none of your roles may read %s there", l.Items)
			return nil, Deny(cmd, answer, l.Action, care.Ref{Kind: "clinic", ID: l.ClinicID}, nil, clinicID)
		}
		return nil, nil
	}
	listable := l.PatientID == cmd.Actor.UserID && cmd.Actor.MayOwn(l.Action)
	if !listable {
		var err error
		if listable, err = l.PatientListable(); err != nil {
			return nil, fmt.Errorf("check access to patient: %w", err)
		}
	}
	if !listable {
		answer := care.Errorf(care.NotFound, "patient not found, or you may not see their %s", l.Items)
		return nil, Deny(cmd, answer, l.Action, care.Ref{Kind: "patient", ID: l.PatientID}, nil, clinicID)
	}
	return []event.Event{event.ListRead(cmd, l.PatientID, clinicID, nil)}, nil
}
