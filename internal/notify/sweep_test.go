package notify_test

import (
	"testing"

	"github.com/google/uuid"
	"github.com/riverqueue/river/rivertype"
	"github.com/stretchr/testify/require"

	"carewire/internal/notify"
)

// tooLong is longer than an event's correlation id may be: no event can be appended for such a
// delivery.
const tooLong = `UPDATE deliveries SET correlation_id = repeat('x', 300) WHERE id = $1`

func TestSweep_ParksADeliveryThatCannotBeClosedAndClosesTheOthers(t *testing.T) {
	t.Parallel()
	b, _, _ := withRecorders(t)
	broken, backed, other, lost := b.plan(plan{}), b.plan(plan{priority: "high", fallback: []string{notify.Email}}), b.plan(plan{}), b.plan(plan{})
	b.exec(`UPDATE deliveries SET state = 'uncertain', attempt = 1, deadline_at = now() - interval '1 minute' WHERE id <> $1`, lost)
	b.exec(`UPDATE deliveries SET deadline_at = now() - interval '1 hour' WHERE id IN ($1, $2)`, broken, backed)
	b.exec(`UPDATE deliveries SET updated_at = now() - interval '3 minutes' WHERE id = $1`, lost)
	b.exec(tooLong, broken)
	b.exec(tooLong, backed)
	n, err := b.worker.Sweep(t.Context(), b.client)
	require.NoError(t, err)
	require.Equal(t, 4, n)
	for _, id := range []uuid.UUID{broken, backed} {
		require.Equal(t, "failed", b.delivery(id).State)
		require.Equal(t, "unsettleable", *b.delivery(id).ErrorCode)
		require.Zero(t, b.told("notification.failed", id))
	}
	require.Equal(t, "no_receipt", *b.delivery(other).ErrorCode)
	require.Equal(t, 1, b.told("notification.failed", other))
	require.Equal(t, 2, b.observed(notify.OutcomeUnsettleable))
	require.Equal(t, 1, b.observed(notify.OutcomeUnknown))
	require.Equal(t, 1, b.count(`SELECT count(*) FROM river.river_job WHERE args->>'deliveryId' = $1`, lost.String()))
	n, err = b.worker.Sweep(t.Context(), b.client)
	require.NoError(t, err)
	require.Zero(t, n, "what is parked is left alone")
}

func TestSweep_ClosesAllThatCanBeWhereOneRefusesEveryChange(t *testing.T) {
	t.Parallel()
	b, _, _ := withRecorders(t)
	stuck, other, lost, found := b.plan(plan{}), b.plan(plan{}), b.plan(plan{}), b.plan(plan{})
	b.exec(`UPDATE deliveries SET state = 'uncertain', deadline_at = now() - interval '1 minute' WHERE id IN ($1, $2)`, stuck, other)
	b.exec(`UPDATE deliveries SET updated_at = now() - interval '3 minutes'`)
	b.exec(`CREATE FUNCTION refuse_it() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'no'; END $$`)
	b.exec(`CREATE TRIGGER refuse_it BEFORE UPDATE ON deliveries FOR EACH ROW WHEN (NEW.id IN ('` + stuck.String() + `', '` + lost.String() + `')) EXECUTE FUNCTION refuse_it()`)
	n, err := b.worker.Sweep(t.Context(), b.client)
	require.ErrorContains(t, err, "P0001")
	require.Equal(t, 2, n)
	require.Equal(t, "unknown", b.delivery(other).State)
	require.Equal(t, "uncertain", b.delivery(stuck).State)
	require.Equal(t, 1, b.count(`SELECT count(*) FROM river.river_job WHERE args->>'deliveryId' = $1`, found.String()))
	require.Equal(t, 1, b.count(`SELECT count(*) FROM river.river_job`))
}

func TestSweep_CancelsEachDeliveryWhoseJobWasCancelled(t *testing.T) {
	t.Parallel()
	b, _, _ := withRecorders(t)
	broken, other := b.plan(plan{}), b.plan(plan{})
	b.enqueue(broken, other)
	b.exec(`UPDATE deliveries SET updated_at = now() - interval '3 minutes'`)
	b.exec(`UPDATE river.river_job SET state = 'cancelled', finalized_at = now()`)
	b.exec(tooLong, broken)
	n, err := b.worker.Sweep(t.Context(), b.client)
	require.NoError(t, err)
	require.Equal(t, 2, n)
	require.Equal(t, "cancelled", b.delivery(other).State)
	require.Equal(t, "failed", b.delivery(broken).State)
	require.Equal(t, "unsettleable", *b.delivery(broken).ErrorCode)
}

