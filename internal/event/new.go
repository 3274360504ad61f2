package event

import (
	"cmp"
	"encoding/json"
	"fmt"
	"reflect"
	"time"

	"github.com/google/uuid"

	"carewire/internal/care"
)

// New returns an event of carewire for an action of the command's actor on the subject, with a new
// UUIDv7, the current time and the command's trace. Set SubjectVersion with AtVersion, PersonID and
// ClinicID with About or At.
//
// New panics if typ is not declared with that payload, which is a bug in the program that any test
// of it finds.
func New(cmd care.Command, typ string, subject care.Ref, data Payload) Event {
	d, ok := Lookup(typ)
	if !ok || reflect.TypeOf(d.Payload) != reflect.TypeOf(data) {
		panic(fmt.Sprintf("event %s with payload %T is not in the catalog", typ, data))
	}
	body, err := json.Marshal(data)
	if err != nil {
		panic(fmt.Sprintf("event %s: %v", typ, err)) // Payloads are plain structs: they always marshal.
	}
	e := Event{
		ID: uuid.Must(uuid.NewV7()), Type: typ, Source: Source, Subject: subject.String(), Time: time.Now().UTC().Truncate(time.Microsecond),
		Data: body, ActorID: cmd.Actor.ID, ActorRole: actedAs(cmd.Actor, nil), Imported: cmd.Imported,
		Client: cmd.Client, made: made{typ, &body[0]},
	}
	if cmd.CorrelationID != "" {
		e.CorrelationID = &cmd.CorrelationID
	}
	if cmd.Traceparent != "" {
		e.Traceparent = &cmd.Traceparent
	}
	return e
}

// About sets the person that the event is about, its clinic, and the actor's role there.
func (e Event) About(cmd care.Command, personID uuid.UUID, clinicID *uuid.UUID) Event {
	e = e.At(cmd, clinicID)
	e.PersonID = &personID
	return e
}

// At sets the clinic of an event that is about no person, and the actor's role there.
func (e Event) At(cmd care.Command, clinicID *uuid.UUID) Event {
	e.ClinicID, e.ActorRole = clinicID, actedAs(cmd.Actor, clinicID)
	return e
}

// actedAs returns the actor's role at the clinic, if there is one. A program has the same role
// everywhere.
func actedAs(actor care.Actor, clinicID *uuid.UUID) string {
	if actor.IsSystem() {
		return string(care.System)
	}
	if _, ok := actor.ServiceAccount(); ok {
		return string(care.Service)
	}
	role := actor.PlatformRole()
	if clinicID != nil {
		role = cmp.Or(actor.RoleAt(*clinicID), role)
	}
	return cmp.Or(string(role), "none")
}

// AtVersion sets the version of the subject that the event created.
func (e Event) AtVersion(version int64) Event {
	e.SubjectVersion = &version
	return e
}
