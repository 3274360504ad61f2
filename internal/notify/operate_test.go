package notify_test

import (
	"log/slog"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"carewire/internal/care"
	"carewire/internal/notify"
	"carewire/internal/outbox"
	"carewire/internal/postgres"
)

var byHand = care.Command{Actor: care.SystemActor("cli")}

func (b *bundle) redrive(id uuid.UUID) error {
	return notify.Redrive(b.t.Context(), b.db.Worker, b.client, care.BuiltinChannels, byHand, id)
}

// ended is a delivery in a final state, without a job.
func (b *bundle) ended(channel, state, reason string) uuid.UUID {
	b.t.Helper()
	id := b.plan(plan{channel: channel})
	b.exec(`UPDATE deliveries SET state = $2, reason = $3, attempt = 1 WHERE id = $1`, id, state, reason)
	return id
}

func TestRedrive_SendsAFailedMessageAgainAndTellsWhoAskedForIt(t *testing.T) {
	t.Parallel()
	b, email, _ := withRecorders(t)
	email.Answer(func(notify.Message) (notify.Receipt, error) {
		return notify.Receipt{}, notify.Permanent("mailbox_full")
	})
	b.start()
	id := b.plan(plan{channel: notify.Email})
	b.enqueue(id)
	b.await(id, "failed")
	b.idle()

	email.Answer(nil)
	require.NoError(t, b.redrive(id))
	sent := b.await(id, "sent")
	require.Equal(t, 2, sent.Attempt, "the count goes on")
	require.Equal(t, "redriven after failed", sent.Reason)
	require.Nil(t, sent.ErrorCode)
	require.False(t, sent.PossibleDuplicate)
	require.Equal(t, 1, b.count(`SELECT count(*) FROM outbox WHERE type = 'notification.planned' AND actor_id = 'system:cli'
		AND cause_id = (SELECT event_id FROM deliveries WHERE id = $1) AND correlation_id = 'request-1'`, id))
	b.idle()
	require.Equal(t, care.Conflict, care.CodeOf(b.redrive(id)), "it is sent: not again")
}

func TestRedrive_TakesWhatFailedWasCancelledOrHadNoAddressAndNothingElse(t *testing.T) {
	t.Parallel()
	b, _, _ := withRecorders(t)
	for _, c := range []struct {
		state, reason string
		ok            bool
	}{
		{"failed", "rule", true},
		{"cancelled", "job_cancelled", true},
		{"unknown", "rule", true},
		{"suppressed", "no_address", true},
		{"suppressed", "address_unverified", true},
		{"suppressed", "preference_off", false},
		{"suppressed", "user_disabled", false},
		{"suppressed", "deceased", false},
		{"suppressed", "channel_not_configured", false},
		{"planned", "rule", false},
		{"queued", "rule", false},
		{"uncertain", "rule", false},
		{"sent", "rule", false},
		{"delivered", "rule", false},
		{"read", "rule", false},
	} {
		id := b.ended(notify.Email, c.state, c.reason)
		err := b.redrive(id)
		jobs := b.count(`SELECT count(*) FROM river.river_job WHERE kind = 'delivery' AND args ->> 'deliveryId' = $1::text`, id)
		if c.ok {
			require.NoError(t, err, "%s %s", c.state, c.reason)
			require.Equal(t, "queued", b.delivery(id).State)
			require.Equal(t, 1, jobs)
			require.Equal(t, 1, b.told("notification.planned", id))
			continue
		}
		require.Equal(t, care.Conflict, care.CodeOf(err), "%s %s", c.state, c.reason)
		require.ErrorContains(t, err, "only a failed, cancelled or unknown one, or one suppressed for lack of an address")
		require.Equal(t, c.state, b.delivery(id).State)
		require.Zero(t, jobs)
		require.Zero(t, b.told("notification.planned", id))
	}
	require.Equal(t, care.NotFound, care.CodeOf(b.redrive(newID())))
}

