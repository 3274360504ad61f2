package dispatch_test

import (
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"carewire/internal/care"
	"carewire/internal/dispatch"
	"carewire/internal/event"
	"carewire/internal/ledger"
	"carewire/internal/postgres"
)

// collected has a rule with a digest by email, and a push at once.
const collected = `rules:
  - name: reports
    on: ehr.**
    recipients: [{user: data.userId}]
    channels: [push, email]
    digest: {window: 10m, key: [recipient, category], max: 50, channels: [email]}
`

// collect lets the planner plan n records of the patient under the rules.
func (b *bundle) collect(n int, patient, doctor uuid.UUID) (all []event.Event) {
	b.tb.Helper()
	for range n {
		all = append(all, b.record("ehr.lab_report.created", patient, doctor))
	}
	b.commit(all...)
	b.follow()
	return all
}

// close handles the digests that are due and returns how many these were.
func (b *bundle) close() (n int) {
	b.tb.Helper()
	require.NoError(b.tb, b.tryClose(b.planner.Digests(), &n))
	return n
}

func (b *bundle) tryClose(source dispatch.Digests, n *int) error {
	return postgres.InTx(b.tb.Context(), b.Worker, func(tx pgx.Tx) (err error) {
		*n, err = source.Work(b.tb.Context(), tx, 500)
		return err
	})
}

// digests returns the digests: "name channel open|empty|sent items".
func (b *bundle) digests() []string {
	b.tb.Helper()
	return b.texts(`
		SELECT format('%s %s %s %s', u.given_name, g.channel,
			CASE WHEN g.closed_at IS NULL THEN 'open' WHEN g.notification_id IS NULL THEN 'empty' ELSE 'sent' END, g.items)
		FROM digests AS g JOIN users AS u ON u.id = g.recipient_id ORDER BY g.opened_at, g.id`)
}

// digested returns the messages of digests: "name channel state priority: reason".
func (b *bundle) digested() []string {
	b.tb.Helper()
	return b.texts(`
		SELECT format('%s %s %s %s: %s', u.given_name, d.channel, d.state, d.priority, d.reason)
		FROM deliveries AS d JOIN users AS u ON u.id = d.recipient_id WHERE d.template = 'digest' ORDER BY d.created_at, d.id`)
}

// leftOut returns why each item was left out, or -, in the order of the events.
func (b *bundle) leftOut() []string {
	b.tb.Helper()
	return b.texts(`SELECT coalesce(left_out, '-') FROM digest_items ORDER BY event_position`)
}

func TestDigests_SendFiveEventsWithinTheWindowAsOneMessage(t *testing.T) {
	t.Parallel()
	b := setup(t)
	patient, doctor := b.user("pat", care.Patient), b.user("doc", care.Doctor)
	names := map[uuid.UUID]string{patient: "pat"}
	_, err := b.publish(collected)
	require.NoError(t, err)
	events := b.collect(5, patient, doctor)
	last := events[4]
	require.Equal(t, []string{"pat push queued normal: rule reports"}, b.told(last), "the other channel is not collected")
	require.Equal(t, []string{"notification.planned pat: push queued email digest"}, b.announced(last))
	require.Equal(t, []string{"pat email open 5"}, b.digests())
	require.Equal(t, []string{"reports pat email digest: digest:reports", "reports pat push queued: rule reports"}, said(b.explain(last), names))
	b.advance(9 * time.Minute)
	require.Zero(t, b.close(), "the window has not ended")

	b.advance(2 * time.Minute)
	require.Equal(t, 1, b.close())
	require.Zero(t, b.close())
	require.Equal(t, []string{"pat email sent 5"}, b.digests())
	require.Equal(t, []string{"pat email queued normal: digest of 5"}, b.digested())
	require.Equal(t, []string{"push 3", "email 3"}, b.jobs(last))
	require.Equal(t, []string{"notification.planned pat: push queued email digest", "notification.planned pat: email queued"}, b.announced(last))
	require.Equal(t, 1, one[int](b, `
		SELECT count(*)::integer FROM notifications AS n JOIN digests AS g ON g.notification_id = n.id
		WHERE n.held_until = 'infinity' AND n.plan_key = 'digest/' || g.id AND n.subject_version IS NULL AND n.category = 'clinical' AND n.event_id = $1`, last.ID),
		"the items are in the inbox, and not the digest")
	for _, e := range events {
		x := b.explain(e)
		require.Equal(t, []string{"reports pat email queued: digest:reports", "reports pat push queued: rule reports"}, said(x, names))
		require.Equal(t, one[uuid.UUID](b, `SELECT id FROM deliveries WHERE template = 'digest'`), *x.Rules[0].Decisions[0].DeliveryID)
	}
	b.collect(1, patient, doctor)
	require.Equal(t, []string{"pat email sent 5", "pat email open 1"}, b.digests(), "the next one opens another digest")
}

