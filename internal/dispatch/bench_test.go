package dispatch_test

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"carewire/internal/care"
	"carewire/internal/dispatch"
	"carewire/internal/event"
	"carewire/internal/postgres"
	"carewire/internal/rule"
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

// BenchmarkBacktest compares the default rules with themselves over a ledger of 20,000 events about
// 1,000 patients, most of which the default rules match. A patient has a doctor and a nurse.
func BenchmarkBacktest(b *testing.B) {
	const events, patients = 20_000, 1000
	env := setup(b)
	env.inForce(string(rule.Default()))
	var doctors, nurses, people []uuid.UUID
	for i := range 20 {
		doctors, nurses = append(doctors, env.user(fmt.Sprintf("doc%d", i), care.Doctor)), append(nurses, env.user(fmt.Sprintf("nurse%d", i), care.Nurse))
	}
	for i := range patients {
		people = append(people, env.user(fmt.Sprintf("pat%d", i), care.Patient))
		env.team(people[i], doctors[i%20], nurses[i%20])
	}
	env.exec(`ANALYZE users, memberships, care_team, devices`)
	for first := 0; first < events; first += patients {
		batch := make([]event.Event, patients)
		for i := range batch {
			switch i % 10 {
			case 8:
				batch[i] = env.account("user.updated", people[i])
			case 9: // No rule matches.
				batch[i] = env.record("ehr.lab_report.updated", people[i], doctors[i%20])
			default:
				batch[i] = env.record("ehr.lab_report.created", people[i], doctors[i%20])
			}
		}
		env.append(batch...)
	}
	env.drain()
	env.exec(`VACUUM (ANALYZE) events`)
	env.exec(`VACUUM (ANALYZE) notifications`)
	env.exec(`VACUUM (ANALYZE) deliveries`)
	for b.Loop() {
		result := env.backtest(dispatch.BacktestRequest{Source: string(rule.Default())})
		require.Equal(b, int64(events), result.Summary.Events)
		require.Zero(b, result.Summary.Differences())
	}
	b.ReportMetric(float64(events*b.N)/b.Elapsed().Seconds(), "events/s")
}
