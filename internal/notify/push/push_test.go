package push_test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"carewire/internal/notify"
	"carewire/internal/notify/notifytest"
	"carewire/internal/notify/push"
	"carewire/internal/notify/template"
	"carewire/internal/sandbox"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const project = "carewire-sandbox"

// faults are the answers of FCM.
var faults = map[notifytest.Scenario]sandbox.Fault{
	notifytest.Rejects:   {ErrorCode: "UNREGISTERED"},
	notifytest.Throttles: {ErrorCode: "QUOTA_EXCEEDED", RetryAfterSeconds: 7},
	notifytest.Fails:     {Status: 503},
}

func newSender(t *testing.T, s *sandbox.Sandbox, url string) *push.Sender {
	t.Helper()
	credentials, err := s.ServiceAccount(project, url)
	require.NoError(t, err)
	sender, err := push.New(t.Context(), push.Config{ProjectID: project, Endpoint: url, CredentialsJSON: credentials})
	require.NoError(t, err)
	t.Cleanup(sender.Close)
	return sender
}

func TestSender_IsAChannel(t *testing.T) {
	t.Parallel()
	notifytest.TestChannel(t, notify.Push,
		func() notifytest.Provider { return notifytest.NewSandboxProvider(notify.Push, faults) },
		func(t *testing.T, p notifytest.Provider, url string) notify.Notifier {
			t.Helper()
			return newSender(t, p.(*notifytest.SandboxProvider).Sandbox, url)
		})
}

func TestSender_SaysWhatFCMNeedsToKnow(t *testing.T) {
	t.Parallel()
	s := sandbox.New()
	m := notifytest.TestMessage(notify.Push)
	m.Priority = "critical"
	_, err := newSender(t, s, notifytest.ServeSandbox(t, s)).Notify(t.Context(), m)
	require.NoError(t, err)
	got := s.Messages("push")
	require.Len(t, got, 1)
	require.Equal(t, m.DeliveryID.String(), got[0].DeliveryID)
	require.Equal(t, m.Devices[0].Token, got[0].To)
	require.Equal(t, m.Title, got[0].Title)
	require.Equal(t, m.Body, got[0].Body)
	require.Equal(t, m.Link, got[0].Link)
	require.Equal(t, "high", got[0].Priority)
}

func TestSender_SendsARichMessage(t *testing.T) {
	t.Parallel()
	s := sandbox.New()
	m := notifytest.TestMessage(notify.Push)
	m.Link = "https://clinic.example/l/abc"
	m.Image, m.Platform.InterruptionLevel = "https://img.example.org/x.png", "critical"
	m.Actions = []template.Action{{ID: "open", Label: "Open", Link: m.Link}}
	_, err := newSender(t, s, notifytest.ServeSandbox(t, s)).Notify(t.Context(), m)
	require.NoError(t, err)
	got := s.Messages("push")[0]
	require.Equal(t, m.Image, got.Image)
	require.Equal(t, "critical", got.Interruption)
	require.Equal(t, []sandbox.Action{{ID: "open", Label: "Open", Link: m.Link}}, got.Actions)
}

func TestSender_TellsWhatEachErrorMeans(t *testing.T) {
	t.Parallel()
	for code, want := range map[string]struct {
		class notify.Class
		gone  bool
	}{
		"UNREGISTERED":           {notify.ClassPermanent, true},
		"SENDER_ID_MISMATCH":     {notify.ClassPermanent, true},
		"INVALID_ARGUMENT":       {notify.ClassPermanent, false},
		"THIRD_PARTY_AUTH_ERROR": {notify.ClassTransient, false},
		"QUOTA_EXCEEDED":         {notify.ClassThrottled, false},
		"UNAVAILABLE":            {notify.ClassTransient, false},
		"INTERNAL":               {notify.ClassTransient, false},
	} {
		t.Run(code, func(t *testing.T) {
			t.Parallel()
			s := sandbox.New()
			_, err := s.AddFault(sandbox.Fault{ErrorCode: code, Count: 1})
			require.NoError(t, err)
			m := notifytest.TestMessage(notify.Push)
			receipt, err := newSender(t, s, notifytest.ServeSandbox(t, s)).Notify(t.Context(), m)
			require.EqualError(t, err, string(want.class)+": "+code)
			require.Empty(t, s.Messages("push"), "the SDK did not try again by itself")
			require.Equal(t, want.gone, len(receipt.Gone) == 1)
		})
	}
}

func TestSender_SucceedsWhenOneDeviceGotIt(t *testing.T) {
	t.Parallel()
	s := sandbox.New()
	_, err := s.AddFault(sandbox.Fault{To: "old", ErrorCode: "UNREGISTERED"})
	require.NoError(t, err)
	m := notifytest.TestMessage(notify.Push)
	old, gone := m.Devices[0], uuid.Must(uuid.NewV7())
	m.Devices = []notify.Device{old, {ID: gone, Token: "old"}, {ID: uuid.Must(uuid.NewV7()), Token: "new"}}
	receipt, err := newSender(t, s, notifytest.ServeSandbox(t, s)).Notify(t.Context(), m)
	require.NoError(t, err)
	require.NotEmpty(t, receipt.ProviderID)
	require.Equal(t, []uuid.UUID{gone}, receipt.Gone)
	require.Len(t, s.Messages("push"), 2)
}

func TestSender_SaysThatItWasThrottledForOneOfTwoDevices(t *testing.T) {
	t.Parallel()
	s := sandbox.New()
	_, err := s.AddFault(sandbox.Fault{To: "busy", ErrorCode: "QUOTA_EXCEEDED"})
	require.NoError(t, err)
	m := notifytest.TestMessage(notify.Push)
	m.Devices = append(m.Devices, notify.Device{ID: uuid.Must(uuid.NewV7()), Token: "busy"})
	receipt, err := newSender(t, s, notifytest.ServeSandbox(t, s)).Notify(t.Context(), m)
	require.NoError(t, err)
	require.NotEmpty(t, receipt.ProviderID)
	require.True(t, receipt.Throttled)
}

func TestSender_IsTransientWithoutAnAccessToken(t *testing.T) {
	t.Parallel()
	s := sandbox.New()
	credentials := withOtherKey(t, s, notifytest.ServeSandbox(t, s))
	sender, err := push.New(t.Context(), push.Config{ProjectID: project, Endpoint: notifytest.ServeSandbox(t, s), CredentialsJSON: credentials})
	require.NoError(t, err)
	t.Cleanup(sender.Close)
	_, err = sender.Notify(t.Context(), notifytest.TestMessage(notify.Push))
	require.EqualError(t, err, "transient: credentials")
}

// withOtherKey returns credentials of the sandbox with a key that it does not accept.
func withOtherKey(t *testing.T, s *sandbox.Sandbox, url string) []byte {
	t.Helper()
	credentials, err := s.ServiceAccount(project, url)
	require.NoError(t, err)
	account := map[string]string{}
	require.NoError(t, json.Unmarshal(credentials, &account))
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	der, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(t, err)
	account["private_key"] = string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
	credentials, err = json.Marshal(account)
	require.NoError(t, err)
	return credentials
}

func TestNew_NeedsAProject(t *testing.T) {
	t.Parallel()
	_, err := push.New(t.Context(), push.Config{})
	require.ErrorContains(t, err, "project")
}
