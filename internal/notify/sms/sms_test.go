package sms_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"carewire/internal/notify"
	"carewire/internal/notify/notifytest"
	"carewire/internal/notify/sms"
	"carewire/internal/sandbox"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// faults are the answers of AWS End User Messaging.
var faults = map[notifytest.Scenario]sandbox.Fault{
	notifytest.Rejects:   {ErrorCode: "FIELD_VALIDATION_FAILED"},
	notifytest.Throttles: {ErrorCode: "ThrottlingException", RetryAfterSeconds: 7},
	notifytest.Fails:     {Status: 500},
}

func newSender(t *testing.T, url string, changes ...func(*sms.Config)) notify.Notifier {
	t.Helper()
	cfg := sms.Config{Origination: "+15550100000", Region: "eu-central-1", Endpoint: url, AccessKeyID: "sandbox", SecretAccessKey: "sandbox"}
	for _, change := range changes {
		change(&cfg)
	}
	s, err := sms.New(t.Context(), cfg)
	require.NoError(t, err)
	t.Cleanup(s.Close)
	return s
}

func TestSender_IsAChannel(t *testing.T) {
	t.Parallel()
	notifytest.TestChannel(t, notify.SMS, func() notifytest.Provider { return notifytest.NewSandboxProvider(notify.SMS, faults) },
		func(t *testing.T, _ notifytest.Provider, url string) notify.Notifier {
			t.Helper()
			return newSender(t, url)
		})
}

func TestSender_SendsTheTextToTheNumber(t *testing.T) {
	t.Parallel()
	s := sandbox.New()
	m := notifytest.TestMessage(notify.SMS)
	receipt, err := newSender(t, notifytest.ServeSandbox(t, s)).Notify(t.Context(), m)
	require.NoError(t, err)
	require.Equal(t, "aws-sms", receipt.Provider)
	got := s.Messages("sms")
	require.Len(t, got, 1)
	require.Equal(t, m.DeliveryID.String(), got[0].DeliveryID, "the context of the receipts")
	require.Equal(t, m.Phone, got[0].To)
	require.Equal(t, "+15550100000", got[0].From)
	require.Equal(t, m.Text, got[0].Body)
	require.Equal(t, 1, got[0].Segments)
	require.Equal(t, "GSM-7", got[0].Encoding)
}

// request returns the body that the service receives for the message.
func request(t *testing.T, m notify.Message, change func(*sms.Config)) map[string]any {
	t.Helper()
	var body map[string]any
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_ = json.NewDecoder(r.Body).Decode(&body)
		w.Header().Set("Content-Type", "application/x-amz-json-1.0")
		_, _ = w.Write([]byte(`{"MessageId": "1"}`))
	}))
	t.Cleanup(server.Close)
	_, err := newSender(t, server.URL, change).Notify(t.Context(), m)
	require.NoError(t, err)
	return body
}

func TestSender_SetsWhatTheServiceOffers(t *testing.T) {
	t.Parallel()
	m := notifytest.TestMessage(notify.SMS)
	require.Equal(t, map[string]any{
		"DestinationPhoneNumber": m.Phone, "OriginationIdentity": "pool-1", "MessageBody": m.Text, "MessageType": "TRANSACTIONAL",
		"ConfigurationSetName": "receipts", "MaxPrice": "0.25", "TimeToLive": 3600.0, "Context": map[string]any{"delivery_id": m.DeliveryID.String()},
	}, request(t, m, func(c *sms.Config) { c.Origination, c.ConfigurationSet, c.MaxPrice = "pool-1", "receipts", "0.25" }))
}

func TestSender_KeepsTheTimeToLiveInTheServicesBounds(t *testing.T) {
	t.Parallel()
	for ttl, seconds := range map[time.Duration]any{0: nil, time.Second: 5.0, time.Minute: 60.0, 28 * 24 * time.Hour: 259200.0} {
		m := notifytest.TestMessage(notify.SMS)
		m.TTL = ttl
		require.Equal(t, seconds, request(t, m, func(*sms.Config) {})["TimeToLive"], ttl)
	}
}

func TestSender_TellsWhatEachErrorMeans(t *testing.T) {
	t.Parallel()
	for code, want := range map[string]string{
		"ThrottlingException":                                         "throttled: ThrottlingException",
		"InternalServerException":                                     "transient: InternalServerException",
		"AccessDeniedException":                                       "transient: AccessDeniedException",
		"ACCOUNT_DISABLED":                                            "transient: ACCOUNT_DISABLED",
		"ResourceNotFoundException":                                   "transient: ResourceNotFoundException",
		"ConflictException":                                           "transient: ConflictException",
		"DESTINATION_PHONE_NUMBER_OPTED_OUT":                          "permanent: opted_out",
		"DESTINATION_COUNTRY_BLOCKED":                                 "permanent: destination_blocked",
		"NO_ORIGINATION_IDENTITIES_FOUND":                             "transient: NO_ORIGINATION_IDENTITIES_FOUND",
		"MONTHLY_SPEND_LIMIT_REACHED_FOR_TEXT":                        "transient: MONTHLY_SPEND_LIMIT_REACHED_FOR_TEXT",
		"ValidationException":                                         "permanent: ValidationException",
		"PRICE_OVER_THRESHOLD":                                        "permanent: PRICE_OVER_THRESHOLD",
		"MAXIMUM_SIZE_EXCEEDED":                                       "permanent: MAXIMUM_SIZE_EXCEEDED",
		"SENDER_ID_NOT_REGISTERED":                                    "transient: SENDER_ID_NOT_REGISTERED",
		"DESTINATION_COUNTRY_BLOCKED_BY_PROTECT_CONFIGURATION":        "permanent: destination_blocked",
		"DESTINATION_PHONE_NUMBER_BLOCKED_BY_PROTECT_NUMBER_OVERRIDE": "permanent: destination_blocked",
	} {
		t.Run(code, func(t *testing.T) {
			t.Parallel()
			s := sandbox.New()
			_, err := s.AddFault(sandbox.Fault{ErrorCode: code})
			require.NoError(t, err)
			_, err = newSender(t, notifytest.ServeSandbox(t, s)).Notify(t.Context(), notifytest.TestMessage(notify.SMS))
			require.EqualError(t, err, want)
		})
	}
}

func TestSender_FollowsNoRedirect(t *testing.T) {
	t.Parallel()
	s := sandbox.New()
	other := notifytest.ServeSandbox(t, s)
	server := httptest.NewServer(http.RedirectHandler(other, http.StatusTemporaryRedirect))
	t.Cleanup(server.Close)
	_, err := newSender(t, server.URL).Notify(t.Context(), notifytest.TestMessage(notify.SMS))
	require.EqualError(t, err, "transient: status_307")
	require.Empty(t, s.Messages(""))
}

func TestNew_NeedsAnOrigination(t *testing.T) {
	t.Parallel()
	_, err := sms.New(t.Context(), sms.Config{})
	require.ErrorContains(t, err, "origination")
}
