package event

import "encoding/json"

// Defaulter is a payload with fields that were added after events of its types had been written.
type Defaulter interface {
	// Defaults returns what an event without the field means by that, by JSON name.
	Defaults() map[string]any
}

// Defaults returns what an event from before releases and holds existed means: that its patient may know of it.
func (Record) Defaults() map[string]any {
	return map[string]any{"released": true, "critical": false, "held": false}
}

// PersonMaySee reports whether the person whom the event is about may see it live, as far as the event itself says. Of a
// record they see nothing before it is released, and nothing while it is held for a clinician to see it first.
func (e *Event) PersonMaySee() bool {
	d, ok := Lookup(e.Type)
	if !ok || !d.Person {
		return false
	}
	released, held, readable := e.release(d)
	return readable && released && !held
}

// Held reports whether the event is of a record that was withheld from its patient when the event happened.
func (e *Event) Held() bool {
	d, ok := Lookup(e.Type)
	if !ok {
		return false
	}
	_, held, readable := e.release(d)
	return readable && held
}

// release reads what the event of a record says of its patient's access. An event of anything else counts as released.
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
