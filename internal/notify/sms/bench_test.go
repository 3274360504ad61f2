package sms_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"carewire/internal/notify"
	"carewire/internal/notify/notifytest"
	"carewire/internal/notify/sms"
)

// BenchmarkNotify measures a text message through the SDK's client.
func BenchmarkNotify(b *testing.B) {
	notifytest.Benchmark(b, notify.SMS, func(url string) notify.Notifier {
		s, err := sms.New(b.Context(), sms.Config{
			Origination: "+15550100000", Region: "eu-central-1", Endpoint: url, AccessKeyID: "sandbox", SecretAccessKey: "sandbox",
		})
		require.NoError(b, err)
		b.Cleanup(s.Close)
		return s
	})
}
