package httpapi

import (
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"strings"

	"github.com/labstack/echo/v5"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"carewire/internal/care"
)

// addHealth adds what load balancers and monitors ask for.
func (s *Server) addHealth() {
	for _, verb := range []string{http.MethodGet, http.MethodHead} {
		s.handle(verb, "/livez", access{public: true}, func(c *echo.Context) error {
			return c.String(http.StatusOK, "alive\n")
		})
		s.handle(verb, "/readyz", access{public: true}, s.readyz)
	}
	if s.cfg.Demo && s.cfg.Gatherer != nil {
		s.handle(http.MethodGet, "/metrics", access{public: true}, echo.WrapHandler(promhttp.HandlerFor(s.cfg.Gatherer, promhttp.HandlerOpts{})))
	}
}

// readyz is 200 when requests can be taken, with the notes a line each, else a problem that names what is missing.
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

func notReady(missing error) *Problem {
	return newProblem(http.StatusServiceUnavailable, string(care.Unavailable), "not ready: "+missing.Error()).with("Retry-After", retryAfter)
}

// NotReady returns a handler for the time before a Server can be made: /livez is 200, and everything else is 503 with what
// is missing.
func NotReady(missing error) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /livez", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "alive\n")
	})
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		p := notReady(missing)
		maps.Copy(w.Header(), p.GetHeaders())
		w.Header().Set("Content-Type", "application/problem+json")
		w.WriteHeader(p.Status)
		_ = json.NewEncoder(w).Encode(p)
	})
	return mux
}

// addSpecification serves the OpenAPI document, made once from the operations added before.
func (s *Server) addSpecification() error {
	s.completeSpecification()
	asJSON, asYAML, err := s.specification()
	if err != nil {
		return err
	}
	s.handle(http.MethodGet, "/openapi.json", access{public: true}, func(c *echo.Context) error {
		return c.Blob(http.StatusOK, "application/openapi+json", asJSON)
	})
	s.handle(http.MethodGet, "/openapi.yaml", access{public: true}, func(c *echo.Context) error {
		return c.Blob(http.StatusOK, "application/openapi+yaml", asYAML)
	})
	s.handle(http.MethodGet, "/", access{public: true}, s.landing)
	return nil
}
