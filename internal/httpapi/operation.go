package httpapi

import (
	"context"
	"net/http"
	"reflect"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"carewire/internal/care"
	"carewire/internal/clinic/ehr"
	"carewire/internal/event"
)

// accessKey is where an operation's metadata holds its access.
const accessKey = "access"

const schemaPrefix = "#/components/schemas/"

// newAPI prepares huma: JSON only, no pages of its own, and the schemas of types that write their own JSON.
func newAPI(s *Server) huma.API {
	configureHuma()
	registry := huma.NewMapRegistry(schemaPrefix, huma.DefaultSchemaNamer)
	registry.RegisterTypeAlias(reflect.TypeFor[ehr.Decimal](), reflect.TypeFor[numberSchema]())
	registry.RegisterTypeAlias(reflect.TypeFor[ehr.Value](), reflect.TypeFor[valueSchema]())
	registry.RegisterTypeAlias(reflect.TypeFor[event.Event](), reflect.TypeFor[Event]())
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
					"cookie": {Type: "apiKey", In: "cookie", Name: sessionCookie, Description: "A browser's session after `/login`. Requests that change something must come from the same origin."},
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

// operation is what a route says of itself for the reference.
type operation struct {
	id, method, path string
	tag              string
	summary          string
	description      string
	// status is that of success; 0 is 200, or 204 without a body.
	status int
	// repeatable says of a POST that repeating it does no harm: it knows no Idempotency-Key.
	repeatable bool
	// identity says that the guard asks for a bearer token and the handler whose account it is.
	identity bool
	// kept says that all that the handler does it does in transactions in the actor's name, so that the actor may be one who
	// was kept from an earlier request (see keep.go).
	kept bool
	// also are other statuses of success, with the words for each.
	also map[int]string
	// refusals are the domain's codes that the route can answer with, besides those that every route can.
	refusals []care.Code
}

// register adds a route that huma serves: it reads and checks the input, and the handler's errors become problems. The
// route needs the action.
func register[I, O any](s *Server, op operation, action care.Action, handler func(ctx context.Context, in *I) (*O, error)) {
	responses := map[string]*huma.Response{}
	for status, words := range op.also {
		responses[strconv.Itoa(status)] = &huma.Response{Description: words}
	}
	var parameters []*huma.Param
	if op.method == http.MethodPost && !op.repeatable {
		parameters = append(parameters, keyParameter)
	}
	huma.Register(s.api, huma.Operation{
		Responses: responses, Parameters: parameters,
		OperationID: op.id, Method: op.method, Path: op.path, Summary: op.summary, Description: op.description,
		Tags: []string{op.tag}, DefaultStatus: op.status,
		Errors:   refusalStatuses(op),
		Security: []map[string][]string{{"bearer": {}}, {"cookie": {}}},
		Metadata: map[string]any{accessKey: access{action: action, identity: op.identity, kept: op.kept}},
		// readBody refuses what is larger; huma must not refuse what it let through.
		MaxBodyBytes: maxBody + 1,
	}, func(ctx context.Context, in *I) (*O, error) {
		out, err := handler(ctx, in)
		if err != nil && s.keeper.again(ctx, &err) {
			out, err = handler(ctx, in)
		}
		if err != nil {
			return nil, problemOf(ctx, s.logger, err)
		}
		return out, nil
	})
}

// numberSchema is the schema of a number that keeps its digits.
type numberSchema struct{}

// Schema says that it is a number.
func (numberSchema) Schema(huma.Registry) *huma.Schema { return &huma.Schema{Type: huma.TypeNumber} }

// valueSchema is the schema of a result's value.
type valueSchema struct{}

// Schema says that it is a number, a text or a code.
func (valueSchema) Schema(r huma.Registry) *huma.Schema {
	one, most := 1, 2000
	return &huma.Schema{
		Description: "A number, a text, or a code.",
		OneOf: []*huma.Schema{
			{Type: huma.TypeNumber},
			{Type: huma.TypeString, MinLength: &one, MaxLength: &most},
			r.Schema(reflect.TypeFor[ehr.Coding](), true, "Coding"),
		},
	}
}

// location is the path of a new thing below the path of its collection.
func location(collection, id string) string {
	return strings.TrimSuffix(collection, "/") + "/" + id
}
