package httpapi

import (
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/labstack/echo/v5"

	"carewire/internal/care"
	"carewire/internal/httpapi/problem"
	"carewire/internal/layout"
)

// SocketPath is the path of the WebSocket. Its requests have no timeout and are neither traced nor
// timed, as they last as long as the socket.
const SocketPath = "/api/socket"

// Access defines who may use a route: everybody, or callers who may perform the action.
type Access struct {
	Action care.Action
	Public bool
	// Own leaves authentication to the handler.
	Own bool
	// Page marks a route for browsers: one that is not signed in is redirected to /login.
	Page bool
	// identity lets every valid bearer token through; the handler finds the account.
	identity bool
	// body leaves reading the request's body to the handler, by body.Reader.
	body bool
	// cachedActor allows an actor from the actor cache.
	cachedActor bool
}

// Route is a route and its access.
type Route struct {
	Method, Path string
	Access       Access
}

// Routes returns all routes, in no order.
func (s *Server) Routes() []Route {
	all := make([]Route, 0, len(s.routes))
	for name, access := range s.routes {
		method, path, _ := strings.Cut(name, " ")
		all = append(all, Route{method, path, access})
	}
	return all
}

// Handle adds a route that is not in the OpenAPI document, behind its guard.
func (s *Server) Handle(method, path string, a Access, h echo.HandlerFunc) {
	s.routes[method+" "+path] = a
	if s.cfg.NoAPI && !everywhere(path) {
		s.add(method, path, func(*echo.Context) error { return problem.RoleMissing("the API", "api") })
		return
	}
	h = s.guard(a, h)
	if !a.body {
		h = s.bodyFirst(h)
	}
	s.add(method, path, h)
}

// add adds a route to the router, and HEAD with each GET: the answer has the same status and
// headers, and net/http leaves out the body. GET of a path in oneTime has an effect that only its
// body makes useful.
func (s *Server) add(method, path string, h echo.HandlerFunc) {
	s.echo.Add(method, path, h)
	if method == http.MethodGet && !oneTime[path] {
		s.echo.Add(http.MethodHead, path, h)
	}
}

// oneTime lists the paths without HEAD: the socket, and the redeeming of an authorization code.
var oneTime = map[string]bool{SocketPath: true, "/login/callback": true}

// hasRoute reports whether the route was added. HEAD is that of its GET.
func (s *Server) hasRoute(method, path string) bool {
	if method == http.MethodHead {
		method = http.MethodGet
	}
	_, ok := s.routes[method+" "+path]
	return ok
}

// everywhere reports whether a route is served by an instance without the role api.
func everywhere(path string) bool {
	switch path {
	case "/livez", "/readyz", "/metrics", "/sandbox", "/sandbox/*", SocketPath:
		return true
	}
	return strings.HasPrefix(path, layout.AssetPrefix)
}

// methodHint is the detail of the 405 for a method on the paths below a prefix.
type methodHint struct{ method, prefix, detail string }

// ExplainMethod sets the detail of the 405 for a method that the paths below the prefix do not
// support.
func (s *Server) ExplainMethod(method, prefix, detail string) {
	s.methodHints = append(s.methodHints, methodHint{method, prefix, detail})
}

// explainMethod replaces the detail of a 405 where a route has one of its own.
func (s *Server) explainMethod(r *http.Request, p *problem.Problem) {
	for _, hint := range s.methodHints {
		if p.Status == http.StatusMethodNotAllowed && r.Method == hint.method && strings.HasPrefix(r.URL.Path, hint.prefix) {
			p.Detail = hint.detail
		}
	}
}

// public lists the routes without authentication.
var public = map[string]bool{
	"GET /": true, "GET /openapi.json": true, "GET /openapi.yaml": true,
	"GET /docs": true, "GET /docs/": true, "GET /docs/:page": true, "GET /docs/search": true,
	"GET /livez": true, "GET /readyz": true,
	"GET /l/:token": true, "GET /unsubscribe/:token": true, "POST /unsubscribe/:token": true,
	// Authenticated by the providers' signatures.
	"POST /webhooks/ses": true, "POST /webhooks/sms": true, "POST /webhooks/twilio": true, "POST /webhooks/whatsapp": true, "GET /webhooks/whatsapp": true,
	"GET /login": true, "POST /login": true, "GET /login/callback": true, "POST /logout": true,
}

// publicInDemo lists the routes without authentication in demo mode.
var publicInDemo = map[string]bool{
	"GET /metrics": true, "GET /sandbox": true, "GET /sandbox/*": true, "POST /sandbox/*": true, "DELETE /sandbox/*": true,
}

// checkRoutes reports routes without a valid Access.
func (s *Server) checkRoutes() error {
	var errs []error
	for _, r := range s.echo.Router().Routes() {
		if r.Method == http.MethodHead {
			continue // It is behind the guard of its GET.
		}
		name := r.Method + " " + r.Path
		a, ok := s.routes[name]
		switch {
		case !ok:
			errs = append(errs, fmt.Errorf("route %s has no access", name))
		case a.Public && !public[name] && !strings.HasPrefix(r.Path, layout.AssetPrefix) && (!s.cfg.Demo || !publicInDemo[name]):
			errs = append(errs, fmt.Errorf("route %s is not on the list of public routes", name))
		case !a.Public && !care.Declared(a.Action):
			errs = append(errs, fmt.Errorf("route %s needs action %q, which is not in the access table", name, a.Action))
		}
	}
	return errors.Join(errs...)
}
