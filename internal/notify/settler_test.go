package notify

import (
	"context"
	"io"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivertest"
	"github.com/riverqueue/river/rivertype"
	"github.com/stretchr/testify/require"

	"carewire/internal/batch"
	"carewire/internal/care"
	"carewire/internal/postgres"
	sqlc "carewire/internal/postgres/db"
	"carewire/internal/postgres/postgrestest"
)

// settleable makes n deliveries in flight and their settlements.
func newSettlements(t *testing.T, db *postgrestest.DB, n int) []settlement {
	t.Helper()
	user := newID()
	exec := func(sql string, args ...any) {
		_, err := db.Owner.Exec(t.Context(), sql, args...)
		require.NoError(t, err)
	}
	exec(`INSERT INTO users (id, email, given_name, family_name) VALUES ($1, 'a@b.example', 'A', 'B')`, user)
	all := make([]settlement, n)
	for i := range all {
		d := delivery{id: newID(), notificationID: newID(), eventID: newID(), recipientID: user, channel: Email, rule: "r", ruleVersion: 1, attempt: 1}
		exec(`INSERT INTO notifications (id, event_position, event_id, event_type, subject, recipient_id, category, priority, rule, rule_version, template)
			VALUES ($1, $4, $2, 'user.created', 'user/1', $3, 'account', 'normal', 'r', 1, 'welcome')`, d.notificationID, d.eventID, user, i+1)
		exec(`INSERT INTO deliveries (id, event_position, notification_id, event_id, recipient_id, channel, state, rule, template, priority, attempt, attempt_started_at)
			VALUES ($1, $5, $2, $3, $4, 'email', 'queued', 'r', 'welcome', 'normal', 1, now())`, d.id, d.notificationID, d.eventID, user, i+1)
		all[i] = settlement{delivery: d, state: "sent"}
		all[i].addEvent(all[i].outcome("notification.sent", "", false))
	}
	return all
}

func TestSettler_CommitsForAllThatCameWhileTheOneBeforeWasUnderWay(t *testing.T) {
	t.Parallel()
	db := postgrestest.New(t)
	all := newSettlements(t, db, 10)
	var groups atomic.Int32
	s := newSettler(db.Worker, func() { groups.Add(1) }, func(context.Context, []settlement) {}, nil)
	// The first group hangs on a lock, so that all others have to wait.
	lock, err := db.Owner.Begin(t.Context())
	require.NoError(t, err)
	_, err = lock.Exec(t.Context(), `SELECT FROM deliveries WHERE id = $1 FOR UPDATE`, all[0].id)
	require.NoError(t, err)

	var wg sync.WaitGroup
	settle := func(one settlement) {
		wg.Go(func() {
			settled, err := s.Do(t.Context(), one)
			if err != nil || !settled {
				t.Errorf("settled %v: %v", settled, err)
			}
		})
	}
	hasState := func(waiting int) func() bool {
		return func() bool { busy, n := s.State(); return busy && n == waiting }
	}
	settle(all[0])
	require.Eventually(t, hasState(0), 5*time.Second, time.Millisecond)
	for _, one := range all[1:] {
		settle(one)
	}
	require.Eventually(t, hasState(9), 5*time.Second, time.Millisecond)
	require.NoError(t, lock.Rollback(t.Context()))
	wg.Wait()
	require.EqualValues(t, 2, groups.Load())
	var sent int
	require.NoError(t, db.Owner.QueryRow(t.Context(), `SELECT count(*) FROM deliveries AS d JOIN outbox AS o ON o.cause_id = d.event_id WHERE d.state = 'sent'`).Scan(&sent))
	require.Equal(t, 10, sent)
}

func TestSettler_LetsOneBadSettlementFailAlone(t *testing.T) {
	t.Parallel()
	db := postgrestest.New(t)
	all := newSettlements(t, db, 4)
	all[2].receipt.ProviderID = "\x00" // PostgreSQL stores no such text.
	s := newSettler(db.Worker, func() {}, func(context.Context, []settlement) {}, nil)
	// The first group hangs on a lock, so that the others are one group.
	lock, err := db.Owner.Begin(t.Context())
	require.NoError(t, err)
	_, err = lock.Exec(t.Context(), `SELECT FROM deliveries WHERE id = $1 FOR UPDATE`, all[0].id)
	require.NoError(t, err)
	var wg sync.WaitGroup
	for i, one := range all {
		wg.Go(func() {
			if settled, err := s.Do(t.Context(), one); settled != (i != 2) || (err != nil) != (i == 2) {
				t.Errorf("%d: settled %v: %v", i, settled, err)
			}
		})
		require.Eventually(t, func() bool { busy, n := s.State(); return busy && n == i }, 5*time.Second, time.Millisecond)
	}
	require.NoError(t, lock.Rollback(t.Context()))
	wg.Wait()
}

