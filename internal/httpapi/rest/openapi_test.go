package rest_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/danielgtaylor/huma/v2"
	"github.com/stretchr/testify/require"
)

// document is the OpenAPI document as a client reads it.
type document struct {
	t    *testing.T
	root map[string]any
	// lacks are the shortcomings that were found, each with what to do.
	lacks []string
}

func readDocument(t *testing.T) *document {
	t.Helper()
	d := &document{t: t}
	require.NoError(t, json.Unmarshal(setup(t).do("", http.MethodGet, "/openapi.json", nil).Body.Bytes(), &d.root))
	return d
}

func (d *document) lack(where, format string, args ...any) {
	d.lacks = append(d.lacks, where+": "+fmt.Sprintf(format, args...))
}

// resolve follows a reference.
func (d *document) resolve(v any) map[string]any {
	object, _ := v.(map[string]any)
	ref, ok := object["$ref"].(string)
	if !ok {
		return object
	}
	found := d.root
	for name := range strings.SplitSeq(strings.TrimPrefix(ref, "#/"), "/") {
		next, ok := found[name].(map[string]any)
		require.True(d.t, ok, "%s leads nowhere", ref)
		found = next
	}
	return found
}

func at(object map[string]any, path ...string) map[string]any {
	for _, name := range path {
		object, _ = object[name].(map[string]any)
	}
	return object
}

func words(object map[string]any, name string) string {
	text, _ := object[name].(string)
	return text
}

func TestSpecification_SaysEverythingOfEachOperation(t *testing.T) {
	t.Parallel()
	d := readDocument(t)
	require.Equal(t, "3.1.0", d.root["openapi"])
	require.NotEmpty(t, d.root["servers"])
	require.NotEmpty(t, at(d.root, "info", "license"))
	tags := map[string]bool{}
	for _, tag := range d.root["tags"].([]any) {
		tags[tag.(map[string]any)["name"].(string)] = true
	}
	paths := at(d.root, "paths")
	require.Contains(t, paths, "/api/ehr/lab-reports/{id}")
	ids := map[string]string{}
	for path, methods := range paths {
		for method, v := range methods.(map[string]any) {
			where, op := strings.ToUpper(method)+" "+path, v.(map[string]any)
			d.operation(where, op, tags)
			if other := ids[words(op, "operationId")]; other != "" {
				d.lack(where, "its id is that of %s too: give operation.id another", other)
			}
			ids[words(op, "operationId")] = where
		}
	}
	slices.Sort(d.lacks)
	require.Empty(t, d.lacks, "each line says what an operation lacks and where to add it:\n%s", strings.Join(d.lacks, "\n"))
}

func (d *document) operation(where string, op map[string]any, tags map[string]bool) {
	for field, fix := range map[string]string{"operationId": "operation.id", "summary": "operation.summary", "description": "operation.description"} {
		if words(op, field) == "" {
			d.lack(where, "no %s: set %s where it is registered", field, fix)
		}
	}
	for _, tag := range op["tags"].([]any) {
		if !tags[tag.(string)] {
			d.lack(where, "tag %q is not described: add it to Tags in newAPI (api.go)", tag)
		}
	}
	if security, _ := op["security"].([]any); len(security) == 0 {
		d.lack(where, "no security: register it with register, not with huma.Register")
	}
	parameters, _ := op["parameters"].([]any)
	for _, v := range parameters {
		p := d.resolve(v)
		if words(p, "description") == "" {
			d.lack(where, "parameter %s has no description: add a doc:\"…\" tag to its field", p["name"])
		}
		if text, ok := p["example"]; !ok || text == "text" {
			d.lack(where, "parameter %s has no example: add an example:\"…\" tag to its field, or its name to exampleTexts (example.go)", p["name"])
		}
	}
	if op["requestBody"] != nil {
		d.example(where+" body", at(op, "requestBody", "content", "application/json"))
	}
	d.answers(where, op)
}

