package receipt

import (
	"context"
	"encoding/json"
	"strings"
	"time"

	"carewire/internal/notify"
)

// SMS reads the events that AWS End User Messaging publishes to an SNS topic.
type SMS struct{ sns *SNS }

// NewSMS returns a verifier of the topic's messages.
func NewSMS(sns *SNS) *SMS { return &SMS{sns} }

// smsEvent is the supported part of an event.
// https://docs.aws.amazon.com/sms-voice/latest/userguide/configuration-sets-event-format.html
type smsEvent struct {
	EventType                string            `json:"eventType"`
	EventTimestamp           int64             `json:"eventTimestamp"` // Milliseconds since 1970.
	DestinationPhoneNumber   string            `json:"destinationPhoneNumber"`
	MessageID                string            `json:"messageId"`
	MessageStatusDescription string            `json:"messageStatusDescription"`
	Context                  map[string]string `json:"context"`
}

// Receive returns the receipts of a request; none for an event that changes nothing. The error is
// an *Error.
func (s *SMS) Receive(ctx context.Context, r Request) (Receipts, error) {
	m, err := s.sns.verify(ctx, r.Body)
	if m == nil || err != nil {
		return nil, err
	}
	var e smsEvent
	if json.Unmarshal([]byte(m.Message), &e) != nil {
		return nil, refuse(ReasonMalformed)
	}
	receipt := notify.DeliveryReceipt{
		Provider: "sms", ID: m.MessageID, Channel: notify.SMS, ProviderID: e.MessageID, DeliveryID: deliveryID(e.Context[notify.DeliveryTag]),
	}
	if e.EventTimestamp > 0 {
		receipt.At = time.UnixMilli(e.EventTimestamp)
	}
	receipt.At = orNow(receipt.At)
	if !e.fill(&receipt) {
		return nil, nil
	}
	return Receipts{receipt}, nil
}

// fill sets the status of the receipt. It returns false for an event that changes nothing.
// TEXT_SUCCESSFUL is the carrier's confirmation, TEXT_DELIVERED the handset's.
func (e *smsEvent) fill(r *notify.DeliveryReceipt) bool {
	switch e.EventType {
	case "TEXT_SENT", "TEXT_SUCCESSFUL":
		r.Status = notify.StatusSent
	case "TEXT_DELIVERED":
		r.Status = notify.StatusDelivered
	case "TEXT_INVALID":
		r.Suppression = notify.SuppressedHardBounce // The number does not exist or is not a mobile.
		fallthrough
	case "TEXT_BLOCKED", "TEXT_CARRIER_BLOCKED", "TEXT_CARRIER_UNREACHABLE", "TEXT_INVALID_MESSAGE", "TEXT_PROTECT_BLOCKED",
		"TEXT_SPAM", "TEXT_TTL_EXPIRED", "TEXT_UNKNOWN", "TEXT_UNREACHABLE":
		r.Status, r.Code = notify.StatusFailed, e.EventType
		if e.optedOut() {
			r.Code, r.Suppression = notify.SuppressedOptedOut, notify.SuppressedOptedOut
		}
	default:
		return false // TEXT_QUEUED, TEXT_PENDING
	}
	r.Address = number(e.DestinationPhoneNumber)
	return true
}

// optedOut reports whether the message was blocked because its recipient replied STOP. The event has
// no code for it, only a description.
func (e *smsEvent) optedOut() bool {
	text := strings.ToLower(e.MessageStatusDescription)
	return e.EventType == "TEXT_BLOCKED" && (strings.Contains(text, "opted out") || strings.Contains(text, "opt-out") || strings.Contains(text, "opted-out"))
}