func TestRedrive_WantsTheAddressThatWasMissing(t *testing.T) {
	t.Parallel()
	b, _, _ := withRecorders(t)
	push, mail := b.ended(notify.Push, "suppressed", "no_address"), b.ended(notify.Email, "suppressed", "address_unverified")
	b.exec(`DELETE FROM devices`)
	b.exec(`UPDATE users SET email_verified = false`)
	for _, id := range []uuid.UUID{push, mail} {
		err := b.redrive(id)
		require.Equal(t, care.Conflict, care.CodeOf(err))
		require.ErrorContains(t, err, "add or verify one first")
	}
	b.device("another-token")
	b.exec(`UPDATE users SET email_verified = true`)
	require.NoError(t, b.redrive(push))
	require.NoError(t, b.redrive(mail))
}

func TestRedrive_CommitsAllOfItOrNothing(t *testing.T) {
	t.Parallel()
	b, _, _ := withRecorders(t)
	id := b.ended(notify.Email, "failed", "rule")
	b.exec(`REVOKE INSERT ON outbox FROM carewire_worker`)
	require.Error(t, b.redrive(id))
	require.Equal(t, "failed", b.delivery(id).State)
	require.Zero(t, b.count(`SELECT count(*) FROM river.river_job`), "no job without its event")
}

func TestRedrive_MarksWhatMayHaveArrivedAsAPossibleDuplicate(t *testing.T) {
	t.Parallel()
	b, mail, _ := withRecorders(t)
	unknown, failed := b.ended(notify.Email, "unknown", "rule"), b.ended(notify.Email, "failed", "rule")
	older := b.ended(notify.Email, "failed", "rule")
	b.exec(`UPDATE deliveries SET error_code = 'no_receipt' WHERE id = $1`, older)
	for _, id := range []uuid.UUID{unknown, failed, older} {
		require.NoError(t, b.redrive(id))
		require.Equal(t, id != failed, b.delivery(id).PossibleDuplicate)
	}
	b.start()
	for _, m := range mail.Wait(t, 3) {
		require.Equal(t, m.DeliveryID != failed, m.PossibleDuplicate)
	}
	listed, err := b.deliveries(t, notify.DeliveryFilter{State: "unknown", Limit: 10})
	require.NoError(t, err)
	require.Empty(t, listed)
}

func TestDeliveries_ListsByStateAndChannelTheLastPlannedFirst(t *testing.T) {
	t.Parallel()
	b, _, _ := withRecorders(t)
	first, second := b.ended(notify.Email, "failed", "rule"), b.ended(notify.Email, "failed", "rule")
	pushed, sent := b.ended(notify.Push, "failed", "rule"), b.ended(notify.Email, "sent", "rule")
	b.exec(`UPDATE deliveries SET created_at = now() + interval '1 hour' WHERE id = $1`, first)
	b.exec(`UPDATE deliveries SET updated_at = now() + interval '2 hours' WHERE id = $1`, second)
	list := func(f notify.DeliveryFilter) (ids []uuid.UUID) {
		if f.Limit == 0 {
			f.Limit = 50
		}
		all, err := b.deliveries(t, f)
		require.NoError(t, err)
		for _, d := range all {
			ids = append(ids, d.ID)
		}
		return ids
	}
	require.Equal(t, []uuid.UUID{first, second}, list(notify.DeliveryFilter{State: "failed", Channel: notify.Email}))
	require.Equal(t, []uuid.UUID{first, pushed, second}, list(notify.DeliveryFilter{State: "failed"}))
	require.Equal(t, []uuid.UUID{first, sent}, list(notify.DeliveryFilter{Channel: notify.Email, Limit: 2}))
	require.Len(t, list(notify.DeliveryFilter{}), 4)
	for _, f := range []notify.DeliveryFilter{{State: "lost"}, {Channel: "pigeon"}} {
		_, err := b.deliveries(t, f)
		require.Equal(t, care.Invalid, care.CodeOf(err))
	}
}

