package httpapi

import (
	"context"
	"net/http"

	"carewire/internal/tracing"
)

// untraced are the paths that are not traced: monitors poll them, and a socket lasts for hours.
var untraced = map[string]bool{"/livez": true, "/readyz": true, "/metrics": true, SocketPath: true}

// traced starts the span of a request. The commands of the request continue its trace.
func (s *Server) traced(r *http.Request, i *requestInfo) (context.Context, tracing.Span) {
	if s.cfg.Tracer == nil || untraced[r.URL.Path] {
		return r.Context(), tracing.Span{}
	}
	ctx, span := s.cfg.Tracer.Server(r.Context(), i.traceparent)
	i.traceparent = span.Traceparent()
	return ctx, span
}

// answered records the result of a request in its span, with the route instead of the path.
func answered(span tracing.Span, i *requestInfo, method, route string, status int) {
	if !span.Recording() {
		return
	}
	span.Name(method + " " + route)
	span.Set(tracing.String("http.request.method", method), tracing.String("http.route", route),
		tracing.Int("http.response.status_code", status), tracing.String("carewire.request_id", i.id),
		tracing.String("carewire.actor.id", i.actor.ID))
	if status >= 500 {
		span.Fail(http.StatusText(status))
	}
}
