// Package apidoc renders the pages under /docs: the REST API from the OpenAPI document, the events
// from their catalog, and documentation from Markdown. The pages load nothing from the network and
// run no script, so that searching, printing and screen readers work.
package apidoc
