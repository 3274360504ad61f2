package notify_test

import (
	"bytes"
	"path"
	"testing"

	"github.com/stretchr/testify/require"

	"carewire/internal/notify"
	"carewire/internal/notify/link"
	"carewire/internal/notify/notifytest"
)

func TestWorker_SendsShortLinksAndOffersToUnsubscribeUnlessEssential(t *testing.T) {
	t.Parallel()
	signer, err := link.New(bytes.Repeat([]byte{3}, 32), "https://clinic.example")
	require.NoError(t, err)
	recorder := &notifytest.Recorder{}
	b := setup(t, map[string]notify.Notifier{notify.Email: recorder}, func(cfg *notify.Config) { cfg.Links = signer })
	common, critical := b.plan(plan{channel: notify.Email}), b.plan(plan{channel: notify.Email, priority: "critical"})
	invitation := b.plan(plan{channel: notify.Email})
	b.exec(`UPDATE deliveries SET template = 'invitation' WHERE id = $1`, invitation)
	b.start()
	b.enqueue(common, critical, invitation)
	b.await(common, "sent")
	b.await(critical, "sent")
	b.await(invitation, "sent")
	for _, m := range recorder.Messages() {
		o, err := signer.ParseOpen(path.Base(m.Link))
		require.NoError(t, err)
		require.Equal(t, m.DeliveryID, o.DeliveryID)
		require.Contains(t, m.Text, m.Link)
		if m.DeliveryID != common {
			require.Empty(t, m.UnsubscribeURL)
			continue
		}
		s, err := signer.ParseUnsubscribe(path.Base(m.UnsubscribeURL))
		require.NoError(t, err)
		require.Equal(t, link.Subscription{UserID: b.user, Category: "clinical"}, s)
	}
	require.Len(t, recorder.Messages(), 3)
}
