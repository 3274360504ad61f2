package auth

import (
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"

	"carewire/internal/care"
	"carewire/internal/clinic/directory"
	"carewire/internal/strictjson"
)

// accessType reports whether the header's typ is that of an access token (RFC 9068, section 2.1), of any JWT, or missing. Other
// types are of tokens for another purpose, such as logout+jwt (RFC 8725, section 3.11).
func accessType(signed *jose.JSONWebSignature) bool {
	typ, there := signed.Signatures[0].Header.ExtraHeaders[jose.HeaderType]
	if !there {
		return true
	}
	text, _ := typ.(string)
	text = strings.TrimPrefix(strings.ToLower(text), "application/") // RFC 7515, section 4.1.9.
	return text == "jwt" || text == "at+jwt"
}

// check reads a token's claims and compares them with the expected ones. Names match exactly, and a duplicate name makes the
// token invalid (RFC 7519, section 4). oidc.IDTokenVerifier does neither, and only its error for an expired token has a type:
// the other reasons could not be told apart.
func (v *Verifier) check(payload []byte, audience string) (Claims, error) {
	members, err := strictjson.Object(payload)
	if err != nil {
		return Claims{}, BadToken(ReasonTokenInvalid, "the token's claims are not valid JSON, or have a duplicate name")
	}
	raw := rawClaims{members: members}
	c := Claims{Issuer: raw.text("iss"), Subject: raw.text("sub"), Email: raw.text("email"), Nonce: raw.text("nonce")}
	ends, expires := raw.date("exp")
	begins, _ := raw.date("nbf")
	verified := string(members["email_verified"])
	c.EmailVerified = verified == "true" || verified == `"true"` // Some providers send it as a string.
	c.ExpiresAt = ends
	now := v.cfg.Now()
	switch {
	case raw.wrong:
		return Claims{}, BadToken(ReasonTokenInvalid, "a claim of the token does not have the type that RFC 7519 defines")
	case c.Issuer != v.cfg.Issuer:
		return Claims{}, BadToken(ReasonWrongIssuer, "the token is from an issuer that this service does not trust")
	case !slices.Contains(raw.audiences(), audience):
		return Claims{}, refuse(c, BadToken(ReasonWrongAudience, "the token is for another audience"))
	case c.Subject == "" || !expires:
		return Claims{}, BadToken(ReasonTokenInvalid, "the token has no sub or no exp")
	case now.Add(-clockSkew).After(ends):
		return Claims{}, refuse(c, BadToken(ReasonTokenExpired, "the token has expired; get a new one"))
	case now.Add(clockSkew).Before(begins):
		return Claims{}, refuse(c, BadToken(ReasonTokenNotYet, "the token is not valid yet; check the clocks"))
	}
	return c, nil
}

// RefusedTokenError is the error of a token that the issuer signed, but that is not accepted here or now.
// It wraps the answer, whose Reason is one of ReasonTokenExpired, ReasonTokenNotYet and
// ReasonWrongAudience. Identity is whose token it is, for the audit trail.
type RefusedTokenError struct {
	Identity directory.Identity
	answer   *care.Error
}

// Error implements error.
func (r *RefusedTokenError) Error() string { return r.answer.Error() }

// Unwrap returns the answer, a care.Error.
func (r *RefusedTokenError) Unwrap() error { return r.answer }

// Reason returns the code of the answer.
func (r *RefusedTokenError) Reason() string { return r.answer.Reason }

// refuse returns the error of a token with a valid signature. A token without a subject is nobody's.
func refuse(c Claims, answer *care.Error) error {
	if c.Subject == "" {
		return answer
	}
	return &RefusedTokenError{Identity: c.Identity(), answer: answer}
}

// rawClaims are a token's undecoded claims (RFC 7519, section 4.1; OpenID Connect Core, section 5.1).
type rawClaims struct {
	members map[string]json.RawMessage
	// wrong is set when a claim has the wrong type.
	wrong bool
}

// into decodes a claim and reports whether it is present.
func (c *rawClaims) into(name string, v any) (there bool) {
	raw, there := c.members[name]
	if there && json.Unmarshal(raw, v) != nil {
		c.wrong = true
	}
	return there
}

func (c *rawClaims) text(name string) (text string) {
	c.into(name, &text)
	return text
}

// date reads a NumericDate: seconds since 1970, which may have a fraction, up to the year 9999.
func (c *rawClaims) date(name string) (at time.Time, there bool) {
	const year9999 = 253402300799
	var n *float64
	if !c.into(name, &n) || n == nil {
		return time.Time{}, false
	}
	if *n < 0 || *n > year9999 {
		c.wrong = true
		return time.Time{}, false
	}
	return time.Unix(int64(*n), 0), true
}

func (c *rawClaims) audiences() []string {
	raw := c.members["aud"]
	var one string
	if json.Unmarshal(raw, &one) == nil {
		return []string{one}
	}
	var many []string
	_ = json.Unmarshal(raw, &many) // Anything else is no audience.
	return many
}
