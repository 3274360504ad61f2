package email_test

import (
	"net/http"
	"net/mail"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"carewire/internal/notify"
	"carewire/internal/notify/email"
	"carewire/internal/notify/notifytest"
	"carewire/internal/notify/template"
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

func TestSender_SendsWhatTheTemplateRenderedInTheClinicsName(t *testing.T) {
	t.Parallel()
	set, err := template.Parse([]byte(`frame: {greeting: Hello, or: or, footer: [bye]}
templates:
  visit:
    image: {url: 'https://img.example.org/x.png', alt: A calendar}
    actions:
      - {id: open, label: Open}
      - {id: list, label: All appointments, path: /appointments}
    email: {subject: Your visit, paragraphs: [Sign in.], button: unused}
`), template.Options{ImageHosts: []string{"img.example.org"}})
	require.NoError(t, err)
	content, err := set.Render("visit", notify.Email, "en", template.Data{Link: "https://clinic.example/l/abc", AppName: "App"})
	require.NoError(t, err)
	s := sandbox.New()
	m := notifytest.TestMessage(notify.Email)
	m.Subject, m.Text, m.HTML, m.Rich = content.Subject, content.Text, content.HTML, content.Rich
	m.SenderName, m.ReplyTo = "Praxis für alle", "desk@clinic.example"
	_, err = newSender(t, notifytest.ServeSandbox(t, s)).Notify(t.Context(), m)
	require.NoError(t, err)
	got := s.Messages("email")[0]
	sender, err := mail.ParseAddress(got.From)
	require.NoError(t, err)
	require.Equal(t, &mail.Address{Name: "Praxis für alle", Address: "clinic@carewire.example"}, sender)
	require.Equal(t, "desk@clinic.example", got.ReplyTo)
	require.Contains(t, got.HTML, `<img src="https://img.example.org/x.png" alt="A calendar"`)
	require.Contains(t, got.HTML, `<a class="link" href="https://clinic.example/appointments"`)
	for _, part := range []string{"[A calendar]", "Open:\nhttps://clinic.example/l/abc\n", "All appointments:\nhttps://clinic.example/appointments\n"} {
		require.Contains(t, got.Body, part)
	}
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
