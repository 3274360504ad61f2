// Package sms sends text messages through AWS End User Messaging (pinpointsmsvoicev2), with the real
// SDK client; only endpoint and credentials differ between production and the sandbox.
package sms

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	api "github.com/aws/aws-sdk-go-v2/service/pinpointsmsvoicev2"
	"github.com/aws/aws-sdk-go-v2/service/pinpointsmsvoicev2/types"

	"carewire/internal/notify"
	"carewire/internal/notify/awsclient"
	"carewire/internal/notify/httpcall"
)

// provider is the name in receipts.
const provider = "aws-sms"

// minTTL and maxTTL bound TimeToLive.
// https://docs.aws.amazon.com/pinpoint/latest/apireference_smsvoicev2/API_SendTextMessage.html
const (
	minTTL = 5 * time.Second
	maxTTL = 72 * time.Hour
)

// Config configures the client.
type Config struct {
	// Origination is the identity that messages come from: a phone number, its ID or ARN, a sender ID
	// or a pool. Required.
	Origination string
	// ConfigurationSet publishes receipts; empty means none.
	ConfigurationSet string
	// MaxPrice is the most that one segment of a message may cost, in US dollars, such as "0.25". A
	// message that would cost more is not sent. Empty means no limit.
	MaxPrice string
	// Region overrides the SDK's choice.
	Region string
	// Endpoint is the URL of the API, such as the sandbox's; empty means Amazon's.
	Endpoint string
	// AccessKeyID and SecretAccessKey override the SDK's search for credentials.
	AccessKeyID, SecretAccessKey string
}

// Sender sends text messages. It is safe for concurrent use.
type Sender struct {
	client    *api.Client
	transport *http.Transport
	cfg       Config
}

var _ notify.Notifier = (*Sender)(nil)

// New returns a Sender. It does not call the service.
func New(ctx context.Context, cfg Config) (*Sender, error) {
	if cfg.Origination == "" {
		return nil, errors.New("sms: the origination identity is missing")
	}
	account := awsclient.Config{Region: cfg.Region, Endpoint: cfg.Endpoint, AccessKeyID: cfg.AccessKeyID, SecretAccessKey: cfg.SecretAccessKey}
	loaded, transport, err := account.Load(ctx)
	if err != nil {
		return nil, fmt.Errorf("sms: %w", err)
	}
	client := api.NewFromConfig(loaded, func(o *api.Options) {
		if endpoint := account.BaseEndpoint(); endpoint != nil {
			o.BaseEndpoint = endpoint
		}
	})
	return &Sender{client: client, transport: transport, cfg: cfg}, nil
}

// Close closes idle connections.
func (s *Sender) Close() { s.transport.CloseIdleConnections() }

// Notify implements notify.Notifier. It sends the message's text to its number.
func (s *Sender) Notify(ctx context.Context, m notify.Message) (notify.Receipt, error) {
	receipt := notify.Receipt{Provider: provider}
	ctx, progress := httpcall.Track(ctx)
	out, err := s.client.SendTextMessage(ctx, s.input(m))
	if err != nil {
		return receipt, awsclient.Classify(err, progress, permanentError)
	}
	receipt.ProviderID = aws.ToString(out.MessageId)
	return receipt, nil
}

func (s *Sender) input(m notify.Message) *api.SendTextMessageInput {
	in := &api.SendTextMessageInput{
		DestinationPhoneNumber: &m.Phone,
		OriginationIdentity:    &s.cfg.Origination,
		MessageBody:            &m.Text,
		MessageType:            types.MessageTypeTransactional,
		Context:                map[string]string{notify.DeliveryTag: m.DeliveryID.String()},
	}
	if m.TTL > 0 {
		ttl := min(max(m.TTL, minTTL), maxTTL)
		in.TimeToLive = aws.Int32(int32(ttl / time.Second))
	}
	if s.cfg.ConfigurationSet != "" {
		in.ConfigurationSetName = &s.cfg.ConfigurationSet
	}
	if s.cfg.MaxPrice != "" {
		in.MaxPrice = &s.cfg.MaxPrice
	}
	return in
}

// The codes of recipients that no retry reaches.
const (
	codeOptedOut = "opted_out"
	codeBlocked  = "destination_blocked"
)

// recipientReasons are the reasons of a ConflictException that are about the recipient.
var recipientReasons = map[types.ConflictExceptionReason]string{
	types.ConflictExceptionReasonDestinationPhoneNumberOptedOut:                       codeOptedOut,
	types.ConflictExceptionReasonDestinationCountryBlockedByProtectConfiguration:      codeBlocked,
	types.ConflictExceptionReasonDestinationPhoneNumberBlockedByProtectNumberOverride: codeBlocked,
}

// accountReasons are the reasons of a ValidationException that an operator fixes in the account or
// the settings: the messages should still be sent.
var accountReasons = map[types.ValidationExceptionReason]bool{
	types.ValidationExceptionReasonChannelNotEnabled:                    true,
	types.ValidationExceptionReasonInvalidArn:                           true,
	types.ValidationExceptionReasonResourceNotAccessible:                true,
	types.ValidationExceptionReasonSenderIdNotRegistered:                true,
	types.ValidationExceptionReasonSenderIdRequiresRegistration:         true,
	types.ValidationExceptionReasonUnknownOperation:                     true,
	types.ValidationExceptionReasonInvalidIdentityForDestinationCountry: true,
}

// permanentError returns the code to record, the reason where there is one, and whether the same
// message would be rejected again. An account that is disabled, over its spending limit or without
// the origination identity is not permanent.
// https://docs.aws.amazon.com/pinpoint/latest/apireference_smsvoicev2/API_SendTextMessage.html
func permanentError(code string, err error) (string, bool) {
	if e, ok := errors.AsType[*types.ConflictException](err); ok {
		if code, ok := recipientReasons[e.Reason]; ok {
			return code, true
		}
		return cmp.Or(string(e.Reason), code), false
	}
	if e, ok := errors.AsType[*types.ValidationException](err); ok {
		if e.Reason == types.ValidationExceptionReasonDestinationCountryBlocked {
			return codeBlocked, true
		}
		return cmp.Or(string(e.Reason), code), !accountReasons[e.Reason]
	}
	if e, ok := errors.AsType[*types.ServiceQuotaExceededException](err); ok {
		return cmp.Or(string(e.Reason), code), false
	}
	if e, ok := errors.AsType[*types.AccessDeniedException](err); ok {
		return cmp.Or(string(e.Reason), code), false
	}
	return code, false
}
