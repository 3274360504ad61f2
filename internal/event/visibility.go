package event

import (
	"bytes"
	"encoding/json"
)

// Defaulter is a payload with fields that were added after events of its types had been written.
type Defaulter interface {
	// Defaults returns the values that missing fields mean, by JSON name.
	Defaults() map[string]any
}

// Defaults implements Defaulter. Before releases and holds existed, the patient could know of every
// record.
func (Record) Defaults() map[string]any {
	return map[string]any{"released": true, "critical": false, "held": false}
}

// PersonMaySee reports whether the person that the event is about may see it live, according to the
// event. They do not see events of a record before it is released, or while it is held until a
// clinician has seen it.
func (e *Event) PersonMaySee() bool {
	d, ok := Lookup(e.Type)
	if !ok || !d.Person {
		return false
	}
	released, held, readable := e.release(d)
	return readable && released && !held
}

// Held reports whether the event is of a record that was withheld from its patient at the time of
// the event.
func (e *Event) Held() bool {
	d, ok := Lookup(e.Type)
	if !ok {
		return false
	}
	_, held, readable := e.release(d)
	return readable && held
}

// release returns the patient's access to the event's record. An event of anything else counts as
// released.
func (e *Event) release(d *Declaration) (released, held, readable bool) {
	if _, ok := d.Payload.(Record); !ok {
		return true, false, true
	}
	if released, held, ok := flatRelease(e.Data); ok {
		return released, held, true
	}
	data := struct {
		Released *bool `json:"released"`
		Held     bool  `json:"held"`
	}{}
	if json.Unmarshal(e.Data, &data) != nil {
		return false, false, false
	}
	return data.Released == nil || *data.Released, data.Held, true
}

// flatRelease reads the two fields of release from a flat object of booleans, null, whole numbers and
// printable ASCII without escapes, which the data of every record is. It returns false for anything
// else, which is left to encoding/json: that takes several times as long.
func flatRelease(data []byte) (released, held, flat bool) {
	for _, c := range data {
		if c < ' ' || c > '~' || c == '\\' {
			return false, false, false
		}
	}
	released, held = true, false
	s := scanner{rest: data}
	if s.next() != '{' {
		return false, false, false
	}
	for more := s.take('{'); more; more = s.take(',') {
		name := s.text()
		if name == nil || !s.take(':') {
			return false, false, false
		}
		value := s.value()
		yes := string(value) == "true"
		switch {
		case value == nil:
			return false, false, false
		case string(name) == `"released"` && (yes || string(value) == "false"):
			released = yes
		case string(name) == `"held"` && (yes || string(value) == "false"):
			held = yes
		case bytes.EqualFold(name, []byte(`"released"`)), bytes.EqualFold(name, []byte(`"held"`)):
			return false, false, false // Of another type, or in another case, which encoding/json matches too.
		}
	}
	return released, held, s.take('}') && s.next() == 0
}

// scanner reads a flat JSON object of printable ASCII without escapes.
type scanner struct{ rest []byte }

// next skips spaces and returns the next character; 0 at the end.
func (s *scanner) next() byte {
	for i, c := range s.rest {
		if c != ' ' {
			s.rest = s.rest[i:]
			return c
		}
	}
	s.rest = nil
	return 0
}

// take reads the character and reports whether it was the next one.
func (s *scanner) take(c byte) bool {
	if s.next() != c {
		return false
	}
	s.rest = s.rest[1:]
	return true
}

// text reads a text and returns it with its quotes; nil for anything else.
func (s *scanner) text() []byte {
	if s.next() != '"' {
		return nil
	}
	end := bytes.IndexByte(s.rest[1:], '"')
	if end < 0 {
		return nil
	}
	text := s.rest[:end+2]
	s.rest = s.rest[end+2:]
	return text
}

// value reads a text, a whole number, true, false or null; it returns nil for anything else.
func (s *scanner) value() []byte {
	first := s.next()
	if first == '"' {
		return s.text()
	}
	end, digits := 0, 0
	for ; end < len(s.rest); end++ {
		c := s.rest[end]
		if c >= '0' && c <= '9' {
			digits++
		} else if c < 'a' || c > 'z' {
			break
		}
	}
	value := s.rest[:end]
	s.rest = s.rest[end:]
	switch text := string(value); {
	case text == "true", text == "false", text == "null", text == "0", end > 0 && digits == end && first != '0':
		return value
	default:
		return nil
	}
}
