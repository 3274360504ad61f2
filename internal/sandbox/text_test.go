package sandbox_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"carewire/internal/sandbox"
)

const (
	twilioAccount = "AC00000000000000000000000000000001"
	deliveryID    = "0190a1b2-0000-7000-8000-000000000001"
)

// sms posts a message as the SDK of AWS End User Messaging does.
func (b *bench) sms(fields string) (int, http.Header, map[string]any) {
	b.t.Helper()
	status, header, body := b.do(http.MethodPost, b.providers+"/", "{"+fields+"}", "X-Amz-Target", "PinpointSMSVoiceV2.SendTextMessage",
		"Content-Type", "application/x-amz-json-1.0", "Authorization", "AWS4-HMAC-SHA256 Credential=x")
	return status, header, object(b.t, body)
}

func object(t *testing.T, body string) map[string]any {
	t.Helper()
	var v map[string]any
	require.NoError(t, json.Unmarshal([]byte(body), &v), body)
	return v
}

func TestSandbox_RejectsAnSMSAsAWSDoes(t *testing.T) {
	t.Parallel()
	b := setup(t)
	const whole = `"DestinationPhoneNumber": "+491713920001", "OriginationIdentity": "pool-1", "MessageBody": "Hello"`
	for fields, want := range map[string]string{
		`"OriginationIdentity": "pool-1", "MessageBody": "Hello"`:                                   "ValidationException MISSING_PARAMETER",
		`"DestinationPhoneNumber": "0171", "OriginationIdentity": "pool-1", "MessageBody": "Hello"`: "ValidationException INVALID_PARAMETER",
		`"DestinationPhoneNumber": "+491713920001", "OriginationIdentity": "pool-1"`:                "ValidationException MISSING_PARAMETER",
		`"DestinationPhoneNumber": "+491713920001", "MessageBody": "Hello"`:                         "ConflictException NO_ORIGINATION_IDENTITIES_FOUND",
		strings.Replace(whole, "Hello", strings.Repeat("x", 1601), 1):                               "ValidationException MAXIMUM_SIZE_EXCEEDED",
		whole + `, "TimeToLive": 4`:       "ValidationException FIELD_VALIDATION_FAILED",
		whole + `, "MessageType": "SPAM"`: "ValidationException FIELD_VALIDATION_FAILED",
		whole + `, "MaxPrice": "cheap"`:   "ValidationException FIELD_VALIDATION_FAILED",
		whole + `, "Context": {"1": "", "2": "", "3": "", "4": "", "5": "", "6": ""}`: "ValidationException FIELD_VALIDATION_FAILED",
	} {
		status, _, body := b.sms(fields)
		require.Equal(t, http.StatusBadRequest, status, fields)
		require.Equal(t, want, fmt.Sprint(body["__type"], " ", body["Reason"]), fields)
	}
	for _, headers := range [][]string{
		{"Content-Type", "application/x-amz-json-1.0", "X-Amz-Target", "PinpointSMSVoiceV2.SendTextMessage"},
		{"Content-Type", "application/json", "X-Amz-Target", "PinpointSMSVoiceV2.SendTextMessage", "Authorization", "AWS4-HMAC-SHA256 x"},
		{"Content-Type", "application/x-amz-json-1.0", "X-Amz-Target", "PinpointSMSVoiceV2.SendVoiceMessage", "Authorization", "AWS4-HMAC-SHA256 x"},
	} {
		status, _, _ := b.do(http.MethodPost, b.providers+"/", "{"+whole+"}", headers...)
		require.Equal(t, http.StatusBadRequest, status)
	}
	require.Empty(t, b.s.Messages(""))
	status, header, body := b.sms(whole + `, "Context": {"delivery_id": "d1"}`)
	require.Equal(t, http.StatusOK, status)
	require.Equal(t, "application/x-amz-json-1.0", header.Get("Content-Type"))
	require.NotEmpty(t, body["MessageId"])
	require.Equal(t, "d1", b.s.Messages("sms")[0].DeliveryID)
}

// whatsApp posts a message as a client of the Cloud API does.
func (b *bench) whatsApp(body string) (int, map[string]any) {
	b.t.Helper()
	status, _, answer := b.do(http.MethodPost, b.providers+"/v23.0/106540352242922/messages", body, "Authorization", "Bearer x")
	return status, object(b.t, answer)
}

