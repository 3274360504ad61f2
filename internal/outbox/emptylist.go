package outbox

import (
	"context"
	"fmt"
	"slices"

	"github.com/google/uuid"

	"carewire/internal/care"
	"carewire/internal/event"
	"carewire/internal/postgres/db"
)

// EmptyList describes a request for a list of data about patients that found no items. Either there
// are none, or the actor may not see them: the two are audited differently.
type EmptyList struct {
	Action care.Action
	// Items is the plural of an item, such as "invoices"; List describes the list.
	Items string
	List  event.List
	// PatientID and ClinicID are the filters of the request; zero is any.
	PatientID, ClinicID uuid.UUID
	// ReadsAt are the clinics where the actor has a role that the action is granted to.
	ReadsAt []uuid.UUID
	// PatientListable reports whether the actor may list the items of the patient. It is not called
	// for the actor's own items.
	PatientListable func() (bool, error)
}

// Events returns the events that audit the empty list: one for each clinic where the actor could
// have seen items. The error is a DeniedError if the actor may not see any items: of code
// care.NotFound with a PatientID, of code care.Forbidden without. Events reads in the scope of the
// actor.
func (l EmptyList) Events(ctx context.Context, q *db.Queries, cmd care.Command) ([]event.Event, error) {
	clinicID := care.NonZero(l.ClinicID)
	if l.PatientID == uuid.Nil {
		if len(l.ReadsAt) == 0 || (l.ClinicID != uuid.Nil && !slices.Contains(l.ReadsAt, l.ClinicID)) {
			answer := care.Errorf(care.Forbidden, "none of your roles may read %s there", l.Items)
			return nil, Deny(cmd, answer, l.Action, care.Ref{Kind: "clinic", ID: l.ClinicID}, nil, clinicID)
		}
		return nil, nil
	}
	own := l.PatientID == cmd.Actor.UserID && cmd.Actor.MayOwn(l.Action)
	if !own {
		listable, err := l.PatientListable()
		if err != nil {
			return nil, fmt.Errorf("check access to patient: %w", err)
		}
		if !listable {
			answer := care.Errorf(care.NotFound, "patient not found, or you may not see their %s", l.Items)
			return nil, Deny(cmd, answer, l.Action, care.Ref{Kind: "patient", ID: l.PatientID}, nil, clinicID)
		}
	}
	clinics, err := l.clinics(ctx, q, cmd, own)
	if err != nil {
		return nil, err
	}
	var events []event.Event
	for _, id := range clinics {
		events = append(events, event.ListRead(cmd, l.List, l.PatientID, care.NonZero(id), nil))
	}
	return events, nil
}

// clinics returns the clinics that the list covered: the requested one, or those where the person
// is a patient and the actor reads. It is one zero id if there is none.
func (l EmptyList) clinics(ctx context.Context, q *db.Queries, cmd care.Command, own bool) ([]uuid.UUID, error) {
	if l.ClinicID != uuid.Nil {
		return []uuid.UUID{l.ClinicID}, nil
	}
	reads := distinct(l.ReadsAt)
	if own {
		reads = distinct(cmd.Actor.ClinicsFor(l.Action, care.Own))
	}
	if len(reads) > 1 && !own {
		at, err := q.PatientClinics(ctx, db.PatientClinicsParams{PatientID: l.PatientID, ClinicIds: reads})
		if err != nil {
			return nil, fmt.Errorf("look up the patient's clinics: %w", err)
		}
		if len(at) > 0 {
			return at, nil
		}
	}
	if len(reads) == 0 {
		return []uuid.UUID{uuid.Nil}, nil
	}
	return reads, nil
}

func distinct(ids []uuid.UUID) []uuid.UUID {
	var list []uuid.UUID
	for _, id := range ids {
		if !slices.Contains(list, id) {
			list = append(list, id)
		}
	}
	return list
}
