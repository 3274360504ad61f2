package receipt_test

import (
	"context"
	"crypto"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1" // Signature version 1 of SNS, and Twilio's.
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/big"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"carewire/internal/notify"
	"carewire/internal/notify/receipt"
)

// The configured topics.
const (
	topic      = "arn:aws:sns:eu-central-1:123456789012:receipts"
	otherTopic = "arn:aws:sns:us-east-1:123456789012:receipts"
)

var id = uuid.MustParse("0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b")

var key = sync.OnceValue(func() *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return key
})

// amazon serves the certificate as Amazon does, and records the requests.
type amazon struct {
	mu       sync.Mutex
	requests []string
	notAfter time.Time
}

func (a *amazon) RoundTrip(r *http.Request) (*http.Response, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.requests = append(a.requests, r.URL.String())
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "sns.amazonaws.com"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: a.notAfter}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key().PublicKey, key())
	if err != nil {
		return nil, err
	}
	body := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body)), Request: r}, nil
}

// message is an SNS message, by the names of its fields.
type message map[string]string

func notification(text string) message {
	return message{
		"Type": "Notification", "MessageId": "22b80b92-fdea-4c2c-8f9d-bdfb0c7bf324", "TopicArn": topic, "Message": text,
		"Timestamp": time.Now().UTC().Format("2006-01-02T15:04:05.000Z"), "SignatureVersion": "2",
		"SigningCertURL": "https://sns.eu-central-1.amazonaws.com/SimpleNotificationService-0123456789abcdef.pem",
	}
}

func confirmation() message {
	m := notification("You have chosen to subscribe")
	m["Type"], m["Token"] = "SubscriptionConfirmation", "2336412f37"
	m["SubscribeURL"] = "https://sns.eu-central-1.amazonaws.com/?Action=ConfirmSubscription&TopicArn=" + topic + "&Token=2336412f37"
	return m
}

// sign signs the message, written from Amazon's description independently of the package.
func (m message) sign(t *testing.T) message {
	t.Helper()
	names := []string{"Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"}
	if m["Type"] != "Notification" {
		names = []string{"Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"}
	}
	text := ""
	for _, name := range names {
		if value, ok := m[name]; ok {
			text += name + "\n" + value + "\n"
		}
	}
	hash, sum := crypto.SHA256, sha256.Sum256([]byte(text))
	digest := sum[:]
	if m["SignatureVersion"] == "1" {
		old := sha1.Sum([]byte(text))
		hash, digest = crypto.SHA1, old[:]
	}
	signature, err := rsa.SignPKCS1v15(rand.Reader, key(), hash, digest)
	require.NoError(t, err)
	m["Signature"] = base64.StdEncoding.EncodeToString(signature)
	return m
}

func (m message) body(t *testing.T) []byte {
	t.Helper()
	body, err := json.Marshal(m)
	require.NoError(t, err)
	return body
}

func newSES(t *testing.T) (*receipt.SES, *amazon) {
	t.Helper()
	a := &amazon{notAfter: time.Now().Add(time.Hour)}
	sns, err := receipt.NewSNS(receipt.SNSConfig{TopicARNs: []string{topic, otherTopic}, Transport: a})
	require.NoError(t, err)
	return receipt.NewSES(sns), a
}

func delivered() string {
	return fmt.Sprintf(`{"eventType":"Delivery","mail":{"messageId":"0100","destination":["paula@mail.example"],"tags":{"delivery_id":["%s"]}},"delivery":{"timestamp":"2026-03-14T10:00:00Z"}}`, id)
}

func reasonOf(err error) string {
	if refused, ok := errors.AsType[*receipt.Error](err); ok {
		return refused.Reason
	}
	return fmt.Sprint(err)
}

