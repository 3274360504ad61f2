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
	"carewire/internal/postgres/db"
)

// about makes the delivery one about an event that the ledger has.
func (b *bundle) about(delivery uuid.UUID, typ, templateName, data string) {
	b.t.Helper()
	b.exec(`INSERT INTO events (position, epoch, event_id, type, source, subject, time, data, actor_id, actor_role, imported, recorded_at, leaf_hash)
		SELECT event_position, 1, event_id, $2, 'test', 'x/1', '2025-02-01T23:30:00Z', $3::jsonb, '', '', false, now(), sha256('') FROM deliveries WHERE id = $1`,
		delivery, typ, data)
	b.exec(`UPDATE notifications SET event_type = $2 WHERE event_id = (SELECT event_id FROM deliveries WHERE id = $1)`, delivery, typ)
	b.exec(`UPDATE deliveries SET template = $2 WHERE id = $1`, delivery, templateName)
}

func TestWorker_NamesAnAppointmentsTimeInTheClinicsZoneAndThePersonsLanguage(t *testing.T) {
	t.Parallel()
	recorder := &notifytest.Recorder{}
	b := setup(t, map[string]notify.Notifier{notify.Email: recorder})
	b.exec(`UPDATE clinics SET time_zone = 'Europe/Berlin' WHERE id = $1`, b.clinic)
	b.exec(`UPDATE users SET locale = 'es-MX', time_zone = 'America/Mexico_City' WHERE id = $1`, b.user)
	id := b.plan(plan{channel: notify.Email})
	b.about(id, "appointment.booked", "appointment", `{"startsAt": "2025-03-03T13:30:00Z", "status": "booked"}`)
	b.start()
	b.enqueue(id)
	b.await(id, "sent")
	m := recorder.Messages()[0]
	require.Contains(t, m.Text, "Inicio: lun 3 de marzo, 14:30 (Europe/Berlin).", "the clinic's zone, and Spanish without a set for Mexico")
	require.Contains(t, m.HTML, "lun 3 de marzo, 14:30 (Europe/Berlin)")
}

func TestWorker_NamesTheDayOnWhichAnInvoiceIsDue(t *testing.T) {
	t.Parallel()
	recorder := &notifytest.Recorder{}
	b := setup(t, map[string]notify.Notifier{notify.Email: recorder})
	b.exec(`UPDATE clinics SET time_zone = 'Pacific/Auckland' WHERE id = $1`, b.clinic)
	b.exec(`UPDATE users SET locale = 'de-CH', time_zone = 'America/Los_Angeles' WHERE id = $1`, b.user)
	id := b.plan(plan{channel: notify.Email})
	b.about(id, "billing.invoice_issued", "billing", `{"dueOn": "2026-04-30", "status": "issued"}`)
	b.start()
	b.enqueue(id)
	b.await(id, "sent")
	require.Contains(t, recorder.Messages()[0].Text, "Fällig: Do., 30. April 2026.", "a day has no zone")
}

func TestWorker_SendsAMessageAboutAnEventThatIsNoLongerStored(t *testing.T) {
	t.Parallel()
	recorder := &notifytest.Recorder{}
	b := setup(t, map[string]notify.Notifier{notify.Email: recorder})
	id := b.plan(plan{channel: notify.Email})
	b.exec(`UPDATE notifications SET event_type = 'appointment.booked'`)
	b.exec(`UPDATE deliveries SET template = 'appointment'`)
	b.start()
	b.enqueue(id)
	b.await(id, "sent")
	require.Contains(t, recorder.Messages()[0].Text, "One of your appointments was booked. Sign in")
}

func TestWorker_ReadsOnlyTheListedFieldsOfAnEvent(t *testing.T) {
	t.Parallel()
	b, _, _ := withRecorders(t)
	id := b.plan(plan{channel: notify.Email})
	b.about(id, "appointment.booked", "appointment", `{"startsAt": "2025-03-03T13:30:00Z", "reason": "chest pain", "count": 3, "dueOn": null}`)
	rows, err := db.New(b.db.Worker).DeliveryClaim(t.Context(), db.DeliveryClaimParams{
		EventFields: template.EventFields, Ids: []uuid.UUID{id}, Channels: []string{notify.Email}, AddressKinds: []string{"email"},
		RepeatSafe: []bool{false}, Runs: []uuid.UUID{newID()}, Providers: []string{""},
	})
	require.NoError(t, err)
	require.JSONEq(t, `{"startsAt": "2025-03-03T13:30:00Z", "count": 3, "dueOn": null}`, string(rows[0].EventData))
}

func TestWorker_SignsALinkForEachButtonWithAPath(t *testing.T) {
	t.Parallel()
	signer, err := link.New(bytes.Repeat([]byte{3}, 32), "https://clinic.example")
	require.NoError(t, err)
	set, err := template.Parse([]byte(`frame: {greeting: Hello, or: or, footer: [bye]}
templates:
  clinical:
    actions:
      - {id: open, label: Open}
      - {id: list, label: All appointments, path: /appointments}
    push: {title: News, body: Sign in}
`), template.Options{})
	require.NoError(t, err)
	recorder := &notifytest.Recorder{}
	b := setup(t, map[string]notify.Notifier{notify.Push: recorder}, func(cfg *notify.Config) {
		cfg.Links, cfg.Templates = signer, &versions{sets: map[int32]*template.Set{0: set}}
	})
	id := b.plan(plan{})
	b.start()
	b.enqueue(id)
	b.await(id, "sent")
	m := recorder.Messages()[0]
	require.Len(t, m.Actions, 2)
	require.Equal(t, m.Link, m.Actions[0].Link, "a button without a path opens the message")
	o, err := signer.ParseOpen(path.Base(m.Actions[1].Link))
	require.NoError(t, err)
	require.Equal(t, link.Opening{DeliveryID: id, Action: 2}, o)
}
