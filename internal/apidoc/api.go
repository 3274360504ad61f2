package apidoc

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"carewire/internal/layout"
)

// apiView is the data of the page of the REST API.
type apiView struct {
	Description string
	Security    []securityView
	Tags        []tagView
	Problems    []answerView
	Schemas     []schemaView
}

type securityView struct{ Name, Description string }

type tagView struct {
	Name, Description string
	Groups            []groupView
}

// groupView is a part of a tag's operations: those of one collection of records, or all.
type groupView struct {
	// Title and Anchor are empty if the tag has one group.
	Title, Anchor string
	Operations    []operationView
}

type operationView struct {
	ID, Method, Path, Summary, Description string
	// Security lists the schemes, one of which is required.
	Security []string
	Params   []fieldView
	Body     *bodyView
	Answers  []answerView
	Problems []answerView
	Curl     string
}

type bodyView struct {
	Type    []typePart
	Example string
}

// answerView is a success response, or an error response shared by all operations.
type answerView struct {
	Status            int
	Text, Description string
	Headers           []fieldView
	Body              *bodyView
	Examples          []exampleView
}

type exampleView struct{ Name, Text string }

// everywhere is a header of every response. The page mentions it once.
const everywhere = "X-Request-Id"

// methods lists the methods in the order in which operations on a path are shown.
var methods = []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete}

// builder converts a document to views.
type builder struct {
	doc  *huma.OpenAPI
	base string
}

// apiPage returns the page of the REST API. base is the URL of the service in the examples.
func apiPage(doc *huma.OpenAPI, base string) (page, error) {
	b := builder{doc: doc, base: strings.TrimSuffix(base, "/")}
	view := apiView{Description: doc.Info.Description, Schemas: schemaViews(doc.Components.Schemas)}
	for _, name := range slices.Sorted(maps.Keys(doc.Components.SecuritySchemes)) {
		view.Security = append(view.Security, securityView{name, doc.Components.SecuritySchemes[name].Description})
	}
	var err error
	if view.Tags, err = b.tags(); err != nil {
		return page{}, err
	}
	if view.Problems, err = b.problems(); err != nil {
		return page{}, err
	}
	main, err := execute("api.html", view)
	return page{
		title: "REST API", path: apiPath, about: "every operation, with parameters, bodies, responses and a curl command",
		contents: navigation(view), filter: true, sections: apiSections(view), main: main,
	}, err
}

// apiSections returns what a search finds: operations and schemas.
func apiSections(v apiView) []section {
	all := []section{{title: "REST API", path: apiPath, text: v.Description}}
	for _, tag := range v.Tags {
		for _, group := range tag.Groups {
			for _, op := range group.Operations {
				names := make([]string, len(op.Params))
				for i, p := range op.Params {
					names[i] = p.Name
				}
				all = append(all, section{
					title: op.Summary, path: apiPath + "#" + op.ID, text: op.Method + " " + op.Path + " " + op.Description + " " + strings.Join(names, " "),
				})
			}
		}
	}
	for _, s := range v.Schemas {
		text := []string{s.Description}
		for _, field := range s.Fields {
			text = append(text, field.Name+": "+field.Description)
		}
		all = append(all, section{title: s.Name, path: apiPath + "#schema-" + s.Name, text: strings.Join(text, " ")})
	}
	return all
}

func navigation(v apiView) []layout.Section {
	nav := []layout.Section{{Title: "Signing in", Path: "#signing-in"}}
	for _, tag := range v.Tags {
		part := layout.Section{Title: tag.Name, Path: "#tag-" + tag.Name}
		for _, group := range tag.Groups {
			links := make([]layout.Entry, len(group.Operations))
			for i, op := range group.Operations {
				links[i] = layout.Entry{Path: "#" + op.ID, Text: op.Summary, Label: op.Method}
			}
			if group.Title == "" {
				part.Links = append(part.Links, links...)
				continue
			}
			part.Nested = append(part.Nested, layout.Section{Title: group.Title, Path: "#" + group.Anchor, Links: links})
		}
		nav = append(nav, part)
	}
	schemas := layout.Section{Title: "Schemas", Path: "#schemas"}
	for _, s := range v.Schemas {
		schemas.Links = append(schemas.Links, layout.Entry{Path: "#schema-" + s.Name, Text: s.Name})
	}
	return append(nav, layout.Section{Title: "Refusals", Path: "#refusals"}, schemas)
}

// recordPrefix begins the paths of the operations on records, which are grouped by kind.
const recordPrefix = "/api/ehr/"

// add adds an operation to its group.
func (t *tagView) add(op operationView) {
	title, anchor := "", ""
	if rest, ok := strings.CutPrefix(op.Path, recordPrefix); ok {
		kind, _, _ := strings.Cut(rest, "/")
		title, anchor = strings.ToUpper(kind[:1])+strings.ReplaceAll(kind[1:], "-", " "), "group-"+kind
	}
	i := slices.IndexFunc(t.Groups, func(g groupView) bool { return g.Anchor == anchor })
	if i < 0 {
		i = len(t.Groups)
		t.Groups = append(t.Groups, groupView{Title: title, Anchor: anchor})
	}
	t.Groups[i].Operations = append(t.Groups[i].Operations, op)
}

