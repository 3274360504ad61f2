package httpapi

import (
	"net/http"
	"strings"
	"sync"

	"github.com/labstack/echo/v5"

	"carewire/docs"
	"carewire/internal/apidoc"
	"carewire/internal/care"
	"carewire/internal/event"
)

// addDocs adds the documentation, which is public. It is rendered at the first request.
func (s *Server) addDocs() {
	site := sync.OnceValues(func() (*apidoc.Site, error) {
		return apidoc.New(s.api.OpenAPI(), s.cfg.BaseURL, event.Catalog, docs.Files)
	})
	everybody := Access{Public: true}
	s.Handle(http.MethodGet, apidoc.IndexPath, everybody, func(c *echo.Context) error {
		return s.showDoc(c, site, apidoc.IndexPath)
	})
	s.Handle(http.MethodGet, apidoc.IndexPath+"/", everybody, func(c *echo.Context) error {
		return c.Redirect(http.StatusMovedPermanently, apidoc.IndexPath)
	})
	s.Handle(http.MethodGet, apidoc.SearchPath, everybody, func(c *echo.Context) error {
		all, err := site()
		if err != nil {
			return err
		}
		page, err := all.Search(c.QueryParam("q"))
		if err != nil {
			return err
		}
		return s.RenderPage(c, http.StatusOK, page)
	})
	s.Handle(http.MethodGet, apidoc.IndexPath+"/:page", everybody, func(c *echo.Context) error {
		return s.showDoc(c, site, apidoc.IndexPath+"/"+c.Param("page"))
	})
}

// showDoc answers with a page of the documentation. The name of a Markdown file redirects to its
// page, so that links copied from the repository work.
func (s *Server) showDoc(c *echo.Context, site func() (*apidoc.Site, error), path string) error {
	all, err := site()
	if err != nil {
		return err
	}
	if page, ok := all.Page(path); ok {
		return s.RenderPage(c, http.StatusOK, page)
	}
	name := strings.TrimPrefix(path, apidoc.IndexPath+"/")
	if to := apidoc.PathOf(name); strings.HasSuffix(name, ".md") && all.Has(to) {
		return c.Redirect(http.StatusMovedPermanently, to)
	}
	return care.Errorf(care.NotFound, "page not found; see /docs")
}
