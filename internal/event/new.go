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

// New makes an event of carewire's own for what the command's actor did to the subject: a fresh UUIDv7, the time now, the
// command's trace. Set SubjectVersion, PersonID and ClinicID with the With methods.
//
// It panics when typ is not declared for that payload: a mistake in the program, which the first test shows.
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
		made: made{typ, &body[0]},
	}
	if cmd.CorrelationID != "" {
		e.CorrelationID = &cmd.CorrelationID
	}
	if cmd.Traceparent != "" {
		e.Traceparent = &cmd.Traceparent
	}
	return e
}

// About sets the person the event is about and the clinic it belongs to, and the role in which the actor acted there.
func (e Event) About(cmd care.Command, personID uuid.UUID, clinicID *uuid.UUID) Event {
	e = e.At(cmd, clinicID)
	e.PersonID = &personID
	return e
}

// At sets the clinic of an event that is about no person, and the role in which the actor acted there.
func (e Event) At(cmd care.Command, clinicID *uuid.UUID) Event {
	e.ClinicID, e.ActorRole = clinicID, actedAs(cmd.Actor, clinicID)
	return e
}

// actedAs tells in which role the actor acted at the clinic, if any. A program acts as what it is, wherever.
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

// AtVersion sets the version of the subject that the event made.
func (e Event) AtVersion(version int64) Event {
	e.SubjectVersion = &version
	return e
}
