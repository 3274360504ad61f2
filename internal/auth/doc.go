// Package auth establishes who sends a request: it verifies bearer tokens of the identity provider, signs the tokens of the
// demo, seals the cookie of a sign-in, and caches the actors of recent requests.
//
// Everything in it is safe for concurrent use. Errors are care.Errors: Unauthenticated with a Reason for a token that is
// not accepted, Unavailable while the identity provider cannot be reached. Package httpapi maps both to problems.
package auth
