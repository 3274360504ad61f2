// Package tracing creates spans, so that one trace shows a request, its event, its plan and its
// messages. It is the only package that uses OpenTelemetry.
//
// # Structure of a trace
//
// The request's span is the root, or the child of the caller's. Its traceparent is stored with the
// event (care.Command, outbox, events, deliveries), and every later step starts its span as a child
// of it: sequence, plan, deliver. The call of a provider is a child of the delivery. The steps run
// in other transactions, later, and perhaps on other instances.
//
// # Cost
//
// A nil *Tracer creates no spans: all its methods may be called on nil. StartSpan looks for a span
// in the context and does nothing without one. A trace that is not sampled costs a look at the
// traceparent's last digit.
//
// # Contents of a span
//
// Ids, types, codes, counts and times. Never a parameter of a statement, a query string, an error's
// text or an address. Third-party code gets a context without the span (Detach), so that it adds no
// spans.
//
// # Lifecycle
//
// A Tracer has the exporter's goroutine until Close, which sends the remaining spans. Spans are
// sent in the background. If the collector does not keep up they are dropped, and nothing waits for
// them.
package tracing
