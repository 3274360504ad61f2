package twilio_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"carewire/internal/notify"
	"carewire/internal/notify/notifytest"
	"carewire/internal/notify/twilio"
	"carewire/internal/sandbox"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const account = "AC0123456789abcdef0123456789abcdef"

// fault returns a fault of Twilio in the sandbox.
func fault(code string) sandbox.Fault { return sandbox.Fault{Provider: "twilio", ErrorCode: code} }

func newSender(t *testing.T, url string, change ...func(*twilio.Config)) notify.Notifier {
	t.Helper()
	cfg := twilio.Config{
		AccountSID: account, Secret: "sandbox", From: "+15550100001", Endpoint: url, StatusCallback: "https://clinic.example/webhooks/twilio",
	}
	for _, c := range change {
		c(&cfg)
	}
	s, err := twilio.New(cfg)
	require.NoError(t, err)
	t.Cleanup(s.Close)
	return s
}

func TestSender_IsAChannel(t *testing.T) {
	t.Parallel()
	throttles := fault("20429")
	throttles.RetryAfterSeconds = 7
	faults := map[notifytest.Scenario]sandbox.Fault{
		notifytest.Rejects: fault("21211"), notifytest.Throttles: throttles, notifytest.Fails: {Status: 500},
	}
	notifytest.TestChannel(t, notify.SMS, func() notifytest.Provider { return notifytest.NewSandboxProvider(notify.SMS, faults) },
		func(t *testing.T, _ notifytest.Provider, url string) notify.Notifier {
			t.Helper()
			return newSender(t, url)
		})
}

func TestSender_SendsTheTextAndTheDeliveryInItsCallback(t *testing.T) {
	t.Parallel()
	s := sandbox.New()
	url := notifytest.ServeSandbox(t, s)
	m := notifytest.TestMessage(notify.SMS)
	receipt, err := newSender(t, url).Notify(t.Context(), m)
	require.NoError(t, err)
	require.Regexp(t, "^SM[0-9a-f]{32}$", receipt.ProviderID)
	_, err = newSender(t, url, func(cfg *twilio.Config) {
		cfg.From, cfg.KeySID = "MG0123456789abcdef0123456789abcdef", "SK0123456789abcdef0123456789abcdef"
		cfg.StatusCallback = ""
	}).Notify(t.Context(), m)
	require.NoError(t, err)
	got := s.Messages(notify.SMS)
	require.Len(t, got, 2)
	require.Equal(t, []string{"MG0123456789abcdef0123456789abcdef", "+15550100001"}, []string{got[0].From, got[1].From})
	require.Equal(t, m.Phone, got[1].To)
	require.Equal(t, m.Text, got[1].Body)
	require.Equal(t, m.DeliveryID.String(), got[1].DeliveryID)
	require.Equal(t, "https://clinic.example/webhooks/twilio?delivery="+m.DeliveryID.String(), got[1].Callback)
	require.Empty(t, got[0].Callback)
}

func TestSender_TellsErrorsOfTheRecipientFromThoseOfTheAccount(t *testing.T) {
	t.Parallel()
	for code, want := range map[string]string{
		"21610": "permanent: opted_out",
		"21211": "permanent: 21211",
		"21614": "permanent: 21614",
		"21617": "permanent: 21617",
		"20429": "throttled: 20429",
		"30001": "throttled: 30001",
		"20003": "transient: 20003", // Wrong credentials.
		"21408": "transient: 21408", // The account may not send to this country.
		"21606": "transient: 21606", // The number is not the account's.
		"30002": "transient: 30002", // The account is suspended.
		"20503": "transient: 20503",
	} {
		t.Run(code, func(t *testing.T) {
			t.Parallel()
			s := sandbox.New()
			_, err := s.AddFault(fault(code))
			require.NoError(t, err)
			_, err = newSender(t, notifytest.ServeSandbox(t, s)).Notify(t.Context(), notifytest.TestMessage(notify.SMS))
			require.EqualError(t, err, want)
		})
	}
}

func TestSender_ASuccessWithoutAMessageIsUncertainAndARedirectIsNotFollowed(t *testing.T) {
	t.Parallel()
	for want, answer := range map[string]http.HandlerFunc{
		"uncertain: unreadable_answer": func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusCreated)
			_, _ = w.Write([]byte("<html>"))
		},
		"transient: status_302": func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/elsewhere", http.StatusFound) },
		"transient: status_502": func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusBadGateway)
			_, _ = w.Write([]byte("<html>"))
		},
	} {
		url := notifytest.Serve(t, answer)
		_, err := newSender(t, url).Notify(t.Context(), notifytest.TestMessage(notify.SMS))
		require.EqualError(t, err, want)
	}
}

func TestConfig_NamesEachInvalidField(t *testing.T) {
	t.Parallel()
	_, err := twilio.New(twilio.Config{KeySID: "SK1", Secret: "a b", From: "+0", StatusCallback: "x", Endpoint: "y"})
	for _, field := range []string{"AccountSID", "KeySID", "Secret", "From", "StatusCallback", "Endpoint"} {
		require.ErrorContains(t, err, field)
	}
	require.NotContains(t, strings.ToLower(err.Error()), "a b")
}
