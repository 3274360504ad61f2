package e2e_test

import (
	"encoding/json"
	"time"

	"github.com/stretchr/testify/require"

	"carewire/internal/e2e/simulation"
)

// told reads what the service did from the views of the audit trail and from the providers, and completes the world with the
// events.
func (m *month) told() *simulation.Told {
	m.t.Helper()
	told := &simulation.Told{Digests: map[string]simulation.DigestRow{}, Received: map[string][]time.Time{}}
	var events []struct {
		ID, Type, Subject, Clinic string
		Version                   int
		At                        time.Time
		Data                      struct {
			UserID, DoctorID   string
			StartsAt           time.Time
			DueOn              string
			Released, Critical bool
		}
	}
	m.rows(&events, `SELECT event_id AS id, type, subject, coalesce(subject_version, 0) AS version, coalesce(clinic_id::text, '') AS clinic, time AS at, data
		FROM audit.events WHERE type LIKE 'appointment.%' OR type LIKE 'billing.%' OR type LIKE 'ehr.lab_report.%' ORDER BY position`)
	for _, e := range events {
		made := simulation.Event{
			ID: e.ID, Type: e.Type, Subject: e.Subject, Version: e.Version, Clinic: e.Clinic, At: m.moved(e.At),
			Person: e.Data.UserID, Doctor: e.Data.DoctorID, StartsAt: e.Data.StartsAt, Held: e.Type == "ehr.lab_report.created" && (!e.Data.Released || e.Data.Critical),
		}
		if e.Data.DueOn != "" {
			day, err := time.Parse(time.DateOnly, e.Data.DueOn)
			require.NoError(m.t, err)
			made.DueOn = day
		}
		m.world.Events = append(m.world.Events, made)
	}
	var deliveries []struct {
		ID, Notification, Event, Plan, Person, Channel, State, Reason string
		Unsure                                                        bool
		SentAt                                                        *time.Time
	}
	m.rows(&deliveries, `SELECT id, notification_id AS notification, event_id AS event, plan_key AS plan, recipient_id AS person, channel, state,
		reason, possible_duplicate OR error_code = 'no_receipt' IS TRUE OR state = 'unknown' AS unsure, sent_at AS "sentAt" FROM audit.deliveries WHERE rule = ANY($1)`, simulatedNames())
	for _, d := range deliveries {
		row := simulation.Delivery{ID: d.ID, Notification: d.Notification, Key: simulation.Key{Event: d.Event, Plan: d.Plan, Person: d.Person, Channel: d.Channel}, State: d.State, Reason: d.Reason, Unsure: d.Unsure}
		if d.SentAt != nil {
			row.SentAt = m.moved(*d.SentAt)
		}
		told.Deliveries = append(told.Deliveries, row)
	}
	var digests []simulation.DigestRow
	m.rows(&digests, `SELECT id, recipient_id AS person, clinic_id AS clinic, channel, key, coalesce(notification_id::text, '') AS notification,
		opened_at AS "openedAt", due_at AS "dueAt", coalesce(closed_at, 'epoch') AS "closedAt" FROM audit.digests`)
	for _, d := range digests {
		told.Digests[d.ID] = d
	}
	var items []struct {
		Digest, Event, Plan, Person, Channel, LeftOut string
		AddedAt                                       time.Time
	}
	m.rows(&items, `SELECT i.digest_id AS digest, n.event_id AS event, n.plan_key AS plan, i.recipient_id AS person, i.channel, coalesce(i.left_out, '') AS "leftOut", i.added_at AS "addedAt"
		FROM audit.digest_items AS i JOIN audit.notifications AS n ON n.id = i.notification_id`)
	for _, it := range items {
		told.Items = append(told.Items, simulation.Item{Digest: it.Digest, Key: simulation.Key{Event: it.Event, Plan: it.Plan, Person: it.Person, Channel: it.Channel}, LeftOut: it.LeftOut, AddedAt: it.AddedAt})
	}
	for _, s := range m.received {
		for _, msg := range s.Messages("") {
			told.Received[msg.DeliveryID] = append(told.Received[msg.DeliveryID], m.moved(msg.ReceivedAt))
		}
	}
	return told
}

// simulatedNames returns the names of the rules.
func simulatedNames() (names []string) {
	for _, r := range modelRules() {
		names = append(names, r.Name)
	}
	return names
}

// rows reads the rows of a query into a slice, by the names of the columns.
func (m *month) rows(into any, sql string, args ...any) {
	m.t.Helper()
	var all []byte
	require.NoError(m.t, m.db.Owner.QueryRow(m.t.Context(), `SELECT coalesce(json_agg(r), '[]') FROM (`+sql+`) AS r`, args...).Scan(&all))
	require.NoError(m.t, json.Unmarshal(all, into))
}