func TestSweep_LooksThroughABacklogPieceByPiece(t *testing.T) {
	t.Parallel()
	b, _, _ := withRecorders(t)
	b.plan(plan{})
	// All but the last are carried by a live job.
	b.exec(`WITH n AS (
			INSERT INTO notifications SELECT ('00000000-0000-7000-8000-' || lpad(i::text, 12, '0'))::uuid, 1000 + i, event_id, event_type, subject, recipient_id,
				clinic_id, category, priority, rule, rule_version, template FROM notifications, generate_series(1, 12000) AS i RETURNING id, event_position, event_id, recipient_id
		), d AS (
			INSERT INTO deliveries (id, event_position, notification_id, event_id, recipient_id, channel, state, rule, template, priority, updated_at, created_at)
				SELECT id, event_position, id, event_id, recipient_id, 'push', 'queued', 'r', 'clinical', 'normal', now() - interval '1 hour', now() - interval '1 hour' FROM n RETURNING id
		)
		INSERT INTO river.river_job (kind, queue, args, max_attempts, state, scheduled_at)
			SELECT 'delivery', 'push', jsonb_build_object('deliveryId', id), 12, 'scheduled', now() + interval '1 hour' FROM d`)
	b.exec(`UPDATE deliveries SET updated_at = now() - interval '3 minutes' WHERE event_position < 1000`)
	b.exec(`ANALYZE`)
	var taken []int
	for range 4 {
		n, err := b.worker.Sweep(t.Context(), b.client)
		require.NoError(t, err)
		taken = append(taken, n)
	}
	require.Equal(t, []int{0, 0, 1, 0}, taken, "the third piece of 5,000 holds the stranded one, then it begins again")

	// Another round finds deliveries at the beginning that were stranded meanwhile.
	b.exec(`DELETE FROM river.river_job WHERE args->>'deliveryId' = '00000000-0000-7000-8000-000000000001'`)
	found := 0
	for range 3 {
		n, err := b.worker.Sweep(t.Context(), b.client)
		require.NoError(t, err)
		found += n
	}
	require.Equal(t, 1, found)
}

func TestSweep_IsNotQueuedWhileOneWaits(t *testing.T) {
	t.Parallel()
	b, _, _ := withRecorders(t)
	first, err := b.client.Insert(t.Context(), notify.SweepArgs{}, nil)
	require.NoError(t, err)
	second, err := b.client.Insert(t.Context(), notify.SweepArgs{}, nil)
	require.NoError(t, err)
	require.False(t, first.UniqueSkippedAsDuplicate)
	require.True(t, second.UniqueSkippedAsDuplicate)
	b.exec(`UPDATE river.river_job SET state = 'completed', finalized_at = now()`)
	third, err := b.client.Insert(t.Context(), notify.SweepArgs{}, nil)
	require.NoError(t, err)
	require.False(t, third.UniqueSkippedAsDuplicate, "once it is over, the next is queued")
}

func TestSweep_LeavesOneCompletedRowAndEachFailedOne(t *testing.T) {
	t.Parallel()
	b, _, _ := withRecorders(t)
	b.exec(`INSERT INTO river.river_job (kind, queue, args, max_attempts, state, scheduled_at, finalized_at)
		SELECT 'delivery_sweep', 'sweep', '{}', 1, (CASE WHEN i = 1 THEN 'discarded' ELSE 'completed' END)::river.river_job_state, now(), now()
		FROM generate_series(1, 5) AS i`)
	b.exec(`INSERT INTO river.river_job (kind, queue, args, max_attempts, state, scheduled_at, finalized_at)
		VALUES ('delivery', 'email', '{}', 1, 'completed', now(), now())`)
	b.start()
	_, err := b.client.Insert(t.Context(), notify.SweepArgs{}, nil)
	require.NoError(t, err)
	b.eventually(func() bool {
		return b.count(`SELECT count(*) FROM river.river_job WHERE kind = 'delivery_sweep' AND state = 'completed'`) == 1
	}, "the sweep deletes the rows of earlier ones")
	require.Equal(t, 1, b.count(`SELECT count(*) FROM river.river_job WHERE kind = 'delivery_sweep' AND state = 'discarded'`), "operators see failures")
	require.Equal(t, 1, b.count(`SELECT count(*) FROM river.river_job WHERE kind = 'delivery'`), "deliveries stay")
}

