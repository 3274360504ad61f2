package httpapi

import (
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/uuid"

	"carewire/internal/care"
)

// KeyHeader identifies a request, so that a repetition is not carried out twice (IETF draft
// draft-ietf-httpapi-idempotency-key-header). Every POST that is not Repeatable supports it.
const KeyHeader = "Idempotency-Key"

// maxKey is the longest Idempotency-Key, in characters: the size of its column.
const maxKey = 255

// keyParameter documents the header. Each operation has its own, because completing the document
// changes it.
func keyParameter() *huma.Param {
	return &huma.Param{
		Name: KeyHeader, In: "header", Example: "7a0e5c1e-4d0b-4f0e-9d3c-6a9f1f4f2b10",
		Description: "Identifies this request. Repeating it within 24 hours with the same body does not carry it out again: the answer " +
			"is that of the first request, rendered from the current data. With another body it returns 422; while the first request " +
			"is in progress, 409. Only successful requests count.",
		Schema: &huma.Schema{Type: huma.TypeString, MinLength: new(1), MaxLength: new(maxKey), Pattern: "^[!-~]+$"},
	}
}

// hasKeyParameter reports whether the operation supports the header.
func hasKeyParameter(op *huma.Operation) bool {
	return slices.ContainsFunc(op.Parameters, func(p *huma.Param) bool { return p.Name == KeyHeader })
}

// readKey sets the request's Idempotency-Key and the hash of the request.
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

// ReplayedID returns the id in the subject of the first request.
func ReplayedID(done *care.ReplayError) uuid.UUID {
	_, id, _ := strings.Cut(done.Subject, "/")
	parsed, _ := uuid.Parse(id) // Subjects have an id; uuid.Nil is not found.
	return parsed
}