func TestDigests_AreSentAtOnceWhenTheyAreFull(t *testing.T) {
	t.Parallel()
	b := setup(t)
	patient, doctor := b.user("pat", care.Patient), b.user("doc", care.Doctor)
	_, err := b.publish(toPatient("ehr.**", "    channels: [email]\n    digest: {window: 24h, key: [recipient], max: 3}\n"))
	require.NoError(t, err)
	b.collect(2, patient, doctor)
	require.Zero(t, b.close())
	b.collect(1, patient, doctor)
	require.Equal(t, 1, b.close())
	require.Equal(t, []string{"pat email queued normal: digest of 3"}, b.digested())
}

func TestDigests_LeaveOutWhatThePersonHasReadOrMayNotRead(t *testing.T) {
	t.Parallel()
	b := setup(t)
	pat, pit, dan, dora := b.user("pat", care.Patient), b.user("pit", care.Patient), b.user("dan", care.Doctor), b.user("dora", care.Doctor)
	b.team(pat, dora)
	b.team(pit, dora)
	_, err := b.publish("rules:\n  - name: team\n    on: ehr.**\n    recipients: [{careTeam: [doctor]}]\n    channels: [email]\n    digest: {window: 10m, key: [recipient]}\n")
	require.NoError(t, err)
	forbidden, read, sent := b.collect(1, pat, dan)[0], b.collect(1, pit, dan)[0], b.collect(1, pit, dan)[0]
	removed := b.collect(1, pat, dan)[0]
	require.Equal(t, []string{"dora email open 4"}, b.digests())
	b.exec(`DELETE FROM care_team WHERE patient_id = $1`, pat)
	b.exec(`UPDATE notifications SET read_at = now() WHERE event_id = $1`, read.ID)
	b.advance(11 * time.Minute)
	require.Equal(t, 1, b.close())
	require.Equal(t, []string{"may_not_read", "read_in_app", "-", "may_not_read"}, b.leftOut())
	require.Equal(t, []string{"dora email queued normal: digest of 1"}, b.digested())
	require.Equal(t, []string{"dora email queued normal: digest of 1"}, b.told(sent), "it is about its last item that is sent")
	names := map[uuid.UUID]string{dora: "dora"}
	require.Equal(t, []string{"team dora email not_sent: read_in_app"}, said(b.explain(read), names))
	for _, e := range []event.Event{forbidden, removed} {
		require.Equal(t, []string{"team dora email not_sent: may_not_read"}, said(b.explain(e), names))
	}
}

