package httpapi

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/labstack/echo/v5"

	"carewire/internal/care"
	"carewire/internal/clinic/directory"
	"carewire/internal/httpapi/limit"
	"carewire/internal/httpapi/peer"
	"carewire/internal/httpapi/problem"
	"carewire/internal/outbox"
)

// SessionCookie is the cookie with the secret of a browser's session.
const SessionCookie = "carewire_session"

// guard returns the handler behind authentication, the check of the request's origin, the rate
// limit and authorization.
func (s *Server) guard(a Access, next echo.HandlerFunc) echo.HandlerFunc {
	if a.identity {
		return s.identified(next)
	}
	if a.Public || a.Own {
		return next
	}
	return func(c *echo.Context) error {
		r := c.Request()
		err := s.authenticate(r, a.cachedActor)
		if a.Page && care.CodeOf(err) == care.Unauthenticated && problem.WantsPage(r) && s.loginPath != "" {
			return s.toLogin(c)
		}
		if err != nil {
			return err
		}
		if err := s.admit(r.Context(), a.Action); err != nil {
			return err
		}
		return next(c)
	}
}

// admit checks the rate limit of the caller and whether they may use the route at all.
func (s *Server) admit(ctx context.Context, action care.Action) error {
	if err := s.perSubject.Allow(infoOf(ctx).actor.ID); err != nil {
		return err
	}
	return s.authorize(ctx, action)
}

// toLogin redirects a browser to the sign-in page, which redirects it back.
func (s *Server) toLogin(c *echo.Context) error {
	return c.Redirect(http.StatusSeeOther, s.loginPath+"?next="+url.QueryEscape(problem.PagePath(c.Request())))
}

// identified returns the handler behind a valid bearer token, with or without an account, and the
// rate limit of its subject.
func (s *Server) identified(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c *echo.Context) error {
		r := c.Request()
		if err := s.throttleFailedLogins(r, s.doubtful, func() error {
			_, err := s.verifyBearer(r)
			return err
		}); err != nil {
			return err
		}
		if err := s.perSubject.Allow("identity:" + infoOf(r.Context()).identity.Subject); err != nil {
			return err
		}
		return next(c)
	}
}

// authenticate identifies the caller by bearer token or else by session cookie.
func (s *Server) authenticate(r *http.Request, cached bool) error {
	return s.throttleFailedLogins(r, s.doubtful, func() error {
		if r.Header.Get("Authorization") != "" {
			return s.authenticateBearer(r, cached)
		}
		return s.authenticateCookie(r)
	})
}

// AuthenticateBearer authenticates the caller of a route whose Access is Own by bearer token, and
// checks their rate limit and that they may use the route.
func (s *Server) AuthenticateBearer(r *http.Request, action care.Action) (directory.Session, error) {
	return s.authenticateOwn(r, action, func() error { return s.authenticateBearer(r, false) })
}

// AuthenticateSecret is AuthenticateBearer for a secret: redeem returns its session.
func (s *Server) AuthenticateSecret(
	r *http.Request, action care.Action, redeem func(ctx context.Context) (directory.Session, error),
) (directory.Session, error) {
	return s.authenticateOwn(r, action, func() error {
		session, err := redeem(r.Context())
		infoOf(r.Context()).setSession(session)
		return err
	})
}

func (s *Server) authenticateOwn(r *http.Request, action care.Action, authenticate func() error) (directory.Session, error) {
	if err := s.throttleFailedLogins(r, s.doubtful, authenticate); err != nil {
		return directory.Session{}, err
	}
	return SessionOf(r.Context()), s.admit(r.Context(), action)
}

// ThrottleFailedLogins runs a sign-in at the identity provider. It counts a failure, and answers
// too many with 429.
func (s *Server) ThrottleFailedLogins(r *http.Request, login func() error) error {
	return s.throttleFailedLogins(r, s.exchanges, login)
}

// AllowLink counts a request of a link in a message, for which nobody signs in, by the client's
// network. It returns care.RateLimited above the rate of one subject.
func (s *Server) AllowLink(r *http.Request) error {
	return s.links.Allow(peer.Network(infoOf(r.Context()).peer))
}

// AuditRefusedSignIn audits the error of a sign-in that was not run by ThrottleFailedLogins, if it
// is known whose it was.
func (s *Server) AuditRefusedSignIn(r *http.Request, err error) { s.signIns.refused(r, err) }

