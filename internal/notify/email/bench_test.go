package email_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"carewire/internal/notify"
	"carewire/internal/notify/email"
	"carewire/internal/notify/notifytest"
)

// BenchmarkNotify measures an email through the SDK's client.
func BenchmarkNotify(b *testing.B) {
	notifytest.Benchmark(b, notify.Email, func(url string) notify.Notifier {
		s, err := email.New(b.Context(), email.Config{
			From: "clinic@carewire.example", Region: "eu-central-1", Endpoint: url, AccessKeyID: "sandbox", SecretAccessKey: "sandbox",
		})
		require.NoError(b, err)
		b.Cleanup(s.Close)
		return s
	})
}