func TestSettler_TellsOfADeviceOnce(t *testing.T) {
	t.Parallel()
	db := postgrestest.New(t)
	all := newSettlements(t, db, 2)
	device := newID()
	_, err := db.Owner.Exec(t.Context(), `INSERT INTO devices (id, user_id, platform, token) VALUES ($1, $2, 'ios', 't')`, device, all[0].recipientID)
	require.NoError(t, err)
	for i := range all {
		all[i].remove(device, "ios")
	}
	settled, err := settleAll(t.Context(), db.Worker, all)
	require.NoError(t, err)
	require.ElementsMatch(t, []uuid.UUID{all[0].id, all[1].id}, settled)
	var told int
	require.NoError(t, db.Owner.QueryRow(t.Context(), `SELECT count(*) FROM outbox WHERE type = 'device.removed'`).Scan(&told))
	require.Equal(t, 1, told)
}

func TestClaimer_GivesADeliveryToOneOfTwoThatAskAtOnce(t *testing.T) {
	t.Parallel()
	db := postgrestest.New(t)
	all := newSettlements(t, db, 2)
	_, err := db.Owner.Exec(t.Context(), `UPDATE deliveries SET attempt = 0, attempt_started_at = NULL`)
	require.NoError(t, err)
	first, second := request{target{all[0].id, Email}, newID(), "recorder"}, request{target{all[1].id, Email}, newID(), "recorder"}
	again := request{first.target, newID(), "recorder"}
	rows, err := newClaimer(db.Worker, care.BuiltinChannels, nil).Work(t.Context(), []request{first, second, again, {target{all[1].id, Push}, newID(), "recorder"}, {target{newID(), Email}, newID(), "recorder"}})
	require.NoError(t, err)
	require.Equal(t, "claimed", rows[0].Verdict)
	require.Equal(t, "claimed", rows[1].Verdict)
	require.Equal(t, "in_flight", rows[2].Verdict, "the second that asked")
	require.Nil(t, rows[3], "another channel's queue")
	require.Nil(t, rows[4], "no such delivery")
	require.Equal(t, all[0].id, rows[0].ID)
	require.EqualValues(t, 1, rows[2].Attempt)
}

// forgetful has the group's work done, and its first answer lost: as when the connection breaks
// after the commit.
func losingFirstReply[I, O any](g *batch.Group[I, O]) *batch.Group[I, O] {
	var forgot atomic.Bool
	return &batch.Group[I, O]{Work: func(ctx context.Context, all []I) ([]O, error) {
		out, err := g.Work(ctx, all)
		if err == nil && forgot.CompareAndSwap(false, true) {
			return nil, io.ErrUnexpectedEOF
		}
		return out, err
	}}
}

