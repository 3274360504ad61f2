package notify

import (
	"cmp"
	"context"
	"errors"
	"regexp"
	"time"

	"github.com/google/uuid"

	"carewire/internal/care"
	"carewire/internal/notify/template"
)

// The names of the built-in channels that this package's callers use most.
const (
	Email    = care.ChannelEmail
	Push     = care.ChannelPush
	SMS      = care.ChannelSMS
	WhatsApp = care.ChannelWhatsApp
)

// Notifier hands messages to a provider. It returns errors of type *Error. Every implementation
// passes notifytest.TestChannel.
type Notifier interface {
	// Notify sends the message once, without retries. It returns when the provider has answered or
	// ctx has ended. With an error, the receipt still counts for the devices that it names.
	Notify(ctx context.Context, m Message) (Receipt, error)
}

// Message is one rendered message to one person.
type Message struct {
	DeliveryID uuid.UUID
	Channel    string
	// Type is the event's type, for the app that receives a push.
	Type string
	// Email is the address, on channels of the kind care.AddressEmail.
	Email string
	// Phone is the number in E.164 form, such as "+15550100001", on channels of the kinds
	// care.AddressPhone and care.AddressWhatsApp.
	Phone string
	// Devices are the person's, on channels of the kind care.AddressDevices, the last seen first.
	Devices []Device

	// Subject, Text and HTML are set for care.FormatEmail, Text alone for care.FormatText.
	Subject string
	Text    string
	HTML    string
	// Title and Body are set for care.FormatPush.
	Title string
	Body  string
	// Link is the URL of the notification that the message announces.
	Link string
	// Rich holds the image, the buttons and what else the channel can show.
	template.Rich
	// SenderName and ReplyTo are the clinic's, on channels of the kind care.AddressEmail; empty means
	// the provider's defaults.
	SenderName, ReplyTo string
	// UnsubscribeURL is the one-click URL of RFC 8058 on channels of the kind care.AddressEmail; empty
	// for messages that a person cannot switch off.
	UnsubscribeURL string

	// CollapseKey lets a provider replace an undelivered or shown message by its repetition.
	CollapseKey string
	// Priority is critical, high, normal or bulk.
	Priority string
	// TTL is how long a provider may keep the message until it is delivered.
	TTL time.Duration
	// PossibleDuplicate reports that an earlier attempt may have reached the person.
	PossibleDuplicate bool
}

// Device is an installation of the app that receives push messages.
type Device struct {
	ID       uuid.UUID
	Token    string
	Platform string
}

// Receipt is the provider's answer.
type Receipt struct {
	// Provider is a short stable name such as "ses"; ProviderID the provider's id of the message.
	Provider   string
	ProviderID string
	// Gone are devices that the provider no longer knows. They are removed, whether or not the
	// message was accepted.
	Gone []uuid.UUID
	// Throttled reports that the provider accepted the message, but rejected a part of it because
	// it is called too often. The rate is lowered as after a ClassThrottled error.
	Throttled bool
}

// Class is the class of an Error. It decides how the delivery continues.
type Class string

// The classes of an Error.
const (
	// ClassPermanent means that a retry cannot succeed.
	ClassPermanent Class = "permanent"
	// ClassTransient means that the message was certainly not accepted, and may be later.
	ClassTransient Class = "transient"
	// ClassThrottled means that the message was certainly not accepted because the provider is
	// called too often. It slows the provider's limiter, is no failure for its breaker and uses up
	// no attempt.
	ClassThrottled Class = "throttled"
	// ClassUncertain means that the message may have been accepted.
	ClassUncertain Class = "uncertain"
)

// Error is a failed attempt. Its text holds class and code only, so that it may be logged and
// stored.
type Error struct {
	Class Class
	// Code is the provider's error code, or one of ours in lower case. Never an address, a token or
	// a provider's text.
	Code string
	// RetryAfter is how long the provider asked to wait; 0 if it did not ask.
	RetryAfter time.Duration
}

// Error implements error. It returns class and code.
func (e *Error) Error() string { return string(e.Class) + ": " + e.Code }

// codeForm bounds the text that a provider can write into our rows: neither an address nor a
// sentence matches it.
var codeForm = regexp.MustCompile(`^[A-Za-z0-9_.-]{1,64}$`)

func newError(class Class, code string, retryAfter time.Duration) *Error {
	if !codeForm.MatchString(code) {
		code = "unknown"
	}
	return &Error{Class: class, Code: code, RetryAfter: max(retryAfter, 0)}
}

// Permanent returns an error after which the message is not sent again.
func Permanent(code string) *Error { return newError(ClassPermanent, code, 0) }

// Transient returns an error after which the message may be sent again, not before retryAfter.
func Transient(code string, retryAfter time.Duration) *Error {
	return newError(ClassTransient, code, retryAfter)
}

// Throttled returns an error for a provider that is called too often: its 429, or a code with the
// same meaning. The message is sent again, not before retryAfter.
func Throttled(code string, retryAfter time.Duration) *Error {
	return newError(ClassThrottled, code, retryAfter)
}

// Uncertain returns an error after which it is unknown whether the message was accepted.
func Uncertain(code string) *Error { return newError(ClassUncertain, code, 0) }

// classify returns err as an *Error. An error without a class is uncertain: the message may have
// been sent.
func classify(err error) *Error {
	if e, ok := errors.AsType[*Error](err); ok {
		return newError(cmp.Or(e.Class, ClassUncertain), e.Code, e.RetryAfter)
	}
	return Uncertain("unclassified")
}