func template(of string) string {
	return `{"messaging_product": "whatsapp", "to": "+491713920001", "type": "template", "biz_opaque_callback_data": "d1", "template": {` + of + `}}`
}

func TestSandbox_RejectsAWhatsAppMessageAsMetaDoes(t *testing.T) {
	t.Parallel()
	b := setup(t)
	const named = `"name": "new_record", "language": {"code": "en_US"}`
	body := func(parameters string) string {
		return template(named + `, "components": [{"type": "body", "parameters": [` + parameters + `]}]`)
	}
	for message, code := range map[string]float64{
		strings.Replace(template(named), `"messaging_product": "whatsapp", `, "", 1): 100,
		strings.Replace(template(named), "+491713920001", "", 1):                     131008,
		strings.Replace(template(named), "+491713920001", "patient", 1):              131009,
		strings.Replace(template(named), `"template",`, `"text",`, 1):                131047,
		strings.Replace(template(named), "d1", strings.Repeat("d", 513), 1):          100,
		template(`"name": "New Record", "language": {"code": "en_US"}`):              100,
		template(`"name": "new_record"`):                                             132001,
		body(""):                                                                     131008,
		body(`{"type": "image"}`):                                                    132012,
		body(`{"type": "text", "text": ""}`):                                         131008,
		body(`{"type": "text", "text": "two\nlines"}`):                               132018,
		template(named + `, "components": [{"type": "button", "sub_type": "quick_reply", "index": "0", "parameters": []}]`):        100,
		template(named + `, "components": [{"type": "button", "sub_type": "url", "index": "0", "parameters": []}]`):                132000,
		template(named + `, "components": [{"type": "button", "sub_type": "url", "parameters": [{"type": "text", "text": "x"}]}]`): 100,
		template(named + `, "components": [{"type": "carousel"}]`):                                                                 100,
	} {
		status, answer := b.whatsApp(message)
		require.GreaterOrEqual(t, status, 400, message)
		failure := answer["error"].(map[string]any)
		require.InDelta(t, code, failure["code"], 0, message)
		require.Equal(t, "OAuthException", failure["type"])
		require.NotContains(t, fmt.Sprint(failure), "491713920001")
	}
	status, _, _ := b.do(http.MethodPost, b.providers+"/v23.0/106540352242922/messages", template(named))
	require.Equal(t, http.StatusUnauthorized, status)
	require.Empty(t, b.s.Messages(""))
	status, answer := b.whatsApp(template(named + `, "components": [{"type": "body", "parameters": [{"type": "text", "text": "lab report"}]},
		{"type": "button", "sub_type": "url", "index": 0, "parameters": [{"type": "text", "text": "abc"}]}]`))
	require.Equal(t, http.StatusOK, status)
	require.Contains(t, fmt.Sprint(answer["messages"]), "wamid.")
	got := b.s.Messages("whatsapp")[0]
	require.Equal(t, []string{"d1", "new_record", "en_US", "abc", "lab report"}, append([]string{got.DeliveryID, got.Template, got.Language, got.Button}, got.Variables...))
}

// twilio posts a message as a client of Twilio does.
func (b *bench) twilio(user string, form url.Values) (int, map[string]any) {
	b.t.Helper()
	req, err := http.NewRequestWithContext(b.t.Context(), http.MethodPost, "http://x", nil)
	require.NoError(b.t, err)
	req.SetBasicAuth(user, "secret")
	status, _, body := b.do(http.MethodPost, b.providers+"/2010-04-01/Accounts/"+twilioAccount+"/Messages.json", form.Encode(),
		"Content-Type", "application/x-www-form-urlencoded", "Authorization", req.Header.Get("Authorization"))
	return status, object(b.t, body)
}

