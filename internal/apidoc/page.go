package apidoc

import (
	"bytes"
	"embed"
	"fmt"
	"html/template"

	"carewire/internal/layout"
)

//go:embed templates/*.html
var templateFiles embed.FS

var templates = template.Must(template.New("").Funcs(template.FuncMap{
	"markdown": markdown,
	"inline":   inline,
}).ParseFS(templateFiles, "templates/*.html"))

// The paths of the pages that are not Markdown files.
const (
	IndexPath  = "/docs"
	SearchPath = "/docs/search"
	apiPath    = "/docs/api"
	eventsPath = "/docs/events"
)

// page is a page of the documentation.
type page struct {
	title, path string
	// about is a line for the list of pages.
	about string
	// sections are its headings, with what a search finds below them.
	sections []section
	// contents are the sections of its contents, filter whether they can be filtered.
	contents []layout.Section
	filter   bool
	main     template.HTML
}

// section is a part of a page that a search finds.
type section struct {
	title, path string
	text        string
}

// execute renders a template.
func execute(name string, data any) (template.HTML, error) {
	var out bytes.Buffer
	if err := templates.ExecuteTemplate(&out, name, data); err != nil {
		return "", fmt.Errorf("render %s: %w", name, err)
	}
	return template.HTML(out.String()), nil //nolint:gosec // html/template has escaped the data.
}
