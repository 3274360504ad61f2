package httpapi

import (
	"net/http"
	"sync"

	"github.com/labstack/echo/v5"

	"carewire/docs"
	"carewire/internal/apidoc"
	"carewire/internal/event"
)

// addDocs adds the documentation for developers, which is public. Each page is rendered at its
// first request.
func (s *Server) addDocs() {
	for path, render := range map[string]func() ([]byte, error){
		"/docs":        apidoc.Index,
		"/docs/api":    func() ([]byte, error) { return apidoc.API(s.api.OpenAPI(), s.cfg.BaseURL) },
		"/docs/events": func() ([]byte, error) { return apidoc.Events(event.Catalog) },
		"/docs/socket": func() ([]byte, error) { return apidoc.Text("/docs/socket", docs.Socket) },
	} {
		page := sync.OnceValues(render)
		s.Handle(http.MethodGet, path, Access{Public: true}, func(c *echo.Context) error {
			text, err := page()
			if err != nil {
				return err
			}
			c.Response().Header().Set("Content-Security-Policy", apidoc.Policy)
			return c.HTMLBlob(http.StatusOK, text)
		})
	}
}
