// Package apiclient is a client of the REST API, generated from the service's own OpenAPI document by make generate. It
// stands for the clients that other programs generate for themselves: the tests of the whole service use it, so that the
// document says what the service does. Nothing else imports it.
package apiclient
