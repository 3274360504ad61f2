package openapi

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"carewire/internal/auth"
	"carewire/internal/care"
	"carewire/internal/httpapi/problem"
)

// SchemaPrefix begins a reference to a schema of the document.
const SchemaPrefix = "#/components/schemas/"

// Config returns the configuration of a huma API with JSON only, in the format, and without pages.
// sessionCookie is the name of the cookie of a browser's session. An empty version is "1".
func Config(version, sessionCookie string, format huma.Format) huma.Config {
	registry := huma.NewMapRegistry(SchemaPrefix, huma.DefaultSchemaNamer)
	return huma.Config{
		OpenAPI: &huma.OpenAPI{
			OpenAPI: "3.1.0",
			Info: &huma.Info{
				Title: "carewire", Version: cmp.Or(version, "1"),
				Contact: &huma.Contact{Name: "The operator of this service"},
				License: &huma.License{Name: "Apache License 2.0", Identifier: "Apache-2.0"},
				Description: "The event backbone of a clinic's software. Errors are RFC 9457 problems with a stable `code`. " +
					"HEAD is served wherever GET is. " +
					"Reads of records are audited, including denied ones; resources the caller may not see return 404.",
			},
			Servers: []*huma.Server{{URL: "/", Description: "This service."}},
			Components: &huma.Components{
				Schemas: registry,
				SecuritySchemes: map[string]*huma.SecurityScheme{
					"bearer": {Type: "http", Scheme: "bearer", BearerFormat: "JWT", Description: "A token of the identity provider: `Authorization: Bearer …`."},
					"cookie": {Type: "apiKey", In: "cookie", Name: sessionCookie, Description: "The session of a browser after `/login`. Requests that make changes must come from the same origin."},
				},
			},
			Tags: []*huma.Tag{
				{Name: "me", Description: "The caller's account, devices, preferences and inbox."},
				{Name: "users", Description: "People and their roles."},
				{Name: "clinics", Description: "Clinics, roles and care teams."},
				{Name: "records", Description: "Clinical records. All versions are kept."},
				{Name: "appointments", Description: "Appointments: requests, bookings and their outcome."},
				{Name: "billing", Description: "Invoices, credit notes, payments, refunds and statements of account, in whole minor units of a currency."},
				{Name: "chat", Description: "Conversations between a patient and their care team."},
				{Name: "integration", Description: "Accounts of other systems, and their events."},
				{Name: "realtime", Description: "Live events on a WebSocket."},
				{Name: "operate", Description: "For operators: notification rules, and redriving failed events and messages."},
				{Name: "audit", Description: "The audit trail."},
				{Name: "stats", Description: "Statistics of events."},
			},
		},
		Formats:                      map[string]huma.Format{"application/json": format, "json": format},
		DefaultFormat:                "application/json",
		RejectUnknownQueryParameters: true,
	}
}

const (
	headerPrefix   = "#/components/headers/"
	responsePrefix = "#/components/responses/"
)

// problemAnswer documents a status of refusal.
type problemAnswer struct {
	// description has its meaning, headers its headers.
	description string
	headers     []string
	// examples are its codes, each with an example of a detail.
	examples [][2]string
}