func TestSNS_AcceptsBothSignatureVersionsAndFetchesTheCertificateOnce(t *testing.T) {
	t.Parallel()
	ses, a := newSES(t)
	for _, version := range []string{"1", "2"} {
		for _, subject := range []bool{true, false} {
			m := notification(delivered())
			m["SignatureVersion"] = version
			if subject {
				m["Subject"] = "Amazon SES Email Event Notification"
			}
			got, err := ses.Receive(t.Context(), receipt.Request{Body: m.sign(t).body(t)})
			require.NoError(t, err)
			require.Len(t, got, 1)
			require.Equal(t, id, got[0].DeliveryID)
			require.Equal(t, "0100", got[0].ProviderID)
			require.Equal(t, notify.StatusDelivered, got[0].Status)
			require.Equal(t, "ses", got[0].Provider)
		}
	}
	require.Len(t, a.requests, 1)
}

func TestSNS_ARepeatedMessageHasItsReceiptsIDAndAnotherOneNot(t *testing.T) {
	t.Parallel()
	sns, err := receipt.NewSNS(receipt.SNSConfig{TopicARNs: []string{topic}, Transport: &amazon{notAfter: time.Now().Add(time.Hour)}})
	require.NoError(t, err)
	for name, c := range map[string]struct {
		receiver interface {
			Receive(ctx context.Context, r receipt.Request) (receipt.Receipts, error)
		}
		text string
	}{
		"ses": {receipt.NewSES(sns), delivered()},
		"sms": {receipt.NewSMS(sns), fmt.Sprintf(`{"eventType":"TEXT_DELIVERED","destinationPhoneNumber":"+15550100001","messageId":"m1","context":{"delivery_id":"%s"}}`, id)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var ids []string
			for _, messageID := range []string{"a", "a", "b"} {
				m := notification(c.text)
				m["MessageId"] = messageID
				got, err := c.receiver.Receive(t.Context(), receipt.Request{Body: m.sign(t).body(t)})
				require.NoError(t, err)
				require.Len(t, got, 1)
				require.Equal(t, name, got[0].Provider)
				ids = append(ids, got[0].ID)
			}
			require.Equal(t, []string{"a", "a", "b"}, ids)
		})
	}
}

func TestSNS_EachTopicHasTheCertificatesOfItsRegion(t *testing.T) {
	t.Parallel()
	ses, a := newSES(t)
	m := notification(delivered())
	m["TopicArn"] = otherTopic
	_, err := ses.Receive(t.Context(), receipt.Request{Body: m.sign(t).body(t)})
	require.Equal(t, receipt.ReasonCertificateURL, reasonOf(err), "a certificate of the other topic's region")
	require.Empty(t, a.requests)
	m["SigningCertURL"] = strings.Replace(m["SigningCertURL"], "eu-central-1", "us-east-1", 1)
	got, err := ses.Receive(t.Context(), receipt.Request{Body: m.sign(t).body(t)})
	require.NoError(t, err)
	require.Len(t, got, 1)
}

