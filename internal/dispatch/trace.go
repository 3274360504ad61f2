package dispatch

import (
	"time"

	"carewire/internal/event"
	"carewire/internal/tracing"
)

// trace records the planning of a batch in the trace of each sampled event that is visible to
// rules. The batch is planned as a whole: each span has the duration of the whole.
func (p *Planner) trace(began time.Time, batch []event.Event, inForce []versioned, plan *plan) {
	if p.tracer == nil {
		return
	}
	planned := time.Now()
	for i := range batch {
		e := &batch[i]
		if inForce[i].set == nil || !p.tracer.Sampled(e.Traceparent) {
			continue
		}
		queued, suppressed, decisions := plan.count(e)
		p.tracer.Record(e.Traceparent, "plan "+e.Type, began, planned,
			tracing.String("carewire.event.type", e.Type), tracing.String("carewire.event.id", e.ID.String()),
			tracing.Int("carewire.position", e.Position), tracing.Int("carewire.rules.version", inForce[i].version),
			tracing.Int("carewire.deliveries.queued", queued), tracing.Int("carewire.deliveries.suppressed", suppressed),
			tracing.Int("carewire.decisions", decisions))
	}
}

// count returns the numbers of the plan for one event.
func (p *plan) count(e *event.Event) (queued, suppressed, decisions int) {
	for _, n := range p.notifications {
		if n.event.ID != e.ID {
			continue
		}
		for _, d := range n.deliveries {
			if d.suppressed || d.cancelled {
				suppressed++
			} else {
				queued++
			}
		}
	}
	for _, d := range p.decisions {
		if d.event.ID == e.ID {
			decisions++
		}
	}
	return queued, suppressed, decisions
}