func TestDigests_WithoutItemsSendNothing(t *testing.T) {
	t.Parallel()
	for reason, change := range map[string]string{
		"preference_off": `INSERT INTO preferences (user_id, category, channel, setting) VALUES ($1, 'clinical', 'email', 'off')`,
		"user_disabled":  `UPDATE users SET status = 'disabled' WHERE id = $1`,
		"deceased":       `UPDATE users SET deceased_on = current_date WHERE id = $1`,
		"read_in_app":    `UPDATE notifications SET read_at = now() WHERE recipient_id = $1`,
	} {
		t.Run(reason, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			patient, doctor := b.user("pat", care.Patient), b.user("doc", care.Doctor)
			_, err := b.publish(collected)
			require.NoError(t, err)
			last := b.collect(2, patient, doctor)[1]
			b.exec(change, patient)
			b.advance(11 * time.Minute)
			require.Equal(t, 1, b.close())
			require.Equal(t, []string{"pat email empty 2"}, b.digests())
			require.Equal(t, []string{reason, reason}, b.leftOut())
			require.Empty(t, b.digested())
			require.Len(t, b.announced(last), 1, "no event but that of the item")
			require.Zero(t, b.close())
		})
	}
}

func TestDigests_WithoutAnAddressAreVisibleAsSuppressed(t *testing.T) {
	t.Parallel()
	b := setup(t)
	patient, doctor := b.user("pat", care.Patient), b.user("doc", care.Doctor)
	_, err := b.publish(collected)
	require.NoError(t, err)
	last := b.collect(2, patient, doctor)[1]
	b.exec(`UPDATE users SET email_verified = false WHERE id = $1`, patient)
	b.advance(11 * time.Minute)
	require.Equal(t, 1, b.close())
	require.Equal(t, []string{"pat email suppressed normal: address_unverified"}, b.digested())
	require.Equal(t, []string{"-", "-"}, b.leftOut())
	require.Equal(t, []string{"push 3"}, b.jobs(last), "no job")
	require.Equal(t, "notification.suppressed pat: email suppressed", b.announced(last)[1])
	require.Contains(t, said(b.explain(last), map[uuid.UUID]string{patient: "pat"}), "reports pat email suppressed: address_unverified")
}

func TestDigests_WaitForABinaryThatUnderstandsTheirRules(t *testing.T) {
	t.Parallel()
	b := setup(t)
	patient, doctor := b.user("pat", care.Patient), b.user("doc", care.Doctor)
	version, err := b.publish(collected)
	require.NoError(t, err)
	b.collect(2, patient, doctor)
	b.advance(11 * time.Minute)
	b.exec(`UPDATE rule_sets SET source = 'rules: [{name: x, telepathy: true}]' WHERE version = $1`, version)
	b.planner = b.newPlanner()
	require.Equal(t, 1, b.close())
	require.Equal(t, []string{"pat email open 2"}, b.digests())
	require.Zero(t, b.close(), "it is postponed")
	b.exec(`UPDATE rule_sets SET source = $2 WHERE version = $1`, version, collected)
	b.planner = b.newPlanner()
	b.advance(2 * time.Minute)
	require.Equal(t, 1, b.close())
	require.Equal(t, []string{"pat email queued normal: digest of 2"}, b.digested())
}

func TestDigests_AreRepeatedWholeAfterARollback(t *testing.T) {
	t.Parallel()
	b := setup(t)
	patient, doctor := b.user("pat", care.Patient), b.user("doc", care.Doctor)
	_, err := b.publish(collected)
	require.NoError(t, err)
	last := b.collect(3, patient, doctor)[2]
	b.advance(11 * time.Minute)
	killed := errors.New("killed")
	require.ErrorIs(t, postgres.InTx(t.Context(), b.Worker, func(tx pgx.Tx) error {
		n, err := b.planner.Digests().Work(t.Context(), tx, 500)
		require.NoError(t, err)
		require.Equal(t, 1, n)
		return killed
	}), killed)
	require.Equal(t, []string{"pat email open 3"}, b.digests())
	require.Empty(t, b.digested())
	require.Equal(t, 1, b.close())
	require.Equal(t, []string{"pat email queued normal: digest of 3"}, b.digested())
	require.Equal(t, []string{"push 3", "email 3"}, b.jobs(last))
	require.Len(t, b.announced(last), 2)
}

