package whatsapp_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"carewire/internal/notify"
	"carewire/internal/notify/notifytest"
	"carewire/internal/notify/whatsapp"
)

// BenchmarkNotify measures a WhatsApp message.
func BenchmarkNotify(b *testing.B) {
	notifytest.Benchmark(b, notify.WhatsApp, func(url string) notify.Notifier {
		s, err := whatsapp.New(whatsapp.Config{PhoneNumberID: "106540352242922", Token: "token", Endpoint: url})
		require.NoError(b, err)
		b.Cleanup(s.Close)
		return s
	})
}