func TestDeliveries_OfARareFilterComeOnShortPages(t *testing.T) {
	t.Parallel()
	b, _, _ := withRecorders(t)
	operator := care.Actor{UserID: newID(), Memberships: []care.Membership{{Role: care.Operator}}}
	person := newID()
	b.exec(`INSERT INTO users (id, email, given_name, family_name) VALUES ($1, 'many@clinic.example', 'A', 'B')`, person)
	// The oldest and the newest were read, and the 1,000th, at which the first page stops.
	b.exec(`WITH told AS (
			INSERT INTO notifications (id, event_position, event_id, event_type, subject, recipient_id, category, priority, rule, rule_version, template, created_at)
			SELECT gen_random_uuid(), i, gen_random_uuid(), 'user.updated', 'user/1', $1, 'account', 'normal', 'many', 1, 'account', now() - make_interval(secs => i)
			FROM generate_series(1, 2500) AS i
			RETURNING *
		)
		INSERT INTO deliveries (id, event_position, notification_id, event_id, recipient_id, channel, state, rule, template, priority, created_at)
		SELECT gen_random_uuid(), event_position, id, event_id, recipient_id, 'email', CASE WHEN event_position IN (1, 1000, 2500) THEN 'read' ELSE 'sent' END,
			rule, template, priority, created_at
		FROM told`, person)
	for name, f := range map[string]notify.DeliveryFilter{
		"of a person": {RecipientID: person, State: "read"},
		"of a rule":   {Rule: "many", State: "read"},
	} {
		var counts []int
		f.Limit = 50
		for more := true; more; {
			require.NoError(t, postgres.InTxAs(t.Context(), b.db.App, operator, func(tx pgx.Tx) error {
				page, next, err := notify.Deliveries(t.Context(), tx, f)
				counts, f.Before, more = append(counts, len(page)), next, next != care.PageCursor{}
				return err
			}))
		}
		require.Equal(t, []int{2, 0, 1}, counts, name)
	}
	inbox := notify.NewInbox(outbox.NewWriter(b.db.App, outbox.NewWaker(b.db.App, slog.New(slog.DiscardHandler))))
	f := notify.NotificationFilter{RecipientID: person, State: "read", Before: care.AfterAll, Limit: 50}
	var counts []int
	for more := true; more; {
		page, err := inbox.ListAll(t.Context(), operator, f)
		require.NoError(t, err)
		counts, more = append(counts, len(page.Items)), page.Next != ""
		if more {
			var ok bool
			f.Before, ok = care.ParsePageCursor(page.Next, care.AfterAll)
			require.True(t, ok)
		}
	}
	require.Equal(t, []int{2, 0, 1}, counts)
}

func TestSuppressions_OfARareReasonComeOnShortPages(t *testing.T) {
	t.Parallel()
	b, _, _ := withRecorders(t)
	person := newID()
	b.exec(`INSERT INTO users (id, email, given_name, family_name) VALUES ($1, 'many@clinic.example', 'A', 'B')`, person)
	b.exec(`INSERT INTO suppressions (kind, address_hash, id, channel, reason, source, user_id, created_at)
		SELECT 'email', sha256(convert_to(i::text, 'UTF8')), gen_random_uuid(), 'email', CASE WHEN i IN (1, 1000, 2500) THEN 'complaint' ELSE 'hard_bounce' END, 'ses', $1,
			now() - make_interval(secs => i)
		FROM generate_series(1, 2500) AS i`, person)
	for name, c := range map[string]struct {
		filter notify.SuppressionFilter
		counts []int
	}{
		"all":         {notify.SuppressionFilter{Reason: "complaint", Limit: 50}, []int{2, 0, 1}},
		"of a person": {notify.SuppressionFilter{UserID: person, Reason: "complaint", Limit: 2}, []int{2, 1}},
	} {
		var counts []int
		for more := true; more; {
			require.NoError(t, postgres.InTx(t.Context(), b.db.Worker, func(tx pgx.Tx) error {
				page, next, err := notify.ListSuppressions(t.Context(), tx, c.filter)
				counts, c.filter.Before, more = append(counts, len(page)), next, next != care.PageCursor{}
				return err
			}))
		}
		require.Equal(t, c.counts, counts, name)
	}
}

// deliveries lists as an operator.
func (b *bundle) deliveries(t *testing.T, f notify.DeliveryFilter) (all []notify.DeliveryStatus, err error) {
	t.Helper()
	operator := care.Actor{UserID: newID(), Memberships: []care.Membership{{Role: care.Operator}}}
	err = postgres.InTxAs(t.Context(), b.db.App, operator, func(tx pgx.Tx) (err error) {
		all, _, err = notify.Deliveries(t.Context(), tx, f)
		return err
	})
	return all, err
}