func TestSNS_RefusesForgedMessages(t *testing.T) {
	t.Parallel()
	cert := "https://sns.eu-central-1.amazonaws.com/SimpleNotificationService-0123456789abcdef.pem"
	for name, c := range map[string]struct {
		before, after func(m message)
		reason        string
	}{
		"one character of the message": {nil, func(m message) { m["Message"] = strings.Replace(m["Message"], "Delivery", "delivery", 1) }, receipt.ReasonSignature},
		"one character of the id":      {nil, func(m message) { m["MessageId"] += "x" }, receipt.ReasonSignature},
		"the time":                     {nil, func(m message) { m["Timestamp"] = time.Now().UTC().Add(time.Second).Format(time.RFC3339) }, receipt.ReasonSignature},
		"an added subject":             {nil, func(m message) { m["Subject"] = "x" }, receipt.ReasonSignature},
		"another signature":            {nil, func(m message) { m["Signature"] = "AAAA" + m["Signature"][4:] }, receipt.ReasonSignature},
		"no base64":                    {nil, func(m message) { m["Signature"] = "!" }, receipt.ReasonSignature},
		"no signature":                 {nil, func(m message) { delete(m, "Signature") }, receipt.ReasonMalformed},
		"version 1 signed as 2":        {nil, func(m message) { m["SignatureVersion"] = "1" }, receipt.ReasonSignature},
		"version 3":                    {func(m message) { m["SignatureVersion"] = "3" }, nil, receipt.ReasonSignatureVersion},
		"no version":                   {func(m message) { delete(m, "SignatureVersion") }, nil, receipt.ReasonSignatureVersion},
		"another topic":                {func(m message) { m["TopicArn"] = topic + "2" }, nil, receipt.ReasonTopic},
		"another account's topic":      {func(m message) { m["TopicArn"] = strings.Replace(topic, "123456789012", "210987654321", 1) }, nil, receipt.ReasonTopic},
		"two hours old":                {func(m message) { m["Timestamp"] = time.Now().UTC().Add(-2 * time.Hour).Format(time.RFC3339) }, nil, receipt.ReasonTooOld},
		"of tomorrow":                  {func(m message) { m["Timestamp"] = time.Now().UTC().Add(24 * time.Hour).Format(time.RFC3339) }, nil, receipt.ReasonTooOld},
		"no time":                      {func(m message) { m["Timestamp"] = "now" }, nil, receipt.ReasonMalformed},
		"another type":                 {func(m message) { m["Type"] = "Other" }, nil, receipt.ReasonMalformed},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ses, a := newSES(t)
			m := notification(delivered())
			if c.before != nil {
				c.before(m)
			}
			m.sign(t)
			if c.after != nil {
				c.after(m)
			}
			_, err := ses.Receive(t.Context(), receipt.Request{Body: m.body(t)})
			require.Equal(t, c.reason, reasonOf(err))
			if c.reason != receipt.ReasonSignature {
				require.Empty(t, a.requests, "refused before a request is made")
			}
		})
	}
	for _, address := range []string{
		strings.Replace(cert, "https", "http", 1), "https://sns.eu-central-1.amazonaws.com.evil.example/SimpleNotificationService-01.pem",
		"https://evil.example/SimpleNotificationService-01.pem", "https://sns.eu-central-1.amazonaws.com@evil.example/SimpleNotificationService-01.pem",
		"https://evil.example/sns.eu-central-1.amazonaws.com/SimpleNotificationService-01.pem", "https://sns.us-east-1.amazonaws.com/SimpleNotificationService-01.pem",
		"https://sns.eu-central-1.amazonaws.com:8443/SimpleNotificationService-01.pem", "https://sns.eu-central-1.amazonaws.com/other.pem",
		"https://sns.eu-central-1.amazonaws.com/bucket/SimpleNotificationService-01.pem", cert + "?x=1", cert + "#x", "https://sns.eu-central-1.amazonaws.com/SimpleNotificationService-01.pem/../evil.pem",
		"https://sns-eu-central-1xamazonaws.com/SimpleNotificationService-01.pem", "https://s3.eu-central-1.amazonaws.com/SimpleNotificationService-01.pem", "file:///etc/passwd", "",
	} {
		ses, a := newSES(t)
		m := notification(delivered())
		m["SigningCertURL"] = address
		_, err := ses.Receive(t.Context(), receipt.Request{Body: m.sign(t).body(t)})
		require.Equal(t, receipt.ReasonCertificateURL, reasonOf(err), address)
		require.Empty(t, a.requests, address)
	}
}

func TestSNS_RefusesAnExpiredCertificateAndAmbiguousJSON(t *testing.T) {
	t.Parallel()
	ses, a := newSES(t)
	a.notAfter = time.Now().Add(-time.Minute)
	_, err := ses.Receive(t.Context(), receipt.Request{Body: notification(delivered()).sign(t).body(t)})
	require.Equal(t, receipt.ReasonCertificate, reasonOf(err))

	ses, _ = newSES(t)
	signed := notification(delivered()).sign(t).body(t)
	for _, body := range []string{"", "null", "[]", "{}", "not json", strings.Replace(string(signed), `{`, `{"Message":"{}",`, 1), strings.Repeat(" ", receipt.MaxBody) + string(signed)} {
		_, err := ses.Receive(t.Context(), receipt.Request{Body: []byte(body)})
		require.Equal(t, receipt.ReasonMalformed, reasonOf(err))
	}
}

