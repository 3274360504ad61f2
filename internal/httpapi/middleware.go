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

	"carewire/internal/tracing"
)

// requestIDForm is what a client's own request id may look like: a UUID, a ULID, 32 hexadecimal digits, or a traceparent. It becomes part
// of logs and of events that are never deleted, so it must be of a form in which nobody writes anything.
var requestIDForm = regexp.MustCompile(`^([0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}|[0-7][0-9A-HJKMNP-TV-Z]{25}|[0-9a-fA-F]{32}|00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2})$`)

// traceparentForm is version 00 of the W3C Trace Context header.
var traceparentForm = regexp.MustCompile(`^00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$`)

// observe gives the request its id, answers its errors, and writes one log line and the metrics about it.
func (s *Server) observe(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c *echo.Context) error {
		r := c.Request()
		i := &requestInfo{begun: time.Now(), id: r.Header.Get("X-Request-Id"), peer: s.proxies.client(r)}
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

// record says what became of a request. The route's pattern stands for its path, so that logs hold no more than needed.
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

// method keeps a method that a client made up out of logs and metrics.
func method(m string) string {
	known := []string{http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions}
	if slices.Contains(known, m) {
		return m
	}
	return "OTHER"
}

// answerError answers an error with its problem, unless an answer has begun.
func (s *Server) answerError(c *echo.Context, err error) {
	r := c.Request()
	if res, _ := echo.UnwrapResponse(c.Response()); (res != nil && res.Committed) || infoOf(r.Context()).hijacked {
		s.logger.WarnContext(r.Context(), "request failed after its answer had begun", "request_id", infoOf(r.Context()).id)
		return
	}
	p := problemOf(r.Context(), s.logger, s.bodyLast(c, err))
	s.explainMethod(r, p)
	writeProblem(c.Response(), r, p)
}

// recovered makes an error of a panic. The stack goes to the log only.
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
			// The value of a panic can hold anything, also what a client sent: the stack says where it happened.
			s.logger.ErrorContext(ctx, "panic", "request_id", infoOf(ctx).id, "stack", string(debug.Stack()))
			p500 := newProblem(http.StatusInternalServerError, codeInternal, "something went wrong on our side; if it stays so, give the request id to the operator")
			p500.RequestID = infoOf(ctx).id
			err = p500
		}()
		return next(c)
	}
}

// apiPolicy is the Content-Security-Policy of what is no page.
const apiPolicy = "default-src 'none'; frame-ancestors 'none'"

// secureHeaders sets the headers that keep browsers safe. Pages replace the policy by their own.
func (s *Server) secureHeaders() echo.MiddlewareFunc {
	return middleware.SecureWithConfig(middleware.SecureConfig{
		ContentSecurityPolicy: apiPolicy,
		ContentTypeNosniff:    "nosniff",
		XFrameOptions:         "DENY",
		ReferrerPolicy:        "no-referrer",
	})
}

// headers sets the headers of every answer that echo's middleware does not. That one would send Strict-Transport-Security
// only where the request itself came by TLS, which ends at a proxy.
func (s *Server) headers(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c *echo.Context) error {
		h := c.Response().Header()
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		// Nothing here is for a cache to keep: records, and who is signed in.
		h.Set("Cache-Control", "no-store")
		if s.secure() {
			h.Set("Strict-Transport-Security", "max-age=31536000")
		}
		return next(c)
	}
}

// corsMaxAge is the time for which a browser may keep the answer to a preflight request, in seconds.
const corsMaxAge = 600

// cors lets the pages of the origins in the settings call the API, with bearer tokens: cookies are not allowed across.
func (s *Server) cors() echo.MiddlewareFunc {
	return middleware.CORSWithConfig(middleware.CORSConfig{
		Skipper: s.noCORS,
		UnsafeAllowOriginFunc: func(c *echo.Context, origin string) (string, bool, error) {
			c.Response().Header().Set("Cross-Origin-Resource-Policy", "cross-origin")
			return origin, true, nil // noCORS has compared it with the settings.
		},
		AllowMethods:  []string{"GET, POST, PUT, DELETE"},
		AllowHeaders:  []string{"Authorization, Content-Type, If-Match, If-None-Match, X-Request-Id, traceparent"},
		ExposeHeaders: []string{"ETag, Location, Retry-After, X-Request-Id"},
		MaxAge:        corsMaxAge,
	})
}

// noCORS reports whether a request is answered without the headers of CORS: outside of the API, without an Origin, or from
// one that is not in the settings, whose preflight is answered as any other OPTIONS request is.
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

// requestTimeout is the time that a request may take; it does not hold for a socket's handshake.
const requestTimeout = 30 * time.Second

// limits bounds what a request may send and how long it may take, and refuses a query that cannot be read.
func (s *Server) limits(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c *echo.Context) error {
		r := c.Request()
		if strings.HasPrefix(r.URL.Path, "/api/") {
			if err := checkQuery(r.URL); err != nil {
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
