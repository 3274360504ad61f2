package scheduler_test

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/require"

	"carewire/internal/logtest"
	"carewire/internal/postgres/db"
	"carewire/internal/postgres/postgrestest"
	"carewire/internal/scheduler"
)

func TestMain(m *testing.M) { postgrestest.Main(m) }

// rows is a Source in memory: a list of due times.
type rows struct {
	mu     sync.Mutex
	due    []time.Time
	broken time.Time // The due time of a row that cannot be handled; zero for none.
	fails  []error   // Errors of the next calls of Work.
	// panicking reports that the broken row makes Work panic.
	panicking bool
	panics    []string // Values of panics of the next calls of Next.
	batches   []int
	delayed   int
	changed   chan struct{}
}

func (r *rows) Name() string { return "rows" }

func (r *rows) Next(context.Context, db.DBTX) (time.Duration, bool, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.panics) > 0 {
		value := r.panics[0]
		r.panics = r.panics[1:]
		panic(value)
	}
	if len(r.due) == 0 {
		return 0, false, nil
	}
	return time.Until(slices.MinFunc(r.due, time.Time.Compare)), true, nil
}

func (r *rows) Work(_ context.Context, _ pgx.Tx, limit int) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.fails) > 0 {
		err := r.fails[0]
		r.fails = r.fails[1:]
		return 0, err
	}
	slices.SortFunc(r.due, time.Time.Compare)
	n := 0
	for n < limit && n < len(r.due) && !r.due[n].After(time.Now()) {
		if r.due[n].Equal(r.broken) {
			if r.panicking {
				panic(secret)
			}
			return 0, errors.New("this row is broken")
		}
		n++
	}
	r.due = r.due[n:]
	r.batches = append(r.batches, n)
	r.signal()
	return n, nil
}

func (r *rows) Postpone(_ context.Context, _ pgx.Tx, by time.Duration) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.due[0] = time.Now().Add(by)
	r.delayed++
	r.signal()
	return nil
}

func (r *rows) signal() {
	select {
	case r.changed <- struct{}{}:
	default:
	}
}

func (r *rows) add(due ...time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.due = append(r.due, due...)
}

func (r *rows) handled() (n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, batch := range r.batches {
		n += batch
	}
	return n
}

// secret is the value of a panic, which must not be logged.
const secret = "Mrs Smith"

func run(t *testing.T, source *rows, batch int) (wake chan struct{}, stats func() scheduler.Stats) {
	t.Helper()
	return runLogging(t, source, batch, slog.New(slog.DiscardHandler))
}

func runLogging(t *testing.T, source *rows, batch int, logger *slog.Logger) (wake chan struct{}, stats func() scheduler.Stats) {
	t.Helper()
	source.changed = make(chan struct{}, 1)
	wake = make(chan struct{}, 1)
	loop := scheduler.New(scheduler.Config{
		Pool: postgrestest.New(t).Worker, Sources: []scheduler.Source{source}, Wake: wake, Batch: batch, Logger: logger,
	})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- loop.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		require.NoError(t, <-ended)
	})
	return wake, func() scheduler.Stats { return loop.Stats()[0] }
}

// until waits until the source satisfies the condition.
func (r *rows) until(t *testing.T, cond func() bool) {
	t.Helper()
	deadline := time.After(30 * time.Second)
	for !cond() {
		select {
		case <-r.changed:
		case <-deadline:
			t.Fatal("not in time")
		}
	}
}

func TestScheduler_HandlesWhatIsDueInBatches(t *testing.T) {
	t.Parallel()
	source := &rows{}
	now := time.Now()
	for i := range 25 {
		source.add(now.Add(-time.Duration(i) * time.Second))
	}
	source.add(now.Add(time.Hour))
	_, stats := run(t, source, 10)
	source.until(t, func() bool { return source.handled() == 25 })
	require.Equal(t, []int{10, 10, 5}, source.batches)
	require.Eventually(t, func() bool { return stats().Handled == 25 && stats().Overdue == 0 }, 10*time.Second, 5*time.Millisecond)
	require.Len(t, source.due, 1, "what is not due waits")
}

func TestScheduler_SleepsUntilTheNextRowAndIsWokenForAnEarlierOne(t *testing.T) {
	t.Parallel()
	source := &rows{}
	source.add(time.Now().Add(200 * time.Millisecond))
	wake, _ := run(t, source, 10)
	source.until(t, func() bool { return source.handled() == 1 })
	source.add(time.Now())
	wake <- struct{}{}
	source.until(t, func() bool { return source.handled() == 2 })
}

func TestScheduler_PostponesARowThatCannotBeHandledAndHandlesTheOthers(t *testing.T) {
	t.Parallel()
	now := time.Now()
	source := &rows{broken: now.Add(-5 * time.Second)}
	for i := range 10 {
		source.add(now.Add(-time.Duration(i) * time.Second))
	}
	_, stats := run(t, source, 8)
	source.until(t, func() bool { return source.handled() == 9 })
	require.Equal(t, 1, source.delayed)
	require.EqualValues(t, 1, stats().Postponed)
}

func TestScheduler_TriesAgainAfterALostConnection(t *testing.T) {
	t.Parallel()
	source := &rows{fails: []error{&pgconn.PgError{Code: "57P01"}, &pgconn.PgError{Code: "40001"}}}
	source.add(time.Now())
	run(t, source, 8)
	source.until(t, func() bool { return source.handled() == 1 })
	require.Zero(t, source.delayed)
}

func TestScheduler_SurvivesAPanicAndHandlesTheOtherRows(t *testing.T) {
	t.Parallel()
	now := time.Now()
	source := &rows{broken: now.Add(-5 * time.Second), panicking: true, panics: []string{secret}}
	for i := range 10 {
		source.add(now.Add(-time.Duration(i) * time.Second))
	}
	log := &logtest.Buffer{}
	_, stats := runLogging(t, source, 8, slog.New(slog.NewJSONHandler(log, nil)))
	source.until(t, func() bool { return source.handled() == 9 })
	require.Equal(t, 1, source.delayed)
	require.EqualValues(t, 1, stats().Postponed, "the row is postponed, as after an error")
	require.Greater(t, stats().Panics, int64(1))
	require.Contains(t, log.String(), `"source":"rows"`)
	require.Contains(t, log.String(), "the scheduler will try again", "after a panic that is not a row's")
	require.NotContains(t, log.String(), secret)
}
