package httpapi

import (
	"io"
	"net/http"
	"strings"
	"sync"

	"github.com/danielgtaylor/huma/v2"
	"github.com/labstack/echo/v5"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"carewire/internal/care"
	"carewire/internal/httpapi/openapi"
	"carewire/internal/httpapi/problem"
	"carewire/internal/layout"
)

// addHealth adds the routes for load balancers and monitoring.
func (s *Server) addHealth() {
	s.Handle(http.MethodGet, "/livez", Access{Public: true}, func(c *echo.Context) error {
		return c.String(http.StatusOK, alive(s.cfg.Version))
	})
	s.Handle(http.MethodGet, "/readyz", Access{Public: true}, s.readyz)
	if s.cfg.Demo && s.cfg.Gatherer != nil {
		s.Handle(http.MethodGet, "/metrics", Access{Public: true}, echo.WrapHandler(promhttp.HandlerFor(s.cfg.Gatherer, promhttp.HandlerOpts{})))
	}
}

// alive returns the body of /livez, with the version of the binary if it is known.
func alive(version string) string {
	if version == "" {
		return "alive\n"
	}
	return "alive\nversion: " + version + "\n"
}

// readyz answers 200, with a line per note, if the service can take requests, and otherwise a
// problem with the cause.
func (s *Server) readyz(c *echo.Context) error {
	if err := s.cfg.Ready(c.Request().Context()); err != nil {
		return notReady(err)
	}
	lines := []string{"ready\n"}
	for _, note := range s.cfg.Notes {
		lines = append(lines, "note: "+note+"\n")
	}
	return c.String(http.StatusOK, strings.Join(lines, ""))
}

func notReady(missing error) *problem.Problem {
	return problem.New(http.StatusServiceUnavailable, string(care.Unavailable), "not ready: "+missing.Error()).With("Retry-After", problem.RetryAfter)
}

// Starting returns the handler for the time before a Server exists. It answers /livez with 200,
// /readyz with 503 and the status of the start, and all other paths with 503 and Retry-After: with
// a page for browsers. It closes the connection after each answer, so that it waits for no body.
func Starting(version string, status func() string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Connection", "close")
		h.Set("Cache-Control", "no-store")
		h.Set("Content-Security-Policy", apiPolicy)
		h.Set("X-Content-Type-Options", "nosniff")
		reads := r.Method == http.MethodGet || r.Method == http.MethodHead
		switch {
		case reads && r.URL.Path == "/livez":
			h.Set("Content-Type", "text/plain; charset=UTF-8")
			_, _ = io.WriteString(w, alive(version))
		case reads && r.URL.Path == "/readyz":
			problem.Write(w, r, starting("not ready: starting: "+status()))
		case reads && strings.HasPrefix(r.URL.Path, layout.AssetPrefix) && layout.ServeAsset(w, r, strings.TrimPrefix(r.URL.Path, layout.AssetPrefix)):
		default:
			p := starting("the service is starting; try again in a moment")
			if !problem.WantsPage(r) || problem.WritePage(w, r, p, layout.Header{}) != nil {
				problem.Write(w, r, p)
			}
		}
	})
}

func starting(detail string) *problem.Problem {
	return problem.New(http.StatusServiceUnavailable, string(care.Unavailable), detail).With("Retry-After", problem.RetryAfter)
}

// addSpecification serves the OpenAPI document of the operations added before. Encoding it takes
// 150 ms of CPU time, so the first request for it does that.
func (s *Server) addSpecification() {
	doc := s.api.OpenAPI()
	openapi.Complete(doc)
	for path, document := range map[string]struct {
		mediaType string
		encode    func(*huma.OpenAPI) ([]byte, error)
	}{
		"/openapi.json": {"application/openapi+json", openapi.JSON},
		"/openapi.yaml": {"application/openapi+yaml", openapi.YAML},
	} {
		encoded := sync.OnceValues(func() ([]byte, error) { return document.encode(doc) })
		s.Handle(http.MethodGet, path, Access{Public: true}, func(c *echo.Context) error {
			body, err := encoded()
			if err != nil {
				return err
			}
			return c.Blob(http.StatusOK, document.mediaType, body)
		})
	}
}
