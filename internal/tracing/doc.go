// Package tracing makes spans of what the service does, so that one trace shows a request, its event, its plan and its
// messages. It is the only package that knows OpenTelemetry.
//
// # What a trace is
//
// The request's span is the root, or the child of the caller's. Its traceparent stands on the event (care.Command,
// outbox, events, deliveries), and every later step makes its span a child of that: sequence, plan, deliver. The call of
// a provider is a child of the delivery. The steps run in other transactions, later, and perhaps on other instances.
//
// # What it costs
//
// A nil *Tracer makes no spans: all its methods may be called on nil. Child looks for a span in the context and does
// nothing without one. What is not sampled costs a look at the traceparent's last digit.
//
// # What stands in a span
//
// Ids, types, codes, counts and times. Never a parameter of a statement, a query string, an error's text or an address.
// Code of others gets a context without the span (Outside), so that it adds none of its own.
//
// # Lifecycle
//
// A Tracer keeps the exporter's goroutine until Close, which sends what is left. Spans go out in the background; when the
// collector does not keep up they are dropped, and nothing waits for them.
package tracing