func (b builder) tags() ([]tagView, error) {
	paths := slices.Sorted(maps.Keys(b.doc.Paths))
	var all []tagView
	for _, tag := range b.doc.Tags {
		view := tagView{Name: tag.Name, Description: tag.Description}
		for _, path := range paths {
			item := b.doc.Paths[path]
			for i, op := range []*huma.Operation{item.Get, item.Post, item.Put, item.Patch, item.Delete} {
				if op == nil || !slices.Contains(op.Tags, tag.Name) {
					continue
				}
				o, err := b.operation(methods[i], path, op)
				if err != nil {
					return nil, fmt.Errorf("%s %s: %w", methods[i], path, err)
				}
				view.add(o)
			}
		}
		if len(view.Groups) > 0 {
			all = append(all, view)
		}
	}
	return all, nil
}

func (b builder) operation(method, path string, op *huma.Operation) (operationView, error) {
	o := operationView{ID: op.OperationID, Method: method, Path: path, Summary: op.Summary, Description: op.Description}
	for _, scheme := range op.Security {
		o.Security = append(o.Security, slices.Sorted(maps.Keys(scheme))...)
	}
	for _, p := range op.Parameters {
		o.Params = append(o.Params, newField(p.Name, p.In, p.Schema, p.Description, p.Required))
	}
	var err error
	if op.RequestBody != nil {
		if o.Body, err = body(op.RequestBody.Content); err != nil {
			return o, err
		}
	}
	for _, status := range slices.Sorted(maps.Keys(op.Responses)) {
		answer, err := b.answer(status, op.Responses[status])
		if err != nil {
			return o, err
		}
		if answer.Status >= 400 {
			o.Problems = append(o.Problems, answer)
		} else {
			o.Answers = append(o.Answers, answer)
		}
	}
	o.Curl, err = b.curl(method, path, op)
	return o, err
}

func (b builder) answer(status string, r *huma.Response) (answerView, error) {
	if name, ok := strings.CutPrefix(r.Ref, "#/components/responses/"); ok {
		r = b.doc.Components.Responses[name]
	}
	code, err := strconv.Atoi(status)
	if err != nil {
		return answerView{}, fmt.Errorf("the status %s is no number", status)
	}
	view := answerView{Status: code, Text: http.StatusText(code), Description: r.Description}
	for _, name := range slices.Sorted(maps.Keys(r.Headers)) {
		if name == everywhere {
			continue
		}
		h := r.Headers[name]
		if shared, ok := strings.CutPrefix(h.Ref, "#/components/headers/"); ok {
			h = b.doc.Components.Headers[shared]
		}
		view.Headers = append(view.Headers, newField(name, "header", h.Schema, h.Description, false))
	}
	view.Body, err = body(r.Content)
	return view, err
}

// problems returns the error responses, which operations share.
func (b builder) problems() ([]answerView, error) {
	var all []answerView
	for status := 400; status < 600; status++ {
		r, ok := b.doc.Components.Responses[strings.ReplaceAll(http.StatusText(status), " ", "")]
		if !ok {
			continue
		}
		view, err := b.answer(strconv.Itoa(status), r)
		if err != nil {
			return nil, err
		}
		for _, media := range r.Content {
			for _, code := range slices.Sorted(maps.Keys(media.Examples)) {
				text, err := indented(media.Examples[code].Value)
				if err != nil {
					return nil, err
				}
				view.Examples = append(view.Examples, exampleView{code, text})
			}
		}
		all = append(all, view)
	}
	return all, nil
}

// body returns the view of the first media type, or nil if there is no content.
func body(content map[string]*huma.MediaType) (*bodyView, error) {
	if len(content) == 0 {
		return nil, nil //nolint:nilnil // No content is valid.
	}
	media := content[slices.Min(slices.Collect(maps.Keys(content)))]
	view := &bodyView{Type: typeOf(media.Schema)}
	if media.Example == nil {
		return view, nil
	}
	var err error
	view.Example, err = indented(media.Example)
	return view, err
}

func indented(v any) (string, error) {
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(v); err != nil {
		return "", fmt.Errorf("write an example: %w", err)
	}
	return strings.TrimSpace(out.String()), nil
}

// curl returns a command line that calls the operation with the examples of its parameters and body.
func (b builder) curl(method, path string, op *huma.Operation) (string, error) {
	query := url.Values{}
	lines := []string{`-H "Authorization: Bearer $TOKEN"`}
	for _, p := range op.Parameters {
		value := fmt.Sprint(p.Example)
		switch {
		case p.In == "path":
			path = strings.ReplaceAll(path, "{"+p.Name+"}", url.PathEscape(value))
		case p.In == "query" && p.Required:
			query.Set(p.Name, value)
		case p.In == "header" && p.Name != "If-None-Match":
			lines = append(lines, "-H "+quoted(p.Name+": "+value))
		}
	}
	if len(query) > 0 {
		path += "?" + query.Encode()
	}
	if op.RequestBody != nil {
		for _, media := range op.RequestBody.Content {
			encoded, err := json.Marshal(media.Example)
			if err != nil {
				return "", fmt.Errorf("write the example of the body: %w", err)
			}
			lines = append(lines, "-H 'Content-Type: application/json'", "-d "+quoted(string(encoded)))
		}
	}
	command := "curl -s"
	if method != http.MethodGet {
		command += " -X " + method
	}
	return command + " " + quoted(b.base+path) + " \\\n  " + strings.Join(lines, " \\\n  "), nil
}

// quoted returns the text quoted for a POSIX shell.
func quoted(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }
