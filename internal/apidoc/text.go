package apidoc

import (
	"bytes"
	"fmt"
	"html/template"
	"net/url"
	"slices"
	"strings"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/extension"
	"github.com/yuin/goldmark/parser"
	"github.com/yuin/goldmark/text"

	"carewire/internal/layout"
)

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

// textPage returns the page of a Markdown file. The first heading is its title, headings of the
// second level are its contents. Links to the other files lead to their pages; links to files that
// are not served lose their target.
func textPage(name string, source []byte, files []string) (page, error) {
	p := page{path: PathOf(name), about: aboutOf(name)}
	root := textMarkdown.Parser().Parse(text.NewReader(source))
	rewriteLinks(root, files)
	for n := root.FirstChild(); n != nil; n = n.NextSibling() {
		h, ok := n.(*ast.Heading)
		if !ok {
			p.addText(plainText(n, source))
			continue
		}
		title, id := plainText(h, source), ""
		if v, ok := h.AttributeString("id"); ok {
			id = fmt.Sprintf("%s", v)
		}
		path := p.path
		switch h.Level {
		case 1:
			p.title = title
		case 2:
			p.contents = append(p.contents, layout.Section{Title: title, Path: "#" + id})
			path += "#" + id
		default:
			path += "#" + id
		}
		p.sections = append(p.sections, section{title: title, path: path})
	}
	var out bytes.Buffer
	if err := textMarkdown.Renderer().Render(&out, source, root); err != nil {
		return page{}, fmt.Errorf("render %s: %w", name, err)
	}
	// What scrolls must be reachable by keyboard.
	text := strings.NewReplacer("<pre>", `<pre tabindex="0">`, "<table>", `<table tabindex="0">`).Replace(out.String())
	main, err := execute("text.html", template.HTML(text)) //nolint:gosec // goldmark escapes text and omits raw HTML.
	p.main = main
	return p, err
}

func aboutOf(name string) string {
	for _, g := range guides {
		if g.file == name {
			return g.about
		}
	}
	return ""
}

// addText adds a paragraph to the last section.
func (p *page) addText(text string) {
	if len(p.sections) == 0 {
		p.sections = append(p.sections, section{title: p.title, path: p.path})
	}
	last := &p.sections[len(p.sections)-1]
	last.text += text + "\n"
}

// rewriteLinks directs links to Markdown files to their pages.
func rewriteLinks(root ast.Node, files []string) {
	var lost []*ast.Link
	_ = ast.Walk(root, func(n ast.Node, entering bool) (ast.WalkStatus, error) {
		link, ok := n.(*ast.Link)
		if !ok || !entering {
			return ast.WalkContinue, nil
		}
		to, err := url.Parse(string(link.Destination))
		switch {
		case err == nil && (to.IsAbs() || to.Path == ""):
		case err == nil && slices.Contains(files, strings.TrimPrefix(to.Path, "./")):
			to.Path = PathOf(strings.TrimPrefix(to.Path, "./"))
			link.Destination = []byte(to.String())
		default:
			lost = append(lost, link)
		}
		return ast.WalkContinue, nil
	})
	for _, link := range lost {
		for child := link.FirstChild(); child != nil; child = link.FirstChild() {
			link.Parent().InsertBefore(link.Parent(), link, child)
		}
		link.Parent().RemoveChild(link.Parent(), link)
	}
}

// plainText returns the text of a node without markup.
func plainText(root ast.Node, source []byte) string {
	var out strings.Builder
	_ = ast.Walk(root, func(n ast.Node, entering bool) (ast.WalkStatus, error) {
		if !entering {
			if n.Type() == ast.TypeBlock {
				out.WriteByte(' ')
			}
			return ast.WalkContinue, nil
		}
		switch t := n.(type) {
		case *ast.Text:
			out.Write(t.Segment.Value(source))
			if t.SoftLineBreak() || t.HardLineBreak() {
				out.WriteByte(' ')
			}
		case *ast.String:
			out.Write(t.Value)
		case *ast.CodeBlock, *ast.FencedCodeBlock:
			out.Write(t.Lines().Value(source))
		}
		return ast.WalkContinue, nil
	})
	return strings.TrimSpace(out.String())
}
