package notify_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"carewire/internal/notify"
	"carewire/internal/notify/notifytest"
)

// receiptOf returns an SES receipt of a delivery.
func receiptOf(id uuid.UUID, status string) notify.DeliveryReceipt {
	return notify.DeliveryReceipt{
		Provider: "ses", ID: uuid.NewString(), Channel: notify.Email, DeliveryID: id, ProviderID: "message-" + id.String(), Status: status, At: time.Now(),
	}
}

// sentWith answers with the provider's id of receiptOf.
func sentWith(m notify.Message) (notify.Receipt, error) {
	return notify.Receipt{Provider: "ses", ProviderID: "message-" + m.DeliveryID.String()}, nil
}

// mailer has a Recorder for email that answers as SES.
func mailer(t *testing.T) (*bundle, *notifytest.Recorder, *notify.ReceiptApplier) {
	t.Helper()
	b, mail, _ := withRecorders(t)
	mail.Answer(sentWith)
	return b, mail, b.worker.NewReceiptApplier(b.client)
}

// sentEmail returns a delivery that was sent.
func (b *bundle) sentEmail(p plan) uuid.UUID {
	b.t.Helper()
	p.channel = notify.Email
	id := b.plan(p)
	b.exec(`UPDATE deliveries SET state = 'sent', attempt = 1, provider = 'ses', provider_id = $2, sent_at = now() WHERE id = $1`, id, "message-"+id.String())
	return id
}

func (b *bundle) receive(a *notify.ReceiptApplier, all ...notify.DeliveryReceipt) notify.Applied {
	b.t.Helper()
	done, err := a.Apply(b.t.Context(), all)
	require.NoError(b.t, err)
	return done
}

func TestReceipts_MoveADeliveryForwardOnly(t *testing.T) {
	t.Parallel()
	b, _, a := mailer(t)
	for _, c := range []struct {
		statuses []string
		state    string
		events   map[string]int
	}{
		{[]string{"sent", "delivered", "read"}, "read", map[string]int{"notification.delivered": 1, "notification.read": 1}},
		{[]string{"read", "delivered", "sent"}, "read", map[string]int{"notification.delivered": 0, "notification.read": 1}},
		{[]string{"delivered", "delivered", "delivered"}, "delivered", map[string]int{"notification.delivered": 1}},
		{[]string{"delivered", "failed"}, "delivered", map[string]int{"notification.delivered": 1, "notification.failed": 0}},
		{[]string{"read", "failed"}, "read", map[string]int{"notification.read": 1, "notification.failed": 0}},
		{[]string{"failed", "delivered"}, "failed", map[string]int{"notification.delivered": 0, "notification.failed": 1}},
		{[]string{"complained"}, "sent", map[string]int{"notification.failed": 0}},
	} {
		for _, together := range []bool{true, false} {
			t.Run(fmt.Sprint(c.statuses, " together ", together), func(t *testing.T) {
				id := b.sentEmail(plan{})
				var all []notify.DeliveryReceipt
				for _, status := range c.statuses {
					all = append(all, receiptOf(id, status))
				}
				if together {
					b.receive(a, all...)
				} else {
					for _, r := range all {
						b.receive(a, r)
					}
				}
				require.Equal(t, c.state, b.delivery(id).State)
				for typ, n := range c.events {
					require.Equal(t, n, b.told(typ, id), typ)
				}
			})
		}
	}
}

func TestReceipts_AReceiptThatIsSentAgainHasNoEffect(t *testing.T) {
	t.Parallel()
	b, _, a := mailer(t)
	id := b.sentEmail(plan{})
	r := receiptOf(id, "delivered")
	require.Equal(t, notify.Applied{New: 1, Matched: 1, Changed: 1}, b.receive(a, r))
	require.Equal(t, notify.Applied{Repeated: 1}, b.receive(a, r))
	require.Equal(t, 1, b.told("notification.delivered", id))
	require.Equal(t, 1, b.count(`SELECT count(*) FROM receipts`))
}

