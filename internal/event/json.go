package event

import (
	"cmp"
	"encoding/json"
	"strconv"
	"time"

	"github.com/google/uuid"
)

// MarshalJSON returns the event as a CloudEvents 1.0 JSON object, with times in UTC. An unreadable
// event has the extension "unreadable", and either no time (optional in CloudEvents) or null data.
func (e Event) MarshalJSON() ([]byte, error) { return e.AppendJSON(nil), nil }

// AppendJSON appends what MarshalJSON returns, with the bytes that encoding/json writes. The event's
// data must be valid JSON, as the ledger's is; encoding/json checks it again when it calls
// MarshalJSON. Every event of the ledger is encoded for its sockets, and reflection and the checks
// would take most of that time.
//
// The names of extensions may contain only lower-case letters and digits (CloudEvents 1.0, "Naming
// Conventions").
func (e *Event) AppendJSON(b []byte) []byte {
	at, unreadable := e.Time, e.Unreadable
	if !TimeInRange(at) {
		at, unreadable = time.Time{}, cmp.Or(unreadable, "column time into time.Time")
	}
	b = append(b, `{"specversion":"1.0","id":"`...)
	b = appendID(b, e.ID)
	b = appendString(append(b, `","type":`...), e.Type)
	b = appendString(append(b, `,"source":`...), e.Source)
	b = appendString(append(b, `,"subject":`...), e.Subject)
	if !at.IsZero() {
		b = at.UTC().AppendFormat(append(b, `,"time":"`...), time.RFC3339Nano)
		b = append(b, '"')
	}
	b = append(b, `,"datacontenttype":"application/json"`...)
	if e.Position != 0 {
		b = strconv.AppendInt(append(b, `,"position":`...), e.Position, 10)
	}
	b = appendOptionalID(b, `,"clinicid":"`, e.ClinicID)
	b = appendOptionalID(b, `,"personid":"`, e.PersonID)
	b = appendString(append(b, `,"actorid":`...), e.ActorID)
	b = appendString(append(b, `,"actorrole":`...), e.ActorRole)
	if e.SubjectVersion != nil {
		b = strconv.AppendInt(append(b, `,"subjectversion":`...), *e.SubjectVersion, 10)
	}
	b = appendOptionalID(b, `,"causeid":"`, e.CauseID)
	if e.CorrelationID != nil {
		b = appendString(append(b, `,"correlationid":`...), *e.CorrelationID)
	}
	if e.Traceparent != nil {
		b = appendString(append(b, `,"traceparent":`...), *e.Traceparent)
	}
	if e.Imported {
		b = append(b, `,"imported":true`...)
	}
	if unreadable != "" {
		b = appendString(append(b, `,"unreadable":`...), unreadable)
	}
	b = append(b, `,"data":`...)
	if e.Data == nil {
		return append(b, `null}`...)
	}
	return append(appendCompact(b, e.Data), '}')
}

func appendID(b []byte, id uuid.UUID) []byte {
	text, _ := id.MarshalText() // Never fails.
	return append(b, text...)
}

func appendOptionalID(b []byte, name string, id *uuid.UUID) []byte {
	if id == nil {
		return b
	}
	return append(appendID(append(b, name...), *id), '"')
}

func appendString(b []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || c == '"' || c == '\\' || c == '<' || c == '>' || c == '&' {
			quoted, _ := json.Marshal(s) // Never fails: invalid UTF-8 is replaced.
			return append(b, quoted...)
		}
	}
	b = append(b, '"')
	b = append(b, s...)
	return append(b, '"')
}

// appendCompact appends valid JSON without the white space between its tokens. As encoding/json does
// it, it escapes in strings what HTML or JavaScript could misread.
func appendCompact(b, data []byte) []byte {
	const hex = "0123456789abcdef"
	inString, from := false, 0
	for i := 0; i < len(data); i++ {
		switch c := data[i]; {
		case !inString && (c == ' ' || c == '\n' || c == '\t' || c == '\r'):
			b = append(b, data[from:i]...)
			from = i + 1
		case c == '"':
			inString = !inString
		case inString && c == '\\':
			i++ // Whatever it escapes.
		case c == '<' || c == '>' || c == '&':
			b = append(b, data[from:i]...)
			b = append(b, '\\', 'u', '0', '0', hex[c>>4], hex[c&0xf])
			from = i + 1
		case c == 0xe2 && i+2 < len(data) && data[i+1] == 0x80 && data[i+2]&^1 == 0xa8: // U+2028 and U+2029.
			b = append(b, data[from:i]...)
			b = append(b, `\u202`...)
			b = append(b, hex[data[i+2]&0xf])
			i += 2
			from = i + 1
		}
	}
	return append(b, data[from:]...)
}
