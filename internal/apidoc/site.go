package apidoc

import (
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"carewire/internal/event"
	"carewire/internal/layout"
)

// guides are the Markdown files in the order of the list of pages, each with its line in the list.
// Other files follow.
var guides = []struct{ file, about string }{
	{"first-day.md", "from an empty server to the first lab report"},
	{"architecture.md", "how carewire works, and what it guarantees"},
	{"visibility.md", "who sees which record, and who is notified"},
	{"events.md", "events that your other systems append"},
	{"socket.md", "live updates, for client developers"},
	{"fhir.md", "data from other systems"},
	{"notifications.md", "rules, templates, channels, providers, receipts"},
	{"operating.md", "installation, settings, backup, alerts"},
	{"performance.md", "measurements, and how to repeat them"},
	{"extending.md", "a new record kind, event, rule, channel or listener"},
}

// Site is the documentation: its pages and their search. It is safe for concurrent use.
type Site struct {
	pages []page
	index []indexed
}

// New returns the documentation of an OpenAPI document, a catalog of events and a file system with
// Markdown files. base is the URL of the service in the examples.
func New(doc *huma.OpenAPI, base string, catalog []event.Declaration, files fs.FS) (*Site, error) {
	api, err := apiPage(doc, base)
	if err != nil {
		return nil, err
	}
	events, err := eventPage(catalog)
	if err != nil {
		return nil, err
	}
	s := &Site{pages: []page{api, events}}
	names, err := Files(files)
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		text, err := fs.ReadFile(files, name)
		if err != nil {
			return nil, fmt.Errorf("read the documentation: %w", err)
		}
		p, err := textPage(name, text, names)
		if err != nil {
			return nil, err
		}
		s.pages = append(s.pages, p)
	}
	s.index = indexOf(s.pages)
	return s, nil
}

// Files returns the names of the Markdown files in the order of the list of pages.
func Files(files fs.FS) ([]string, error) {
	names, err := fs.Glob(files, "*.md")
	if err != nil {
		return nil, fmt.Errorf("list the documentation: %w", err)
	}
	rank := func(name string) int {
		i := slices.IndexFunc(guides, func(g struct{ file, about string }) bool { return g.file == name })
		if i < 0 {
			return len(guides)
		}
		return i
	}
	slices.SortStableFunc(names, func(a, b string) int { return rank(a) - rank(b) })
	return names, nil
}

// PathOf returns the path of the page of a Markdown file.
func PathOf(name string) string {
	if name == "events.md" { // /docs/events is the catalog.
		return "/docs/events-from-other-systems"
	}
	return "/docs/" + strings.TrimSuffix(name, path.Ext(name))
}

// Page returns the page with the path, and reports whether there is one.
func (s *Site) Page(path string) (layout.Page, bool) {
	if path == IndexPath {
		return s.indexPage()
	}
	i := slices.IndexFunc(s.pages, func(p page) bool { return p.path == path })
	if i < 0 {
		return layout.Page{}, false
	}
	p := s.pages[i]
	return s.frame(p.title, p.path, layout.Page{Contents: p.contents, Filter: p.filter, Main: p.main}), true
}

// Has reports whether there is a page with the path.
func (s *Site) Has(path string) bool {
	return slices.ContainsFunc(s.pages, func(p page) bool { return p.path == path })
}

// frame completes a page with the contents of the site.
func (s *Site) frame(title, path string, p layout.Page) layout.Page {
	p.Title, p.Here, p.Self, p.SearchPath = title, IndexPath, path, SearchPath
	p.Scripts = []string{layout.AssetPath("docs.js")}
	for _, sibling := range s.pages {
		p.Siblings = append(p.Siblings, layout.Link{Path: sibling.path, Text: sibling.title})
	}
	return p
}

func (s *Site) indexPage() (layout.Page, bool) {
	type door struct{ Path, Title, About string }
	var doors []door
	for _, p := range s.pages {
		doors = append(doors, door{p.path, p.title, p.about})
	}
	main, err := execute("index.html", doors)
	if err != nil {
		return layout.Page{}, false
	}
	return s.frame("Documentation", IndexPath, layout.Page{Main: main}), true
}
