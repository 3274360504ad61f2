package event

import "encoding/json"

// versioned is a payload that names the version of the subject that its event is about. It is for
// events that are no version of the subject themselves, such as ehr.<kind>.critical.
type versioned interface {
	// versionField returns the JSON name of the field.
	versionField() string
}

func (Record) versionField() string     { return "version" }
func (ChatUnread) versionField() string { return "number" }

// AboutVersion returns the version of the subject that the event is about: the one that it created,
// or the one that its data names. It returns 0 for an event about no version, which no cut-off makes
// untrue. Events of a subject with a SubjectVersion count its versions without a gap, so that a
// critical finding of version 3 cannot have one.
func (e *Event) AboutVersion() int64 {
	if e.SubjectVersion != nil {
		return *e.SubjectVersion
	}
	d, ok := Lookup(e.Type)
	if !ok {
		return 0
	}
	payload, ok := d.Payload.(versioned)
	if !ok {
		return 0
	}
	var data map[string]json.RawMessage
	var version int64
	if json.Unmarshal(e.Data, &data) != nil || json.Unmarshal(data[payload.versionField()], &version) != nil {
		return 0
	}
	return max(0, version)
}
