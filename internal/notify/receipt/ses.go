package receipt

import (
	"context"
	"encoding/json"
	"strings"
	"time"

	"carewire/internal/notify"
)

// SES reads the events that SES publishes to an SNS topic.
type SES struct{ sns *SNS }

// NewSES returns a verifier of the topic's messages.
func NewSES(sns *SNS) *SES { return &SES{sns} }

// sesEvent is the supported part of an event.
// https://docs.aws.amazon.com/ses/latest/dg/event-publishing-retrieving-sns-contents.html
type sesEvent struct {
	EventType        string `json:"eventType"`
	NotificationType string `json:"notificationType"`
	Mail             struct {
		MessageID   string              `json:"messageId"`
		Destination []string            `json:"destination"`
		Tags        map[string][]string `json:"tags"`
	} `json:"mail"`
	Bounce struct {
		BounceType        string         `json:"bounceType"`
		BounceSubType     string         `json:"bounceSubType"`
		BouncedRecipients []sesRecipient `json:"bouncedRecipients"`
		Timestamp         time.Time      `json:"timestamp"`
	} `json:"bounce"`
	Complaint struct {
		ComplaintFeedbackType string         `json:"complaintFeedbackType"`
		ComplainedRecipients  []sesRecipient `json:"complainedRecipients"`
		Timestamp             time.Time      `json:"timestamp"`
	} `json:"complaint"`
	Delivery struct {
		Timestamp time.Time `json:"timestamp"`
	} `json:"delivery"`
	Open struct {
		Timestamp time.Time `json:"timestamp"`
	} `json:"open"`
}

type sesRecipient struct {
	EmailAddress string `json:"emailAddress"`
}

// Receive returns the receipts of a request; none for an event that changes nothing. The error is
// an *Error.
func (s *SES) Receive(ctx context.Context, r Request) (Receipts, error) {
	m, err := s.sns.verify(ctx, r.Body)
	if m == nil || err != nil {
		return nil, err
	}
	var e sesEvent
	if json.Unmarshal([]byte(m.Message), &e) != nil {
		return nil, nil //nolint:nilerr // SES publishes a text to a new destination, to test it.
	}
	receipt := notify.DeliveryReceipt{Provider: "ses", ID: m.MessageID, Channel: notify.Email, ProviderID: e.Mail.MessageID}
	if tags := e.Mail.Tags[notify.DeliveryTag]; len(tags) == 1 {
		receipt.DeliveryID = deliveryID(tags[0])
	}
	if !e.fill(&receipt) {
		return nil, nil
	}
	receipt.At = orNow(receipt.At)
	return Receipts{receipt}, nil
}

// fill sets the status of the receipt. It returns false for an event that changes nothing, such as
// DeliveryDelay.
func (e *sesEvent) fill(r *notify.DeliveryReceipt) bool {
	kind := e.EventType
	if kind == "" {
		kind = e.NotificationType
	}
	switch kind {
	case "Send":
		r.Status = notify.StatusSent
	case "Delivery":
		r.Status, r.At = notify.StatusDelivered, e.Delivery.Timestamp
	case "Open", "Click":
		r.Status, r.At = notify.StatusRead, e.Open.Timestamp
	case "Bounce":
		r.Status, r.At, r.Code = notify.StatusFailed, e.Bounce.Timestamp, code(e.Bounce.BounceType, e.Bounce.BounceSubType)
		if e.Bounce.BounceType == "Permanent" {
			r.Suppression, r.Address = notify.SuppressedHardBounce, e.address(e.Bounce.BouncedRecipients)
		}
	case "Complaint":
		r.Status, r.At = notify.StatusComplained, e.Complaint.Timestamp
		if e.Complaint.ComplaintFeedbackType == "not-spam" {
			return false
		}
		r.Suppression, r.Address = notify.SuppressedComplaint, e.address(nil)
	case "Reject", "Rendering Failure", "RenderingFailure":
		r.Status, r.Code = notify.StatusFailed, strings.ReplaceAll(kind, " ", "")
	default:
		return false
	}
	return true
}

// address returns the address of the message's one recipient, as it is in the directory. SES names
// all recipients of a complaint's message at the complaining domain, so for it the address is that
// of the message.
func (e *sesEvent) address(recipients []sesRecipient) string {
	address := ""
	switch {
	case len(recipients) == 1:
		address = recipients[0].EmailAddress
	case len(e.Mail.Destination) == 1:
		address = e.Mail.Destination[0]
	}
	if i := strings.LastIndexByte(address, '<'); i >= 0 {
		address = strings.TrimSuffix(address[i+1:], ">")
	}
	return strings.ToLower(strings.TrimSpace(address))
}