func TestDigests_WithMoreItemsThanATransactionTakesAreSentInParts(t *testing.T) {
	t.Parallel()
	b := setup(t)
	pat, pit, doctor := b.user("pat", care.Patient), b.user("pit", care.Patient), b.user("doc", care.Doctor)
	_, err := b.publish(collected)
	require.NoError(t, err)
	b.collect(7, pat, doctor)
	b.collect(2, pit, doctor)
	b.advance(11 * time.Minute)
	source := b.planner.Digests().WithMaxItems(3)
	var handled []int
	for {
		var n int
		require.NoError(t, b.tryClose(source, &n))
		if n == 0 {
			break
		}
		handled = append(handled, n)
	}
	require.Equal(t, []int{1, 1, 2}, handled, "each with at most three items")
	require.ElementsMatch(t, []string{
		"pat email queued normal: digest of 3", "pat email queued normal: digest of 3", "pat email queued normal: digest of 1",
		"pit email queued normal: digest of 2",
	}, b.digested())
	require.Equal(t, 9, one[int](b, `SELECT count(*)::integer FROM digest_items AS i JOIN digests AS g ON g.id = i.digest_id WHERE g.closed_at IS NOT NULL AND g.notification_id IS NOT NULL`))
}

// inParallel lets n planners handle the events of the ledger after a position, each some of them, in
// batches of two.
func (b *bundle) inParallel(n int, after int64) {
	b.tb.Helper()
	events, err := ledger.Read(b.tb.Context(), b.Worker, after, 1000)
	require.NoError(b.tb, err)
	var next atomic.Int64
	errs := make([]error, n)
	var wg sync.WaitGroup
	for i := range n {
		planner := b.newPlanner()
		wg.Go(func() {
			for errs[i] == nil {
				to := int(next.Add(2))
				if to-2 >= len(events) {
					return
				}
				errs[i] = b.tryHandle(b.tb.Context(), planner, events[to-2:min(to, len(events))]...)
			}
		})
	}
	wg.Wait()
	require.NoError(b.tb, errors.Join(errs...))
}

func TestDigests_LoseAndRepeatNothingWhilePlannersAddAndInstancesClose(t *testing.T) {
	t.Parallel()
	const events = 120
	b := setup(t)
	pat, pit, doctor := b.user("pat", care.Patient), b.user("pit", care.Patient), b.user("doc", care.Doctor)
	_, err := b.publish(toPatient("ehr.**", "    channels: [email, push]\n    digest: {window: 10m, key: [recipient], max: 5}\n"))
	require.NoError(t, err)
	b.commit()
	b.follow()
	after := one[int64](b, `SELECT max(position) FROM events`)
	var all []event.Event
	for i := range events {
		all = append(all, b.record("ehr.lab_report.created", []uuid.UUID{pat, pit}[i%2], doctor))
	}
	b.commit(all...)

	var done atomic.Bool
	var closers sync.WaitGroup
	errs := make([]error, 2)
	for i := range errs {
		source := b.newPlanner().Digests()
		closers.Go(func() {
			for errs[i] == nil && !done.Load() {
				var n int
				errs[i] = b.tryClose(source, &n)
			}
		})
	}
	b.inParallel(3, after)
	done.Store(true)
	closers.Wait()
	require.NoError(t, errors.Join(errs...))
	b.advance(11 * time.Minute)
	b.close()

	require.Equal(t, 2*events, one[int](b, `SELECT count(*)::integer FROM digest_items`), "each event on each channel")
	require.Zero(t, one[int](b, `SELECT count(*)::integer FROM digests WHERE closed_at IS NULL OR notification_id IS NULL`))
	require.Empty(t, b.texts(`
		SELECT format('%s has %s items and sent %s', g.id, g.items, d.reason)
		FROM digests AS g
		JOIN deliveries AS d ON d.notification_id = g.notification_id AND d.channel = g.channel
		CROSS JOIN LATERAL (SELECT count(*) AS items FROM digest_items AS i WHERE i.digest_id = g.id) AS own
		WHERE d.reason <> 'digest of ' || own.items OR own.items <> g.items`), "each item is in the message of its digest")
	require.Equal(t, one[int](b, `SELECT count(*)::integer FROM digests`), one[int](b, `SELECT count(*)::integer FROM deliveries WHERE template = 'digest'`))
	require.Equal(t, one[int](b, `SELECT count(*)::integer FROM digests`), one[int](b, `SELECT count(*)::integer FROM river.river_job WHERE kind = 'delivery'`))
}

