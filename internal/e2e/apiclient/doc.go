// Package apiclient is a client of the REST API, generated from the service's OpenAPI document by
// make generate. The tests of the whole service use it as other programs use their generated
// clients, so that they also test the document. Nothing else imports it.
package apiclient