// throttleFailedLogins runs a sign-in and counts a failure by the client's network. A successful
// sign-in is never limited: many people share an address behind a proxy or a clinic's router. A
// failure after too many returns 429 without the cause. Sign-ins from a network with too many
// failures wait at the gate, unless their token was verified before, so that a flood takes only a
// few connections of the pool.
func (s *Server) throttleFailedLogins(r *http.Request, g limit.Gate, login func() error) error {
	from := peer.Network(infoOf(r.Context()).peer)
	if s.failures.Exhausted(from) && !s.knownToken(r) {
		leave, err := g.Pass(r.Context())
		if err != nil {
			return err
		}
		defer leave()
	}
	err := login()
	if err != nil {
		s.signIns.refused(r, err)
	}
	// A request without any credential costs nothing and tests no guess.
	attempted := r.Header.Get("Authorization") != "" || r.Header.Get("Cookie") != "" || r.URL.RawQuery != ""
	if care.CodeOf(err) == care.Unauthenticated && attempted {
		if limited := s.failures.Allow(from); limited != nil {
			return limited
		}
	}
	return err
}

// knownToken reports whether the request has a bearer token that was verified before.
func (s *Server) knownToken(r *http.Request) bool {
	token, ok := bearer(r)
	return ok && s.cfg.Verifier.Known(token)
}

// bearer returns the request's bearer token (RFC 6750, section 2.1).
func bearer(r *http.Request) (token string, ok bool) {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	return strings.TrimSpace(token), strings.EqualFold(scheme, "Bearer")
}

func (s *Server) authenticateBearer(r *http.Request, cached bool) error {
	fresh, err := s.verifyBearer(r)
	if err != nil {
		return err
	}
	i := infoOf(r.Context())
	if cached && !fresh {
		if actor, ok := s.actors.Get(i.identity); ok {
			i.actor = actor
			return nil
		}
	}
	if i.actor, _, err = s.actors.Load(r.Context(), i.identity); err != nil || !fresh {
		return err
	}
	token, _ := bearer(r)
	return s.signIns.token(r.Context(), token, CommandOf(r.Context()))
}

// verifyBearer sets the identity of the bearer token, which can be without an account. fresh reports
// whether the token was not verified in the last minutes.
func (s *Server) verifyBearer(r *http.Request) (fresh bool, err error) {
	token, ok := bearer(r)
	if !ok {
		return false, care.Errorf(care.Unauthenticated, "send Authorization: Bearer with a token of the identity provider")
	}
	claims, err := s.cfg.Verifier.Verify(r.Context(), token)
	if err != nil {
		return false, err
	}
	i := infoOf(r.Context())
	i.identity, i.expiresAt = claims.Identity(), claims.ExpiresAt
	return claims.Fresh, nil
}

func (s *Server) authenticateCookie(r *http.Request) error {
	cookie, err := r.Cookie(SessionCookie)
	if err != nil || cookie.Value == "" {
		return care.Errorf(care.Unauthenticated, "sign in: send Authorization: Bearer with a token, or open /login in a browser")
	}
	if err := s.CheckOrigin(r); err != nil {
		return err
	}
	session, err := s.cfg.Directory.GetSessionActor(r.Context(), cookie.Value)
	infoOf(r.Context()).setSession(session)
	return err
}

func (i *requestInfo) setSession(session directory.Session) {
	i.actor, i.expiresAt, i.session = session.Actor, session.ExpiresAt, session.ID
}

// CheckOrigin refuses a request that is not safe and comes from another site's page: a browser
// sends the session cookie with it without the user's knowledge.
func (s *Server) CheckOrigin(r *http.Request) error {
	if err := s.crossOrigin.Check(r); err != nil {
		return problem.CrossOrigin("cross-origin request: with a cookie, only pages of this service can make changes")
	}
	return nil
}

// authorize denies an actor who can never use the route: if the access table grants the action only
// on the platform, or only for the actor themselves. All other decisions depend on the subject of
// the request and are made by the services.
func (s *Server) authorize(ctx context.Context, action care.Action) error {
	actor := infoOf(ctx).actor
	var may bool
	switch {
	case onlyBy(action, care.Platform):
		may = actor.MayOnPlatform(action)
	case onlyBy(action, care.Own):
		may = actor.MayOwn(action)
	default:
		may = true
	}
	if may {
		return nil
	}
	if _, program := actor.ServiceAccount(); program && action == care.SelfManage {
		return s.Deny(ctx, action, "service accounts have no profile, inbox or sockets: append events with POST /api/events")
	}
	return s.Deny(ctx, action, "your roles do not allow this")
}

// Deny returns the denial of a route, with this message, after it was committed to the audit trail.
// If the commit fails, it returns that error.
func (s *Server) Deny(ctx context.Context, action care.Action, message string) error {
	denied := outbox.Deny(CommandOf(ctx), care.Errorf(care.Forbidden, "%s", message), action, care.Ref{}, nil, nil)
	denied.Event.Subject = "route/" + string(action)
	return s.cfg.Writer.Audited(ctx, denied)
}

func onlyBy(action care.Action, relation care.Relation) bool {
	return !slices.ContainsFunc(care.Access, func(g care.Grant) bool {
		return g.Action == action && g.Relation != relation && g.Role != care.System
	})
}
