package httpapi

import (
	"bytes"
	"context"
	"io"
	"maps"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/danielgtaylor/huma/v2"
	"github.com/labstack/echo/v5"

	"carewire/internal/care"
	"carewire/internal/httpapi/body"
	"carewire/internal/httpapi/openapi"
	"carewire/internal/jsonform"
)

// The keys of an operation's metadata: its Access, and the reflect.Type of its body.
const (
	accessKey = "access"
	bodyKey   = "body"
)

// Operation describes a route of the OpenAPI document.
type Operation struct {
	ID, Method, Path string
	Tag              string
	Summary          string
	Description      string
	// Action is the action of care.Access that the route needs.
	Action care.Action
	// Status is the status of success; 0 is 200, or 204 without a body.
	Status int
	// Repeatable marks a POST that is harmless to repeat: it takes no Idempotency-Key.
	Repeatable bool
	// Identity lets every valid bearer token through; the handler finds the account.
	Identity bool
	// CachedActor allows an actor from the actor cache. Everything that the handler does must then
	// happen in transactions in the actor's name, as the handler runs again if the actor changed.
	CachedActor bool
	// Also are other statuses of success, with the description of each.
	Also map[int]string
	// Refusals are the domain's codes that the route can answer with, in addition to those of every
	// route.
	Refusals []care.Code
}

// Register adds a route to the server and to its OpenAPI document. Its input is validated against
// the schema of I, and the handler's errors become problems.
func Register[I, O any](s *Server, op Operation, handler func(ctx context.Context, in *I) (*O, error)) {
	responses := map[string]*huma.Response{}
	for status, description := range op.Also {
		responses[strconv.Itoa(status)] = &huma.Response{Description: description}
	}
	var parameters []*huma.Param
	if op.Method == http.MethodPost && !op.Repeatable {
		parameters = append(parameters, keyParameter())
	}
	huma.Register(s.api, huma.Operation{
		Responses: responses, Parameters: parameters,
		OperationID: op.ID, Method: op.Method, Path: op.Path, Summary: op.Summary, Description: op.Description,
		Tags: []string{op.Tag}, DefaultStatus: op.Status,
		Errors:   openapi.RefusalStatuses(op.Method, op.Refusals),
		Security: []map[string][]string{{"bearer": {}}, {"cookie": {}}},
		Metadata: map[string]any{
			accessKey: Access{Action: op.Action, identity: op.Identity, cachedActor: op.CachedActor}, bodyKey: bodyType[I](),
		},
		// body.Reader enforces the limit; huma must not refuse a body that it accepted.
		MaxBodyBytes: body.Max + 1,
	}, func(ctx context.Context, in *I) (*O, error) {
		out, err := handler(ctx, in)
		if err != nil {
			var retry bool
			i := infoOf(ctx)
			if i.actor, retry, err = s.actors.ShouldRetry(ctx, i.identity, i.actor, err); retry {
				out, err = handler(ctx, in)
			}
		}
		if err != nil {
			return nil, problemOf(ctx, s.logger, err)
		}
		return out, nil
	})
}

// bodyType returns the type of an input's field Body, or nil if it has none.
func bodyType[I any]() reflect.Type {
	if body, ok := reflect.TypeFor[I]().FieldByName("Body"); ok {
		return body.Type
	}
	return nil
}

// handleOperation adds the route of an operation. Its Access is in the operation's metadata, set by
// Register. The handler gets the body after its checks.
func (s *Server) handleOperation(op *huma.Operation, handler func(c *echo.Context, body io.Reader)) {
	path := strings.NewReplacer("{", ":", "}", "").Replace(op.Path)
	access, _ := op.Metadata[accessKey].(Access)
	access.body = op.RequestBody != nil
	decoded, _ := op.Metadata[bodyKey].(reflect.Type)
	limit := int64(body.Max)
	if access.identity {
		limit = body.MaxSmall
	}
	// The media types are known once every route is registered.
	media := sync.OnceValue(func() []string { return slices.Sorted(maps.Keys(op.RequestBody.Content)) })
	keyed := hasKeyParameter(op)
	s.Handle(op.Method, path, access, func(c *echo.Context) error {
		var body []byte
		if op.RequestBody != nil {
			var err error
			if body, err = s.bodyOf(c).ReadJSON(limit, media()...); err != nil {
				return err
			}
			body = jsonform.Canonical(body, decoded)
		}
		if keyed {
			if err := infoOf(c.Request().Context()).readKey(c.Request(), body); err != nil {
				return err
			}
		}
		handler(c, bytes.NewReader(body))
		return nil
	})
}

// RegisterIdempotent is Register for a POST that takes an Idempotency-Key. A request that was
// carried out before under its key is answered by replay, which reads what that request wrote; the
// commands of its context have no key.
func RegisterIdempotent[I, O any](
	s *Server, op Operation,
	handler func(ctx context.Context, in *I) (*O, error),
	replay func(ctx context.Context, in *I, done *care.ReplayError) (*O, error),
) {
	Register(s, op, func(ctx context.Context, in *I) (*O, error) {
		out, err := handler(ctx, in)
		if done, ok := replayed(err); ok {
			return replay(withoutKey(ctx), in, done)
		}
		return out, err
	})
}