func TestSandbox_SpeaksTwiliosProtocol(t *testing.T) {
	t.Parallel()
	b := setup(t)
	form := func(pairs ...string) url.Values {
		v := url.Values{"To": {"+491713920001"}, "From": {"+491713920000"}, "Body": {strings.Repeat("ü", 161)}}
		for i := 0; i+1 < len(pairs); i += 2 {
			v.Set(pairs[i], pairs[i+1])
		}
		return v
	}
	for _, c := range []struct {
		form url.Values
		code float64
	}{
		{form("To", ""), 21604},
		{form("To", "0171"), 21211},
		{form("From", ""), 21603},
		{form("Body", ""), 21602},
		{form("Body", strings.Repeat("x", 1601)), 21617},
		{form("StatusCallback", "nowhere"), 21609},
	} {
		status, answer := b.twilio(twilioAccount, c.form)
		require.Equal(t, http.StatusBadRequest, status)
		require.InDelta(t, c.code, answer["code"], 0)
		require.InDelta(t, 400, answer["status"], 0)
	}
	status, answer := b.twilio("AC00000000000000000000000000000002", form())
	require.Equal(t, http.StatusUnauthorized, status)
	require.InDelta(t, 20003, answer["code"], 0)
	require.Empty(t, b.s.Messages(""))

	status, answer = b.twilio(twilioAccount, form("StatusCallback", "https://clinic.example/webhooks/twilio?a=b&delivery="+deliveryID))
	require.Equal(t, http.StatusCreated, status)
	require.Regexp(t, `^SM[0-9a-f]{32}$`, answer["sid"])
	require.Equal(t, "queued", answer["status"])
	require.Equal(t, "2", answer["num_segments"])
	got := b.s.Messages("sms")[0]
	require.Equal(t, []string{deliveryID, "twilio", "+491713920000"}, []string{got.DeliveryID, got.Provider, got.From})
	status, _ = b.twilio("SK1", form("From", "", "MessagingServiceSid", "MG1"))
	require.Equal(t, http.StatusCreated, status, "an API key and a messaging service")
}

func TestSandbox_AppliesAFaultToTheProvidersThatHaveItsError(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for _, code := range []string{"21610", "DESTINATION_PHONE_NUMBER_OPTED_OUT", "131026"} {
		_, err := b.s.AddFault(sandbox.Fault{ErrorCode: code})
		require.NoError(t, err)
	}
	status, _, _ := b.send("a@x.example")
	require.Equal(t, http.StatusOK, status, "none of them is an error of SES")
	_, answer := b.twilio(twilioAccount, url.Values{"To": {"+491713920001"}, "From": {"+491713920000"}, "Body": {"x"}})
	require.InDelta(t, 21610, answer["code"], 0)
	_, _, answer = b.sms(`"DestinationPhoneNumber": "+491713920001", "OriginationIdentity": "pool-1", "MessageBody": "Hello"`)
	require.Equal(t, "DESTINATION_PHONE_NUMBER_OPTED_OUT", answer["Reason"])
	_, answer = b.whatsApp(template(`"name": "new_record", "language": {"code": "de"}`))
	require.InDelta(t, 131026, answer["error"].(map[string]any)["code"], 0)

	b.s.ClearFaults()
	_, err := b.s.AddFault(sandbox.Fault{Provider: "twilio", Status: 503})
	require.NoError(t, err)
	status, _ = b.twilio(twilioAccount, url.Values{"To": {"+491713920001"}, "From": {"+491713920000"}, "Body": {"x"}})
	require.Equal(t, http.StatusServiceUnavailable, status)
	status, _, _ = b.sms(`"DestinationPhoneNumber": "+491713920001", "OriginationIdentity": "pool-1", "MessageBody": "Hello"`)
	require.Equal(t, http.StatusOK, status, "another provider of the same channel")
}

func TestSandbox_KeepsTheHeadersOfAnEmail(t *testing.T) {
	t.Parallel()
	b := setup(t)
	with := strings.Replace(email("a@x.example", ""), `"Subject":`, `"Headers": [{"Name": "List-Unsubscribe", "Value": "<https://c.example/u>"}], "Subject":`, 1)
	status, _, _ := b.do(http.MethodPost, b.providers+"/v2/email/outbound-emails", with, "Authorization", "AWS4-HMAC-SHA256 Credential=x")
	require.Equal(t, http.StatusOK, status)
	_, _, body := b.do(http.MethodGet, b.page+"/sandbox/messages?channel=email", "")
	require.Contains(t, body, `"headers":{"List-Unsubscribe":"\u003chttps://c.example/u\u003e"}`)
}