func TestSNS_ConfirmsTheSubscriptionOfItsTopicOnly(t *testing.T) {
	t.Parallel()
	ses, a := newSES(t)
	m := confirmation().sign(t)
	got, err := ses.Receive(t.Context(), receipt.Request{Body: m.body(t)})
	require.NoError(t, err)
	require.Empty(t, got)
	require.Equal(t, m["SubscribeURL"], a.requests[len(a.requests)-1])

	for _, address := range []string{"https://evil.example/?Action=ConfirmSubscription&TopicArn=" + topic, strings.Replace(m["SubscribeURL"], "receipts", "others", 1), strings.Replace(m["SubscribeURL"], "ConfirmSubscription", "DeleteTopic", 1)} {
		ses, a := newSES(t)
		m := confirmation()
		m["SubscribeURL"] = address
		_, err := ses.Receive(t.Context(), receipt.Request{Body: m.sign(t).body(t)})
		require.Error(t, err, address)
		require.Len(t, a.requests, 1, "the certificate only")
	}
	forged := maps.Clone(m)
	forged["Token"] += "0"
	_, err = ses.Receive(t.Context(), receipt.Request{Body: forged.body(t)})
	require.Equal(t, receipt.ReasonSignature, reasonOf(err))
}

func TestSES_TranslatesItsEvents(t *testing.T) {
	t.Parallel()
	ses, _ := newSES(t)
	mail := fmt.Sprintf(`"mail":{"messageId":"0100","destination":["Paula@Mail.example"],"tags":{"delivery_id":["%s"]}}`, id)
	for _, c := range []struct{ event, status, code, suppression string }{
		{`{"eventType":"Send",` + mail + `}`, "sent", "", ""},
		{`{"eventType":"Open",` + mail + `}`, "read", "", ""},
		{`{"eventType":"Bounce",` + mail + `,"bounce":{"bounceType":"Permanent","bounceSubType":"NoEmail"}}`, "failed", "Permanent.NoEmail", "hard_bounce"},
		{`{"eventType":"Bounce",` + mail + `,"bounce":{"bounceType":"Transient","bounceSubType":"MailboxFull"}}`, "failed", "Transient.MailboxFull", ""},
		{`{"eventType":"Bounce",` + mail + `,"bounce":{"bounceType":"Undetermined"}}`, "failed", "Undetermined", ""},
		{`{"notificationType":"Complaint",` + mail + `,"complaint":{"complaintFeedbackType":"abuse"}}`, "complained", "", "complaint"},
		{`{"eventType":"Complaint",` + mail + `,"complaint":{}}`, "complained", "", "complaint"},
		{`{"eventType":"Complaint",` + mail + `,"complaint":{"complaintFeedbackType":"not-spam"}}`, "", "", ""},
		{`{"eventType":"DeliveryDelay",` + mail + `}`, "", "", ""},
		{`{"eventType":"Rendering Failure",` + mail + `}`, "failed", "RenderingFailure", ""},
		{`Successfully validated SNS topic for Amazon SES event publishing.`, "", "", ""},
	} {
		got, err := ses.Receive(t.Context(), receipt.Request{Body: notification(c.event).sign(t).body(t)})
		require.NoError(t, err)
		if c.status == "" {
			require.Empty(t, got, c.event)
			continue
		}
		require.Len(t, got, 1, c.event)
		require.Equal(t, []string{c.status, c.code, c.suppression}, []string{got[0].Status, got[0].Code, got[0].Suppression}, c.event)
		if c.suppression != "" {
			require.Equal(t, "paula@mail.example", got[0].Address)
		}
	}
}

