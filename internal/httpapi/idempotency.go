package httpapi

import (
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/uuid"

	"carewire/internal/care"
)

// KeyHeader is a client's name for one request, so that sending it again does nothing twice (the IETF draft
// draft-ietf-httpapi-idempotency-key-header). Every POST knows it that is not repeatable as it is.
const KeyHeader = "Idempotency-Key"

const maxKey = 255

// keyParameter tells of the header in the reference.
var keyParameter = &huma.Param{
	Name: KeyHeader, In: "header", Example: "7a0e5c1e-4d0b-4f0e-9d3c-6a9f1f4f2b10",
	Description: "The client's own name for this request. Sent again within 24 hours with the same body it is not carried out again: the answer is the first one, rendered from what is stored now. With another body it is refused with 422, while the first is under way with 409. Only what succeeded counts.",
	Schema:      &huma.Schema{Type: huma.TypeString, MinLength: new(1), MaxLength: new(maxKey), Pattern: "^[!-~]+$"},
}

// readKey notes the request's Idempotency-Key, and by what its request can be told from others.
func (i *requestInfo) readKey(r *http.Request, body []byte) error {
	values := r.Header.Values(KeyHeader)
	if len(values) == 0 {
		return nil
	}
	key := values[0]
	if len(values) > 1 || key == "" || len(key) > maxKey || strings.ContainsFunc(key, func(c rune) bool { return c < '!' || c > '~' }) {
		return care.InvalidField(KeyHeader, "must be one value of 1 to %d visible ASCII characters, such as a UUID", maxKey)
	}
	h := sha256.New()
	_, _ = io.WriteString(h, r.Method+" "+r.URL.RequestURI()+"\n")
	_, _ = h.Write(body)
	i.key, i.requestHash = key, h.Sum(nil)
	return nil
}

// replayed returns the error of a command that was carried out before under its key.
func replayed(err error) (*care.ReplayError, bool) { return errors.AsType[*care.ReplayError](err) }

// withoutKey returns the request's context with commands that have no key.
func withoutKey(ctx context.Context) context.Context {
	i := *infoOf(ctx)
	i.key, i.requestHash = "", nil
	return withInfo(ctx, &i)
}

// ReplayedID is the id in the subject of what was done.
func ReplayedID(done *care.ReplayError) uuid.UUID {
	_, id, _ := strings.Cut(done.Subject, "/")
	parsed, _ := uuid.Parse(id) // A subject of ours always holds one; what does not is not found.
	return parsed
}