var problemAnswers = map[int]problemAnswer{
	http.StatusBadRequest: {"The body, the query string or a header is malformed.", nil, [][2]string{
		{string(care.Malformed), "invalid JSON at line 1, column 17 (byte 17)"},
	}},
	http.StatusUnauthorized: {"No credentials, or an invalid token.", []string{"WWW-Authenticate"}, [][2]string{
		{string(care.Unauthenticated), "sign in: send Authorization: Bearer with a token, or open /login in a browser"},
		{auth.ReasonTokenExpired, "the token has expired; get a new one"},
	}},
	http.StatusForbidden: {"The caller's roles do not allow it, or the request is cross-origin.", nil, [][2]string{
		{string(care.Forbidden), "your roles do not allow this"},
		{problem.CodeCrossOrigin, "cross-origin request: with a cookie, only pages of this service can make changes"},
	}},
	http.StatusNotFound: {"The resource does not exist, or the caller may not see it.", nil, [][2]string{
		{string(care.NotFound), "record not found, or you may not see it"},
	}},
	http.StatusConflict: {"The request conflicts with the current state.", nil, [][2]string{
		{string(care.Conflict), "the email address is in use"},
	}},
	http.StatusPreconditionFailed: {"The resource was changed after it was read: read it again.", []string{"ETag"}, [][2]string{
		{string(care.PreconditionFailed), "the record was replaced since you read version 2: read again, then replace version 3"},
	}},
	http.StatusRequestEntityTooLarge: {"The body is larger than 1 MiB.", nil, [][2]string{
		{string(care.TooLarge), "the body is larger than 1048576 bytes"},
	}},
	http.StatusUnsupportedMediaType: {"The Content-Type or the Content-Encoding of the body is not supported.", []string{"Accept-Encoding"}, [][2]string{
		{problem.CodeUnsupportedMedia, "Content-Type must be application/json, in UTF-8"},
	}},
	http.StatusUnprocessableEntity: {"Invalid values; they are listed in `errors`.", nil, [][2]string{
		{string(care.Invalid), "the request has an invalid value"},
	}},
	http.StatusPreconditionRequired: {"`If-Match` is missing.", nil, [][2]string{
		{string(care.PreconditionRequired), "If-Match is required: send the ETag of the version to change, such as \"3\""},
	}},
	http.StatusTooManyRequests: {"Too many requests: retry after the time in `Retry-After`.", []string{"Retry-After"}, [][2]string{
		{string(care.RateLimited), "too many requests; slow down and try again"},
	}},
	http.StatusInternalServerError: {"An internal error.", nil, [][2]string{
		{problem.CodeInternal, problem.InternalDetail},
	}},
	http.StatusServiceUnavailable: {"A part of the service is unavailable, or the request took too long: retry.", []string{"Retry-After"}, [][2]string{
		{string(care.Unavailable), "the database does not answer right now; try again"},
	}},
}

// answerHeaders are the headers of answers.
var answerHeaders = map[string]struct{ description, example string }{
	"Accept-Encoding":  {"The codings of bodies that are supported, if Content-Encoding is another one (RFC 9110, section 12.5.3).", "identity"},
	"ETag":             {"The version, in quotes. Send it back as `If-Match` or `If-None-Match`.", `"3"`},
	"Location":         {"The path of the new resource.", "/api/ehr/lab-reports/" + exampleID("id")},
	"Retry-After":      {"The number of seconds to wait.", "2"},
	"WWW-Authenticate": {"How to sign in (RFC 6750).", `Bearer realm="carewire"`},
	"X-Request-Id": {
		"The id of the request in logs and events. It is the caller's if that is a UUID, a ULID, 32 hexadecimal digits " +
			"or a traceparent.",
		exampleTexts["requestId"],
	},
}

// Complete adds to the document the parts that are common to operations: the answers
// to refusals with examples, headers, examples of bodies, and the descriptions of ids.
func Complete(doc *huma.OpenAPI) {
	c := completer{doc: doc, schemas: doc.Components.Schemas}
	doc.Components.Responses, doc.Components.Headers = map[string]*huma.Response{}, map[string]*huma.Header{}
	for name, h := range answerHeaders {
		doc.Components.Headers[name] = &huma.Header{Description: h.description, Schema: &huma.Schema{Type: huma.TypeString, Examples: []any{h.example}}}
	}
	for _, path := range doc.Paths {
		for _, op := range operationsOf(path) {
			c.complete(op)
		}
	}
	for _, schema := range doc.Components.Schemas.Map() {
		withoutDefaults(schema)
	}
}

// withoutDefaults moves the defaults of a schema's fields to their descriptions. Generators of
// clients take a field with a default for one that is always there, and then require it in
// requests. huma has read the defaults from the struct tags before.
func withoutDefaults(schema *huma.Schema) {
	for _, field := range schema.Properties {
		if field.Default != nil {
			field.Description = strings.TrimSpace(fmt.Sprintf("%s The default is %v.", field.Description, field.Default))
			field.Default = nil
		}
	}
}

// operationsOf returns the operations of a path.
func operationsOf(p *huma.PathItem) []*huma.Operation {
	return slices.DeleteFunc([]*huma.Operation{p.Get, p.Put, p.Post, p.Patch, p.Delete, p.Head, p.Options}, func(op *huma.Operation) bool { return op == nil })
}

type completer struct {
	doc     *huma.OpenAPI
	schemas huma.Registry
}

func (c completer) complete(op *huma.Operation) {
	for _, p := range op.Parameters {
		c.parameter(p)
	}
	if op.RequestBody != nil {
		c.examples(op.RequestBody.Content)
	}
	success := op.Responses[strconv.Itoa(op.DefaultStatus)]
	for name, answer := range op.Responses {
		status, _ := strconv.Atoi(name)
		switch {
		case status >= 400 && op.RequestBody == nil && (status == http.StatusRequestEntityTooLarge || status == http.StatusUnsupportedMediaType):
			delete(op.Responses, name) // An operation without a body cannot refuse one.
		case status >= 400:
			op.Responses[name] = c.problem(status, answer)
		default:
			c.success(status, answer, success)
		}
	}
}

