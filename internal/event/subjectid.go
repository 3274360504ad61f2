package event

import (
	"regexp"
	"strings"

	"github.com/google/uuid"
)

// SubjectID returns the id in a subject ("<kind>/<id>"). ok is false if the subject has no UUID.
func SubjectID(subject string) (id uuid.UUID, ok bool) {
	_, text, _ := strings.Cut(subject, "/")
	id, err := uuid.Parse(text)
	return id, err == nil
}

var uuidForm = regexp.MustCompile(`[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}`)

// CanonicalIDs returns a text such as a subject or a source with its UUIDs in lower case, as the
// ledger stores them: UUIDs compare without case (RFC 9562, section 4).
func CanonicalIDs(text string) string {
	if strings.ToLower(text) == text {
		return text
	}
	return uuidForm.ReplaceAllStringFunc(text, strings.ToLower)
}