func (d *document) answers(where string, op map[string]any) {
	responses := at(op, "responses")
	for _, status := range []string{"400", "401", "429", "500", "503"} {
		if responses[status] == nil {
			d.lack(where, "no answer %s: register it with register", status)
		}
	}
	if strings.Contains(where, "{id}") && responses["404"] == nil && responses["422"] == nil {
		d.lack(where, "an id that nobody knows is neither 404 nor 422: add care.NotFound to operation.refusals")
	}
	for status, v := range responses {
		answer, name := d.resolve(v), where+" answer "+status
		if words(answer, "description") == "" {
			d.lack(name, "no description: give the status words in operation.also, or in problemAnswers (httpapi/openapi)")
		}
		if at(answer, "headers")["X-Request-Id"] == nil {
			d.lack(name, "no X-Request-Id header: Complete (httpapi/openapi) adds it to statuses in problemAnswers and to successes")
		}
		switch content := at(answer, "content"); {
		case status >= "400":
			media := at(content, "application/problem+json")
			if words(at(media, "schema"), "$ref") != "#/components/schemas/Problem" || len(at(media, "examples")) == 0 {
				d.lack(name, "no problem with an example: add the status to problemAnswers (httpapi/openapi)")
			}
		case status != "204" && status != "304":
			d.example(name, at(content, "application/json"))
		}
	}
	d.versions(where, op)
}

// versions looks at what a client needs to go on with what it made or changed.
func (d *document) versions(where string, op map[string]any) {
	responses := at(op, "responses")
	if created := d.resolve(responses["201"]); responses["201"] != nil && at(op, "requestBody") != nil && !strings.Contains(where, "/payments") && at(created, "headers")["Location"] == nil {
		d.lack(where, "201 has no Location: add Location string `header:\"Location\"` to the output")
	}
	for _, p := range parametersOf(op) {
		if p != "If-Match" {
			continue
		}
		if at(d.resolve(responses["200"]), "headers")["ETag"] == nil {
			d.lack(where, "it takes If-Match, but its 200 has no ETag: add ETag string `header:\"ETag\"` to the output")
		}
		if responses["412"] == nil || responses["428"] == nil {
			d.lack(where, "it takes If-Match: add care.PreconditionFailed and care.PreconditionRequired to operation.refusals")
		}
	}
}

func parametersOf(op map[string]any) []string {
	var names []string
	all, _ := op["parameters"].([]any)
	for _, p := range all {
		names = append(names, words(p.(map[string]any), "name"))
	}
	return names
}

// guesses gives the fields of an example that hold a guess: exampleOf (example.go) found nothing better than "text".
func guesses(v any, field string) []string {
	var found []string
	switch v := v.(type) {
	case map[string]any:
		for name, item := range v {
			found = append(found, guesses(item, name)...)
		}
	case []any:
		for _, item := range v {
			found = append(found, guesses(item, field)...)
		}
	case string:
		if v == "text" {
			found = append(found, field)
		}
	}
	return found
}

func (d *document) example(where string, media map[string]any) {
	if media["example"] == nil {
		d.lack(where, "no example: the input or output needs a Body whose schema exampleOf (example.go) understands")
	}
	for _, field := range guesses(media["example"], "body") {
		d.lack(where, "the example of %s is a guess: add an example:\"…\" tag to the field, or its name to exampleTexts (example.go)", field)
	}
}

func TestSpecification_ExamplesFitTheirSchemas(t *testing.T) {
	t.Parallel()
	doc := setup(t).server.OpenAPI()
	checked := 0
	check := func(where string, mode huma.ValidateMode, content map[string]*huma.MediaType) {
		for _, media := range content {
			var example any
			encoded, err := json.Marshal(media.Example)
			require.NoError(t, err)
			require.NoError(t, json.Unmarshal(encoded, &example))
			result := huma.ValidateResult{}
			huma.Validate(doc.Components.Schemas, media.Schema, huma.NewPathBuffer(nil, 0), mode, example, &result)
			require.Empty(t, result.Errors, "%s: mend the example tag of the field", where)
			checked++
		}
	}
	for path, item := range doc.Paths {
		for _, op := range []*huma.Operation{item.Get, item.Put, item.Post, item.Delete} {
			if op == nil {
				continue
			}
			if op.RequestBody != nil {
				check(op.Method+" "+path+" body", huma.ModeWriteToServer, op.RequestBody.Content)
			}
			for status, answer := range op.Responses {
				if answer.Ref == "" {
					check(op.Method+" "+path+" answer "+status, huma.ModeReadFromServer, answer.Content)
				}
			}
		}
	}
	require.Greater(t, checked, 40)
}
