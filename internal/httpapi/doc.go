// Package httpapi is the HTTP plumbing of carewire: the server and its middleware, authentication
// and the guard of each route, operations, paging, idempotency, and health. The REST resources are
// in package rest, the HTML pages in package web; both register their routes with a Server. Only
// these packages know HTTP: a care.Error becomes an RFC 9457 problem in one table (package
// problem).
//
// Every request takes the same path: request id and log, recovery, headers, limits, the guard of
// the route (authentication, rate limit, authorization), the check of the body (package body),
// validation against the schema by huma, the handler. A refusal anywhere on that path is a problem
// with a stable code. Values that a client sends are never echoed, as they can be health
// information, and no input of a client causes a 500.
//
// A route names an action of care.Access or is on the explicit list of public routes; Finish fails
// otherwise.
//
// The steps of that path are one package because each reads the state that the ones before it left
// with the request (request.go). The parts without that state are packages of their own: problem,
// body, openapi, limit, peer and etag. They do not import this package.
//
// The package starts no goroutines.
package httpapi
