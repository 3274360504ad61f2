package fhirimport

import (
	"strconv"
	"strings"

	"github.com/google/uuid"

	"carewire/internal/clinic/chat"
	"carewire/internal/postgres/db"
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

// conversations is the namespace (RFC 9562, version 5) of the ids of conversations that were taken in.
var conversations = uuid.MustParse("5f1c4c5e-0d3c-4c58-9a0e-6d2f6f1f7a11")

// written says who wrote a message, and which conversation it belongs to: the one of this source with the patient at the
// clinic.
func (d *draft) written(source string, rows map[key]db.ImportIdentifier) error {
	author, ok := anyOf(rows, d.author)
	switch {
	case !ok:
	case author.ResourceType != "Patient":
		d.message.AuthorID = doctorOf(author)
	case author.DomainID != d.personID:
		return faulty(d.res.typ+".sender", "is another patient than the one whom it is about")
	default:
		d.message.AuthorID = author.DomainID
	}
	if d.message.AuthorID == uuid.Nil {
		return faulty(d.res.typ+".sender", "refers to nobody that was taken in")
	}
	d.doctorID = uuid.Nil // Nobody answers for it but its author, who gets no role by it.
	d.message.ConversationID = uuid.NewSHA1(conversations, []byte(source+"\x00"+d.personID.String()+d.clinicID.String()))
	d.message.Subject = source
	return nil
}