func TestThrottle_IsExactWithSeveralPlannersAndSendsTheRestAsADigest(t *testing.T) {
	t.Parallel()
	b := setup(t)
	patient, doctor := b.user("pat", care.Patient), b.user("doc", care.Doctor)
	_, err := b.publish(toPatient("ehr.**", "    channels: [email]\n    throttle: {max: 5, per: 1h}\n"))
	require.NoError(t, err)
	b.commit()
	b.follow()
	after := one[int64](b, `SELECT max(position) FROM events`)
	var all []event.Event
	for range 20 {
		all = append(all, b.record("ehr.lab_report.created", patient, doctor))
	}
	b.commit(all...)
	b.inParallel(2, after)
	require.Equal(t, 5, one[int](b, `SELECT count(*)::integer FROM deliveries WHERE state = 'queued'`))
	require.Equal(t, []string{"pat email open 15"}, b.digests(), "none is lost")
	require.Equal(t, []string{"throttled:one"}, b.texts(`SELECT DISTINCT reason FROM digest_items`))
	b.advance(59 * time.Minute)
	require.Zero(t, b.close())
	b.advance(2 * time.Minute)
	require.Equal(t, 1, b.close())
	require.Equal(t, []string{"pat email queued normal: digest of 15"}, b.digested())
}

func TestThrottle_CountsTheMessagesOfThePeriodBeforeEach(t *testing.T) {
	t.Parallel()
	b := setup(t)
	patient, doctor := b.user("pat", care.Patient), b.user("doc", care.Doctor)
	_, err := b.publish(toPatient("ehr.**", "    channels: [email]\n    throttle: {max: 2, per: 1h}\n"))
	require.NoError(t, err)
	queued := func() int {
		b.collect(1, patient, doctor)
		return one[int](b, `SELECT count(*)::integer FROM deliveries WHERE state = 'queued' AND template <> 'digest'`)
	}
	require.Equal(t, 1, queued())
	b.advance(40 * time.Minute)
	require.Equal(t, 2, queued())
	require.Equal(t, 2, queued(), "the third within an hour")
	b.advance(21 * time.Minute)
	require.Equal(t, 3, queued(), "the first is more than an hour ago")
	require.Equal(t, 3, queued(), "the second is not")
	require.Equal(t, []string{"pat email open 2"}, b.digests())
	b.advance(40 * time.Minute)
	require.Equal(t, 1, b.close(), "an hour after the first message that was too many")
	require.Equal(t, []string{"pat email queued normal: digest of 2"}, b.digested())
}

func TestThrottle_CountsACategoryAcrossRules(t *testing.T) {
	t.Parallel()
	b := setup(t)
	patient, doctor := b.user("pat", care.Patient), b.user("doc", care.Doctor)
	const limit = "    channels: [email]\n    throttle: {max: 2, per: 1h, key: category}\n"
	_, err := b.publish("rules:\n" + aRule("reports", "ehr.lab_report.created", limit) + aRule("prescriptions", "ehr.prescription.created", limit))
	require.NoError(t, err)
	report, prescription, third := b.record("ehr.lab_report.created", patient, doctor), b.record("ehr.prescription.created", patient, doctor), b.record("ehr.lab_report.created", patient, doctor)
	b.commit(report, prescription, third)
	b.follow()
	require.Equal(t, []string{"pat email queued normal: rule reports"}, b.told(report))
	require.Equal(t, []string{"pat email queued normal: rule prescriptions"}, b.told(prescription))
	require.Empty(t, b.told(third))
	require.Equal(t, []string{"notification.planned pat: email digest"}, b.announced(third))
	require.Equal(t, []string{"pat email open 1"}, b.digests())
}
