package event

import "encoding/json"

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
	data := struct {
		Released *bool `json:"released"`
		Held     bool  `json:"held"`
	}{}
	if json.Unmarshal(e.Data, &data) != nil {
		return false, false, false
	}
	return data.Released == nil || *data.Released, data.Held, true
}