func TestSMS_TranslatesItsEvents(t *testing.T) {
	t.Parallel()
	sns, err := receipt.NewSNS(receipt.SNSConfig{TopicARNs: []string{topic, otherTopic}, Transport: &amazon{notAfter: time.Now().Add(time.Hour)}})
	require.NoError(t, err)
	sms := receipt.NewSMS(sns)
	for _, c := range []struct{ typ, description, status, suppression string }{
		{"TEXT_QUEUED", "", "", ""},
		{"TEXT_SUCCESSFUL", "", "sent", ""},
		{"TEXT_DELIVERED", "", "delivered", ""},
		{"TEXT_UNREACHABLE", "", "failed", ""},
		{"TEXT_BLOCKED", "Phone number is opted out", "failed", "opted_out"},
		{"TEXT_BLOCKED", "Blocked as spam", "failed", ""},
		{"TEXT_INVALID", "", "failed", "hard_bounce"},
	} {
		body := fmt.Sprintf(`{"eventType":"%s","eventTimestamp":1773482400000,"destinationPhoneNumber":"+15550100001","messageId":"m1","messageStatusDescription":"%s","context":{"delivery_id":"%s"}}`, c.typ, c.description, id)
		got, err := sms.Receive(t.Context(), receipt.Request{Body: notification(body).sign(t).body(t)})
		require.NoError(t, err)
		if c.status == "" {
			require.Empty(t, got)
			continue
		}
		require.Equal(t, []string{c.status, c.suppression, "+15550100001", "m1"}, []string{got[0].Status, got[0].Suppression, got[0].Address, got[0].ProviderID}, c.typ)
		require.Equal(t, id, got[0].DeliveryID)
	}
}

func TestWhatsApp_VerifiesTheRawBodyAndReadsEachStatus(t *testing.T) {
	t.Parallel()
	w := receipt.NewWhatsApp("app-secret", "verify-token")
	status := func(name, extra string, at time.Time) string {
		return fmt.Sprintf(`{"id":"wamid.1","status":"%s","timestamp":"%d","recipient_id":"15550100001","biz_opaque_callback_data":"%s"%s}`, name, at.Unix(), id, extra)
	}
	now := time.Now()
	body := []byte(`{"entry":[{"changes":[{"value":{"statuses":[` + strings.Join([]string{
		status("sent", "", now), status("read", "", now), status("failed", `,"errors":[{"code":131050}]`, now), status("failed", `,"errors":[{"code":131026}]`, now),
		status("delivered", "", now.Add(-8*24*time.Hour)), status("deleted", "", now),
	}, ",") + `]}}]}]}`)
	mac := hmac.New(sha256.New, []byte("app-secret"))
	mac.Write(body)
	signature := "sha256=" + hex.EncodeToString(mac.Sum(nil))
	header := func(values ...string) http.Header { return http.Header{"X-Hub-Signature-256": values} }
	got, err := w.Receive(t.Context(), receipt.Request{Header: header(signature), Body: body})
	require.NoError(t, err)
	require.Len(t, got, 4, "neither the old nor the unknown one")
	require.Equal(t, "wamid.1:read", got[1].ID)
	require.Equal(t, "+15550100001", got[1].Address)
	require.Equal(t, "opted_out", got[2].Suppression)
	require.Equal(t, "131026", got[3].Code)
	require.Empty(t, got[3].Suppression)

	changed := []byte(strings.Replace(string(body), "read", "reed", 1))
	for name, r := range map[string]receipt.Request{
		"changed body":   {Header: header(signature), Body: changed},
		"other secret":   {Header: header("sha256=" + strings.Repeat("0", 64)), Body: body},
		"SHA-1":          {Header: header("sha1=" + signature[7:]), Body: body},
		"no prefix":      {Header: header(signature[7:]), Body: body},
		"no header":      {Header: http.Header{}, Body: body},
		"two signatures": {Header: header(signature, "sha256=00"), Body: body},
		"shortened":      {Header: header(signature[:20]), Body: body},
	} {
		_, err := w.Receive(t.Context(), r)
		require.Equal(t, receipt.ReasonSignature, reasonOf(err), name)
	}

	text, err := w.Challenge(url.Values{"hub.mode": {"subscribe"}, "hub.verify_token": {"verify-token"}, "hub.challenge": {"42"}})
	require.NoError(t, err)
	require.Equal(t, "42", text)
	_, err = w.Challenge(url.Values{"hub.mode": {"subscribe"}, "hub.verify_token": {"verify-tokem"}, "hub.challenge": {"42"}})
	require.Equal(t, receipt.ReasonToken, reasonOf(err))
	_, err = receipt.NewWhatsApp("app-secret", "").Challenge(url.Values{"hub.mode": {"subscribe"}, "hub.challenge": {"42"}})
	require.Equal(t, receipt.ReasonToken, reasonOf(err), "an empty token confirms nothing")
}

