// Package layout renders the frame of every HTML page: head, header, contents and main part, with
// one style sheet. It serves the files of the pages: the style sheet, the icon and the scripts. The
// pages load nothing from another host, and their Content-Security-Policy forbids inline scripts
// and styles.
package layout

import (
	"bytes"
	"context"
	"embed"
	"fmt"
	"html/template"
)

// Policy is the Content-Security-Policy of pages without scripts, ScriptPolicy that of pages that
// load a script of this package or of the sandbox.
const (
	Policy       = "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
	ScriptPolicy = Policy + "; script-src 'self'; connect-src 'self'; frame-src 'self'"
)

//go:embed page.html
var source embed.FS

var frame = template.Must(template.New("page.html").Funcs(template.FuncMap{"asset": AssetPath}).ParseFS(source, "page.html"))

// Link is a link with its text.
type Link struct{ Path, Text string }

// Header is the header of a page as one caller sees it.
type Header struct {
	// Links lead to pages that the caller may open.
	Links []Link
	// Viewer is the person who is signed in, or nil.
	Viewer *Viewer
	// Login is the path of the sign-in page, or empty if browsers cannot sign in.
	Login string
}

// Viewer is the person who is signed in.
type Viewer struct {
	Name string
	// Roles are their roles in words, such as "doctor".
	Roles string
}

// Section is an entry of the contents of a page: a heading with its links.
type Section struct {
	Title, Path string
	Links       []Entry
	// Nested are sections within the section.
	Nested []Section
}

// Entry is a link in the contents. Label is a short prefix, such as an HTTP method, or empty.
type Entry struct{ Path, Text, Label string }

// Page is an HTML page.
type Page struct {
	// Title is the title of the page, without the name of the service.
	Title string
	// Here is the path that marks a link in the header, Self the one that marks a sibling.
	Here, Self string
	Header     Header
	// Siblings are the pages of the same part of the site, in a column beside the main part. A page
	// without siblings is centred.
	Siblings []Link
	// Contents are the headings of the page, below the siblings.
	Contents []Section
	// Filter adds a filter box to the contents, which needs the script docs.js.
	Filter bool
	// Search is the query of the documentation's search, shown in its box. The box is shown if
	// SearchPath is set.
	SearchPath, Search string
	// Wide makes the main part of a page without siblings as wide as the window allows.
	Wide bool
	// Scripts and Styles are the paths of files that the page loads beside the style sheet.
	Scripts, Styles []string
	// Main is the content of the page, beginning with its only h1.
	Main template.HTML
	// Frames allows the page to frame other pages of the service.
	Frames bool
}

// Render returns the page as HTML.
func (p Page) Render() ([]byte, error) {
	var out bytes.Buffer
	out.Grow(len(p.Main) + 8<<10)
	if err := frame.Execute(&out, p); err != nil {
		return nil, fmt.Errorf("render page: %w", err)
	}
	return out.Bytes(), nil
}

// Fragment executes a template and returns its output for Page.Main.
func Fragment(t *template.Template, data any) (template.HTML, error) {
	var out bytes.Buffer
	if err := t.Execute(&out, data); err != nil {
		return "", fmt.Errorf("render %s: %w", t.Name(), err)
	}
	return template.HTML(out.String()), nil //nolint:gosec // html/template has escaped the data.
}

type headerKey struct{}

// WithHeader returns a context with the header of the request's page, for handlers that do not
// authenticate, such as the sandbox.
func WithHeader(ctx context.Context, h Header) context.Context {
	return context.WithValue(ctx, headerKey{}, h)
}

// HeaderOf returns the header of the request's page; without one, it has no links.
func HeaderOf(ctx context.Context) Header {
	h, _ := ctx.Value(headerKey{}).(Header)
	return h
}
