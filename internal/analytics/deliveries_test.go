package analytics_test

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"carewire/internal/analytics"
	"carewire/internal/event"
)

// outcome is an event about a message.
func outcome(t *testing.T, typ string, at time.Time, clinic *uuid.UUID, data event.Payload) event.Event {
	t.Helper()
	e := happened(typ, at, clinic)
	body, err := json.Marshal(data)
	require.NoError(t, err)
	e.Data = body
	return e
}

func (b *bundle) deliveries(f analytics.DeliveryFilter) []string {
	b.t.Helper()
	if f.First.IsZero() {
		f.First, f.Last = nine.Add(-24*time.Hour), nine.Add(24*time.Hour)
	}
	f.Limit = 100
	found, err := analytics.ListDeliveryCounts(b.t.Context(), b.App, f)
	require.NoError(b.t, err)
	all := []string{}
	for _, c := range found {
		clinic := "-"
		if c.ClinicID != nil {
			clinic = c.ClinicID.String()[35:]
		}
		all = append(all, fmt.Sprintf("%s %s %s/%s/%s %s %d", c.Day[8:], clinic, c.Channel, c.Provider, c.Rule, c.Outcome, c.Count))
	}
	return all
}

func TestDeliveryCounts_HaveEachOutcomeOnce(t *testing.T) {
	t.Parallel()
	b := setup(t)
	email := event.Delivery{Channel: "email", Provider: "ses", Rule: "results", Attempt: 1}
	lost, never := email, email
	lost.State, never.State = "unknown", "failed"
	b.commit(
		outcome(t, "notification.sent", nine, &b.north, email),
		outcome(t, "notification.sent", nine, &b.north, email),
		outcome(t, "notification.sent", nine.Add(20*time.Hour), &b.north, email),
		outcome(t, "notification.sent", nine, &b.south, event.Delivery{Channel: "push", Provider: "fcm", Rule: "visits"}),
		outcome(t, "notification.delivered", nine, &b.north, email),
		outcome(t, "notification.failed", nine, nil, lost),
		outcome(t, "notification.failed", nine, nil, never),
		outcome(t, "notification.planned", nine, &b.north, event.Notification{Rule: "results", Channels: []event.ChannelDecision{
			{Channel: "email", State: "queued"}, {Channel: "sms", State: "suppressed", Reason: "no_address"},
		}}),
	)
	b.commit()
	all := []string{"clinic", "channel", "provider", "rule"}
	require.Equal(t, []string{
		"14 - email/ses/results failed 1",
		"14 - email/ses/results unknown 1",
		"14 1 email/ses/results delivered 1",
		"14 1 email/ses/results sent 2",
		"14 1 sms//results suppressed 1",
		"14 2 push/fcm/visits sent 1",
		"15 1 email/ses/results sent 1",
	}, b.deliveries(analytics.DeliveryFilter{EveryClinic: true, By: all}))
	require.Equal(t, []string{"14 - // delivered 1", "14 - // failed 1", "14 - // sent 3", "14 - // suppressed 1", "14 - // unknown 1", "15 - // sent 1"},
		b.deliveries(analytics.DeliveryFilter{EveryClinic: true}), "sums over what was not asked for")
	require.Equal(t, []string{"14 - push// sent 1"}, b.deliveries(analytics.DeliveryFilter{Clinics: []uuid.UUID{b.south}, By: []string{"channel"}}))
	require.Equal(t, []string{"15 - // sent 1"}, b.deliveries(analytics.DeliveryFilter{EveryClinic: true, Channel: "email", Rule: "results", First: nine.Add(20 * time.Hour), Last: nine.Add(21 * time.Hour)}))
	require.Empty(t, b.deliveries(analytics.DeliveryFilter{}), "no clinic, no counts")
}
