package outbox

import (
	"context"
	"slices"

	"carewire/internal/event"
	"carewire/internal/tracing"
)

// traced starts a span for appending the events.
func traced(ctx context.Context, events []event.Event) (context.Context, tracing.Span) {
	ctx, span := tracing.StartSpan(ctx, "outbox append")
	if span.Recording() {
		types := make([]string, len(events))
		for i := range events {
			types[i] = events[i].Type
		}
		slices.Sort(types)
		span.Set(tracing.Strings("carewire.event.types", slices.Compact(types)), tracing.Int("carewire.events", len(events)))
	}
	return ctx, span
}
