// Package docs holds the documentation that the service itself serves, at /docs.
package docs

import "embed"

// Files are the pages of the documentation, in Markdown.
//
//go:embed *.md
var Files embed.FS

// Socket is the contract of the socket: socket.md.
//
//go:embed socket.md
var Socket []byte