func TestWorker_ParksWhatItCannotEnd(t *testing.T) {
	t.Parallel()
	b, mail, _ := withRecorders(t)
	id := b.plan(plan{channel: notify.Email})
	b.exec(`UPDATE users SET status = 'disabled'`)
	b.exec(tooLong, id)
	b.enqueue(id)
	b.start()
	d := b.await(id, "failed")
	require.Equal(t, "unsettleable", *d.ErrorCode)
	require.Empty(t, mail.Messages())
	b.idle()
}

func TestSweep_GivesAJobToADeliveryThatNoLiveJobCarries(t *testing.T) {
	t.Parallel()
	b, _, phone := withRecorders(t)
	lost, discarded, carried, young := b.plan(plan{}), b.plan(plan{}), b.plan(plan{}), b.plan(plan{})
	b.exec(`UPDATE deliveries SET updated_at = now() - interval '3 minutes' WHERE id <> $1`, young)
	b.enqueue(discarded, carried)
	b.exec(`UPDATE river.river_job SET state = 'discarded', finalized_at = now() WHERE args->>'deliveryId' = $1`, discarded.String())
	n, err := b.worker.Sweep(t.Context(), b.client)
	require.NoError(t, err)
	require.Equal(t, 2, n)
	n, err = b.worker.Sweep(t.Context(), b.client)
	require.NoError(t, err)
	require.Zero(t, n, "nothing is taken twice")
	b.start()
	for _, id := range []uuid.UUID{lost, discarded, carried} {
		b.await(id, "sent")
	}
	b.idle()
	require.Equal(t, "queued", b.delivery(young).State)
	require.Len(t, phone.Messages(), 3)
}

func TestSweep_FollowsAnOperatorWhoCancelledTheJob(t *testing.T) {
	t.Parallel()
	b, _, _ := withRecorders(t)
	id := b.plan(plan{})
	b.enqueue(id)
	b.exec(`UPDATE deliveries SET updated_at = now() - interval '3 minutes'`)
	var job int64
	require.NoError(t, b.db.Owner.QueryRow(t.Context(), `SELECT id FROM river.river_job`).Scan(&job))
	cancelled, err := b.client.JobCancel(t.Context(), job)
	require.NoError(t, err)
	require.Equal(t, rivertype.JobStateCancelled, cancelled.State)
	_, err = b.worker.Sweep(t.Context(), b.client)
	require.NoError(t, err)
	d := b.delivery(id)
	require.Equal(t, "cancelled", d.State)
	require.Equal(t, 1, b.told("notification.failed", id))
}

func TestSweep_EndsTheWaitForAReceiptAsUnknownAndOnlyWhatIsUrgentTakesItsFallback(t *testing.T) {
	t.Parallel()
	b, mail, _ := withRecorders(t)
	fallback := []string{notify.Email}
	ids := map[string]uuid.UUID{}
	for _, priority := range []string{"critical", "high", "normal", "bulk"} {
		ids[priority] = b.plan(plan{priority: priority, fallback: fallback})
	}
	ids["without a fallback"] = b.plan(plan{priority: "critical"})
	waiting := b.plan(plan{fallback: fallback})
	b.exec(`UPDATE deliveries SET state = 'uncertain', attempt = 2, deadline_at = now() - interval '1 second'`)
	b.exec(`UPDATE deliveries SET deadline_at = now() + interval '1 minute' WHERE id = $1`, waiting)
	n, err := b.worker.Sweep(t.Context(), b.client)
	require.NoError(t, err)
	require.Equal(t, len(ids), n)
	require.Equal(t, len(ids), b.observed(notify.OutcomeUnknown))
	for _, id := range ids {
		d := b.delivery(id)
		require.Equal(t, "unknown", d.State)
		require.Equal(t, "no_receipt", *d.ErrorCode)
		require.Equal(t, 1, b.count(`SELECT count(*) FROM outbox WHERE type = 'notification.failed' AND data @> '{"state": "unknown", "code": "no_receipt"}' AND cause_id = $1`, d.EventID))
	}
	require.Equal(t, "uncertain", b.delivery(waiting).State)
	listed, err := b.deliveries(t, notify.DeliveryFilter{State: "unknown", Limit: 10})
	require.NoError(t, err)
	require.Len(t, listed, len(ids))
	b.start()
	mail.Wait(t, 2)
	b.idle()
	require.Len(t, mail.Messages(), 2)
	for _, m := range mail.Messages() {
		require.Contains(t, []string{"critical", "high"}, m.Priority)
		require.True(t, m.PossibleDuplicate, "the first may have arrived")
	}
	require.Equal(t, 2, b.count(`SELECT count(*) FROM deliveries WHERE channel = 'email' AND possible_duplicate AND reason = 'fallback for push, which may have arrived, rule record-created'`))
}
