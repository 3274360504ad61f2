// Package docs holds the pages of documentation that the service itself serves, at /docs.
package docs

import _ "embed"

// Socket is the contract of the socket, in Markdown: docs/socket.md.
//
//go:embed socket.md
var Socket []byte
