package sandbox

import (
	"bytes"
	"context"
	"crypto"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1" //nolint:gosec // Twilio's signature is HMAC-SHA1.
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// What the sandbox signs receipts with, for the settings of a service that accepts them.
const (
	// EmailTopicARN and SMSTopicARN are the SNS topics of receipts.
	EmailTopicARN = "arn:aws:sns:us-east-1:000000000000:sandbox-email-receipts"
	SMSTopicARN   = "arn:aws:sns:us-east-1:000000000000:sandbox-sms-receipts"
	// WhatsAppAppSecret signs the webhook requests of WhatsApp, TwilioAuthToken those of Twilio.
	WhatsAppAppSecret = "sandbox-whatsapp-app-secret" // Of the sandbox only.
	TwilioAuthToken   = "sandbox-twilio-auth-token"   //nolint:gosec // as above
	// WhatsAppVerifyToken confirms the subscription of the webhook.
	WhatsAppVerifyToken = "sandbox-whatsapp-verify-token"
)

const (
	certificatePath = "/SimpleNotificationService-sandbox.pem"
	receiptTimeout  = 10 * time.Second
)

// webhooks are where the sandbox posts receipts.
type webhooks struct{ serviceURL, baseURL, providersURL string }

// PostReceiptsTo sets where receipts are posted: to serviceURL, the URL at which this process reaches
// the service; Twilio signs baseURL, its public one. providersURL is that of Providers, which serves
// the certificate of SNS. All are without a trailing slash. Call it before serving the sandbox.
func (s *Sandbox) PostReceiptsTo(serviceURL, baseURL, providersURL string) {
	s.webhooks = webhooks{serviceURL, baseURL, providersURL}
}

// receiptRequest is a signed request of a provider.
type receiptRequest struct {
	path   string // With the query.
	header http.Header
	body   []byte
}

// providerReceipts sign the receipts of one provider.
type providerReceipts struct {
	// statuses are the statuses that the provider can report.
	statuses []string
	sign     func(s *Sandbox, m Message, status string) (receiptRequest, error)
}

// receiptsOf are the providers that send receipts. by Message.Provider.
var receiptsOf = map[string]providerReceipts{
	providerSES:      {[]string{"sent", "delivered", "read", "bounced", "complained"}, (*Sandbox).sesReceipt},
	providerSESEU:    {[]string{"sent", "delivered", "read", "bounced", "complained"}, (*Sandbox).sesReceipt},
	providerSMS:      {[]string{"sent", "delivered", "bounced", "opted_out"}, (*Sandbox).smsReceipt},
	providerWhatsApp: {[]string{"sent", "delivered", "read", "bounced", "opted_out"}, (*Sandbox).whatsAppReceipt},
	providerTwilio:   {[]string{"sent", "delivered", "bounced", "opted_out"}, (*Sandbox).twilioReceipt},
}

// addReceipt implements POST /sandbox/messages/{id}/receipts. It answers 204 after the service has
// accepted the receipt.
func (s *Sandbox) addReceipt(w http.ResponseWriter, r *http.Request) {
	var in struct{ Status string }
	dec := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxFault))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&in); err != nil || dec.More() {
		problem(w, http.StatusBadRequest, "invalid receipt", "", `the body must be one JSON object such as {"status": "delivered"}`)
		return
	}
	var all []Message
	if id, err := strconv.ParseInt(r.PathValue("id"), 10, 64); err == nil && id != 0 {
		all = s.allMessages(r.Context(), filter{id: id, limit: 1})
	}
	if len(all) == 0 {
		problem(w, http.StatusNotFound, "message not found", "", "")
		return
	}
	m := all[0]
	signer, ok := receiptsOf[m.Provider]
	switch {
	case !ok || s.webhooks.serviceURL == "":
		problem(w, http.StatusConflict, "messages of "+m.Provider+" have no receipts", "", "")
		return
	case !slices.Contains(signer.statuses, in.Status):
		problem(w, http.StatusBadRequest, "the request has an invalid value", "status", "must be one of "+strings.Join(signer.statuses, ", ")+" for "+m.Provider)
		return
	}
	request, err := signer.sign(s, m, in.Status)
	if err != nil {
		problem(w, http.StatusInternalServerError, "the receipt cannot be signed", "", "")
		return
	}
	if err := s.post(r.Context(), request); err != nil {
		problem(w, http.StatusBadGateway, "the service did not accept the receipt: "+err.Error(), "", "")
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// post posts a receipt to the service.
func (s *Sandbox) post(ctx context.Context, in receiptRequest) error {
	ctx, cancel := context.WithTimeout(ctx, receiptTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.webhooks.serviceURL+in.path, bytes.NewReader(in.body))
	if err != nil {
		return errors.New("invalid URL")
	}
	req.Header = in.header
	req.Close = true
	res, err := http.DefaultClient.Do(req) // The URL is that of PostReceiptsTo.
	if err != nil {
		return errors.New("no answer")
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("status %d", res.StatusCode)
	}
	return nil
}

// providerID returns the provider's id of the message.
func providerID(m Message) string {
	switch m.Provider {
	case providerSMS:
		return smsMessageID(m.ID)
	case providerTwilio:
		return twilioSID(m.ID)
	case providerWhatsApp:
		return whatsAppMessageID(m.ID)
	}
	return sesMessageID(m.ID)
}

// sesReceipt returns an event of SES, as SNS posts it.
// https://docs.aws.amazon.com/ses/latest/dg/event-publishing-retrieving-sns-examples.html
func (s *Sandbox) sesReceipt(m Message, status string) (receiptRequest, error) {
	now := time.Now().UTC().Format("2006-01-02T15:04:05.000Z")
	recipient := []map[string]string{{"emailAddress": m.To}}
	event := map[string]any{"mail": map[string]any{
		"timestamp": now, "messageId": providerID(m), "destination": []string{m.To}, "tags": map[string][]string{"delivery_id": {m.DeliveryID}},
	}}
	switch status {
	case "sent":
		event["eventType"], event["send"] = "Send", map[string]any{}
	case "delivered":
		event["eventType"], event["delivery"] = "Delivery", map[string]any{"timestamp": now, "recipients": []string{m.To}}
	case "read":
		event["eventType"], event["open"] = "Open", map[string]any{"timestamp": now}
	case "bounced":
		event["eventType"] = "Bounce"
		event["bounce"] = map[string]any{"bounceType": "Permanent", "bounceSubType": "General", "timestamp": now, "bouncedRecipients": recipient}
	case "complained":
		event["eventType"] = "Complaint"
		event["complaint"] = map[string]any{"complaintFeedbackType": "abuse", "timestamp": now, "complainedRecipients": recipient}
	}
	return s.snsRequest("/webhooks/ses", EmailTopicARN, event)
}

// smsReceipt returns an event of AWS End User Messaging, as SNS posts it.
// https://docs.aws.amazon.com/sms-voice/latest/userguide/configuration-sets-event-format.html
func (s *Sandbox) smsReceipt(m Message, status string) (receiptRequest, error) {
	types := map[string]string{"sent": "TEXT_SENT", "delivered": "TEXT_DELIVERED", "bounced": "TEXT_INVALID", "opted_out": "TEXT_BLOCKED"}
	event := map[string]any{
		"eventType": types[status], "eventVersion": "1.0", "eventTimestamp": time.Now().UnixMilli(), "isFinal": status != "sent",
		"destinationPhoneNumber": m.To, "messageId": providerID(m), "context": map[string]string{"delivery_id": m.DeliveryID},
	}
	if status == "opted_out" {
		event["messageStatusDescription"] = "Phone number is opted out"
	}
	return s.snsRequest("/webhooks/sms", SMSTopicARN, event)
}

// snsRequest returns an SNS notification, signed with version 2.
// https://docs.aws.amazon.com/sns/latest/dg/sns-verify-signature-of-message.html
func (s *Sandbox) snsRequest(path, topic string, event any) (receiptRequest, error) {
	text, err := json.Marshal(event)
	if err != nil {
		return receiptRequest{}, err
	}
	key, err := signingKey()
	if err != nil {
		return receiptRequest{}, err
	}
	id, at := rand.Text(), time.Now().UTC().Format("2006-01-02T15:04:05.000Z")
	signed := "Message\n" + string(text) + "\nMessageId\n" + id + "\nTimestamp\n" + at + "\nTopicArn\n" + topic + "\nType\nNotification\n"
	sum := sha256.Sum256([]byte(signed))
	signature, err := rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA256, sum[:])
	if err != nil {
		return receiptRequest{}, fmt.Errorf("sign the receipt: %w", err)
	}
	body, err := json.Marshal(map[string]string{
		"Type": "Notification", "MessageId": id, "TopicArn": topic, "Message": string(text), "Timestamp": at,
		"SignatureVersion": "2", "Signature": base64.StdEncoding.EncodeToString(signature), "SigningCertURL": s.webhooks.providersURL + certificatePath,
	})
	return receiptRequest{path, http.Header{"Content-Type": {"text/plain; charset=UTF-8"}, "X-Amz-Sns-Message-Type": {"Notification"}}, body}, err
}

