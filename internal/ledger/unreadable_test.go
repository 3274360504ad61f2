package ledger_test

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"carewire/internal/event"
	"carewire/internal/ledger"
	"carewire/internal/postgres"
	"carewire/internal/postgres/db"
)

// unreadable are times that PostgreSQL accepts and a reader cannot read or marshal.
var unreadable = []string{"infinity", "-infinity", "20000-01-01 00:00:00+00", "0044-03-15 12:00:00+00 BC"}

// publishUnreadable adds an event with each of those times to the ledger, as a version without the
// check did, with other events before, between and after. Their positions are the even ones.
func (b *bundle) publishUnreadable(tb testing.TB) {
	tb.Helper()
	exec(tb, b.Owner, "ALTER TABLE outbox DROP CONSTRAINT outbox_valid; ALTER TABLE events DROP CONSTRAINT events_time_readable")
	for _, text := range unreadable {
		b.commit(tb, anEvent())
		exec(tb, b.App, `INSERT INTO outbox (event_id, type, source, subject, time, data, actor_id, actor_role)
			VALUES (gen_random_uuid(), 'device.removed', '/psql', 'device/broken', $1::text::timestamptz, '{"platform": "ios"}', 'psql', 'service')`, text)
	}
	b.commit(tb, anEvent())
	drain(tb, b.sequencer(tb, 0))
}

func TestRead_ReturnsEveryEventAndMarksUnreadableOnes(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.publishUnreadable(t)
	all := b.all(t)
	require.Len(t, all, 9)
	for i, e := range all {
		text, err := json.Marshal(e)
		require.NoError(t, err)
		var back map[string]any
		require.NoError(t, json.Unmarshal(text, &back))
		if i%2 == 0 {
			require.Empty(t, e.Unreadable)
			require.NotContains(t, back, "unreadable")
			continue
		}
		require.Equal(t, "column time into time.Time", e.Unreadable)
		require.Equal(t, e.Unreadable, back["unreadable"])
		require.NotContains(t, back, "time", "it is none")
		require.Equal(t, map[string]any{"platform": "ios"}, back["data"], "the rest is shown")
		require.Equal(t, "device/broken", back["subject"])
		require.Len(t, e.LeafHash, 32)
	}
}

// altered reads from a ledger with a column of another type.
type altered struct{ db.DBTX }

func (a altered) Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error) {
	return a.DBTX.Query(ctx, strings.Replace(sql, "correlation_id", "correlation_id::varchar(300)", 1), args...)
}

func TestRead_FailsOnUnknownColumns(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.publish(t, someEvents(2)...)
	_, err := ledger.Read(t.Context(), altered{b.App}, 0, 10)
	require.ErrorContains(t, err, "column correlation_id has type", "a fault of the schema makes no dead letters of every row")
}

func TestFollower_SkipsUnreadableEvents(t *testing.T) {
	t.Parallel()
	b := setupFollower(t, nil)
	b.publishUnreadable(t)
	f := ledger.NewFollower(b.cfg)
	follow(t, f)
	require.Equal(t, []int64{1, 3, 5, 7, 9}, b.handled(t))
	require.Equal(t, ledger.FollowerStats{CaughtUp: true, Handled: 5, Failed: 4, Position: 9}, f.Stats())
	failures, err := ledger.ListFailures(t.Context(), b.Worker, "test", 0, 10)
	require.NoError(t, err)
	require.Len(t, failures, 4)
	for i, failed := range failures {
		require.Equal(t, int64(2*i+2), failed.Position)
		require.Equal(t, "cannot read column time into time.Time", failed.Error)
	}
	require.Contains(t, b.log.String(), `level=ERROR msg="cannot handle an event; it is skipped and recorded in follower_failures" follower=test position=2 `)
	require.Contains(t, b.log.String(), `error="cannot read column time into time.Time"`)

	var cannot *ledger.UnreadableError
	require.ErrorAs(t, ledger.Redrive(t.Context(), b.Worker, "test", 4, b.cfg.Handler), &cannot)
	require.Equal(t, int64(4), cannot.Position)
	require.Equal(t, 2, count(t, b.Worker, "SELECT attempts FROM follower_failures WHERE position = 4"))
}

