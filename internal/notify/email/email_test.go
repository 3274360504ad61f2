package email_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"carewire/internal/notify"
	"carewire/internal/notify/email"
	"carewire/internal/notify/notifytest"
	"carewire/internal/sandbox"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// provider puts the sandbox in the suite's moods.
type provider struct{ *sandbox.Sandbox }

func (p provider) Handler() http.Handler { return p.Providers() }

func (p provider) Received() int { return len(p.Messages("email")) }

func (p provider) Use(day notifytest.Scenario) {
	p.ClearFaults()
	switch day {
	case notifytest.Refused:
		p.fault(sandbox.Fault{ErrorCode: "MessageRejected"})
	case notifytest.Throttled:
		p.fault(sandbox.Fault{ErrorCode: "TooManyRequestsException", RetryAfterSeconds: 7})
	case notifytest.Broken:
		p.fault(sandbox.Fault{Status: 500})
	case notifytest.AcceptsOnly:
		p.fault(sandbox.Fault{AcceptThenHang: true})
	case notifytest.Accepts:
	}
}

func (p provider) fault(f sandbox.Fault) {
	if _, err := p.AddFault(f); err != nil {
		panic(err)
	}
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
	notifytest.TestChannel(t, notify.Email, func() notifytest.Provider { return provider{sandbox.New()} },
		func(t *testing.T, _ notifytest.Provider, url string) notify.Notifier {
			t.Helper()
			return newSender(t, url)
		})
}

func TestSender_SaysWhatSESNeedsToKnow(t *testing.T) {
	t.Parallel()
	s := sandbox.New()
	url := serve(t, s)
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
		"NotFoundException":                  notify.ClassPermanent,
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
			_, err = newSender(t, serve(t, s)).Notify(t.Context(), notifytest.TestMessage(notify.Email))
			require.EqualError(t, err, string(class)+": "+code)
		})
	}
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
		_, err = newSender(t, serve(t, s)).Notify(t.Context(), notifytest.TestMessage(notify.Email))
		require.EqualError(t, err, "throttled: "+f.ErrorCode)
	}
}

func TestNew_NeedsASender(t *testing.T) {
	t.Parallel()
	_, err := email.New(t.Context(), email.Config{})
	require.ErrorContains(t, err, "sender")
}

func serve(t *testing.T, s *sandbox.Sandbox) string {
	t.Helper()
	server := httptest.NewServer(s.Providers())
	t.Cleanup(server.Close)
	return server.URL
}