func TestReceipts_EventsNameTheProviderThatSentTheMessage(t *testing.T) {
	t.Parallel()
	b, _, a := mailer(t)
	id := b.sentEmail(plan{})
	b.exec(`UPDATE deliveries SET provider = 'ses-eu' WHERE id = $1`, id)
	b.receive(a, receiptOf(id, "delivered"))
	require.Equal(t, "ses-eu", b.text(`SELECT data->>'provider' FROM outbox WHERE type = 'notification.delivered'`))
}

func TestReceipts_AreReportedAsOutcomesOfTheirMessages(t *testing.T) {
	t.Parallel()
	b, mail, a := mailer(t)
	id := b.plan(plan{channel: notify.Email})
	b.start()
	b.enqueue(id)
	b.await(id, "sent")
	require.Len(t, mail.Messages(), 1)
	b.exec(`UPDATE deliveries SET template_version = 7 WHERE id = $1`, id)
	for _, status := range []string{"delivered", "delivered", "read", "complained"} {
		b.receive(a, receiptOf(id, status))
	}
	other := b.sentEmail(plan{})
	b.receive(a, receiptOf(other, "failed"))
	of := func(outcome string, version int32) notify.MessageOutcome {
		return notify.MessageOutcome{Channel: notify.Email, Provider: "recorder", TemplateVersion: version, Outcome: outcome}
	}
	bounced := of("bounced", 0)
	bounced.Provider = "ses"
	require.Equal(t, []notify.MessageOutcome{of("sent", 0), of("delivered", 7), of("read", 7), of("complained", 7), bounced}, b.reported())
}

func TestReceipts_OfAnotherChannelChangeNothing(t *testing.T) {
	t.Parallel()
	b, _, a := mailer(t)
	id := b.sentEmail(plan{})
	r := receiptOf(id, "failed")
	r.Provider, r.Channel = "twilio", notify.SMS
	require.Equal(t, notify.Applied{New: 1}, b.receive(a, r))
	require.Equal(t, "sent", b.delivery(id).State)
}

func TestReceipts_AFailureOfAnEarlierMessageDoesNotFailALaterOne(t *testing.T) {
	t.Parallel()
	b, _, a := mailer(t)
	id := b.sentEmail(plan{})
	r := receiptOf(id, "failed")
	r.ProviderID = "an earlier attempt"
	b.receive(a, r)
	require.Equal(t, "sent", b.delivery(id).State)
}

func TestReceipts_ResolveUncertainAndUnknown(t *testing.T) {
	t.Parallel()
	b, _, a := mailer(t)
	for _, c := range []struct{ from, status, to string }{
		{"uncertain", "sent", "sent"},
		{"uncertain", "delivered", "delivered"},
		{"uncertain", "failed", "failed"},
		{"unknown", "delivered", "delivered"},
		{"unknown", "failed", "unknown"},
		{"suppressed", "delivered", "suppressed"},
		{"cancelled", "read", "cancelled"},
	} {
		id := b.sentEmail(plan{})
		b.exec(`UPDATE deliveries SET state = $2, provider_id = NULL, deadline_at = CASE WHEN $2 = 'uncertain' THEN now() END WHERE id = $1`, id, c.from)
		b.receive(a, receiptOf(id, c.status))
		require.Equal(t, c.to, b.delivery(id).State, "%s %s", c.from, c.status)
	}
	n, err := b.worker.Sweep(t.Context(), b.client)
	require.NoError(t, err)
	require.Zero(t, n, "no deadline is left")
}

