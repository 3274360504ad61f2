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
	Operations        []operationView
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

// API returns the page of the REST API. base is the URL of the service in the examples.
func API(doc *huma.OpenAPI, base string) ([]byte, error) {
	b := builder{doc: doc, base: strings.TrimSuffix(base, "/")}
	view := apiView{Description: doc.Info.Description, Schemas: schemaViews(doc.Components.Schemas)}
	for _, name := range slices.Sorted(maps.Keys(doc.Components.SecuritySchemes)) {
		view.Security = append(view.Security, securityView{name, doc.Components.SecuritySchemes[name].Description})
	}
	var err error
	if view.Tags, err = b.tags(); err != nil {
		return nil, err
	}
	if view.Problems, err = b.problems(); err != nil {
		return nil, err
	}
	return page{Title: "REST API", Here: "/docs/api", Nav: navigation(view), Data: view}.render("api.html")
}

func navigation(v apiView) []navGroup {
	nav := []navGroup{{Title: "Signing in", Anchor: "signing-in"}}
	for _, tag := range v.Tags {
		group := navGroup{Title: tag.Name, Anchor: "tag-" + tag.Name}
		for _, op := range tag.Operations {
			group.Links = append(group.Links, navLink{Anchor: op.ID, Text: op.Summary, Method: op.Method})
		}
		nav = append(nav, group)
	}
	schemas := navGroup{Title: "Schemas", Anchor: "schemas"}
	for _, s := range v.Schemas {
		schemas.Links = append(schemas.Links, navLink{Anchor: "schema-" + s.Name, Text: s.Name})
	}
	return append(nav, navGroup{Title: "Refusals", Anchor: "refusals"}, schemas)
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
				view.Operations = append(view.Operations, o)
			}
		}
		if len(view.Operations) > 0 {
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
