// Package event defines what carewire says happened: the CloudEvents 1.0 envelope (Event), the payload of each type, and
// the catalog that declares every type once. Rules, sockets, documentation and tests read the catalog.
//
// An event carries ids, types, status codes and times. It never carries protected health information: no names,
// addresses, phone numbers, texts or clinical codes.
package event

import (
	"encoding/json"
	"time"

	"github.com/google/uuid"
)

// Event is one event's envelope. Position, Epoch, RecordedAt and LeafHash are set by the ledger.
type Event struct {
	Position       int64
	Epoch          int32
	ID             uuid.UUID
	Type           string
	Source         string
	Subject        string
	SubjectVersion *int64
	Time           time.Time
	Data           json.RawMessage
	ClinicID       *uuid.UUID
	PersonID       *uuid.UUID
	ActorID        string
	ActorRole      string
	CauseID        *uuid.UUID
	CorrelationID  *string
	Traceparent    *string
	Imported       bool
	RecordedAt     time.Time
	LeafHash       []byte

	made made
}

// made is what New gave an event.
type made struct {
	typ  string
	data *byte
}

// AsMade reports whether the event still has the type and the data that New gave it: data that holds what the catalog
// requires of the type, as its payload is a struct. Nobody changes the bytes of an event's data in place.
func (e *Event) AsMade() bool {
	return len(e.Data) > 0 && e.made.data == &e.Data[0] && e.made.typ == e.Type
}

// Source is the CloudEvents source of what carewire itself emits.
const Source = "/carewire"

// envelope is the JSON form: CloudEvents 1.0 with extensions, whose names may hold only lower-case letters and digits
// (CloudEvents 1.0, "Naming Conventions").
type envelope struct {
	SpecVersion     string          `json:"specversion"`
	ID              uuid.UUID       `json:"id"`
	Type            string          `json:"type"`
	Source          string          `json:"source"`
	Subject         string          `json:"subject"`
	Time            time.Time       `json:"time"`
	DataContentType string          `json:"datacontenttype"`
	Position        int64           `json:"position,omitempty"`
	ClinicID        *uuid.UUID      `json:"clinicid,omitempty"`
	PersonID        *uuid.UUID      `json:"personid,omitempty"`
	ActorID         string          `json:"actorid"`
	ActorRole       string          `json:"actorrole"`
	SubjectVersion  *int64          `json:"subjectversion,omitempty"`
	CauseID         *uuid.UUID      `json:"causeid,omitempty"`
	CorrelationID   *string         `json:"correlationid,omitempty"`
	Traceparent     *string         `json:"traceparent,omitempty"`
	Imported        bool            `json:"imported,omitempty"`
	Data            json.RawMessage `json:"data"`
}

// MarshalJSON gives the event as a CloudEvents 1.0 JSON object, times in UTC.
func (e Event) MarshalJSON() ([]byte, error) {
	return json.Marshal(envelope{
		SpecVersion: "1.0", ID: e.ID, Type: e.Type, Source: e.Source, Subject: e.Subject, Time: e.Time.UTC(),
		DataContentType: "application/json", Position: e.Position, ClinicID: e.ClinicID, PersonID: e.PersonID,
		ActorID: e.ActorID, ActorRole: e.ActorRole, SubjectVersion: e.SubjectVersion, CauseID: e.CauseID,
		CorrelationID: e.CorrelationID, Traceparent: e.Traceparent, Imported: e.Imported, Data: e.Data,
	})
}
