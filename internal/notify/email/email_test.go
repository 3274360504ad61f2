package email_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"carewire/internal/notify"
	"carewire/internal/notify/email"
	"carewire/internal/notify/notifytest"
	"carewire/internal/sandbox"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// faults are the answers of SES.
var faults = map[notifytest.Scenario]sandbox.Fault{
	notifytest.Rejects:   {ErrorCode: "MessageRejected"},
	notifytest.Throttles: {ErrorCode: "TooManyRequestsException", RetryAfterSeconds: 7},
	notifytest.Fails:     {Status: 500},
}

func newSender(t *testing.T, url string) notify.Notifier {
	t.Helper()
	s, err := email.New(t.Context(), email.Config{
		From: "clinic@carewire.example", Region: "eu-central-1", Endpoint: url, AccessKeyID: "sandbox", SecretAccessKey: "sandbox",
	})
	require.NoError(t, err)
	t.Cleanup(s.Close)
	return s
}

func TestSender_IsAChannel(t *testing.T) {
	t.Parallel()
	notifytest.TestChannel(t, notify.Email, func() notifytest.Provider { return notifytest.NewSandboxProvider(notify.Email, faults) },
		func(t *testing.T, _ notifytest.Provider, url string) notify.Notifier {
			t.Helper()
			return newSender(t, url)
		})
}

func TestSender_SaysWhatSESNeedsToKnow(t *testing.T) {
	t.Parallel()
	s := sandbox.New()
	url := notifytest.ServeSandbox(t, s)
	m := notifytest.TestMessage(notify.Email)
	_, err := newSender(t, url).Notify(t.Context(), m)
	require.NoError(t, err)
	got := s.Messages("email")
	require.Len(t, got, 1)
	require.Equal(t, m.DeliveryID.String(), got[0].DeliveryID, "the receipt's tag")
	require.Equal(t, m.Email, got[0].To)
	require.Equal(t, m.Subject, got[0].Subject)
	require.Equal(t, m.Text, got[0].Body)
	require.Equal(t, m.HTML, got[0].HTML)
}

func TestSender_TellsWhatEachErrorMeans(t *testing.T) {
	t.Parallel()
	for code, class := range map[string]notify.Class{
		"MessageRejected":                    notify.ClassPermanent,
		"BadRequestException":                notify.ClassPermanent,
		"NotFoundException":                  notify.ClassTransient,
		"MailFromDomainNotVerifiedException": notify.ClassTransient,
		"AccountSuspendedException":          notify.ClassTransient,
		"SendingPausedException":             notify.ClassTransient,
		"LimitExceededException":             notify.ClassTransient,
		"TooManyRequestsException":           notify.ClassThrottled,
		"InternalServiceErrorException":      notify.ClassTransient,
	} {
		t.Run(code, func(t *testing.T) {
			t.Parallel()
			s := sandbox.New()
			_, err := s.AddFault(sandbox.Fault{ErrorCode: code})
			require.NoError(t, err)
			_, err = newSender(t, notifytest.ServeSandbox(t, s)).Notify(t.Context(), notifytest.TestMessage(notify.Email))
			require.EqualError(t, err, string(class)+": "+code)
		})
	}
}

func TestSender_AnIdentityThatIsNotVerifiedIsAnErrorOfTheAccount(t *testing.T) {
	t.Parallel()
	url := notifytest.Serve(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("X-Amzn-Errortype", "MessageRejected")
		w.WriteHeader(http.StatusBadRequest)
		_, _ = w.Write([]byte(`{"message": "Email address is not verified. The following identities failed the check in region EU-CENTRAL-1: clinic@carewire.example"}`))
	}))
	_, err := newSender(t, url).Notify(t.Context(), notifytest.TestMessage(notify.Email))
	require.EqualError(t, err, "transient: not_verified")
}

func TestSender_KnowsThrottlingByEachOfItsNames(t *testing.T) {
	t.Parallel()
	for _, f := range []sandbox.Fault{
		{Status: http.StatusBadRequest, ErrorCode: "Throttling"},
		{Status: http.StatusBadRequest, ErrorCode: "ThrottlingException"},
		{Status: http.StatusTooManyRequests, ErrorCode: "SomethingElse"},
		{Status: http.StatusServiceUnavailable, ErrorCode: "SlowDown"},
	} {
		s := sandbox.New()
		_, err := s.AddFault(f)
		require.NoError(t, err)
		_, err = newSender(t, notifytest.ServeSandbox(t, s)).Notify(t.Context(), notifytest.TestMessage(notify.Email))
		require.EqualError(t, err, "throttled: "+f.ErrorCode)
	}
}

func TestNew_NeedsASender(t *testing.T) {
	t.Parallel()
	_, err := email.New(t.Context(), email.Config{})
	require.ErrorContains(t, err, "sender")
}

func TestSender_OffersToUnsubscribeWithOneClick(t *testing.T) {
	t.Parallel()
	s := sandbox.New()
	sender := newSender(t, notifytest.ServeSandbox(t, s))
	m := notifytest.TestMessage(notify.Email)
	_, err := sender.Notify(t.Context(), m)
	require.NoError(t, err)
	require.NotContains(t, s.Messages("email")[0].Headers, "List-Unsubscribe", "an essential message")
	m.UnsubscribeURL = "https://clinic.example/unsubscribe/token"
	_, err = sender.Notify(t.Context(), m)
	require.NoError(t, err)
	headers := s.Messages("email")[0].Headers
	require.Equal(t, "<https://clinic.example/unsubscribe/token>", headers["List-Unsubscribe"])
	require.Equal(t, "List-Unsubscribe=One-Click", headers["List-Unsubscribe-Post"])
	require.Equal(t, "auto-generated", headers["Auto-Submitted"])
}
