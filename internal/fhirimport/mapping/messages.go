package mapping

import (
	"slices"
	"strconv"
	"strings"

	"carewire/internal/clinic/chat"
	"carewire/internal/fhirimport/fhir"
	"carewire/internal/fhirimport/meaning"
)

var messagePaths = map[string]string{"patientId": "subject", "clinicId": "encounter", "authorId": "sender", "text": "payload", "writtenAt": "sent"}

type communication struct {
	Meta      meta             `json:"meta"`
	Status    string           `json:"status"`
	Subject   *fhir.Reference  `json:"subject"`
	Encounter *fhir.Reference  `json:"encounter"`
	Sent      string           `json:"sent"`
	Received  string           `json:"received"`
	Recipient []fhir.Reference `json:"recipient"`
	Sender    *fhir.Reference  `json:"sender"`
	Payload   []struct {
		ContentString string `json:"contentString"`
	} `json:"payload"`
}

// isInternal reports whether the message is neither from nor to a patient: the conversation with the
// patient must not have it. A message without recipients is taken for one to the patient.
func (c *communication) isInternal() bool {
	isPatient := func(r *fhir.Reference) bool { return len(r.Keys("Patient")) > 0 }
	if len(c.Recipient) == 0 || isPatient(c.Sender) {
		return false
	}
	return !slices.ContainsFunc(c.Recipient, func(r fhir.Reference) bool { return isPatient(&r) })
}

func readCommunication(_ *Options, r *fhir.Resource) (*Draft, error) {
	var c communication
	if err := fhir.Decode(r.Type, r.Raw, &c); err != nil {
		return nil, err
	}
	if _, err := meaning.DecideStatus(r.Type, "status", c.Status); err != nil {
		return nil, err
	}
	d := &Draft{
		Kind: "message", Author: c.Sender.Keys("Patient", "Practitioner", "PractitionerRole"), Paths: messagePaths,
	}
	d.ReferPatient("subject", c.Subject)
	d.Encounter = d.Refer("encounter", c.Encounter, "Encounter")
	var texts []string
	for i, p := range c.Payload {
		if p.ContentString != "" {
			texts = append(texts, p.ContentString)
		} else {
			d.LeftOut = append(d.LeftOut, fhir.Error{Path: r.Type + ".payload[" + strconv.Itoa(i) + "]", Reason: "is not text"})
		}
	}
	switch {
	case len(texts) == 0:
		return nil, &meaning.SkipError{Reason: "contains no text; attachments are not imported"}
	case len(d.Author) == 0:
		return nil, &meaning.SkipError{Reason: "the sender is not a patient or a practitioner"}
	case c.isInternal():
		return nil, &meaning.SkipError{Reason: "is not addressed to the patient (recipient), who would read it"}
	}
	for i := range c.Recipient {
		if len(d.Patient) == 0 {
			d.Patient = c.Recipient[i].Keys("Patient")
		}
	}
	if len(d.Patient) == 0 {
		d.Patient = c.Sender.Keys("Patient")
	}
	at, err := requireDate(r.Type, "sent", c.Sent, "received", c.Received, "meta.lastUpdated", c.Meta.LastUpdated)
	if err != nil {
		return nil, err
	}
	d.Message = &chat.Imported{Text: strings.Join(texts, "\n\n")}
	d.SetInstant(&d.Message.WrittenAt, r.Type+".sent", at.Time)
	d.date(at, meta{}, nil)
	return d, nil
}
