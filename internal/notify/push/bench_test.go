package push_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"carewire/internal/notify"
	"carewire/internal/notify/notifytest"
	"carewire/internal/notify/push"
	"carewire/internal/sandbox"
)

// BenchmarkNotify measures a push message to one device through the SDK's client.
func BenchmarkNotify(b *testing.B) {
	notifytest.Benchmark(b, notify.Push, func(url string) notify.Notifier {
		credentials, err := sandbox.New().ServiceAccount(project, url)
		require.NoError(b, err)
		s, err := push.New(b.Context(), push.Config{ProjectID: project, Endpoint: url, CredentialsJSON: credentials})
		require.NoError(b, err)
		b.Cleanup(s.Close)
		return s
	})
}
