package httpapi

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/labstack/echo/v5"

	"carewire/internal/auth"
	"carewire/internal/care"
	"carewire/internal/clinic/chat"
	"carewire/internal/clinic/directory"
	"carewire/internal/outbox"
	"carewire/internal/realtime"
)

// access says who may use a route: everybody, or whoever may do the action.
type access struct {
	action care.Action
	public bool
	// own says that the handler itself finds out who asks.
	own bool
	// identity says that the guard asks for a bearer token and the handler whose account it is.
	identity bool
	// body says that the handler reads the request's body itself, by readBody.
	body bool
	// kept says that the actor may be kept from an earlier request (see keep.go).
	kept bool
	// page says that a person may be looking: one who is not signed in is sent to /login.
	page bool
}

// guard puts the questions that come before a handler: who is it, do they ask too often, may the request come from where
// it comes, may they use the route at all.
func (s *Server) guard(a access, next echo.HandlerFunc) echo.HandlerFunc {
	if a.identity {
		return s.identified(next)
	}
	if a.public || a.own {
		return next
	}
	return func(c *echo.Context) error {
		r := c.Request()
		i := infoOf(r.Context())
		err := s.identify(r, i, a.kept)
		if a.page && care.CodeOf(err) == care.Unauthenticated && wantsPage(r) {
			return toLogin(c)
		}
		if err != nil {
			return err
		}
		if err := s.perSubject.allow(i.actor.ID); err != nil {
			return err
		}
		if err := s.authorize(r.Context(), a.action); err != nil {
			return err
		}
		return next(c)
	}
}

// identified lets whoever has a good bearer token through, as often as one subject may ask.
func (s *Server) identified(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c *echo.Context) error {
		r := c.Request()
		i := infoOf(r.Context())
		if err := s.counted(r, s.doubtful, func() error { return s.proveIdentity(r, i) }); err != nil {
			return err
		}
		if err := s.perSubject.allow("identity:" + i.identity.Subject); err != nil {
			return err
		}
		return next(c)
	}
}

// identify finds out who asks, by bearer token or else by session cookie.
func (s *Server) identify(r *http.Request, i *info, kept bool) error {
	return s.counted(r, s.doubtful, func() error {
		if r.Header.Get("Authorization") != "" {
			return s.byBearer(r, i, kept)
		}
		return s.byCookie(r, i)
	})
}

