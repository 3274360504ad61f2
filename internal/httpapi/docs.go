package httpapi

import (
	"net/http"
	"sync"

	"github.com/labstack/echo/v5"

	"carewire/docs"
	"carewire/internal/event"
	"carewire/internal/httpapi/reference"
)

// addDocs adds the pages for those who write programs against the service. They hold nothing that is secret. Each is
// rendered when it is first asked for.
func (s *Server) addDocs() {
	for path, render := range map[string]func() ([]byte, error){
		"/docs":        reference.Index,
		"/docs/api":    func() ([]byte, error) { return reference.API(s.api.OpenAPI(), s.cfg.BaseURL) },
		"/docs/events": func() ([]byte, error) { return reference.Events(event.Catalog) },
		"/docs/socket": func() ([]byte, error) { return reference.Text("/docs/socket", docs.Socket) },
	} {
		page := sync.OnceValues(render)
		s.Handle(http.MethodGet, path, Access{Public: true}, func(c *echo.Context) error {
			text, err := page()
			if err != nil {
				return err
			}
			c.Response().Header().Set("Content-Security-Policy", reference.Policy)
			return c.HTMLBlob(http.StatusOK, text)
		})
	}
}
