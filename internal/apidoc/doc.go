// Package apidoc renders the pages under /docs: the REST API from the service's own OpenAPI document, the events from
// their catalog, and pages of documentation from Markdown. The pages need no network and run no script; a browser finds
// words in them, prints them, and reads them aloud.
package apidoc