// counted runs a sign-in and counts its failure. Whoever proves who they are is let in, however many others fail: many share an
// address behind a proxy or a clinic's router. A failure after too many is answered with 429 instead of saying what was wrong. What
// cannot be told at once from a network with too many failures waits for a place at the gate, so that a flood takes a few of the
// pool's connections and no more.
func (s *Server) counted(r *http.Request, g gate, signIn func() error) error {
	from := network(infoOf(r.Context()).peer)
	if s.failures.exhausted(from) && !s.knownToken(r) {
		leave, err := g.pass(r.Context())
		if err != nil {
			return err
		}
		defer leave()
	}
	err := signIn()
	// To say nothing of who one is costs nothing and guesses nothing.
	if care.CodeOf(err) == care.Unauthenticated && (r.Header.Get("Authorization") != "" || r.Header.Get("Cookie") != "" || r.URL.RawQuery != "") {
		if limited := s.failures.allow(from); limited != nil {
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

func (s *Server) byBearer(r *http.Request, i *info, kept bool) error {
	if err := s.proveIdentity(r, i); err != nil {
		return err
	}
	if kept {
		if actor, ok := s.actors.Get(i.identity); ok {
			i.actor = actor
			return nil
		}
	}
	var err error
	i.actor, _, err = s.actors.Load(r.Context(), i.identity)
	return err
}

// proveIdentity notes whose the bearer token is, who may have no account.
func (s *Server) proveIdentity(r *http.Request, i *info) error {
	token, ok := bearer(r)
	if !ok {
		return care.Errorf(care.Unauthenticated, "send Authorization: Bearer and a token of the identity provider")
	}
	claims, err := s.cfg.Verifier.Verify(r.Context(), token)
	if err != nil {
		return err
	}
	i.identity, i.expiresAt = claims.Identity(), claims.ExpiresAt
	return nil
}

func (s *Server) byCookie(r *http.Request, i *info) error {
	cookie, err := r.Cookie(sessionCookie)
	if err != nil || cookie.Value == "" {
		return care.Errorf(care.Unauthenticated, "sign in: send Authorization: Bearer and a token, or open /login in a browser")
	}
	if err := s.sameOrigin(r); err != nil {
		return err
	}
	session, err := s.cfg.Directory.GetSessionActor(r.Context(), cookie.Value)
	i.actor, i.expiresAt, i.session = session.Actor, session.ExpiresAt, session.ID
	return err
}

// sameOrigin refuses a request that changes something and comes from another site's page: a browser adds our cookie to
// it without the person's knowing.
func (s *Server) sameOrigin(r *http.Request) error {
	if err := s.crossOrigin.Check(r); err != nil {
		return newProblem(http.StatusForbidden, codeCrossOrigin, "the request comes from another site's page; this service takes changes by cookie only from its own")
	}
	return nil
}

// authorize refuses an actor who can never use the route, whatever it is about: where the table gives the action only on
// the platform, or only for oneself. Everything else depends on what the request is about, and the services decide it.
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
		return s.denied(ctx, action, "a service account has no account, inbox or sockets of its own: it appends events with POST /api/events")
	}
	return s.denied(ctx, action, "your roles do not allow this")
}

// denied refuses the actor a route in these words, once that has committed; if it cannot be committed, that is the error.
func (s *Server) denied(ctx context.Context, action care.Action, words string) error {
	refused := outbox.Deny(commandOf(ctx), care.Errorf(care.Forbidden, "%s", words), action, care.Ref{}, nil, nil)
	refused.Event.Subject = "route/" + string(action)
	return s.cfg.Writer.Audited(ctx, refused)
}

func onlyBy(action care.Action, relation care.Relation) bool {
	return !slices.ContainsFunc(care.Access, func(g care.Grant) bool {
		return g.Action == action && g.Relation != relation && g.Role != care.System
	})
}

// Sessions gives the function that tells whose a bearer token is and when it ends; sockets refresh by it.
func Sessions(v *auth.Verifier, dir *directory.Service) func(ctx context.Context, token string) (realtime.Session, error) {
	return func(ctx context.Context, token string) (realtime.Session, error) {
		claims, err := v.Verify(ctx, token)
		if err != nil {
			return realtime.Session{}, err
		}
		actor, err := dir.GetActorByIdentity(ctx, claims.Identity())
		if err != nil {
			return realtime.Session{}, err
		}
		return realtime.Session{Actor: actor, ExpiresAt: claims.ExpiresAt}, nil
	}
}

// Rights tells sockets what a person may see.
func Rights(dir *directory.Service, conversations *chat.Service) realtime.Authorizer {
	return socketRights{dir, conversations}
}

type socketRights struct {
	*directory.Service
	chat *chat.Service
}

func (r socketRights) InConversation(ctx context.Context, userID, conversationID uuid.UUID) (room care.ConversationRoom, in bool, err error) {
	return r.chat.InConversation(ctx, userID, conversationID)
}

// requestTimeout is how long a request may take; a socket's handshake is none.
const requestTimeout = 30 * time.Second

// Denials gives the function that commits a refused room to the audit trail; realtime.Config.Denied takes it.
func Denials(writer *outbox.Writer) func(ctx context.Context, d realtime.DeniedRoom) error {
	return func(ctx context.Context, d realtime.DeniedRoom) error {
		cmd := care.Command{Actor: d.Actor}
		answer := care.Errorf(care.Forbidden, "room refused") // The socket words it; here only its code counts.
		e := outbox.Deny(cmd, answer, "room.join", care.Ref{}, d.PersonID, d.ClinicID).Event
		e.Subject = "room/" + d.Room
		return writer.InTx(ctx, cmd, func(tx pgx.Tx) error { return outbox.Append(ctx, tx, e) })
	}
}
