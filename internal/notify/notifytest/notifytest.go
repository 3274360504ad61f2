// Package notifytest holds what every channel's Notifier must do, as a test suite, and a Notifier that records.
package notifytest

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"carewire/internal/notify"
)

// Scenario is how a provider answers while a test runs.
type Scenario string

// The days.
const (
	Accepts     Scenario = "good"      // Everything is accepted.
	Refused     Scenario = "refused"   // This message is refused for good.
	Throttled   Scenario = "throttled" // Too many requests; Retry-After is 7 seconds.
	Broken      Scenario = "broken"    // An internal error.
	AcceptsOnly Scenario = "accepts"   // The message is accepted, and no answer comes.
)

// RetryAfter is what a provider asks for on a Throttled day.
const RetryAfter = 7 * time.Second

// Provider is a stand-in that the suite can put in a mood.
type Provider interface {
	// Handler speaks the provider's protocol.
	Handler() http.Handler
	// Use makes it answer so from now on.
	Use(day Scenario)
	// Received is how many messages it took.
	Received() int
}

// Factory makes the Notifier under test against the provider, which is served at the URL. It closes it with the test.
type Factory func(t *testing.T, p Provider, url string) notify.Notifier

// Secret words stand for what must not get into an error.
const (
	secretAddress = "secret.person@mail.example"
	secretPhone   = "+15550100077"
	secretToken   = "secret-device-token"
	secretTitle   = "Secret title"
)

// TestMessage is a message for the channel, with an address, a token and words that no error may repeat.
func TestMessage(channel string) notify.Message {
	id := uuid.Must(uuid.NewV7())
	return notify.Message{
		DeliveryID: id, Channel: channel, Type: "ehr.lab_report.created",
		Email: secretAddress, Phone: secretPhone, Devices: []notify.Device{{ID: uuid.Must(uuid.NewV7()), Token: secretToken, Platform: "android"}},
		Subject: secretTitle, Text: "Secret text", HTML: "<p>Secret text</p>", Title: secretTitle, Body: "Secret text",
		Link: "https://clinic.example/notifications/1", CollapseKey: id.String(), Priority: "normal", TTL: time.Hour,
	}
}

// TestChannel runs the suite for a channel: provider makes a fresh stand-in for each test.
func TestChannel(t *testing.T, channel string, provider func() Provider, factory Factory) {
	t.Helper()
	for _, c := range []struct {
		name  string
		day   Scenario
		class notify.Class
		after time.Duration
		took  int
	}{
		{"AcceptedIsAReceipt", Accepts, "", 0, 1},
		{"RefusedIsPermanent", Refused, notify.ClassPermanent, 0, 0},
		{"ThrottledIsAClassOfItsOwnAndSaysWhen", Throttled, notify.ClassThrottled, RetryAfter, 0},
		{"BrokenIsTransient", Broken, notify.ClassTransient, 0, 0},
		{"NoAnswerAfterSendingIsUncertain", AcceptsOnly, notify.ClassUncertain, 0, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			p := provider()
			server := httptest.NewServer(p.Handler())
			t.Cleanup(server.Close)
			n := factory(t, p, server.URL)
			p.Use(c.day)
			receipt, err := send(t, n, channel)
			require.Equal(t, c.took, p.Received(), "one call is one request")
			if c.class == "" {
				require.NoError(t, err)
				require.NotEmpty(t, receipt.Provider)
				require.NotEmpty(t, receipt.ProviderID)
				return
			}
			requireClass(t, err, c.class)
			failure, _ := errors.AsType[*notify.Error](err)
			require.Equal(t, c.after, failure.RetryAfter)
			requireNoSecret(t, err)
		})
	}
	t.Run("NobodyListeningIsTransient", func(t *testing.T) {
		t.Parallel()
		p := provider()
		server := httptest.NewServer(p.Handler())
		n := factory(t, p, server.URL)
		server.Close()
		_, err := send(t, n, channel)
		requireClass(t, err, notify.ClassTransient)
		requireNoSecret(t, err)
	})
	t.Run("AConnectionThatBreaksAfterSendingIsUncertain", func(t *testing.T) {
		t.Parallel()
		p := provider()
		handler := p.Handler()
		var calls atomic.Int32
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if strings.HasSuffix(r.URL.Path, "/token") {
				handler.ServeHTTP(w, r)
				return
			}
			calls.Add(1)
			hangUp(w)
		}))
		t.Cleanup(server.Close)
		n := factory(t, p, server.URL)
		_, err := send(t, n, channel)
		requireClass(t, err, notify.ClassUncertain)
		require.EqualValues(t, 1, calls.Load(), "the SDK did not send it again")
		requireNoSecret(t, err)
	})
}

// send makes one call under a short timeout, which only a provider that does not answer makes it wait for.
func send(t *testing.T, n notify.Notifier, channel string) (notify.Receipt, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	return n.Notify(ctx, TestMessage(channel))
}

// hangUp ends the connection without an answer.
func hangUp(w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err == nil {
		if tcp, ok := conn.(*net.TCPConn); ok {
			_ = tcp.SetLinger(0)
		}
		_ = conn.Close()
	}
}

func requireClass(t *testing.T, err error, class notify.Class) {
	t.Helper()
	failure, ok := errors.AsType[*notify.Error](err)
	require.True(t, ok, "an error of a Notifier is a *notify.Error, not %T", err)
	require.Equal(t, class, failure.Class, failure.Code)
	require.NotEqual(t, "unknown", failure.Code)
}

func requireNoSecret(t *testing.T, err error) {
	t.Helper()
	for _, secret := range []string{secretAddress, "secret", "Secret", secretToken, secretPhone[1:]} {
		require.NotContains(t, err.Error(), secret)
	}
}
