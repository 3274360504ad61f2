package event

import "encoding/json"

// Defaulter is a payload with fields that were added after events of its types had been written.
type Defaulter interface {
	// Defaults returns what an event without the field means by that, by JSON name.
	Defaults() map[string]any
}

// Defaults returns what an event from before releases were told of means: that its patient may know of it.
func (Record) Defaults() map[string]any { return map[string]any{"released": true, "critical": false} }

// PersonMaySee reports whether the person whom the event is about may see it live, as far as the event itself says. Of a
// record they see nothing before it is released, and no version with a critical finding: that is for a clinician to say.
func (e *Event) PersonMaySee() bool {
	d, ok := Lookup(e.Type)
	if !ok || !d.Person {
		return false
	}
	if _, ok := d.Payload.(Record); !ok {
		return true
	}
	data := struct {
		Released *bool `json:"released"`
		Critical bool  `json:"critical"`
	}{}
	if json.Unmarshal(e.Data, &data) != nil {
		return false
	}
	return (data.Released == nil || *data.Released) && !data.Critical
}
