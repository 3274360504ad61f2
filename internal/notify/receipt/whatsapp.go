package receipt

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/url"
	"strconv"
	"strings"
	"time"

	"carewire/internal/notify"
)

const (
	// maxWhatsAppAge is how long Meta repeats a webhook request that was not answered with 200.
	// https://developers.facebook.com/docs/graph-api/webhooks/getting-started
	maxWhatsAppAge = 7 * 24 * time.Hour
	// codeOptedOut is the error code of a recipient who stopped marketing or all messages.
	codeOptedOut = 131050
	// maxStatuses bounds the statuses of one request. Meta sends up to 1,000 changes in one.
	maxStatuses = 1000
	// maxChallenge bounds the challenge that is echoed.
	maxChallenge = 200
)

// WhatsApp verifies the webhook requests of the WhatsApp Cloud API.
type WhatsApp struct{ secret, verifyToken string }

// NewWhatsApp returns a verifier. secret is the app's secret; verifyToken is the token that was
// entered with the webhook's URL, or "" if no subscription is to be confirmed.
func NewWhatsApp(secret, verifyToken string) *WhatsApp { return &WhatsApp{secret, verifyToken} }

// whatsAppEvent is the supported part of a webhook request.
// https://developers.facebook.com/docs/whatsapp/cloud-api/webhooks/components
type whatsAppEvent struct {
	Entry []struct {
		Changes []struct {
			Value struct {
				Statuses []whatsAppStatus `json:"statuses"`
			} `json:"value"`
		} `json:"changes"`
	} `json:"entry"`
}

type whatsAppStatus struct {
	ID                    string `json:"id"`
	Status                string `json:"status"`
	Timestamp             string `json:"timestamp"` // Seconds since 1970.
	RecipientID           string `json:"recipient_id"`
	BizOpaqueCallbackData string `json:"biz_opaque_callback_data"`
	Errors                []struct {
		Code int `json:"code"`
	} `json:"errors"`
}

// Challenge returns the text to answer to the request that confirms the subscription. The error is
// an *Error.
func (w *WhatsApp) Challenge(query url.Values) (string, error) {
	challenge := query.Get("hub.challenge")
	if query.Get("hub.mode") != "subscribe" || challenge == "" || len(challenge) > maxChallenge {
		return "", refuse(ReasonMalformed)
	}
	if w.verifyToken == "" || !secretEqual(query.Get("hub.verify_token"), w.verifyToken) {
		return "", refuse(ReasonToken)
	}
	return challenge, nil
}

// Receive returns the receipts of a request. The error is an *Error.
func (w *WhatsApp) Receive(_ context.Context, r Request) (Receipts, error) {
	signature, ok := strings.CutPrefix(r.Header.Get("X-Hub-Signature-256"), "sha256=")
	mac := hmac.New(sha256.New, []byte(w.secret))
	mac.Write(r.Body)
	if !ok || len(r.Header.Values("X-Hub-Signature-256")) != 1 || !secretEqual(signature, hex.EncodeToString(mac.Sum(nil))) {
		return nil, refuse(ReasonSignature)
	}
	var e whatsAppEvent
	if json.Unmarshal(r.Body, &e) != nil {
		return nil, refuse(ReasonMalformed)
	}
	var all Receipts
	for _, entry := range e.Entry {
		for _, change := range entry.Changes {
			for _, status := range change.Value.Statuses {
				if len(all) == maxStatuses {
					return nil, refuse(ReasonMalformed)
				}
				if receipt, ok := status.receipt(); ok {
					all = append(all, receipt)
				}
			}
		}
	}
	return all, nil
}

// receipt returns the receipt of a status, or false for one that changes nothing or is too old.
func (s *whatsAppStatus) receipt() (r notify.DeliveryReceipt, ok bool) {
	r = notify.DeliveryReceipt{
		Provider: "whatsapp", ID: s.ID + ":" + s.Status, Channel: notify.WhatsApp, ProviderID: s.ID, Address: number(s.RecipientID),
		DeliveryID: deliveryID(s.BizOpaqueCallbackData),
	}
	seconds, err := strconv.ParseInt(s.Timestamp, 10, 64)
	if err != nil || s.ID == "" {
		return r, false
	}
	r.At = orNow(time.Unix(seconds, 0))
	if time.Since(r.At) > maxWhatsAppAge {
		return r, false
	}
	switch s.Status {
	case "sent":
		r.Status = notify.StatusSent
	case "delivered":
		r.Status = notify.StatusDelivered
	case "read", "played":
		r.Status = notify.StatusRead
	case "failed":
		r.Status = notify.StatusFailed
		for _, e := range s.Errors {
			r.Code = strconv.Itoa(e.Code)
			if e.Code == codeOptedOut {
				r.Suppression = notify.SuppressedOptedOut
				break
			}
		}
	default:
		return r, false
	}
	return r, true
}
