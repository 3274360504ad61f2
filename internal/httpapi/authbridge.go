package httpapi

import (
	"context"
	"net/http"
	"time"

	"golang.org/x/oauth2"
)

// The parts of the token verifier and of the cookie sealer that the pages of sign-in need.

type info = requestInfo

// Known reports whether the token was verified before and is still valid.
func (v *Verifier) Known(token string) bool { return v.known(token) }

// VerifyFor verifies a token for the audience.
func (v *Verifier) VerifyFor(ctx context.Context, token, audience string) (Claims, error) {
	return v.verify(ctx, token, audience)
}

// Client returns the client that calls the identity provider.
func (v *Verifier) Client() *http.Client { return v.cfg.Client }

// Endpoint returns where the identity provider signs people in.
func (v *Verifier) Endpoint(ctx context.Context) (oauth2.Endpoint, error) { return v.endpoint(ctx) }

// IssuerUnavailable is the error of an identity provider that cannot be reached.
func IssuerUnavailable() error { return issuerAway() }

// BadToken is the error of a token that is not valid.
func BadToken(code, detail string) error { return badToken(code, detail) }

// CodeTokenInvalid is the reason of a token that is not valid.
const CodeTokenInvalid = codeTokenInvalid

// Sealer seals the cookie of a sign-in.
type Sealer = sealer

// NewSealer returns a Sealer with a key derived from the secret.
func NewSealer(secret []byte) (*Sealer, error) { return newSealer(secret) }

// Seal returns the value in sealed form, valid for ttl.
func Seal[T any](s *Sealer, purpose string, value T, ttl time.Duration) string {
	return seal(s, purpose, value, ttl)
}

// Unseal returns a sealed value, or false if it is not valid.
func Unseal[T any](s *Sealer, purpose, text string) (T, bool) { return unseal[T](s, purpose, text) }

// Nonce returns a random text.
func Nonce() string { return nonce() }