func (c completer) parameter(p *huma.Param) {
	if p.Description == "" && p.In == "path" && p.Name == "id" {
		p.Description = "The id of the resource."
	}
	// huma repeats it inside the schema.
	p.Schema.Description = ""
	if p.Example == nil {
		p.Example = exampleOf(c.schemas, p.Schema, p.Name)
	}
}

// success completes an answer of success. like is the answer of the default status; others have the
// same body and headers.
func (c completer) success(status int, answer, like *huma.Response) {
	bodiless := status == http.StatusNotModified || status == http.StatusNoContent
	if answer.Content == nil && like != nil && !bodiless {
		answer.Content = like.Content
	}
	c.examples(answer.Content)
	headers := map[string]*huma.Header{"X-Request-Id": headerRef("X-Request-Id")}
	if like != nil {
		for name := range like.Headers {
			if _, known := answerHeaders[name]; known {
				headers[name] = headerRef(name)
			}
		}
	}
	if status != http.StatusCreated {
		delete(headers, "Location")
	}
	answer.Headers = headers
}

func headerRef(name string) *huma.Header { return &huma.Header{Ref: headerPrefix + name} }

func (c completer) examples(content map[string]*huma.MediaType) {
	for _, media := range content {
		if media.Example == nil && len(media.Examples) == 0 && media.Schema != nil {
			media.Example = exampleOf(c.schemas, media.Schema, "")
		}
	}
}

// problem returns the shared answer of a status of refusal and adds it to the document at the first
// call. A status without a problemAnswer keeps huma's answer.
func (c completer) problem(status int, written *huma.Response) *huma.Response {
	shared, ok := problemAnswers[status]
	if !ok {
		return written
	}
	name := strings.ReplaceAll(http.StatusText(status), " ", "")
	if c.doc.Components.Responses[name] == nil {
		headers := map[string]*huma.Header{"X-Request-Id": headerRef("X-Request-Id")}
		for _, h := range shared.headers {
			headers[h] = headerRef(h)
		}
		examples := map[string]*huma.Example{}
		for _, e := range shared.examples {
			examples[e[0]] = &huma.Example{Summary: e[0], Value: exampleProblem(status, e[0], e[1])}
		}
		c.doc.Components.Responses[name] = &huma.Response{
			Description: shared.description, Headers: headers,
			Content: map[string]*huma.MediaType{problem.MediaType: {Schema: &huma.Schema{Ref: SchemaPrefix + "Problem"}, Examples: examples}},
		}
	}
	return &huma.Response{Ref: responsePrefix + name}
}

func exampleProblem(status int, code, detail string) *problem.Problem {
	p := problem.New(status, code, detail)
	p.RequestID = exampleTexts["requestId"]
	if status == http.StatusUnprocessableEntity {
		p.Errors = []problem.FieldProblem{{Field: "results[0].value", Message: "is required"}}
	}
	return p
}

// JSON returns the OpenAPI document as JSON.
func JSON(doc *huma.OpenAPI) ([]byte, error) {
	encoded, err := json.Marshal(doc)
	if err != nil {
		return nil, fmt.Errorf("encode the OpenAPI document: %w", err)
	}
	return encoded, nil
}

// YAML returns the OpenAPI document as YAML.
func YAML(doc *huma.OpenAPI) ([]byte, error) {
	encoded, err := doc.YAML()
	if err != nil {
		return nil, fmt.Errorf("encode the OpenAPI document: %w", err)
	}
	return encoded, nil
}

// RefusalStatuses returns the statuses of an operation's refusals: those of its own codes, those of
// its method, and those of every operation.
func RefusalStatuses(method string, own []care.Code) []int {
	found := map[int]bool{http.StatusBadRequest: true, http.StatusInternalServerError: true, http.StatusServiceUnavailable: true}
	for _, code := range append([]care.Code{care.Unauthenticated, care.RateLimited}, own...) {
		found[problem.StatusOf(code)] = true
	}
	if method == http.MethodPost || method == http.MethodPut {
		found[http.StatusRequestEntityTooLarge] = true
		found[http.StatusUnsupportedMediaType] = true
		found[http.StatusUnprocessableEntity] = true
	}
	return slices.Sorted(maps.Keys(found))
}
