package dispatch_test

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"carewire/internal/care"
	"carewire/internal/event"
	"carewire/internal/postgres"
)

// counter counts the statements of a pool.
type counter struct{ statements atomic.Int64 }

func (c *counter) TraceQueryStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceQueryStartData) context.Context {
	c.statements.Add(1)
	return ctx
}

func (c *counter) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}

func TestPlanner_NeedsAsManyRoundTripsForManyEventsAsForFew(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.rules("rules:\n" + aRule("one", "ehr.*.created", "    channels: [email]\n") + aRule("two", "ehr.*.created", "    channels: [email]\n"))
	counted := &counter{}
	pool, err := postgres.Open(t.Context(), postgres.Config{URL: b.URL, Role: postgres.Worker, MaxConns: 1, Tracer: counted})
	require.NoError(t, err)
	t.Cleanup(pool.Close)
	patient, doctor := b.user("pat"), b.user("doc")
	statements := func(events int) int64 {
		var batch []event.Event
		for range events {
			batch = append(batch, b.record("ehr.lab_report.created", patient, doctor))
		}
		before := counted.statements.Load()
		require.NoError(t, postgres.InTx(t.Context(), pool, func(tx pgx.Tx) error { return b.planner.Handle(t.Context(), tx, batch) }))
		return counted.statements.Load() - before
	}
	statements(1) // The first time a connection is used, it is set up.
	few, many := statements(2), statements(400)
	// River leaves its own wake-up out when it sent one a moment ago.
	require.LessOrEqual(t, many, few+1)
	require.LessOrEqual(t, many, int64(14), "begin, commit, and at most two a table")
}

// BenchmarkPlanner plans batches of 1,000 events, each with four deliveries to two people.
func BenchmarkPlanner(b *testing.B) {
	const size = 1000
	env := setup(b)
	env.rules("rules: [{name: one, on: ehr.*.created, recipients: [{user: data.userId}, {user: data.doctorId}, {role: [nurse]}], channels: [push, email]}]")
	doctor := env.user("doc", care.Doctor)
	var batches [][]event.Event
	patients := make([]event.Event, 0, size)
	for range 200 {
		p := env.user("pat" + strings.ReplaceAll(newID().String(), "-", ""))
		patients = append(patients, env.record("ehr.lab_report.created", p, doctor))
	}
	for range b.N {
		var batch []event.Event
		for i := range size {
			p := patients[i%len(patients)]
			batch = append(batch, env.record("ehr.lab_report.created", *p.PersonID, doctor))
		}
		batches = append(batches, batch)
	}
	b.ResetTimer()
	for _, batch := range batches {
		env.handle(batch...)
	}
	b.ReportMetric(float64(size*b.N)/b.Elapsed().Seconds(), "events/s")
	b.ReportMetric(float64(4*size*b.N)/b.Elapsed().Seconds(), "deliveries/s")
}