func TestTwilio_VerifiesURLAndParameters(t *testing.T) {
	t.Parallel()
	// The example of Twilio's documentation.
	form := url.Values{"CallSid": {"CA1234567890ABCDE"}, "Caller": {"+12349013030"}, "Digits": {"1234"}, "From": {"+12349013030"}, "To": {"+18005551212"}}
	tw := receipt.NewTwilio("12345")
	_, err := tw.Receive(t.Context(), receipt.Request{
		Header: http.Header{"X-Twilio-Signature": {"0/KCTR6DLpKmkAf8muzZqo1nDgQ="}}, Body: []byte(form.Encode()), URL: "https://mycompany.com/myapp.php?foo=1&bar=2",
	})
	require.NotEqual(t, receipt.ReasonSignature, reasonOf(err))

	address := "https://clinic.example/webhooks/twilio?delivery=" + id.String()
	sign := func(address string, form url.Values) string {
		mac := hmac.New(sha1.New, []byte("12345"))
		text := address + "ErrorCode" + form.Get("ErrorCode") + "MessageSid" + form.Get("MessageSid") + "MessageStatus" + form.Get("MessageStatus") + "To" + form.Get("To")
		mac.Write([]byte(text))
		return base64.StdEncoding.EncodeToString(mac.Sum(nil))
	}
	form = url.Values{"MessageSid": {"SM1"}, "MessageStatus": {"undelivered"}, "To": {"+15550100001"}, "ErrorCode": {"21610"}}
	request := func(signature, address string, form url.Values) receipt.Request {
		return receipt.Request{Header: http.Header{"X-Twilio-Signature": {signature}}, Body: []byte(form.Encode()), URL: address}
	}
	got, err := tw.Receive(t.Context(), request(sign(address, form), address, form))
	require.NoError(t, err)
	require.Equal(t, id, got[0].DeliveryID)
	require.Equal(t, []string{"SM1:undelivered", "failed", "21610", "opted_out", "+15550100001"}, []string{got[0].ID, got[0].Status, got[0].Code, got[0].Suppression, got[0].Address})
	withPort := strings.Replace(address, "example/", "example:443/", 1)
	_, err = tw.Receive(t.Context(), request(sign(withPort, form), address, form))
	require.NoError(t, err, "Twilio signs the default port in some cases")

	signature := sign(address, form)
	other := maps.Clone(form)
	other.Set("MessageStatus", "delivered")
	for name, r := range map[string]receipt.Request{
		"another delivery": request(signature, strings.Replace(address, "0190", "0191", 1), form),
		"another host":     request(signature, strings.Replace(address, "clinic", "clinik", 1), form),
		"another status":   request(signature, address, other),
		"no signature":     {Header: http.Header{}, Body: []byte(form.Encode()), URL: address},
		"one character":    request("A"+signature[1:], address, form),
	} {
		_, err := tw.Receive(t.Context(), r)
		require.Equal(t, receipt.ReasonSignature, reasonOf(err), name)
	}
}
