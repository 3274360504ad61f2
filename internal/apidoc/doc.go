// Package apidoc renders the pages under /docs: the REST API from the OpenAPI document, the events
// from their catalog, and the Markdown files of the documentation; and searches all of them. The
// pages load nothing from the network. A script filters their contents, and they are complete
// without it.
package apidoc
