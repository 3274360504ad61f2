package apidoc

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"fmt"
	"html/template"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/extension"
	"github.com/yuin/goldmark/parser"
	"github.com/yuin/goldmark/text"
)

//go:embed style.css
var style string

//go:embed templates/*.html
var templateFiles embed.FS

// Policy is the Content-Security-Policy of the pages. It allows their own style sheet only.
var Policy = func() string {
	sum := sha256.Sum256([]byte(style))
	return "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
}()

var pages = template.Must(template.New("").Funcs(template.FuncMap{
	"style":    func() template.CSS { return template.CSS(style) }, //nolint:gosec // It is the embedded style.css.
	"markdown": markdown,
	"inline":   inline,
}).ParseFS(templateFiles, "templates/*.html"))

// textMarkdown renders GitHub Flavored Markdown with tables. It omits raw HTML.
var textMarkdown = goldmark.New(goldmark.WithExtensions(extension.GFM), goldmark.WithParserOptions(parser.WithAutoHeadingID()))

func markdown(text string) (template.HTML, error) {
	var out bytes.Buffer
	if err := textMarkdown.Convert([]byte(text), &out); err != nil {
		return "", fmt.Errorf("render Markdown: %w", err)
	}
	return template.HTML(out.String()), nil //nolint:gosec // goldmark escapes text and omits raw HTML.
}

// inline renders Markdown for a sentence inside another element.
func inline(text string) (template.HTML, error) {
	html, err := markdown(text)
	if err != nil {
		return "", err
	}
	trimmed := bytes.TrimSpace([]byte(html))
	trimmed = bytes.TrimSuffix(bytes.TrimPrefix(trimmed, []byte("<p>")), []byte("</p>"))
	return template.HTML(trimmed), nil //nolint:gosec // As above.
}

// page is the data of the layout.
type page struct {
	Title string
	// Here is the page's path.
	Here string
	Nav  []navGroup
	Data any
}

// navGroup is a heading in the navigation with its links.
type navGroup struct {
	Title, Anchor string
	Links         []navLink
}

type navLink struct{ Anchor, Text, Method string }

func (p page) render(name string) ([]byte, error) {
	var out bytes.Buffer
	if err := pages.ExecuteTemplate(&out, name, p); err != nil {
		return nil, fmt.Errorf("render %s: %w", p.Here, err)
	}
	return out.Bytes(), nil
}

// Index returns the page with links to the others.
func Index() ([]byte, error) { return page{Title: "Documentation", Here: "/docs"}.render("index.html") }

// Text returns a page of documentation in Markdown. The first heading is its title, and headings of
// the second level are its table of contents.
func Text(here string, source []byte) ([]byte, error) {
	p := page{Here: here, Data: string(source)}
	root := textMarkdown.Parser().Parse(text.NewReader(source))
	for n := root.FirstChild(); n != nil; n = n.NextSibling() {
		h, ok := n.(*ast.Heading)
		if !ok {
			continue
		}
		title, id := string(h.Lines().Value(source)), ""
		if v, ok := h.AttributeString("id"); ok {
			id = fmt.Sprintf("%s", v)
		}
		switch h.Level {
		case 1:
			p.Title = title
		case 2:
			p.Nav = append(p.Nav, navGroup{Title: title, Anchor: id})
		}
	}
	return p.render("text.html")
}
