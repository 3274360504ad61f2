// Package notifytest provides the test suite that every channel's Notifier must pass, stand-ins for
// providers, and a Recorder that records messages.
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
	"carewire/internal/notify/template"
)

// Scenario is the way a provider answers during a test.
type Scenario string

// The scenarios.
const (
	Accepts              Scenario = "accepts"                // Every message is accepted.
	Rejects              Scenario = "rejects"                // Every message is rejected for good.
	Throttles            Scenario = "throttles"              // Too many requests; Retry-After is 7 seconds.
	Fails                Scenario = "fails"                  // An internal error.
	AcceptsWithoutAnswer Scenario = "accepts_without_answer" // The message is accepted, and no answer follows.
	Breaks               Scenario = "breaks"                 // The connection breaks after the message was sent. Only a Server is asked for it.
)

// RetryAfter is the wait that a provider asks for in the scenario Throttles.
const RetryAfter = 7 * time.Second

// Provider is a stand-in that the suite controls.
type Provider interface {
	// Handler serves the provider's protocol.
	Handler() http.Handler
	// Use sets the scenario of the calls that follow.
	Use(s Scenario)
	// Received returns how many messages it accepted.
	Received() int
}

// Server is a Provider that does not speak HTTP. Its protocol has no Retry-After.
type Server interface {
	Provider
	// Serve serves the protocol until stop is called, and at most until the end of the test. The URL
	// has the host and port.
	Serve(t *testing.T) (url string, stop func())
}

// serve serves the stand-in until stop is called or the test ends.
func serve(t *testing.T, p Provider) (url string, stop func()) {
	t.Helper()
	if s, ok := p.(Server); ok {
		return s.Serve(t)
	}
	server := httptest.NewServer(p.Handler())
	t.Cleanup(server.Close)
	return server.URL, server.Close
}

// Factory returns the Notifier under test for the provider, which is served at the URL, and closes
// it at the end of the test.
type Factory func(t *testing.T, p Provider, url string) notify.Notifier

// The parts of a message that no error may contain.
const (
	secretAddress = "secret.person@mail.example"
	secretPhone   = "+15550100077"
	secretToken   = "secret-device-token"
	secretTitle   = "Secret title"
)

// TestMessage returns a message for the channel. No error may contain its address, its token or its
// text.
func TestMessage(channel string) notify.Message {
	id := uuid.Must(uuid.NewV7())
	m := notify.Message{
		DeliveryID: id, Channel: channel, Type: "ehr.lab_report.created",
		Email: secretAddress, Phone: secretPhone, Devices: []notify.Device{{ID: uuid.Must(uuid.NewV7()), Token: secretToken, Platform: "android"}},
		Subject: secretTitle, Text: "Secret text", HTML: "<p>Secret text</p>", Title: secretTitle, Body: "Secret text",
		Link: "https://clinic.example/notifications/1", CollapseKey: id.String(), Priority: "normal", TTL: time.Hour,
	}
	if channel == notify.WhatsApp {
		m.Approved = &template.Approved{Name: "new_record", Language: "en_US", Variables: []string{"Secret text"}, Button: "secret-token"}
	}
	return m
}

// TestChannel runs the suite for a channel. newProvider returns a fresh stand-in for each test.
func TestChannel(t *testing.T, channel string, newProvider func() Provider, factory Factory) {
	t.Helper()
	for _, c := range []answerCase{
		{"AcceptedIsAReceipt", Accepts, "", 0, 1},
		{"RefusedIsPermanent", Rejects, notify.ClassPermanent, 0, 0},
		{"ThrottledIsAClassOfItsOwnAndSaysWhen", Throttles, notify.ClassThrottled, RetryAfter, 0},
		{"BrokenIsTransient", Fails, notify.ClassTransient, 0, 0},
		{"NoAnswerAfterSendingIsUncertain", AcceptsWithoutAnswer, notify.ClassUncertain, 0, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			c.run(t, channel, newProvider(), factory)
		})
	}
	t.Run("NobodyListeningIsTransient", func(t *testing.T) {
		t.Parallel()
		testNotListening(t, channel, newProvider(), factory)
	})
	t.Run("AConnectionThatBreaksAfterSendingIsUncertain", func(t *testing.T) {
		t.Parallel()
		testBrokenConnection(t, channel, newProvider(), factory)
	})
}

// answerCase is a scenario, with the class, the wait and the number of received messages that must
// result.
type answerCase struct {
	name     string
	scenario Scenario
	class    notify.Class
	after    time.Duration
	received int
}

func (c answerCase) run(t *testing.T, channel string, p Provider, factory Factory) {
	t.Helper()
	url, _ := serve(t, p)
	n := factory(t, p, url)
	p.Use(c.scenario)
	receipt, err := send(t, n, channel)
	require.Equal(t, c.received, p.Received(), "one call is one request")
	if c.class == "" {
		require.NoError(t, err)
		require.NotEmpty(t, receipt.Provider)
		require.NotEmpty(t, receipt.ProviderID)
		return
	}
	requireClass(t, err, c.class)
	failure, _ := errors.AsType[*notify.Error](err)
	if _, ok := p.(Server); !ok {
		require.Equal(t, c.after, failure.RetryAfter)
	}
	requireNoSecret(t, err)
}

func testNotListening(t *testing.T, channel string, p Provider, factory Factory) {
	t.Helper()
	url, stop := serve(t, p)
	n := factory(t, p, url)
	stop()
	_, err := send(t, n, channel)
	requireClass(t, err, notify.ClassTransient)
	requireNoSecret(t, err)
}

func testBrokenConnection(t *testing.T, channel string, p Provider, factory Factory) {
	t.Helper()
	if s, ok := p.(Server); ok {
		url, _ := s.Serve(t)
		n := factory(t, p, url)
		p.Use(Breaks)
		_, err := send(t, n, channel)
		requireClass(t, err, notify.ClassUncertain)
		require.Equal(t, 1, p.Received(), "it was not sent again")
		requireNoSecret(t, err)
		return
	}
	handler := p.Handler()
	var calls atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/token") {
			handler.ServeHTTP(w, r)
			return
		}
		calls.Add(1)
		closeConnection(w)
	}))
	t.Cleanup(server.Close)
	n := factory(t, p, server.URL)
	_, err := send(t, n, channel)
	requireClass(t, err, notify.ClassUncertain)
	require.EqualValues(t, 1, calls.Load(), "the SDK did not send it again")
	requireNoSecret(t, err)
}

// send makes one call under a short timeout, which only a provider that does not answer reaches.
func send(t *testing.T, n notify.Notifier, channel string) (notify.Receipt, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	return n.Notify(ctx, TestMessage(channel))
}

// closeConnection ends the connection without an answer.
func closeConnection(w http.ResponseWriter) {
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
