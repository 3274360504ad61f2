// Package httpapi is carewire's outside: REST under /api, the socket's handshake, sign-in, the operators' pages, health and
// metrics. It is the only package that knows HTTP: what the domain refuses (care.Error) becomes an RFC 9457 problem here,
// in one table (problem.go).
//
// Every request passes the same way: request id and log, recovery, headers, limits, the route's guard (who is it, may they,
// not too often), the body's check (body.go), huma's validation against the schema, the handler. A refusal anywhere on the
// way is a problem with a stable code; what a client sends is never echoed, as it may be health information, and nothing a
// client sends makes a 500.
//
// A route names an action of care.Access or stands on the explicit list of public routes; New refuses to start with one
// that does neither.
//
// The package starts no goroutine of its own: but for the river dashboard's (Dashboard.Start), all work happens in the
// request's.
package httpapi
