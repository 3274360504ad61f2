// Package event defines carewire's events: the CloudEvents 1.0 envelope (Event), the payload of
// each type, and the catalog that declares every type once. Rules, sockets, documentation and tests
// read the catalog.
//
// An event has ids, types, status codes and times. It never has protected health information: no
// names, addresses, phone numbers, texts or clinical codes.
package event

import (
	"encoding/json"
	"time"

	"github.com/google/uuid"

	"carewire/internal/care"
)

// Event is an event with its envelope. The ledger sets Position, Epoch, RecordedAt and LeafHash.
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

	// Client is the program that sent the request. It is part neither of the JSON nor of the leaf
	// hash, because it is deleted after some time. Events that are read from the ledger do not have
	// it.
	Client care.Client

	// CutsOff reports that the event makes untrue what earlier versions of its subject announced:
	// appending it raises the subject's cut-off at SubjectVersion. It is part neither of the JSON nor
	// of the leaf hash, and events that are read from the ledger do not have it.
	CutsOff bool

	// Unreadable names the part of the event in the ledger that cannot be read, such as "column
	// time into time.Time"; that field is zero. It is empty for every event that was read
	// completely. An unreadable event has no effects: its row is a dead letter.
	Unreadable string

	made made
}

// MinTime and MaxTime bound the times of events, in UTC: those that CloudEvents (RFC 3339), JSON
// and CEL can express. PostgreSQL's range is larger and includes infinities.
var (
	MinTime = time.Date(1, 1, 1, 0, 0, 0, 0, time.UTC)
	MaxTime = time.Date(9999, 12, 31, 23, 59, 59, 999_999_000, time.UTC)
)

// TimeInRange reports whether an event may have the time.
func TimeInRange(t time.Time) bool { return !t.Before(MinTime) && !t.After(MaxTime) }

// made is the type and the data that New set.
type made struct {
	typ  string
	data *byte
}

// Unmodified reports whether the event still has the type and the data that New set. Such data has
// the fields that the catalog requires of the type, because its payload is a struct. No code
// changes the bytes of an event's data in place.
func (e *Event) Unmodified() bool {
	return len(e.Data) > 0 && e.made.data == &e.Data[0] && e.made.typ == e.Type
}

// Source is the CloudEvents source of carewire's own events.
const Source = "/carewire"