// whatsAppReceipt returns a webhook request of the WhatsApp Cloud API.
// https://developers.facebook.com/docs/whatsapp/cloud-api/webhooks/payload-examples
func (s *Sandbox) whatsAppReceipt(m Message, status string) (receiptRequest, error) {
	change := map[string]any{
		"id": providerID(m), "status": status, "timestamp": strconv.FormatInt(time.Now().Unix(), 10),
		"recipient_id": strings.TrimPrefix(m.To, "+"), "biz_opaque_callback_data": m.DeliveryID,
	}
	if code := map[string]int{"bounced": 131026, "opted_out": 131050}[status]; code != 0 {
		change["status"], change["errors"] = "failed", []any{map[string]any{"code": code, "title": "Message undeliverable"}}
	}
	body, err := json.Marshal(map[string]any{"object": "whatsapp_business_account", "entry": []any{map[string]any{"id": "1", "changes": []any{
		map[string]any{"field": "messages", "value": map[string]any{"messaging_product": "whatsapp", "statuses": []any{change}}},
	}}}})
	mac := hmac.New(sha256.New, []byte(WhatsAppAppSecret))
	mac.Write(body)
	return receiptRequest{"/webhooks/whatsapp", http.Header{
		"Content-Type": {"application/json"}, "X-Hub-Signature-256": {"sha256=" + hex.EncodeToString(mac.Sum(nil))},
	}, body}, err
}

