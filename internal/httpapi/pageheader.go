package httpapi

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/labstack/echo/v5"

	"carewire/internal/care"
	"carewire/internal/clinic/directory"
	"carewire/internal/httpapi/problem"
	"carewire/internal/layout"
)

// headerLink is a link in the header of pages, for callers for whom visible returns true.
type headerLink struct {
	layout.Link
	visible func(actor care.Actor) bool
}

// AddHeaderLink adds a link to the header of pages. visible reports whether a caller, who can be
// nobody, may open the page.
func (s *Server) AddHeaderLink(path, text string, visible func(actor care.Actor) bool) {
	s.headerLinks = append(s.headerLinks, headerLink{layout.Link{Path: path, Text: text}, visible})
}

// OfferLogin sets the path of the page at which people sign in with a browser. Without one, pages
// have no link to it, and a page that needs a sign-in answers 401.
func (s *Server) OfferLogin(path string) { s.loginPath = path }

// LoginPath returns the path of the page at which people sign in with a browser, or "".
func (s *Server) LoginPath() string { return s.loginPath }

// Viewer returns the person who is signed in, for a page that everybody may open. It reports false
// for nobody, for a session that has ended, and for a program.
func (s *Server) Viewer(r *http.Request) (directory.Me, bool) {
	i := infoOf(r.Context())
	if !i.viewed {
		i.viewed = true
		i.viewer = s.findViewer(r, i)
	}
	if i.viewer == nil {
		return directory.Me{}, false
	}
	return *i.viewer, true
}

func (s *Server) findViewer(r *http.Request, i *requestInfo) *directory.Me {
	if i.actor.ID == "" {
		if cookie, err := r.Cookie(SessionCookie); (err != nil || cookie.Value == "") && r.Header.Get("Authorization") == "" {
			return nil
		}
		// An ended session is not an error of a page that needs none. Nor is one that makes too many
		// requests, for which the page makes no more queries.
		if s.authenticate(r, false) != nil || s.perSubject.Allow(i.actor.ID) != nil {
			i.actor = care.Actor{}
			return nil
		}
	}
	if i.actor.UserID == uuid.Nil {
		return nil
	}
	me, err := s.cfg.Directory.GetSelf(r.Context(), i.actor)
	if err != nil {
		return nil
	}
	return &me
}

// Header returns the header of a page for the caller.
func (s *Server) Header(r *http.Request) layout.Header {
	h := layout.Header{Login: s.loginPath}
	if me, ok := s.Viewer(r); ok {
		h.Viewer = &layout.Viewer{Name: strings.TrimSpace(me.GivenName + " " + me.FamilyName), Roles: rolesOf(me)}
	}
	actor := infoOf(r.Context()).actor
	for _, link := range s.headerLinks {
		if link.visible(actor) {
			h.Links = append(h.Links, link.Link)
		}
	}
	return h
}

// rolesOf returns the roles of a person, each once.
func rolesOf(me directory.Me) string {
	var roles []string
	for _, m := range me.Memberships {
		if !slices.Contains(roles, string(m.Role)) {
			roles = append(roles, string(m.Role))
		}
	}
	return strings.Join(roles, ", ")
}

// RenderPage answers with an HTML page. Its header is the caller's.
func (s *Server) RenderPage(c *echo.Context, status int, p layout.Page) error {
	p.Header = s.Header(c.Request())
	text, err := p.Render()
	if err != nil {
		return err
	}
	policy := layout.Policy
	if len(p.Scripts) > 0 {
		policy = layout.ScriptPolicy
	}
	if p.Frames {
		policy += "; frame-src 'self'"
	}
	c.Response().Header().Set("Content-Security-Policy", policy)
	c.Response().Header().Add("Vary", "Cookie")
	return c.HTMLBlob(status, text)
}

// viewerTimeout bounds the look-up of the person for the header of a problem's page.
const viewerTimeout = 2 * time.Second

// writeProblemPage answers with the problem as an HTML page. The request's own context may have
// ended.
func (s *Server) writeProblemPage(w http.ResponseWriter, r *http.Request, p *problem.Problem) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), viewerTimeout)
	defer cancel()
	r = r.WithContext(ctx)
	if err := problem.WritePage(w, r, p, s.Header(r)); err != nil {
		s.logger.ErrorContext(ctx, "problem page", "request_id", p.RequestID, "error", err)
		problem.Write(w, r, p)
	}
}

// addAssets adds the style sheet, the icon and the scripts of pages.
func (s *Server) addAssets() {
	for _, name := range layout.Assets() {
		s.Handle(http.MethodGet, layout.AssetPrefix+name, Access{Public: true}, func(c *echo.Context) error {
			layout.ServeAsset(c.Response(), c.Request(), name)
			return nil
		})
	}
}
