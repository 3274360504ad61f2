package whatsapp_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"carewire/internal/notify"
	"carewire/internal/notify/notifytest"
	"carewire/internal/notify/template"
	"carewire/internal/notify/whatsapp"
	"carewire/internal/sandbox"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// faults are the answers of the Cloud API.
var faults = map[notifytest.Scenario]sandbox.Fault{
	notifytest.Rejects:   {ErrorCode: "131026"},
	notifytest.Throttles: {ErrorCode: "130429", RetryAfterSeconds: 7},
	notifytest.Fails:     {Status: 500},
}

func newSender(t *testing.T, url string) notify.Notifier {
	t.Helper()
	s, err := whatsapp.New(whatsapp.Config{PhoneNumberID: "106540352242922", Token: "token", Endpoint: url})
	require.NoError(t, err)
	t.Cleanup(s.Close)
	return s
}

func message() notify.Message {
	m := notifytest.TestMessage(notify.WhatsApp)
	m.Approved = &template.Approved{Name: "new_record", Language: "en_US", Variables: []string{"lab report", "Demo\nClinic"}, Button: "abc"}
	return m
}

func TestSender_IsAChannel(t *testing.T) {
	t.Parallel()
	notifytest.TestChannel(t, notify.WhatsApp, func() notifytest.Provider { return notifytest.NewSandboxProvider(notify.WhatsApp, faults) },
		func(t *testing.T, _ notifytest.Provider, url string) notify.Notifier {
			t.Helper()
			return newSender(t, url)
		})
}

func TestSender_SendsTheApprovedTemplate(t *testing.T) {
	t.Parallel()
	var path, auth string
	var body any
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		path, auth = r.URL.Path, r.Header.Get("Authorization")
		_ = json.NewDecoder(r.Body).Decode(&body)
		_, _ = io.WriteString(w, `{"messaging_product": "whatsapp", "contacts": [{"input": "x", "wa_id": "y"}], "messages": [{"id": "wamid.1"}]}`)
	}))
	t.Cleanup(server.Close)
	m := message()
	receipt, err := newSender(t, server.URL).Notify(t.Context(), m)
	require.NoError(t, err)
	require.Equal(t, notify.Receipt{Provider: "whatsapp", ProviderID: "wamid.1"}, receipt)
	require.Equal(t, "/v23.0/106540352242922/messages", path)
	require.Equal(t, "Bearer token", auth)
	text := func(s string) any { return map[string]any{"type": "text", "text": s} }
	require.Equal(t, map[string]any{
		"messaging_product": "whatsapp", "recipient_type": "individual", "to": m.Phone, "type": "template",
		"biz_opaque_callback_data": m.DeliveryID.String(),
		"template": map[string]any{
			"name": "new_record", "language": map[string]any{"code": "en_US"},
			"components": []any{
				map[string]any{"type": "body", "parameters": []any{text("lab report"), text("Demo Clinic")}},
				map[string]any{"type": "button", "sub_type": "url", "index": "0", "parameters": []any{text("abc")}},
			},
		},
	}, body)
}

func TestSender_OmitsComponentsWithoutVariables(t *testing.T) {
	t.Parallel()
	s := sandbox.New()
	m := message()
	m.Approved = &template.Approved{Name: "welcome", Language: "de"}
	_, err := newSender(t, notifytest.ServeSandbox(t, s)).Notify(t.Context(), m)
	require.NoError(t, err)
	got := s.Messages("whatsapp")
	require.Len(t, got, 1)
	require.Equal(t, "welcome", got[0].Template)
	require.Empty(t, got[0].Variables)
	require.Empty(t, got[0].Button)
}

func TestSender_NeedsAnApprovedTemplate(t *testing.T) {
	t.Parallel()
	s := sandbox.New()
	m := message()
	m.Approved = nil
	_, err := newSender(t, notifytest.ServeSandbox(t, s)).Notify(t.Context(), m)
	require.EqualError(t, err, "permanent: no_approved_template")
	require.Empty(t, s.Messages(""))
}

func TestSender_TellsWhatEachErrorMeans(t *testing.T) {
	t.Parallel()
	for code, want := range map[string]string{
		"4": "throttled: 4", "130429": "throttled: 130429", "80007": "throttled: 80007", "131056": "throttled: 131056",
		"131026": "permanent: 131026", "131009": "permanent: 131009", "100": "permanent: 100",
		"131047": "permanent: template_131047", "132000": "permanent: template_132000", "132001": "permanent: template_132001", "132015": "permanent: template_132015",
		"131050": "permanent: opted_out",
		"368":    "transient: 368", "131031": "transient: 131031", "190": "transient: 190", "131000": "transient: 131000", "131016": "transient: 131016",
	} {
		t.Run(code, func(t *testing.T) {
			t.Parallel()
			s := sandbox.New()
			_, err := s.AddFault(sandbox.Fault{Provider: "whatsapp", ErrorCode: code})
			require.NoError(t, err)
			_, err = newSender(t, notifytest.ServeSandbox(t, s)).Notify(t.Context(), message())
			require.EqualError(t, err, want)
		})
	}
}

func TestSender_KnowsAnswersThatAreNotTheAPIs(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		status     int
		body, want string
	}{
		"a proxy's error":                  {http.StatusBadGateway, "<html>", "transient: status_502"},
		"a proxy's limit":                  {http.StatusTooManyRequests, "", "throttled: status_429"},
		"a redirect":                       {http.StatusTemporaryRedirect, "", "transient: status_307"},
		"an unknown number's ID":           {http.StatusBadRequest, `{"error": {"code": 100, "error_subcode": 33}}`, "transient: 100"},
		"a missing permission":             {http.StatusForbidden, `{"error": {"code": 200}}`, "transient: 200"},
		"an unknown code for credentials":  {http.StatusUnauthorized, `{"error": {"code": 99999}}`, "transient: 99999"},
		"an unknown code":                  {http.StatusBadRequest, `{"error": {"code": 99999}}`, "permanent: 99999"},
		"success that cannot be read":      {http.StatusOK, "<html>", "uncertain: unreadable_answer"},
		"success without a message's ID":   {http.StatusOK, `{"messages": []}`, "uncertain: unreadable_answer"},
		"an error with an address in it":   {http.StatusBadRequest, `{"error": {"code": 131026, "message": "+15550100077"}}`, "permanent: 131026"},
		"an answer that is larger than it": {http.StatusBadRequest, strings.Repeat(" ", 1<<20), "transient: status_400"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Location", "/elsewhere")
				w.WriteHeader(c.status)
				_, _ = io.WriteString(w, c.body)
			}))
			t.Cleanup(server.Close)
			_, err := newSender(t, server.URL).Notify(t.Context(), message())
			require.EqualError(t, err, c.want)
		})
	}
}

func TestNew_NamesTheFieldThatIsWrong(t *testing.T) {
	t.Parallel()
	for want, cfg := range map[string]whatsapp.Config{
		"PhoneNumberID": {Token: "t"},
		"Token":         {PhoneNumberID: "1"},
		"version":       {PhoneNumberID: "1", Token: "t", Version: "23"},
		"endpoint":      {PhoneNumberID: "1", Token: "t", Endpoint: "graph"},
	} {
		_, err := whatsapp.New(cfg)
		require.ErrorContains(t, err, want)
	}
}
