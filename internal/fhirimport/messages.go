package fhirimport

import (
	"strconv"
	"strings"

	"carewire/internal/clinic/chat"
	"carewire/internal/fhirimport/fhir"
)

var messagePaths = map[string]string{"patientId": "subject", "clinicId": "encounter", "authorId": "sender", "text": "payload", "writtenAt": "sent"}

func readCommunication(_ *mapper, r *fhir.Resource) (*draft, error) {
	var c struct {
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
	if err := fhir.Decode(r.Type, r.Raw, &c); err != nil {
		return nil, err
	}
	switch c.Status {
	case "completed", "in-progress", "unknown":
	case "preparation", "not-done", "on-hold", "stopped", "entered-in-error":
		return nil, &skip{"was not said, or not meant to be"}
	default:
		return nil, fhir.NewError(r.Type+".status", "is missing, or none of FHIR R4's")
	}
	d := &draft{
		kind: "message", patient: c.Subject.Keys("Patient"), patientPath: "subject", encounter: c.Encounter.Keys("Encounter"),
		author: c.Sender.Keys("Patient", "Practitioner", "PractitionerRole"), paths: messagePaths,
	}
	var texts []string
	for i, p := range c.Payload {
		if p.ContentString != "" {
			texts = append(texts, p.ContentString)
		} else {
			d.without = append(d.without, fhir.Error{Path: r.Type + ".payload[" + strconv.Itoa(i) + "]", Reason: "is no text"})
		}
	}
	switch {
	case len(texts) == 0:
		return nil, &skip{"holds no text, and conversations take no attachments"}
	case len(d.author) == 0:
		return nil, &skip{"was not sent by a patient or a practitioner, as messages of a conversation are"}
	}
	for i := range c.Recipient {
		if len(d.patient) == 0 {
			d.patient = c.Recipient[i].Keys("Patient")
		}
	}
	if len(d.patient) == 0 {
		d.patient = c.Sender.Keys("Patient")
	}
	at, err := fhir.FirstTime(r.Type, "sent", c.Sent, "received", c.Received)
	if err != nil {
		return nil, err
	}
	d.message = &chat.Imported{Text: strings.Join(texts, "\n\n"), WrittenAt: at}
	return d, nil
}
