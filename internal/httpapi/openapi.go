package httpapi

import (
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
)

// SchemaPrefix begins a reference to a schema of the document.
const SchemaPrefix = "#/components/schemas/"

// newAPI prepares huma: JSON only, no pages of its own, and the schemas of types that write their own JSON.
func newAPI(s *Server) huma.API {
	configureHuma()
	registry := huma.NewMapRegistry(SchemaPrefix, huma.DefaultSchemaNamer)
	config := huma.Config{
		OpenAPI: &huma.OpenAPI{
			OpenAPI: "3.1.0",
			Info: &huma.Info{
				Title: "carewire", Version: "1",
				Contact: &huma.Contact{Name: "The operator of this service"},
				// No license is granted: the text is the clinic's own.
				License: &huma.License{Name: "Proprietary", Identifier: "LicenseRef-Proprietary"},
				Description: "The event backbone of a clinic's software. Refusals are RFC 9457 problems; their `code` is stable. " +
					"Reading a record is audited, also when it is refused; what a caller may not know of does not exist for them (404).",
			},
			Servers: []*huma.Server{{URL: "/", Description: "The service that serves this document."}},
			Components: &huma.Components{
				Schemas: registry,
				SecuritySchemes: map[string]*huma.SecurityScheme{
					"bearer": {Type: "http", Scheme: "bearer", BearerFormat: "JWT", Description: "A token of the identity provider: `Authorization: Bearer …`."},
					"cookie": {Type: "apiKey", In: "cookie", Name: SessionCookie, Description: "A browser's session after `/login`. Requests that change something must come from the same origin."},
				},
			},
			Tags: []*huma.Tag{
				{Name: "me", Description: "One's own account, devices, preferences and inbox."},
				{Name: "users", Description: "People and their roles."},
				{Name: "clinics", Description: "Clinics, who holds which role there, and who cares for whom."},
				{Name: "records", Description: "Clinical records. Every version is kept."},
				{Name: "appointments", Description: "Who sees whom, where and when: asked for, booked, and how it went."},
				{Name: "billing", Description: "Invoices, credit notes, payments, refunds and statements of account, in whole minor units of a currency."},
				{Name: "chat", Description: "Conversations between a patient and their care team."},
				{Name: "integration", Description: "Other systems: their accounts, and the events that they append."},
				{Name: "realtime", Description: "Live events on a WebSocket."},
				{Name: "operate", Description: "For operators: the notification rules, and what was set aside and can be put to work again."},
				{Name: "audit", Description: "Who did what, when, and what came of it."},
				{Name: "stats", Description: "How much of what happens."},
			},
		},
		Formats:                      map[string]huma.Format{"application/json": jsonFormat, "json": jsonFormat},
		DefaultFormat:                "application/json",
		RejectUnknownQueryParameters: true,
	}
	return huma.NewAPI(config, &humaAdapter{server: s})
}

const (
	headerPrefix   = "#/components/headers/"
	responsePrefix = "#/components/responses/"
	problemType    = "application/problem+json"
)

// problemAnswer is what the reference says of a status of refusal.
type problemAnswer struct {
	// words say when it is answered, headers what it carries besides.
	words   string
	headers []string
	// examples are the codes that it is answered with, each with the detail of an example.
	examples [][2]string
}

var problemAnswers = map[int]problemAnswer{
	http.StatusBadRequest: {"The body is not JSON, or the query string or a header cannot be read.", nil, [][2]string{
		{string(care.Malformed), "the body is not valid JSON: it goes wrong at line 1, column 17 (byte 17)"},
	}},
	http.StatusUnauthorized: {"Nobody is signed in, or the token is not good.", []string{"WWW-Authenticate"}, [][2]string{
		{string(care.Unauthenticated), "sign in: send Authorization: Bearer and a token, or open /login in a browser"},
		{auth.ReasonTokenExpired, "the token has expired; get a new one"},
	}},
	http.StatusForbidden: {"The caller's roles do not allow it, or a browser's request comes from another site.", nil, [][2]string{
		{string(care.Forbidden), "your roles do not allow this"},
		{codeCrossOrigin, "the request comes from another site's page; this service takes changes by cookie only from its own"},
	}},
	http.StatusNotFound: {"There is no such thing, or the caller may not know of it.", nil, [][2]string{
		{string(care.NotFound), "there is no such record, or you may not see it"},
	}},
	http.StatusConflict: {"It contradicts what is there.", nil, [][2]string{
		{string(care.Conflict), "the email address is in use"},
	}},
	http.StatusPreconditionFailed: {"Somebody changed it since it was read: read it again.", []string{"ETag"}, [][2]string{
		{string(care.PreconditionFailed), "the record was replaced since you read version 2: read again, then replace version 3"},
	}},
	http.StatusRequestEntityTooLarge: {"The body is larger than a mebibyte.", nil, [][2]string{
		{string(care.TooLarge), "the body is larger than 1048576 bytes"},
	}},
	http.StatusUnsupportedMediaType: {"The body is not sent as JSON.", nil, [][2]string{
		{codeUnsupportedMedia, "send the body as Content-Type: application/json, in UTF-8"},
	}},
	http.StatusUnprocessableEntity: {"A value is wrong; `errors` names each.", nil, [][2]string{
		{string(care.Invalid), "the request has an invalid value"},
	}},
	http.StatusPreconditionRequired: {"`If-Match` is missing.", nil, [][2]string{
		{string(care.PreconditionRequired), "name the version you mean to replace: If-Match with the ETag you were given, such as \"3\""},
	}},
	http.StatusTooManyRequests: {"Too many requests at once: wait as long as `Retry-After` says.", []string{"Retry-After"}, [][2]string{
		{string(care.RateLimited), "too many requests; slow down and try again"},
	}},
	http.StatusInternalServerError: {"A fault of ours.", nil, [][2]string{
		{codeInternal, "something went wrong on our side; if it stays so, give the request id to the operator"},
	}},
	http.StatusServiceUnavailable: {"A part of the service is away, or the request took too long: try again.", []string{"Retry-After"}, [][2]string{
		{string(care.Unavailable), "the database does not answer right now; try again"},
	}},
}