func newTestWorker(t *testing.T, db *postgrestest.DB) *Worker {
	t.Helper()
	w, err := New(Config{Pool: db.Worker, Logger: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	return w
}

func TestClaim_WhoseCommitWasNotConfirmedIsGivenToTheSameRunAgain(t *testing.T) {
	t.Parallel()
	db := postgrestest.New(t)
	all := newSettlements(t, db, 1)
	_, err := db.Owner.Exec(t.Context(), `UPDATE deliveries SET attempt = 0, attempt_started_at = NULL`)
	require.NoError(t, err)
	w := newTestWorker(t, db)
	w.claimer = losingFirstReply(w.claimer)
	mine, other := request{target{all[0].id, Email}, newID(), "recorder"}, request{target{all[0].id, Email}, newID(), "recorder"}
	row, err := w.claimFor(t.Context(), mine)
	require.NoError(t, err)
	require.Equal(t, "claimed", row.Verdict)
	require.EqualValues(t, 1, row.Attempt)
	require.False(t, row.PossibleDuplicate, "it was never sent")
	row, err = w.claimFor(t.Context(), other)
	require.NoError(t, err)
	require.Equal(t, "in_flight", row.Verdict)
	_, err = db.Owner.Exec(t.Context(), `UPDATE deliveries SET attempt_started_at = now() - interval '1 hour'`)
	require.NoError(t, err)
	row, err = w.claimFor(t.Context(), other)
	require.NoError(t, err)
	require.Equal(t, "crashed", row.Verdict, "another run does not know whether it was sent")
}

func TestClaim_IsNotRepeatedInAProcessThatIsAboutToStop(t *testing.T) {
	t.Parallel()
	db := postgrestest.New(t)
	w := newTestWorker(t, db)
	w.claimer = &batch.Group[request, *sqlc.DeliveryClaimRow]{Work: func(context.Context, []request) ([]*sqlc.DeliveryClaimRow, error) {
		return nil, io.ErrUnexpectedEOF
	}}
	w.Drain()
	_, err := w.claimFor(t.Context(), request{target{newID(), Email}, newID(), "recorder"})
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
}

func TestOutcome_WhoseCommitWasNotConfirmedIsToldOnce(t *testing.T) {
	t.Parallel()
	db := postgrestest.New(t)
	all := newSettlements(t, db, 2)
	w := newTestWorker(t, db)
	w.settler = losingFirstReply(w.settler)
	_, err := w.commitWithRetry(t.Context(), nil, all[0], nil)
	require.NoError(t, err)
	// A throttled one returns its attempt, once.
	w.settler = losingFirstReply(newSettler(db.Worker, func() {}, func(context.Context, []settlement) {}, nil))
	all[1].state, all[1].unused, all[1].events = "queued", true, nil
	_, err = w.commitWithRetry(t.Context(), nil, all[1], nil)
	require.NoError(t, err)
	var told, attempts int
	require.NoError(t, db.Owner.QueryRow(t.Context(), `SELECT (SELECT count(*) FROM outbox), (SELECT sum(attempt) FROM deliveries)`).Scan(&told, &attempts))
	require.Equal(t, 1, told)
	require.Equal(t, 1, attempts)
}

func TestOutcome_IsGivenUpWhenThePoolIsClosed(t *testing.T) {
	t.Parallel()
	db := postgrestest.New(t)
	all := newSettlements(t, db, 1)
	pool := db.Pool(t, postgres.Worker, 2)
	w := newTestWorker(t, db)
	w.settler = newSettler(pool, func() {}, func(context.Context, []settlement) {}, nil)
	pool.Close()
	_, err := w.commitWithRetry(t.Context(), nil, all[0], nil)
	require.True(t, postgres.Closed(err), "%v", err)
}

// during is a Notifier that calls itself during each call.
type during func()

func (d during) Notify(context.Context, Message) (Receipt, error) {
	d()
	return Receipt{}, nil
}

func TestWorker_CountsItsAttemptsForItsBatches(t *testing.T) {
	t.Parallel()
	db := postgrestest.New(t)
	one := newSettlements(t, db, 1)[0]
	_, err := db.Owner.Exec(t.Context(), `UPDATE deliveries SET attempt = 0, attempt_started_at = NULL`)
	require.NoError(t, err)
	var w *Worker
	atWork := func() []int64 { return []int64{w.claimer.Siblings(), w.settler.Siblings()} }
	var seen []int64
	logger := slog.New(slog.DiscardHandler)
	p, err := NewProvider(ProviderConfig{Name: "recorder", Notifier: during(func() { seen = atWork() }), Logger: logger})
	require.NoError(t, err)
	w, err = New(Config{Pool: db.Worker, Logger: logger, Channels: map[string][]*Provider{Email: {p}}})
	require.NoError(t, err)
	client, err := river.NewClient(riverpgxv5.New(db.Worker), &river.Config{Schema: "river"})
	require.NoError(t, err)
	job := &river.Job[DeliveryArgs]{
		JobRow: &rivertype.JobRow{Queue: Email, Attempt: 1, MaxAttempts: MaxAttempts, Priority: 1}, Args: DeliveryArgs{DeliveryID: one.id},
	}
	require.NoError(t, w.Work(rivertest.WorkContext(t.Context(), client), job))
	require.Equal(t, []int64{1, 1}, seen)
	require.Equal(t, []int64{0, 0}, atWork())
}
