package tracing

import (
	"context"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

// scope identifies the service's own spans among those of libraries.
const scope = "carewire"

// Attr is an attribute of a span: an id, a type, a code or a count.
type Attr = attribute.KeyValue

// String returns a text attribute.
func String(key, value string) Attr { return attribute.String(key, value) }

// Strings returns an attribute with a list of texts.
func Strings(key string, values []string) Attr { return attribute.StringSlice(key, values) }

// Int returns a number attribute.
func Int[T ~int | ~int32 | ~int64](key string, value T) Attr {
	return attribute.Int64(key, int64(value))
}

// Span is a step of a trace in progress. The zero value is a step that is not recorded.
type Span struct{ span trace.Span }

// Recording reports whether the span is recorded. Use it to skip the work for expensive attributes.
func (s Span) Recording() bool { return s.span != nil && s.span.IsRecording() }

// Name replaces the span's name.
func (s Span) Name(name string) {
	if s.span != nil {
		s.span.SetName(name)
	}
}

// Set adds attributes.
func (s Span) Set(attrs ...Attr) {
	if s.span != nil {
		s.span.SetAttributes(attrs...)
	}
}

// Fail marks the step as failed. code is an error code of carewire or of a provider, never an
// error's text.
func (s Span) Fail(code string) {
	if s.span != nil {
		s.span.SetStatus(codes.Error, code)
	}
}

// End ends the step.
func (s Span) End() {
	if s.span != nil {
		s.span.End()
	}
}

// TraceID returns the id of the trace if it is recorded, or an empty string.
func (s Span) TraceID() string {
	if !s.Recording() {
		return ""
	}
	return s.span.SpanContext().TraceID().String()
}

// Traceparent returns the W3C trace context for later steps, recorded or not; empty without a
// Tracer.
func (s Span) Traceparent() string {
	if s.span == nil {
		return ""
	}
	carrier := propagation.MapCarrier{}
	propagation.TraceContext{}.Inject(trace.ContextWithSpanContext(context.Background(), s.span.SpanContext()), carrier)
	return carrier["traceparent"]
}

// Server starts the span of a request, as a child of the caller's traceparent if that is not empty.
func (t *Tracer) Server(ctx context.Context, traceparent string) (context.Context, Span) {
	if t == nil {
		return ctx, Span{}
	}
	ctx, span := t.tracer.Start(under(ctx, traceparent), "request", trace.WithSpanKind(trace.SpanKindServer))
	return ctx, Span{span}
}

// Sampled reports whether steps of the traceparent's trace are recorded.
func (t *Tracer) Sampled(traceparent *string) bool {
	// Version 00 has 55 characters, and the last one's lowest bit is the flag (W3C Trace Context,
	// 3.2.2.5).
	if t == nil || traceparent == nil || len(*traceparent) != 55 {
		return false
	}
	last := (*traceparent)[54]
	return (last <= '9') == (last&1 == 1) // 1, 3, … 9 are odd as characters too; b, d, f are even.
}

// Continue starts a step, at the given time, of a trace that began elsewhere. It returns no span if
// that trace is not sampled.
func (t *Tracer) Continue(ctx context.Context, traceparent *string, name string, began time.Time, attrs ...Attr) (context.Context, Span) {
	if !t.Sampled(traceparent) {
		return ctx, Span{}
	}
	ctx, span := t.tracer.Start(under(ctx, *traceparent), name,
		trace.WithSpanKind(trace.SpanKindConsumer), trace.WithTimestamp(began), trace.WithAttributes(attrs...))
	return ctx, Span{span}
}

// Record adds a finished step to the trace of the traceparent, if that is sampled.
func (t *Tracer) Record(traceparent *string, name string, began, ended time.Time, attrs ...Attr) {
	_, span := t.Continue(context.Background(), traceparent, name, began, attrs...)
	if span.span != nil {
		span.span.End(trace.WithTimestamp(later(began, ended)))
	}
}

// RecordBatch adds a trace of its own for a step that served several others, linked to each of
// their traceparents.
func (t *Tracer) RecordBatch(ctx context.Context, name string, began, ended time.Time, traceparents []string, attrs ...Attr) {
	if t == nil {
		return
	}
	links := make([]trace.Link, len(traceparents))
	for i, tp := range traceparents {
		links[i] = trace.LinkFromContext(under(ctx, tp))
	}
	_, span := t.tracer.Start(ctx, name, trace.WithNewRoot(), trace.WithSpanKind(trace.SpanKindConsumer),
		trace.WithTimestamp(began), trace.WithLinks(links...), trace.WithAttributes(attrs...))
	span.End(trace.WithTimestamp(later(began, ended)))
}

// later prevents a step from ending before it began if the clocks of two machines disagree.
func later(began, ended time.Time) time.Time {
	if ended.Before(began) {
		return began
	}
	return ended
}

// StartSpan starts a step below the span in ctx. It returns no span unless that span is recorded.
func StartSpan(ctx context.Context, name string, attrs ...Attr) (context.Context, Span) {
	return child(ctx, name, trace.SpanKindInternal, attrs)
}

// StartClientSpan is StartSpan for the call of another system.
func StartClientSpan(ctx context.Context, name string, attrs ...Attr) (context.Context, Span) {
	return child(ctx, name, trace.SpanKindClient, attrs)
}

func child(ctx context.Context, name string, kind trace.SpanKind, attrs []Attr) (context.Context, Span) {
	parent := trace.SpanFromContext(ctx)
	if !parent.IsRecording() {
		return ctx, Span{}
	}
	ctx, span := parent.TracerProvider().Tracer(scope).Start(ctx, name, trace.WithSpanKind(kind), trace.WithAttributes(attrs...))
	return ctx, Span{span}
}

// Detach returns ctx without its span, for third-party code: a provider's SDK with its own tracing
// would write addresses into spans, and pass our trace on to the provider.
func Detach(ctx context.Context) context.Context {
	if !trace.SpanContextFromContext(ctx).IsValid() {
		return ctx
	}
	return trace.ContextWithSpan(ctx, nil)
}

// under adds a remote parent to ctx. The caller's tracestate and baggage are dropped: they could
// contain anything.
func under(ctx context.Context, traceparent string) context.Context {
	if traceparent == "" {
		return ctx
	}
	return propagation.TraceContext{}.Extract(ctx, propagation.MapCarrier{"traceparent": traceparent})
}
