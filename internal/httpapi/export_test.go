package httpapi

import (
	"cmp"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"carewire/internal/care"
	"carewire/internal/clinic/ehr"
)

// Kinds are the kinds of records that the server serves.
func (s *Server) Kinds() []ehr.Spec { return s.kinds }

// OpenAPI is the document with its schemas, for tests that check values against them.
func (s *Server) OpenAPI() *huma.OpenAPI { return s.api.OpenAPI() }

// Route is a route that asks who one is: what it is called, and the action that it needs.
type Route struct {
	// ID is the operation's in the reference; "METHOD path" for a route that is not in it.
	ID, Method, Path string
	Action           care.Action
}

// Routes are all that are not public.
func (s *Server) Routes() []Route {
	ids := map[string]string{}
	for path, item := range s.api.OpenAPI().Paths {
		for _, op := range []*huma.Operation{item.Get, item.Put, item.Post, item.Delete, item.Patch} {
			if op != nil {
				ids[op.Method+" "+strings.NewReplacer("{", ":", "}", "").Replace(path)] = op.OperationID
			}
		}
	}
	var all []Route
	for name, a := range s.routes {
		if !a.public {
			method, path, _ := strings.Cut(name, " ")
			all = append(all, Route{cmp.Or(ids[name], name), method, path, a.action})
		}
	}
	slices.SortFunc(all, func(a, b Route) int { return cmp.Compare(a.ID, b.ID) })
	return all
}
