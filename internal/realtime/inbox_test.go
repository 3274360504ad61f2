package realtime_test

import (
	"context"
	"sync/atomic"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"carewire/internal/care"
	"carewire/internal/event"
	"carewire/internal/realtime"
)

// counted waits for the frame with the counts; earlier counts may precede it.
func (c *client) counted(t *testing.T, unread, unseen int64) {
	t.Helper()
	for {
		f, err := c.read()
		require.NoError(t, err)
		if f.Type == "inbox" && f.Unread == unread && f.Unseen == unseen {
			return
		}
	}
}

func TestHub_SendsTheInboxCountsToAllDevicesOfThePersonAlone(t *testing.T) {
	t.Parallel()
	var unread, asked atomic.Int64
	var b *bundle
	b = setup(t, func(c *realtime.Config) {
		c.Inbox = func(_ context.Context, person uuid.UUID) (realtime.InboxCounts, error) {
			if person != b.patient {
				asked.Add(1)
			}
			return realtime.InboxCounts{Unread: unread.Load(), Unseen: 2 * unread.Load()}, nil
		}
	})
	phone, laptop, other := b.dial(t, b.patient), b.dial(t, b.patient), b.dial(t, b.doctor)
	planned := func(person uuid.UUID) event.Event {
		id := uuid.New()
		return event.New(b.cmd, "notification.planned", care.Ref{Kind: "notification", ID: id}, event.Notification{NotificationID: id, UserID: person}).About(b.cmd, person, nil)
	}
	updated := func() event.Event {
		return event.New(b.cmd, "inbox.updated", care.Ref{Kind: "inbox", ID: b.patient}, event.Inbox{UserID: b.patient, Unread: 99}).About(b.cmd, b.patient, nil)
	}
	unread.Store(1)
	b.append(t, planned(b.patient), planned(b.stranger))
	phone.counted(t, 1, 2)
	laptop.counted(t, 1, 2)
	unread.Store(0)
	b.append(t, updated())
	phone.counted(t, 0, 0)
	laptop.counted(t, 0, 0)

	last := b.device(b.doctor)
	b.append(t, last)
	other.gets(last)
	require.Zero(t, asked.Load(), "nobody without a socket is counted")
}
