package ledger

import (
	"context"
	"time"

	"carewire/internal/postgres"
	"carewire/internal/postgres/db"
	"carewire/internal/tracing"
)

// trace records a batch that committed: in the trace of each sampled event the time to its
// position, and in a trace of its own the move, linked to them. Without a tracer it sends no query.
func (s *Sequencer) trace(ctx context.Context, began time.Time, m db.LedgerMoveRow) {
	if s.tracer == nil || m.Stamped == 0 {
		return
	}
	committed := time.Now()
	rows, err := db.New(s.pool).EventTraces(ctx, db.EventTracesParams{FirstPosition: m.LastPosition - m.Stamped + 1, LastPosition: m.LastPosition})
	if err != nil {
		s.logger.DebugContext(ctx, "cannot read a batch for the traces", "position", m.LastPosition, "error", postgres.SafeError(err))
		return
	}
	var sampled []string
	for _, r := range rows {
		if !s.tracer.Sampled(r.Traceparent) {
			continue
		}
		sampled = append(sampled, *r.Traceparent)
		s.tracer.Record(r.Traceparent, "sequence "+r.Type, r.Time, committed,
			tracing.String("carewire.event.type", r.Type), tracing.String("carewire.event.id", r.EventID.String()),
			tracing.Int("carewire.position", r.Position), tracing.Int("carewire.batch.events", m.Stamped))
	}
	if len(sampled) > 0 {
		s.tracer.RecordBatch(ctx, "sequence batch", began, committed, sampled,
			tracing.Int("carewire.position", m.LastPosition), tracing.Int("carewire.batch.events", m.Stamped))
	}
}
