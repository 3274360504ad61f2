package httpapi

import (
	"net/http"

	"github.com/labstack/echo/v5"
	"github.com/prometheus/client_golang/prometheus/promhttp"
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

// readyz is 200 when requests can be taken, else a problem that names what is missing.
func (s *Server) readyz(c *echo.Context) error {
	if err := s.cfg.Ready(c.Request().Context()); err != nil {
		return newProblem(http.StatusServiceUnavailable, "unavailable", "not ready: "+err.Error()).with("Retry-After", retryAfter)
	}
	return c.String(http.StatusOK, "ready\n")
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