// twilioReceipt returns a status callback of Twilio.
// https://www.twilio.com/docs/usage/security#validating-requests
func (s *Sandbox) twilioReceipt(m Message, status string) (receiptRequest, error) {
	form := url.Values{"MessageSid": {providerID(m)}, "MessageStatus": {status}, "To": {m.To}, "AccountSid": {"ACsandbox"}}
	if code := map[string]string{"bounced": "21614", "opted_out": "21610"}[status]; code != "" {
		form.Set("MessageStatus", "undelivered")
		form.Set("ErrorCode", code)
	}
	path := "/webhooks/twilio?" + url.Values{"delivery": {m.DeliveryID}}.Encode()
	mac := hmac.New(sha1.New, []byte(TwilioAuthToken))
	mac.Write([]byte(s.webhooks.baseURL + path))
	for _, name := range []string{"AccountSid", "ErrorCode", "MessageSid", "MessageStatus", "To"} {
		if form.Has(name) {
			mac.Write([]byte(name + form.Get(name)))
		}
	}
	return receiptRequest{path, http.Header{
		"Content-Type": {"application/x-www-form-urlencoded"}, "X-Twilio-Signature": {base64.StdEncoding.EncodeToString(mac.Sum(nil))},
	}, []byte(form.Encode())}, nil
}

// snsCertificate returns the certificate of signingKey, in PEM.
var snsCertificate = sync.OnceValues(func() ([]byte, error) {
	key, err := signingKey()
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "sns.sandbox.example"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().AddDate(1, 0, 0),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return nil, fmt.Errorf("create the sandbox's certificate: %w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), nil
})

// serveCertificate implements GET of the certificate of SNS.
func (s *Sandbox) serveCertificate(w http.ResponseWriter, _ *http.Request) {
	text, err := snsCertificate()
	if err != nil {
		problem(w, http.StatusInternalServerError, "the certificate cannot be created", "", "")
		return
	}
	w.Header().Set("Content-Type", "application/x-pem-file")
	_, _ = w.Write(text)
}
