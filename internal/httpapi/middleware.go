package httpapi

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"maps"
	"net/http"
	"regexp"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/labstack/echo/v5"

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
		i := &info{begun: time.Now(), id: r.Header.Get("X-Request-Id"), peer: s.proxies.client(r)}
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
func (s *Server) record(c *echo.Context, i *info, span tracing.Span, took time.Duration) {
	r := c.Request()
	status, route := http.StatusOK, c.Path()
	if res, err := echo.UnwrapResponse(c.Response()); err == nil {
		status = res.Status
	}
	if i.hijacked {
		status = http.StatusSwitchingProtocols
	}
	if status == http.StatusNotFound && !s.known[r.Method+" "+route] {
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
	if p.Status == http.StatusMethodNotAllowed && r.Method == http.MethodDelete && strings.HasPrefix(r.URL.Path, recordsPath) {
		p.Detail = neverDeleted
	}
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

// headers sets what every answer carries. Pages replace the policy by their own.
func (s *Server) headers(next echo.HandlerFunc) echo.HandlerFunc {
	common := http.Header{
		"Content-Security-Policy":      {apiPolicy},
		"X-Content-Type-Options":       {"nosniff"},
		"X-Frame-Options":              {"DENY"},
		"Referrer-Policy":              {"no-referrer"},
		"Cross-Origin-Resource-Policy": {"same-origin"},
		// Nothing here is for a cache to keep: records, and who is signed in.
		"Cache-Control": {"no-store"},
	}
	if s.secure {
		common.Set("Strict-Transport-Security", "max-age=31536000")
	}
	return func(c *echo.Context) error {
		maps.Copy(c.Response().Header(), common)
		return next(c)
	}
}

// cors lets the pages of the origins in the settings call the API, with bearer tokens: cookies are not allowed across.
func (s *Server) cors(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c *echo.Context) error {
		r, h := c.Request(), c.Response().Header()
		origin := r.Header.Get("Origin")
		if origin == "" || len(s.cfg.Origins) == 0 || !strings.HasPrefix(r.URL.Path, "/api/") {
			return next(c)
		}
		h.Add("Vary", "Origin")
		if !slices.Contains(s.cfg.Origins, origin) {
			return next(c)
		}
		h.Set("Access-Control-Allow-Origin", origin)
		h.Set("Access-Control-Expose-Headers", "ETag, Location, Retry-After, X-Request-Id")
		h.Set("Cross-Origin-Resource-Policy", "cross-origin")
		if r.Method != http.MethodOptions || r.Header.Get("Access-Control-Request-Method") == "" {
			return next(c)
		}
		h.Set("Access-Control-Allow-Methods", "GET, POST, PUT, DELETE")
		h.Set("Access-Control-Allow-Headers", "Authorization, Content-Type, If-Match, If-None-Match, X-Request-Id, traceparent")
		h.Set("Access-Control-Max-Age", "600")
		return c.NoContent(http.StatusNoContent)
	}
}

// limits bounds what a request may send and how long it may take, and refuses a query that cannot be read.
func (s *Server) limits(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c *echo.Context) error {
		r := c.Request()
		if strings.HasPrefix(r.URL.Path, "/api/") {
			if err := checkQuery(r.URL); err != nil {
				return err
			}
		}
		if r.URL.Path == socketPath {
			return next(c)
		}
		ctx, cancel := context.WithTimeout(r.Context(), requestTimeout)
		defer cancel()
		c.SetRequest(r.WithContext(ctx))
		return next(c)
	}
}