func TestReceipts_ALateBounceStartsTheFallbackAndSuppressesTheAddress(t *testing.T) {
	t.Parallel()
	b, _, a := mailer(t)
	id := b.sentEmail(plan{fallback: []string{notify.Push}})
	r := receiptOf(id, "failed")
	r.Suppression, r.Address, r.Code = notify.SuppressedHardBounce, phi[0], "Permanent.General"
	require.Equal(t, notify.Applied{New: 1, Matched: 1, Changed: 1, Suppressed: 1}, b.receive(a, r))
	require.Equal(t, "failed", b.delivery(id).State)
	require.Equal(t, "Permanent.General", *b.delivery(id).ErrorCode)
	require.Equal(t, 1, b.count(`SELECT count(*) FROM deliveries WHERE channel = 'push' AND state = 'queued' AND event_id = (SELECT event_id FROM deliveries WHERE id = $1)`, id))
	require.Equal(t, 1, b.count(`SELECT count(*) FROM river.river_job WHERE kind = 'delivery' AND queue = 'push'`))
	require.Equal(t, 1, b.told("user.address_suppressed", id))
	require.Zero(t, b.count(`SELECT count(*) FROM receipts WHERE receipts::text ILIKE '%paula%'`), "no address")
	require.Zero(t, b.count(`SELECT count(*) FROM outbox WHERE outbox::text ILIKE '%paula%'`), "no address")

	// The same address again, and a fallback to it.
	other := b.sentEmail(plan{})
	r = receiptOf(other, "complained")
	r.Suppression = notify.SuppressedComplaint
	require.Equal(t, notify.Applied{New: 1, Matched: 1}, b.receive(a, r), "suppressed already")
	require.Equal(t, "hard_bounce", b.text(`SELECT reason FROM suppressions`))
}

func (b *bundle) text(sql string) (s string) {
	b.t.Helper()
	require.NoError(b.t, b.db.Owner.QueryRow(b.t.Context(), sql).Scan(&s))
	return s
}

func TestReceipts_ThatOvertakeTheSendsCommitAreAppliedWithIt(t *testing.T) {
	t.Parallel()
	for _, named := range []bool{true, false} {
		t.Run(fmt.Sprint("the receipt names the delivery: ", named), func(t *testing.T) {
			t.Parallel()
			b, mail, a := mailer(t)
			id := b.plan(plan{channel: notify.Email})
			mail.Answer(func(m notify.Message) (notify.Receipt, error) {
				r := receiptOf(m.DeliveryID, "delivered")
				if !named {
					r.DeliveryID = uuid.Nil
				}
				require.Equal(t, notify.Applied{New: 1}, b.receive(a, r), "it waits")
				return sentWith(m)
			})
			b.start()
			b.enqueue(id)
			b.await(id, "delivered")
			require.Equal(t, 1, b.told("notification.sent", id))
			require.Equal(t, 1, b.told("notification.delivered", id))
			require.Zero(t, b.count(`SELECT count(*) FROM receipts WHERE applied_at IS NULL`))
		})
	}
}

func TestReceipts_AreAppliedByTheSweepIfTheProcessDiedBetween(t *testing.T) {
	t.Parallel()
	b, _, a := mailer(t)
	id := b.plan(plan{channel: notify.Email})
	b.exec(`UPDATE deliveries SET attempt = 1, attempt_started_at = now() WHERE id = $1`, id)
	require.Equal(t, notify.Applied{New: 1}, b.receive(a, receiptOf(id, "delivered")))
	b.exec(`UPDATE deliveries SET state = 'sent', attempt_started_at = NULL WHERE id = $1`, id)
	n, err := b.worker.Sweep(t.Context(), b.client)
	require.NoError(t, err)
	require.Equal(t, 1, n)
	require.Equal(t, "delivered", b.delivery(id).State)
}

func TestReceipts_WithoutAMessageAreDeletedAfter72Hours(t *testing.T) {
	t.Parallel()
	b, _, a := mailer(t)
	b.receive(a, receiptOf(newID(), "delivered"), receiptOf(newID(), "read"))
	old := uuid.UUID{}
	copy(old[:], []byte{0x01, 0x90, 0, 0, 0, 0, 0x70, 0, 0x80}) // 2024
	b.exec(`UPDATE receipts SET id = $1 WHERE status = 'read'`, old)
	_, err := b.worker.Sweep(t.Context(), b.client)
	require.NoError(t, err)
	require.Equal(t, "delivered", b.text(`SELECT string_agg(status, ',') FROM receipts`))
}

