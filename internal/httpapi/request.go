package httpapi

import (
	"context"
	"log/slog"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/labstack/echo/v5"

	"carewire/internal/care"
	"carewire/internal/clinic/directory"
	"carewire/internal/httpapi/body"
	"carewire/internal/httpapi/peer"
	"carewire/internal/httpapi/problem"
)

// requestInfo is the state of a request. The guard completes it before the handler runs; afterwards
// only an actor from the actor cache can be replaced.
type requestInfo struct {
	id          string
	traceparent string
	// peer is the client's address; see peer.Proxies.
	peer netip.Addr
	// client is what the audit trail stores of the client; see clientOf.
	client care.Client
	// begun is when the request arrived, body reads its body.
	begun time.Time
	body  *body.Reader
	// key is the client's Idempotency-Key; requestHash distinguishes this request from another one
	// with the same key.
	key         string
	requestHash []byte
	actor       care.Actor
	// identity is the verified identity of a bearer token.
	identity directory.Identity
	// expiresAt is when the token or session of the caller ends.
	expiresAt time.Time
	// session is the browser's session that authenticated the caller; uuid.Nil for a bearer token.
	session uuid.UUID
	// viewer is the person who is signed in, once viewed; nil for nobody.
	viewer *directory.Me
	viewed bool
	// hijacked is true once the connection is a socket: nothing can be answered any more.
	hijacked bool
}

// plainPath returns the request with needless escapes in its path removed, so that it finds its
// route: %61 and a are the same (RFC 3986, section 6.2.2.2). Escapes of other characters, such as a
// slash, remain.
func plainPath(r *http.Request) *http.Request {
	if r.URL.RawPath == "" {
		return r
	}
	var b strings.Builder
	raw := r.URL.RawPath
	for i := 0; i < len(raw); i++ {
		if raw[i] == '%' && i+2 < len(raw) {
			if c, err := strconv.ParseUint(raw[i+1:i+3], 16, 8); err == nil && unreserved(byte(c)) {
				b.WriteByte(byte(c))
				i += 2
				continue
			}
		}
		b.WriteByte(raw[i])
	}
	plain, u := *r, *r.URL
	u.RawPath = b.String()
	plain.URL = &u
	return &plain
}

// unreserved reports whether a character is unreserved in URLs (RFC 3986, section 2.3). Dots are
// not included, as dot segments must not appear only now.
func unreserved(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' || c == '_' || c == '~'
}

// clientOf returns the client of a request for the audit trail. Requests of service accounts are of
// the class AgentService, whatever their User-Agent.
func (i *requestInfo) clientOf() care.Client {
	client := i.client
	if _, ok := i.actor.ServiceAccount(); ok {
		client.Agent = care.AgentService
	}
	return client
}

type infoKey struct{}

func withInfo(ctx context.Context, i *requestInfo) context.Context {
	return context.WithValue(ctx, infoKey{}, i)
}

// infoOf returns the state of the request; never nil.
func infoOf(ctx context.Context) *requestInfo {
	if i, ok := ctx.Value(infoKey{}).(*requestInfo); ok {
		return i
	}
	return &requestInfo{}
}

// CommandOf returns the command of a request: its actor, its trace and its Idempotency-Key.
func CommandOf(ctx context.Context) care.Command {
	i := infoOf(ctx)
	return care.Command{
		Actor: i.actor, CorrelationID: i.id, Traceparent: i.traceparent, Client: i.clientOf(), Key: i.key, RequestHash: i.requestHash,
	}
}

// NetworkOf returns the network that the request came from, by which limits are counted, or "" if it
// is unknown. It must not be stored or logged beside a person.
func NetworkOf(ctx context.Context) string {
	network := peer.Network(infoOf(ctx).peer)
	if !network.IsValid() {
		return ""
	}
	return network.String()
}

// ActorOf returns the caller.
func ActorOf(ctx context.Context) care.Actor { return infoOf(ctx).actor }

// SetActor sets the caller of a public route, for its log line and its command.
func SetActor(ctx context.Context, actor care.Actor) { infoOf(ctx).actor = actor }

// IdentityOf returns the verified identity of the bearer token, which can be without an account.
func IdentityOf(ctx context.Context) directory.Identity { return infoOf(ctx).identity }

// SessionOf returns the caller's session. Its ID is uuid.Nil for a bearer token.
func SessionOf(ctx context.Context) directory.Session {
	i := infoOf(ctx)
	return directory.Session{ID: i.session, Actor: i.actor, ExpiresAt: i.expiresAt}
}

// bodyOf returns the reader of the request's body.
func (s *Server) bodyOf(c *echo.Context) *body.Reader {
	i := infoOf(c.Request().Context())
	if i.body == nil {
		i.body = body.NewReader(c.Response(), c.Request(), i.begun, s.cfg.BodyTimeout)
	}
	return i.body
}

// bodyFirst reads the body into memory before the handler runs, for routes that do not read it
// themselves.
func (s *Server) bodyFirst(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c *echo.Context) error {
		if err := s.bodyOf(c).Buffer(body.Max); err != nil {
			return err
		}
		return next(c)
	}
}

// problemOf returns the problem of a request's error, with the id of the request.
func problemOf(ctx context.Context, logger *slog.Logger, err error) *problem.Problem {
	return problem.Of(ctx, logger, infoOf(ctx).id, err)
}
