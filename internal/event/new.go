package event

import (
	"encoding/json"
	"fmt"
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
	if !ok || fmt.Sprintf("%T", d.Payload) != fmt.Sprintf("%T", data) {
		panic(fmt.Sprintf("event %s with payload %T is not in the catalog", typ, data))
	}
	body, err := json.Marshal(data)
	if err != nil {
		panic(fmt.Sprintf("event %s: %v", typ, err)) // Payloads are plain structs: they always marshal.
	}
	e := Event{
		ID: uuid.Must(uuid.NewV7()), Type: typ, Source: Source, Subject: subject.String(), Time: time.Now().UTC().Truncate(time.Microsecond),
		Data: body, ActorID: cmd.Actor.ID, ActorRole: string(care.System), Imported: cmd.Imported,
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
	e.PersonID, e.ClinicID = &personID, clinicID
	if cmd.Actor.UserID == uuid.Nil {
		return e
	}
	e.ActorRole = string(cmd.Actor.PlatformRole())
	if clinicID != nil {
		if role := cmd.Actor.RoleAt(*clinicID); role != "" {
			e.ActorRole = string(role)
		}
	}
	if e.ActorRole == "" {
		e.ActorRole = "none"
	}
	return e
}

// AtVersion sets the version of the subject that the event made.
func (e Event) AtVersion(version int64) Event {
	e.SubjectVersion = &version
	return e
}
