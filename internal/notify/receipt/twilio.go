package receipt

import (
	"context"
	"crypto/hmac"
	"crypto/sha1" //nolint:gosec // Twilio's signature is HMAC-SHA1.
	"encoding/base64"
	"net/url"
	"slices"
	"strings"
	"time"

	"carewire/internal/notify"
)

// Twilio verifies the status callbacks of Twilio.
type Twilio struct{ authToken string }

// NewTwilio returns a verifier. authToken is the account's.
func NewTwilio(authToken string) *Twilio { return &Twilio{authToken} }

// twilioSignature returns the signature of a request: HMAC-SHA1 over the URL and the parameters in
// the order of their names.
// https://www.twilio.com/docs/usage/security#validating-requests
func twilioSignature(authToken, address string, form url.Values) string {
	mac := hmac.New(sha1.New, []byte(authToken))
	mac.Write([]byte(address))
	names := make([]string, 0, len(form))
	for name := range form {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		values := slices.Sorted(slices.Values(form[name]))
		for _, value := range slices.Compact(values) {
			mac.Write([]byte(name + value))
		}
	}
	return base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

// Receive returns the receipts of a request; none for a status that changes nothing. The error is an
// *Error.
func (t *Twilio) Receive(_ context.Context, r Request) (Receipts, error) {
	form, err := url.ParseQuery(string(r.Body))
	if err != nil {
		return nil, refuse(ReasonMalformed)
	}
	sent := r.Header.Values("X-Twilio-Signature")
	if len(sent) != 1 || !t.signed(r.URL, form, sent[0]) {
		return nil, refuse(ReasonSignature)
	}
	address, err := url.Parse(r.URL)
	if err != nil {
		return nil, refuse(ReasonMalformed)
	}
	message, status := form.Get("MessageSid"), form.Get("MessageStatus")
	receipt := notify.DeliveryReceipt{
		Provider: "twilio", ID: message + ":" + status, Channel: notify.SMS, ProviderID: message, Address: number(form.Get("To")),
		DeliveryID: deliveryID(address.Query().Get(notify.DeliveryParameter)), At: time.Now(),
	}
	switch status {
	case "sent":
		receipt.Status = notify.StatusSent
	case "delivered":
		receipt.Status = notify.StatusDelivered
	case "read":
		receipt.Status = notify.StatusRead
	case "undelivered", "failed":
		receipt.Status, receipt.Code = notify.StatusFailed, form.Get("ErrorCode")
		receipt.Suppression = twilioSuppression[receipt.Code]
	default:
		return nil, nil // accepted, queued, sending
	}
	if message == "" {
		return nil, refuse(ReasonMalformed)
	}
	return Receipts{receipt}, nil
}

// twilioSuppression maps error codes to the reason for a suppression: 21610 is a recipient who
// replied STOP, 21211 and 21614 are numbers that cannot receive an SMS, 30006 is a landline.
// https://www.twilio.com/docs/api/errors
var twilioSuppression = map[string]string{
	"21610": notify.SuppressedOptedOut, "21211": notify.SuppressedHardBounce, "21614": notify.SuppressedHardBounce, "30006": notify.SuppressedHardBounce,
}

// signed reports whether the signature is that of the URL, with or without the default port: Twilio
// signs the URL with the port in some cases.
func (t *Twilio) signed(address string, form url.Values, signature string) bool {
	candidates := []string{address}
	if u, err := url.Parse(address); err == nil && u.Port() == "" {
		port := ":443"
		if u.Scheme == "http" {
			port = ":80"
		}
		candidates = append(candidates, strings.Replace(address, "://"+u.Host, "://"+u.Host+port, 1))
	}
	found := false
	for _, candidate := range candidates {
		found = secretEqual(twilioSignature(t.authToken, candidate, form), signature) || found
	}
	return found
}
