package httpapi

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"net/http"
	"regexp"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/labstack/echo/v5"
	"github.com/labstack/echo/v5/middleware"

	"carewire/internal/care"
	"carewire/internal/httpapi/peer"
	"carewire/internal/httpapi/problem"
	"carewire/internal/tracing"
)

// requestIDForm is the form of a request id that a client may send: a UUID, a ULID, 32 hexadecimal
// digits, or a traceparent. The id becomes part of logs and of events that are never deleted, so it
// must have no room for text.
var requestIDForm = regexp.MustCompile(`^([0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}|[0-7][0-9A-HJKMNP-TV-Z]{25}|[0-9a-fA-F]{32}|00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2})$`)

// traceparentForm is version 00 of the W3C Trace Context header.
var traceparentForm = regexp.MustCompile(`^00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$`)

// observe sets the request's id, answers its errors, and records it in one log line and in the
// metrics.
func (s *Server) observe(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c *echo.Context) error {
		r := c.Request()
		i := &requestInfo{begun: time.Now(), id: r.Header.Get("X-Request-Id"), peer: s.proxies.Client(r)}
		i.client = care.Client{Address: s.cfg.ClientAddress.Of(i.peer), Agent: peer.AgentOf(r)}
		if !requestIDForm.MatchString(i.id) {
			i.id = rand.Text()
		}
		if t := r.Header.Get("traceparent"); traceparentForm.MatchString(t) {
			i.traceparent = t
		}
		ctx, span := s.traced(r, i)
		defer span.End()
		c.SetRequest(r.WithContext(withInfo(ctx, i)))
		c.Response().Header().Set("X-Request-Id", i.id)
		if err := next(c); err != nil {
			s.answerError(c, err)
		}
		s.record(c, i, span, time.Since(i.begun))
		return nil
	}
}

// record records a request with its status. It has the pattern of the route instead of the path,
// which can have personal data.
func (s *Server) record(c *echo.Context, i *requestInfo, span tracing.Span, took time.Duration) {
	r := c.Request()
	status, route := http.StatusOK, c.Path()
	if res, err := echo.UnwrapResponse(c.Response()); err == nil {
		status = res.Status
	}
	if i.hijacked {
		status = http.StatusSwitchingProtocols
	}
	if status == http.StatusNotFound && !s.hasRoute(r.Method, route) {
		route = "unmatched"
	}
	s.metrics.observe(r.Method, route, status, took)
	answered(span, i, method(r.Method), route, status)
	level := slog.LevelInfo
	if status >= 500 {
		level = slog.LevelWarn
	}
	attrs := []slog.Attr{
		slog.String("method", method(r.Method)), slog.String("route", route), slog.Int("status", status),
		slog.Float64("duration_ms", float64(took.Microseconds())/1000), slog.String("request_id", i.id), slog.String("actor_id", i.actor.ID),
	}
	if status == http.StatusUnauthorized || status == http.StatusForbidden || status == http.StatusTooManyRequests {
		attrs = append(attrs, slog.String("peer", i.peer.String()))
	}
	if id := span.TraceID(); id != "" {
		attrs = append(attrs, slog.String("trace_id", id))
	}
	s.logger.LogAttrs(r.Context(), level, "request", attrs...)
}

// method returns a known method, or OTHER, so that a client cannot add values to logs and metrics.
func method(m string) string {
	known := []string{http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions}
	if slices.Contains(known, m) {
		return m
	}
	return "OTHER"
}

// answerError answers an error with its problem, unless the answer has already started.
func (s *Server) answerError(c *echo.Context, err error) {
	r := c.Request()
	if res, _ := echo.UnwrapResponse(c.Response()); (res != nil && res.Committed) || infoOf(r.Context()).hijacked {
		s.logger.WarnContext(r.Context(), "request failed after its answer had started", "request_id", infoOf(r.Context()).id)
		return
	}
	p := problemOf(r.Context(), s.logger, s.bodyOf(c).Discard(err))
	s.explainMethod(r, p)
	if problem.WantsPage(r) {
		s.writeProblemPage(c.Response(), r, p)
		return
	}
	problem.Write(c.Response(), r, p)
}