func TestReceipts_WaitForTheirMessageFor72Hours(t *testing.T) {
	t.Parallel()
	b, _, a := mailer(t)
	for hours, status := range map[int]string{71: "delivered", 73: "read"} {
		b.receive(a, receiptOf(newID(), status))
		came := uuid.UUID{8: 0x80} // The smallest UUIDv7 of the time.
		binary.BigEndian.PutUint64(came[:8], uint64(time.Now().Add(-time.Duration(hours)*time.Hour).UnixMilli())<<16|0x7000)
		b.exec(`UPDATE receipts SET id = $1 WHERE status = $2`, came, status)
	}
	_, err := b.worker.Sweep(t.Context(), b.client)
	require.NoError(t, err)
	require.Equal(t, "delivered", b.text(`SELECT string_agg(status, ',') FROM receipts`))
}

func TestReceipts_FromTwoInstancesAtOnceCountOnce(t *testing.T) {
	t.Parallel()
	b, _, _ := mailer(t)
	var ids []uuid.UUID
	var all []notify.DeliveryReceipt
	for range 20 {
		id := b.sentEmail(plan{})
		ids = append(ids, id)
		all = append(all, receiptOf(id, "delivered"), receiptOf(id, "read"))
	}
	var wg sync.WaitGroup
	for i := range 4 {
		a := b.worker.NewReceiptApplier(b.client) // One per instance: they share nothing but the database.
		wg.Go(func() {
			for j := range all {
				r := all[(j*7+i*11)%len(all)]
				if _, err := a.Apply(context.WithoutCancel(t.Context()), []notify.DeliveryReceipt{r}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	for _, id := range ids {
		require.Equal(t, "read", b.delivery(id).State)
		require.Equal(t, 1, b.told("notification.read", id))
		require.LessOrEqual(t, b.told("notification.delivered", id), 1)
	}
	require.Equal(t, len(all), b.count(`SELECT count(*) FROM receipts WHERE applied_at IS NOT NULL`))
}

func TestSuppression_StopsClaimFallbackAndRedrive(t *testing.T) {
	t.Parallel()
	b, mail, a := mailer(t)
	r := receiptOf(b.sentEmail(plan{}), "complained")
	r.Suppression, r.Address = notify.SuppressedComplaint, phi[0]
	b.receive(a, r)
	id := b.plan(plan{channel: notify.Email})
	bounced := b.plan(plan{fallback: []string{notify.Email}})
	code := b.plan(plan{channel: notify.Email})
	b.exec(`UPDATE deliveries SET template = 'verification' WHERE id = $1`, code)
	b.exec(`DELETE FROM devices`)
	b.start()
	b.enqueue(id, bounced, code)
	require.Equal(t, "suppressed:complaint", b.await(id, "suppressed").Reason)
	b.await(bounced, "suppressed")
	b.await(code, "sent")
	b.idle()
	require.Equal(t, 1, b.count(`SELECT count(*) FROM deliveries WHERE event_id = (SELECT event_id FROM deliveries WHERE id = $1)`, bounced), "no fallback")
	mail.Wait(t, 1)
}

func TestSuppression_OfANumberThatOptedOutAtTheProvider(t *testing.T) {
	t.Parallel()
	b, mail, _ := mailer(t)
	mail.Answer(func(notify.Message) (notify.Receipt, error) {
		return notify.Receipt{}, notify.Permanent(notify.SuppressedOptedOut)
	})
	id := b.plan(plan{channel: notify.Email})
	b.start()
	b.enqueue(id)
	b.await(id, "failed")
	require.Equal(t, "email opted_out recorder", b.text(`SELECT channel || ' ' || reason || ' ' || source FROM suppressions`))
	require.Equal(t, 1, b.told("user.address_suppressed", id))
}

func TestSuppression_StopsTheChannelOfItsAddressAndNoOther(t *testing.T) {
	t.Parallel()
	channels := []string{notify.Email, notify.SMS, notify.WhatsApp}
	for _, suppressed := range channels {
		t.Run(suppressed, func(t *testing.T) {
			t.Parallel()
			all := map[string]notify.Notifier{}
			for _, channel := range channels {
				all[channel] = &notifytest.Recorder{}
			}
			b := setup(t, all)
			b.exec(`UPDATE users SET phone = '+15550100001', whatsapp = '+15550100001' WHERE id = $1`, b.user)
			bounced := b.plan(plan{channel: suppressed})
			b.exec(`UPDATE deliveries SET state = 'sent', attempt = 1, sent_at = now() WHERE id = $1`, bounced)
			r := receiptOf(bounced, "failed")
			r.Channel, r.Suppression = suppressed, notify.SuppressedHardBounce
			require.Equal(t, notify.Applied{New: 1, Matched: 1, Changed: 1, Suppressed: 1}, b.receive(b.worker.NewReceiptApplier(b.client), r))
			ids := map[string]uuid.UUID{}
			b.start()
			for _, channel := range channels {
				ids[channel] = b.plan(plan{channel: channel})
				b.enqueue(ids[channel])
			}
			for channel, id := range ids {
				if channel == suppressed {
					require.Equal(t, "suppressed:hard_bounce", b.await(id, "suppressed").Reason)
					continue
				}
				b.await(id, "sent")
			}
			require.Empty(t, all[suppressed].(*notifytest.Recorder).Messages())
		})
	}
}

// TestPlans_OfReceiptsReadIndexes runs the statements of receipts on full tables.
func TestPlans_OfReceiptsReadIndexes(t *testing.T) {
	t.Parallel()
	b, _, a := mailer(t)
	b.exec(`INSERT INTO receipts (provider, receipt_id, id, channel, delivery_id, provider_id, status, code, at, applied_at)
		SELECT 'ses', 'r' || i, gen_random_uuid(), 'email', gen_random_uuid(), 'm' || i, 'delivered', '', now(), now() FROM generate_series(1, 20000) AS i`)
	b.exec(`INSERT INTO suppressions (kind, address_hash, id, channel, reason, source)
		SELECT 'email', sha256(i::text::bytea), gen_random_uuid(), 'email', 'complaint', 'ses' FROM generate_series(1, 20000) AS i`)
	b.exec(`ANALYZE receipts, suppressions`)
	b.receive(a, receiptOf(b.sentEmail(plan{}), "delivered"))
	for _, sql := range []string{
		`SELECT id FROM receipts WHERE applied_at IS NULL AND delivery_id = ANY($1::uuid[])`,
		`SELECT id FROM receipts WHERE applied_at IS NULL AND id > ($1::uuid[])[1] ORDER BY id LIMIT 1000`,
		`SELECT id FROM receipts WHERE id = ANY($1::uuid[]) AND applied_at IS NULL ORDER BY id FOR UPDATE`,
		`SELECT id FROM suppressions WHERE (created_at, id) < (now(), ($1::uuid[])[1]) ORDER BY created_at DESC, id DESC LIMIT 50`,
		`SELECT id FROM suppressions WHERE user_id = ($1::uuid[])[1]`,
		`SELECT reason FROM suppressions WHERE kind = 'email' AND address_hash = sha256(($1::uuid[])[1]::text::bytea)`,
	} {
		rows, err := b.db.Owner.Query(t.Context(), "EXPLAIN "+sql, []uuid.UUID{newID()})
		require.NoError(t, err)
		var plan string
		for rows.Next() {
			var line string
			require.NoError(t, rows.Scan(&line))
			plan += line + "\n"
		}
		require.NoError(t, rows.Err())
		require.NotContains(t, plan, "Seq Scan", sql)
	}
}
