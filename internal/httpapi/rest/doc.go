// Package rest defines the REST resources under /api, one file per resource: their routes, inputs
// and outputs, and the calls of the services. Everything common to all routes is in package
// httpapi.
//
// The resources are one package because they share the answers with a version (reply.go), the
// collections of the HTML pages (collections.go) and the types of the OpenAPI document, where each
// schema has a name of its own.
package rest
