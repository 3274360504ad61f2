package tracing

import (
	"context"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

// scope names the service's own spans among those of libraries.
const scope = "carewire"

// Attr is something that a span says: an id, a type, a code or a count.
type Attr = attribute.KeyValue

// String makes an attribute of a text.
func String(key, value string) Attr { return attribute.String(key, value) }

// Strings makes an attribute of a list of texts.
func Strings(key string, values []string) Attr { return attribute.StringSlice(key, values) }

// Int makes an attribute of a number.
func Int[T ~int | ~int32 | ~int64](key string, value T) Attr {
	return attribute.Int64(key, int64(value))
}

// Span is a step of a trace that is under way. The zero value is a step that nobody records.
type Span struct{ span trace.Span }

// Recording reports whether anybody will see the span: attributes that cost something to make are made only then.
func (s Span) Recording() bool { return s.span != nil && s.span.IsRecording() }

// Name gives the span the name that it should have had from the start.
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

// Fail marks the step as failed. code is one of ours or a provider's, never an error's text.
func (s Span) Fail(code string) {
	if s.span != nil {
		s.span.SetStatus(codes.Error, code)
	}
}

// End says that the step is over.
func (s Span) End() {
	if s.span != nil {
		s.span.End()
	}
}

// TraceID names the trace if it is recorded, else it is empty.
func (s Span) TraceID() string {
	if !s.Recording() {
		return ""
	}
	return s.span.SpanContext().TraceID().String()
}

// Traceparent is the W3C trace context under which later steps continue, recorded or not; empty without a Tracer.
func (s Span) Traceparent() string {
	if s.span == nil {
		return ""
	}
	carrier := propagation.MapCarrier{}
	propagation.TraceContext{}.Inject(trace.ContextWithSpanContext(context.Background(), s.span.SpanContext()), carrier)
	return carrier["traceparent"]
}

// Server begins the span of a request, under the caller's traceparent if that is not empty.
func (t *Tracer) Server(ctx context.Context, traceparent string) (context.Context, Span) {
	if t == nil {
		return ctx, Span{}
	}
	ctx, span := t.tracer.Start(under(ctx, traceparent), "request", trace.WithSpanKind(trace.SpanKindServer))
	return ctx, Span{span}
}

// Sampled reports whether steps under the traceparent are recorded.
func (t *Tracer) Sampled(traceparent *string) bool {
	// Version 00 has 55 characters, and the last one's lowest bit is the flag (W3C Trace Context, 3.2.2.5).
	if t == nil || traceparent == nil || len(*traceparent) != 55 {
		return false
	}
	last := (*traceparent)[54]
	return (last <= '9') == (last&1 == 1) // 1, 3, … 9 are odd as characters too; b, d, f are even.
}

// Continue begins a step of a trace that began elsewhere, at the time given. It gives no span when that trace is not
// sampled.
func (t *Tracer) Continue(ctx context.Context, traceparent *string, name string, began time.Time, attrs ...Attr) (context.Context, Span) {
	if !t.Sampled(traceparent) {
		return ctx, Span{}
	}
	ctx, span := t.tracer.Start(under(ctx, *traceparent), name,
		trace.WithSpanKind(trace.SpanKindConsumer), trace.WithTimestamp(began), trace.WithAttributes(attrs...))
	return ctx, Span{span}
}

// Tell adds a step that is over to the trace of the traceparent, if that is sampled.
func (t *Tracer) Tell(traceparent *string, name string, began, ended time.Time, attrs ...Attr) {
	_, span := t.Continue(context.Background(), traceparent, name, began, attrs...)
	if span.span != nil {
		span.span.End(trace.WithTimestamp(later(began, ended)))
	}
}

// TellBatch adds a trace of its own for a step that served several others, linked to each of their traceparents.
func (t *Tracer) TellBatch(ctx context.Context, name string, began, ended time.Time, traceparents []string, attrs ...Attr) {
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

// later keeps a step from ending before it began when two machines' clocks disagree.
func later(began, ended time.Time) time.Time {
	if ended.Before(began) {
		return began
	}
	return ended
}

// StartSpan begins a step below the span in ctx. Without one that is recorded it gives no span.
func StartSpan(ctx context.Context, name string, attrs ...Attr) (context.Context, Span) {
	return child(ctx, name, trace.SpanKindInternal, attrs)
}

// StartClientSpan begins the call of another system below the span in ctx, as Child does.
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

// Detach gives ctx without its span, for code of others: a provider's SDK that traces by itself would write addresses
// into spans, and pass our trace on to the provider.
func Detach(ctx context.Context) context.Context {
	if !trace.SpanContextFromContext(ctx).IsValid() {
		return ctx
	}
	return trace.ContextWithSpan(ctx, nil)
}

// under puts a remote parent into ctx. The caller's tracestate and baggage are not taken over: they could hold anything.
func under(ctx context.Context, traceparent string) context.Context {
	if traceparent == "" {
		return ctx
	}
	return propagation.TraceContext{}.Extract(ctx, propagation.MapCarrier{"traceparent": traceparent})
}
