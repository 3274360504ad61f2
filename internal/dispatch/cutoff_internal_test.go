package dispatch

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"carewire/internal/event"
	"carewire/internal/postgres/db"
)

func TestCutOffBy_CancelsAllOfANotificationThatWasToComeLater(t *testing.T) {
	t.Parallel()
	version, later := int64(1), time.Now().Add(time.Hour)
	e := &event.Event{Subject: "appointment/1", SubjectVersion: &version}
	p := plan{notifications: []notification{
		{event: e, planKey: "24h", inApp: "rule reminder", dueAt: later, heldUntil: later, deliveries: []delivery{{channel: "email", held: true, notBefore: later}}},
		{event: e, inApp: "rule booked", dueAt: later, deliveries: []delivery{{channel: "email", held: true, notBefore: later}}},
	}}
	p.cutOffBy(cutOffs{{subject: "appointment/1"}: db.CutoffOfRow{Subject: "appointment/1", Version: 2, CauseType: "appointment.cancelled"}})
	reminder, booked := &p.notifications[0], &p.notifications[1]
	for _, n := range []*notification{reminder, booked} {
		require.Zero(t, n.dueAt)
		require.Equal(t, "cancelled", n.deliveries[0].state())
		require.Equal(t, "cut_off:appointment.cancelled", n.deliveries[0].reason)
		require.Zero(t, n.deliveries[0].notBefore)
	}
	require.True(t, reminder.cancelled())
	require.Equal(t, later, reminder.heldUntil, "it never shows in the inbox")
	require.False(t, booked.cancelled(), "the inbox has it, as history")
	require.True(t, booked.sends())
}
