package notify_test

import (
	"bytes"
	"path"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"carewire/internal/notify"
	"carewire/internal/notify/link"
	"carewire/internal/notify/notifytest"
	"carewire/internal/notify/template"
)

// digest writes a closed digest with an item for each of the event types, and its delivery, without
// the job. The types in leftOut have another item that is not sent.
func (b *bundle) digest(channel string, types []string, leftOut ...string) uuid.UUID {
	b.t.Helper()
	id, delivery := newID(), b.plan(plan{channel: channel})
	b.exec(`UPDATE deliveries SET template = 'digest', plan_key = 'digest/' || $2, reason = 'digest of 5' WHERE id = $1`, delivery, id)
	b.exec(`UPDATE notifications SET template = 'digest', plan_key = 'digest/' || $2, held_until = 'infinity' WHERE id = $1`, b.delivery(delivery).NotificationID, id)
	b.exec(`INSERT INTO digests (id, recipient_id, clinic_id, channel, key, category, priority, max_items, items, due_at, closed_at, notification_id)
		VALUES ($1, $2, $3, $4, 'k', 'clinical', 'normal', 50, $5, now(), now(), $6)`, id, b.user, b.clinic, channel, len(types)+len(leftOut), b.delivery(delivery).NotificationID)
	add := func(typ string, reason any) {
		item := b.delivery(b.plan(plan{channel: channel})).NotificationID
		b.exec(`UPDATE notifications SET event_type = $2 WHERE id = $1`, item, typ)
		b.exec(`INSERT INTO digest_items (digest_id, event_position, notification_id, recipient_id, channel, rule, template_version, reason, left_out)
			SELECT $1, n.event_position, n.id, n.recipient_id, $2, n.rule, 0, 'digest:record-created', $4 FROM notifications AS n WHERE n.id = $3`, id, channel, item, reason)
		b.exec(`DELETE FROM deliveries WHERE notification_id = $1`, item)
	}
	for _, typ := range types {
		add(typ, nil)
	}
	for _, typ := range leftOut {
		add(typ, "read_in_app")
	}
	return delivery
}

func TestWorker_SendsADigestAsOneMessageThatListsItsItems(t *testing.T) {
	t.Parallel()
	signer, err := link.New(bytes.Repeat([]byte{3}, 32), "https://clinic.example")
	require.NoError(t, err)
	recorder := &notifytest.Recorder{}
	b := setup(t, map[string]notify.Notifier{notify.Email: recorder}, func(cfg *notify.Config) { cfg.Links, cfg.AppName = signer, "Park Clinic" })
	id := b.digest(notify.Email, []string{
		"ehr.lab_report.created", "ehr.lab_report.amended", "appointment.booked", "ehr.lab_report.created", "ehr.prescription.created",
	}, "billing.invoice_issued")
	b.start()
	b.enqueue(id)
	b.await(id, "sent")
	b.idle()
	require.Len(t, recorder.Messages(), 1)
	m := recorder.Messages()[0]
	require.Equal(t, "5 new messages from Park Clinic", m.Subject)
	require.Contains(t, m.Text, "3 lab reports, 1 appointment, 1 prescription.")
	require.NotContains(t, m.Text, "invoice", "it was left out")
	require.NotEmpty(t, m.UnsubscribeURL)
	o, err := signer.ParseOpen(path.Base(m.Link))
	require.NoError(t, err)
	require.Equal(t, link.Opening{DeliveryID: id, Action: notify.ActionInbox}, o)
	require.Contains(t, m.Text, m.Link)
}

func TestWorker_SendsADigestInTheBinarysWordsWhereASetHasNone(t *testing.T) {
	t.Parallel()
	builtin, err := template.Default()
	require.NoError(t, err)
	recorder := &notifytest.Recorder{}
	b := setup(t, map[string]notify.Notifier{notify.Push: recorder}, func(cfg *notify.Config) {
		cfg.Templates = &versions{sets: map[int32]*template.Set{0: builtin, 1: wording(t, "Own")}}
	})
	b.exec(`UPDATE users SET locale = 'de' WHERE id = $1`, b.user)
	id := b.digest(notify.Push, []string{"ehr.lab_report.created", "ehr.lab_report.created"})
	b.exec(`UPDATE deliveries SET template_version = 1 WHERE id = $1`, id)
	b.start()
	b.enqueue(id)
	b.await(id, "sent")
	m := recorder.Messages()[0]
	require.Equal(t, []string{"2 neue Nachrichten", "Es gibt Neues für Sie: 2 × Laborbericht. Melden Sie sich an, um es zu lesen.", "https://clinic.example/"}, []string{m.Title, m.Body, m.Link})
}