// answerHeaders are the headers of answers, described once.
var answerHeaders = map[string]struct{ words, example string }{
	"ETag":             {"The version, in quotes. Send it back as `If-Match` or `If-None-Match`.", `"3"`},
	"Location":         {"The path of what was made.", "/api/ehr/lab-reports/" + exampleID("id")},
	"Retry-After":      {"How many seconds to wait.", "2"},
	"WWW-Authenticate": {"How to sign in (RFC 6750).", `Bearer realm="carewire"`},
	"X-Request-Id":     {"Names the request in logs and events: the caller's own, if it sent a UUID, a ULID, 32 hexadecimal digits or a traceparent.", exampleTexts["requestId"]},
}

// completeSpecification adds to the document what follows from each operation without its saying so: the answers to
// refusals with an example of each, headers, examples of bodies, and words for ids. An operation says only what is its own.
func (s *Server) completeSpecification() {
	doc := s.api.OpenAPI()
	c := completer{doc: doc, schemas: doc.Components.Schemas}
	doc.Components.Responses, doc.Components.Headers = map[string]*huma.Response{}, map[string]*huma.Header{}
	for name, h := range answerHeaders {
		doc.Components.Headers[name] = &huma.Header{Description: h.words, Schema: &huma.Schema{Type: huma.TypeString, Examples: []any{h.example}}}
	}
	for _, path := range doc.Paths {
		for _, op := range operationsOf(path) {
			c.complete(op)
		}
	}
}

// operationsOf gives the operations of a path that there are.
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
			delete(op.Responses, name) // Where no body is read, none is refused.
		case status >= 400:
			op.Responses[name] = c.problem(status, answer)
		default:
			c.success(status, answer, success)
		}
	}
}

func (c completer) parameter(p *huma.Param) {
	if p.Description == "" && p.In == "path" && p.Name == "id" {
		p.Description = "The id that it was given when it was made."
	}
	// huma says it a second time inside the schema.
	p.Schema.Description = ""
	if p.Example == nil {
		p.Example = exampleOf(c.schemas, p.Schema, p.Name)
	}
}

// success completes an answer of success; like is that of the operation's default status, which another one resembles.
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

// problem gives the shared answer of a status of refusal, which it makes the first time. A status without words of its
// own keeps what huma wrote.
func (c completer) problem(status int, written *huma.Response) *huma.Response {
	words, ok := problemAnswers[status]
	if !ok {
		return written
	}
	name := strings.ReplaceAll(http.StatusText(status), " ", "")
	if c.doc.Components.Responses[name] == nil {
		headers := map[string]*huma.Header{"X-Request-Id": headerRef("X-Request-Id")}
		for _, h := range words.headers {
			headers[h] = headerRef(h)
		}
		examples := map[string]*huma.Example{}
		for _, e := range words.examples {
			examples[e[0]] = &huma.Example{Summary: e[0], Value: exampleProblem(status, e[0], e[1])}
		}
		c.doc.Components.Responses[name] = &huma.Response{
			Description: words.words, Headers: headers,
			Content: map[string]*huma.MediaType{problemType: {Schema: &huma.Schema{Ref: SchemaPrefix + "Problem"}, Examples: examples}},
		}
	}
	return &huma.Response{Ref: responsePrefix + name}
}

func exampleProblem(status int, code, detail string) *Problem {
	p := newProblem(status, code, detail)
	p.RequestID = exampleTexts["requestId"]
	if status == http.StatusUnprocessableEntity {
		p.Errors = []FieldProblem{{Field: "results[0].value", Message: "is required"}}
	}
	return p
}

// specificationJSON returns the OpenAPI document as JSON.
func (s *Server) specificationJSON() ([]byte, error) {
	encoded, err := json.Marshal(s.api.OpenAPI())
	if err != nil {
		return nil, fmt.Errorf("encode the OpenAPI document: %w", err)
	}
	return encoded, nil
}

// specificationYAML returns the OpenAPI document as YAML.
func (s *Server) specificationYAML() ([]byte, error) {
	encoded, err := s.api.OpenAPI().YAML()
	if err != nil {
		return nil, fmt.Errorf("encode the OpenAPI document: %w", err)
	}
	return encoded, nil
}

// refusalStatuses are the statuses with which an operation can refuse, besides those it names: whoever asks may be
// nobody, ask too often, or find a part of the service away.
func refusalStatuses(op Operation) []int {
	found := map[int]bool{http.StatusBadRequest: true, http.StatusInternalServerError: true, http.StatusServiceUnavailable: true}
	for _, code := range append([]care.Code{care.Unauthenticated, care.RateLimited}, op.Refusals...) {
		found[statuses[code]] = true
	}
	if op.Method == http.MethodPost || op.Method == http.MethodPut {
		found[http.StatusRequestEntityTooLarge] = true
		found[http.StatusUnsupportedMediaType] = true
		found[http.StatusUnprocessableEntity] = true
	}
	return slices.Sorted(maps.Keys(found))
}
