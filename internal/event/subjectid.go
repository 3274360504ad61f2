package event

import (
	"strings"

	"github.com/google/uuid"
)

// SubjectID returns the id in a subject ("<kind>/<id>"). ok is false if the subject has no UUID.
func SubjectID(subject string) (id uuid.UUID, ok bool) {
	_, text, _ := strings.Cut(subject, "/")
	id, err := uuid.Parse(text)
	return id, err == nil
}