// recovered turns a panic into an error. The stack goes only to the log.
func (s *Server) recovered(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c *echo.Context) (err error) {
		defer func() {
			p := recover()
			if p == nil {
				return
			}
			if e, ok := p.(error); ok && errors.Is(e, http.ErrAbortHandler) {
				panic(p)
			}
			ctx := c.Request().Context()
			// The value of a panic is not logged: it can contain input of a client. The stack has
			// the place.
			s.logger.ErrorContext(ctx, "panic", "request_id", infoOf(ctx).id, "stack", string(debug.Stack()))
			p500 := problem.New(http.StatusInternalServerError, problem.CodeInternal, problem.InternalDetail)
			p500.RequestID = infoOf(ctx).id
			err = p500
		}()
		return next(c)
	}
}

// apiPolicy is the Content-Security-Policy of all answers but pages.
const apiPolicy = "default-src 'none'; frame-ancestors 'none'"

// secureHeaders sets the security headers. Pages replace the Content-Security-Policy.
func (s *Server) secureHeaders() echo.MiddlewareFunc {
	return middleware.SecureWithConfig(middleware.SecureConfig{
		ContentSecurityPolicy: apiPolicy,
		ContentTypeNosniff:    "nosniff",
		XFrameOptions:         "DENY",
		ReferrerPolicy:        "no-referrer",
	})
}

// headers sets the headers that Echo's Secure middleware does not. Echo sends
// Strict-Transport-Security only if the request itself arrived by TLS, but TLS ends at a proxy.
func (s *Server) headers(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c *echo.Context) error {
		h := c.Response().Header()
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		// No answer may be cached: answers have records and depend on the caller.
		h.Set("Cache-Control", "no-store")
		if s.secure() {
			h.Set("Strict-Transport-Security", "max-age=31536000")
		}
		return next(c)
	}
}

// corsMaxAge is the time for which a browser may cache the answer to a preflight request, in
// seconds.
const corsMaxAge = 600

// corsHeaders are the headers that pages of other origins may send: all that the API reads.
const corsHeaders = "Authorization, Content-Type, Idempotency-Key, If-Match, If-None-Match, X-Request-Id, traceparent, tracestate, " +
	"ce-specversion, ce-id, ce-type, ce-source, ce-subject, ce-time, ce-clinicid, ce-personid, ce-datacontenttype, ce-traceparent"

// cors lets pages of the configured origins call the API with bearer tokens. Cookies are not
// allowed.
func (s *Server) cors() echo.MiddlewareFunc {
	return middleware.CORSWithConfig(middleware.CORSConfig{
		Skipper: s.noCORS,
		UnsafeAllowOriginFunc: func(c *echo.Context, origin string) (string, bool, error) {
			c.Response().Header().Set("Cross-Origin-Resource-Policy", "cross-origin")
			return origin, true, nil // noCORS has checked it.
		},
		AllowMethods:  []string{"GET, HEAD, POST, PUT, DELETE"},
		AllowHeaders:  []string{corsHeaders},
		ExposeHeaders: []string{"Accept-Encoding, Allow, ETag, Location, Retry-After, WWW-Authenticate, X-Request-Id"},
		MaxAge:        corsMaxAge,
	})
}

// noCORS reports whether a request gets no CORS headers: outside of the API, without an Origin, or
// with one that is not configured. A preflight request of such an origin is answered like any other
// OPTIONS request.
func (s *Server) noCORS(c *echo.Context) bool {
	r := c.Request()
	origin := r.Header.Get("Origin")
	if origin == "" || len(s.cfg.Origins) == 0 || !strings.HasPrefix(r.URL.Path, "/api/") {
		return true
	}
	if slices.Contains(s.cfg.Origins, origin) {
		return false
	}
	c.Response().Header().Add("Vary", "Origin")
	return true
}

// requestTimeout is the longest duration of a request, except for sockets.
const requestTimeout = 30 * time.Second

// limits refuses an invalid query string or precondition and sets the timeout of the request.
func (s *Server) limits(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c *echo.Context) error {
		r := c.Request()
		if strings.HasPrefix(r.URL.Path, "/api/") {
			if err := checkQuery(r.URL); err != nil {
				return err
			}
			if err := checkPreconditions(r.Header); err != nil {
				return err
			}
		}
		if r.URL.Path == SocketPath {
			return next(c)
		}
		ctx, cancel := context.WithTimeout(r.Context(), requestTimeout)
		defer cancel()
		c.SetRequest(r.WithContext(ctx))
		return next(c)
	}
}
