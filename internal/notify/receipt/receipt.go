// Package receipt verifies the delivery receipts that providers post to webhooks, and translates
// them: Amazon SNS for email (SES) and SMS (AWS End User Messaging), the WhatsApp Cloud API, and
// Twilio's status callbacks.
//
// A request is verified over its raw body before anything in it is used. The requests contain
// addresses: the package neither stores nor logs them, and its errors contain codes only.
//
// SNS requests carry a time that is part of the signature, and are accepted up to an hour later.
// The others carry none that is signed and certain: a repetition is recognized by its id, and has
// no effect.
package receipt

import (
	"crypto/subtle"
	"net/http"
	"regexp"
	"strings"
	"time"

	"github.com/google/uuid"

	"carewire/internal/notify"
)

// MaxBody is the largest request that is read, in bytes. An SNS message has at most 256 KiB, which
// JSON may escape.
const MaxBody = 1 << 20

// Request is a request to a webhook.
type Request struct {
	Header http.Header
	Body   []byte
	// URL is the URL to which the provider sent the request, with its query: the public one, not that
	// behind a proxy.
	URL string
}

// The reasons of an Error.
const (
	ReasonSignature          = "signature_invalid"
	ReasonSignatureVersion   = "signature_version"
	ReasonCertificateURL     = "certificate_url"
	ReasonCertificate        = "certificate_invalid"
	ReasonCertificateMissing = "certificate_unavailable"
	ReasonTopic              = "topic"
	ReasonTooOld             = "too_old"
	ReasonToken              = "token"
	ReasonMalformed          = "malformed"
)

// Error is a refused request. Its text is the reason.
type Error struct {
	Reason string
	// Retry reports that the provider should send the request again.
	Retry bool
}

// Error implements error. It returns the reason.
func (e *Error) Error() string { return e.Reason }

func refuse(reason string) error { return &Error{Reason: reason} }

// secretEqual compares without revealing by its duration how much is equal.
func secretEqual(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }

// deliveryID returns the id, or zero for another text.
func deliveryID(text string) uuid.UUID {
	id, err := uuid.Parse(text)
	if err != nil || len(text) != 36 {
		return uuid.Nil
	}
	return id
}

// numberForm is a number in E.164 form.
var numberForm = regexp.MustCompile(`^\+[1-9][0-9]{4,14}$`)

// number returns a phone number in E.164 form, or "" for another text.
func number(text string) string {
	text = strings.TrimPrefix(text, "whatsapp:")
	if !strings.HasPrefix(text, "+") {
		text = "+" + text
	}
	if !numberForm.MatchString(text) {
		return ""
	}
	return text
}

// code joins the parts of an error code that are set.
func code(parts ...string) string {
	var set []string
	for _, p := range parts {
		if p != "" {
			set = append(set, p)
		}
	}
	return strings.Join(set, ".")
}

// orNow returns the time, or the current one for a time that is missing or in the future.
func orNow(t time.Time) time.Time {
	if now := time.Now(); t.IsZero() || t.After(now) {
		return now
	}
	return t
}

// Receipts are those of one request.
type Receipts = []notify.DeliveryReceipt
