package fhirimport

import (
	"strconv"
	"strings"

	"carewire/internal/clinic/chat"
)

var messagePaths = map[string]string{"patientId": "subject", "clinicId": "encounter", "authorId": "sender", "text": "payload", "writtenAt": "sent"}

func readCommunication(_ *mapper, r *resource) (*draft, error) {
	var c struct {
		Status    string      `json:"status"`
		Subject   *reference  `json:"subject"`
		Encounter *reference  `json:"encounter"`
		Sent      string      `json:"sent"`
		Received  string      `json:"received"`
		Recipient []reference `json:"recipient"`
		Sender    *reference  `json:"sender"`
		Payload   []struct {
			ContentString string `json:"contentString"`
		} `json:"payload"`
	}
	if err := decode(r.typ, r.raw, &c); err != nil {
		return nil, err
	}
	switch c.Status {
	case "completed", "in-progress", "unknown":
	case "preparation", "not-done", "on-hold", "stopped", "entered-in-error":
		return nil, &skip{"was not said, or not meant to be"}
	default:
		return nil, faulty(r.typ+".status", "is missing, or none of FHIR R4's")
	}
	d := &draft{
		kind: "message", patient: c.Subject.keys("Patient"), patientPath: "subject", encounter: c.Encounter.keys("Encounter"),
		author: c.Sender.keys("Patient", "Practitioner", "PractitionerRole"), paths: messagePaths,
	}
	var texts []string
	for i, p := range c.Payload {
		if p.ContentString != "" {
			texts = append(texts, p.ContentString)
		} else {
			d.without = append(d.without, fault{r.typ + ".payload[" + strconv.Itoa(i) + "]", "is no text"})
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
			d.patient = c.Recipient[i].keys("Patient")
		}
	}
	if len(d.patient) == 0 {
		d.patient = c.Sender.keys("Patient")
	}
	at, err := when(r.typ, "sent", c.Sent, "received", c.Received)
	if err != nil {
		return nil, err
	}
	d.message = &chat.Imported{Text: strings.Join(texts, "\n\n"), WrittenAt: at}
	return d, nil
}