func TestTail_KeepsThePositionOfUnreadableEvents(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.publishUnreadable(t)
	got := make(chan []event.Event, 100)
	run(t, func(ctx context.Context) error {
		return ledger.NewTail(ledger.TailConfig{Pool: b.App, Logger: b.logger, Poll: 5 * time.Millisecond, Batch: 2}).
			Run(ctx, func(batch []event.Event) { got <- batch })
	})
	var positions []int64
	for len(positions) < 9 {
		select {
		case batch := <-got:
			for _, e := range batch {
				positions = append(positions, e.Position)
				require.Equal(t, e.Position%2 == 0, e.Unreadable != "")
			}
		case <-time.After(soon):
			t.Fatal("the tail stands still")
		}
	}
	require.Equal(t, upTo(9), positions)
	require.Contains(t, b.log.String(), `msg="cannot read an event of the ledger" position=2 `)
}

func TestSequencer_RejectsAnUnreadableRowThatWaitedInTheOutbox(t *testing.T) {
	t.Parallel()
	b := setup(t)
	exec(t, b.Owner, "ALTER TABLE outbox DROP CONSTRAINT outbox_valid")
	b.commit(t, anEvent())
	exec(t, b.App, `INSERT INTO outbox (event_id, type, source, subject, time, data, actor_id, actor_role)
		VALUES (gen_random_uuid(), 'device.removed', '/psql', 'device/broken', 'infinity', '{}', 'psql', 'service')`)
	b.commit(t, anEvent())
	drain(t, b.sequencer(t, 0))
	require.Len(t, b.all(t), 2)
	rejected, err := ledger.ListDeadLetters(t.Context(), b.Worker, 0, 10)
	require.NoError(t, err)
	require.Len(t, rejected, 1)
	require.Equal(t, "SQLSTATE 23514 constraint events_time_readable", rejected[0].Error)
}

func TestFollower_StopsAtAHoleExceptWhereAnEpochBegins(t *testing.T) {
	t.Parallel()
	b := setupFollower(t, nil)
	b.publish(t, someEvents(6)...)
	removed := "SET session_replication_role = replica; DELETE FROM events WHERE position = 3; RESET session_replication_role"
	exec(t, b.superuser(t), removed)
	b.cfg.StallAfter = time.Nanosecond
	f := ledger.NewFollower(b.cfg)
	for range 2 {
		_, err := f.Step(t.Context())
		var hole *ledger.HoleError
		require.ErrorAs(t, err, &hole)
		require.Equal(t, ledger.HoleError{After: 2, Found: 4}, *hole)
		require.Equal(t, "the ledger has no events between position 2 and position 4", postgres.SafeError(err))
	}
	require.Empty(t, b.handled(t))
	require.Zero(t, count(t, b.Worker, "SELECT count(*) FROM follower_failures"), "it is not the fault of an event")
	require.ErrorContains(t, f.Stalled(t.Context()), "no events between position 2 and position 4")

	exec(t, b.superuser(t), `SET session_replication_role = replica; UPDATE events SET epoch = 2 WHERE position > 3; RESET session_replication_role;
		INSERT INTO ledger_epochs (epoch, first_position, reason) VALUES (2, 4, 'restored')`)
	follow(t, f)
	require.Equal(t, upTo(6, 3), b.handled(t))
	require.NoError(t, f.Stalled(t.Context()))
}

func TestSpineState_MeasuresTheOutboxsAgeFromTheAppend(t *testing.T) {
	t.Parallel()
	b := setup(t)
	old := anEvent()
	old.Time = time.Date(2001, 1, 1, 0, 0, 0, 0, time.UTC)
	b.commit(t, old, anEvent())
	state, err := db.New(b.Worker).SpineState(t.Context())
	require.NoError(t, err)
	require.Less(t, state.OldestUnsequencedSeconds, time.Hour.Seconds())
	exec(t, b.Owner, "UPDATE outbox SET appended_at = now() - interval '2 hours' WHERE time < '2002-01-01'")
	state, err = db.New(b.Worker).SpineState(t.Context())
	require.NoError(t, err)
	require.Greater(t, state.OldestUnsequencedSeconds, time.Hour.Seconds())
	drain(t, b.sequencer(t, 0))
	state, err = db.New(b.Worker).SpineState(t.Context())
	require.NoError(t, err)
	require.Zero(t, state.OldestUnsequencedSeconds)
	require.True(t, old.Time.Equal(b.all(t)[0].Time))
}
