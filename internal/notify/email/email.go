// Package email sends messages through Amazon SES v2, with the real SDK client; only endpoint and
// credentials differ between production and the sandbox. The SDK's retries are disabled: notify
// counts the attempts of a delivery.
package email

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptrace"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/sesv2"
	"github.com/aws/aws-sdk-go-v2/service/sesv2/types"
	"github.com/aws/smithy-go"

	"carewire/internal/notify"
)

const (
	// provider is the name in receipts.
	provider    = "ses"
	dialTimeout = 5 * time.Second
)

// Config configures the client of SES.
type Config struct {
	// From is the sender's address, verified with SES. Required.
	From string
	// ConfigurationSet publishes receipts; empty means none.
	ConfigurationSet string
	// Region overrides the SDK's choice.
	Region string
	// Endpoint is the URL of the API, such as the sandbox's; empty means Amazon's.
	Endpoint string
	// AccessKeyID and SecretAccessKey override the SDK's search for credentials.
	AccessKeyID, SecretAccessKey string
}

// Sender sends email. It is safe for concurrent use.
type Sender struct {
	client    *sesv2.Client
	transport *http.Transport
	cfg       Config
}

var _ notify.Notifier = (*Sender)(nil)

// New returns a Sender. It does not call SES.
func New(ctx context.Context, cfg Config) (*Sender, error) {
	if cfg.From == "" {
		return nil, errors.New("email: the sender's address is missing")
	}
	options := []func(*config.LoadOptions) error{
		// The SDK adds its own settings to this one, such as AWS_CA_BUNDLE. Dialling times out well
		// within one attempt, so that an unreachable host is recognized as such.
		config.WithHTTPClient(awshttp.NewBuildableClient().
			WithDialerOptions(func(d *net.Dialer) { d.Timeout = dialTimeout }).
			WithTransportOptions(func(t *http.Transport) {
				t.TLSHandshakeTimeout = dialTimeout
				t.MaxIdleConnsPerHost = 64
			})),
		config.WithRetryer(func() aws.Retryer { return aws.NopRetryer{} }),
	}
	if cfg.Region != "" {
		options = append(options, config.WithRegion(cfg.Region))
	}
	if cfg.AccessKeyID != "" {
		options = append(options, config.WithCredentialsProvider(
			credentials.NewStaticCredentialsProvider(cfg.AccessKeyID, cfg.SecretAccessKey, "")))
	}
	loaded, err := config.LoadDefaultConfig(ctx, options...)
	if err != nil {
		return nil, fmt.Errorf("read the AWS configuration: %w", err)
	}
	built, ok := loaded.HTTPClient.(*awshttp.BuildableClient)
	if !ok {
		return nil, fmt.Errorf("email: the AWS SDK made an HTTP client of type %T", loaded.HTTPClient)
	}
	// The same transport in our client, which can be closed.
	transport := built.GetTransport()
	loaded.HTTPClient = &http.Client{Transport: transport, CheckRedirect: noRedirect}
	client := sesv2.NewFromConfig(loaded, func(o *sesv2.Options) {
		if cfg.Endpoint != "" {
			o.BaseEndpoint = &cfg.Endpoint
		}
	})
	return &Sender{client: client, transport: transport, cfg: cfg}, nil
}

// noRedirect rejects redirects, so that no message is sent to another host.
func noRedirect(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

// Close closes idle connections.
func (s *Sender) Close() { s.transport.CloseIdleConnections() }

// Notify implements notify.Notifier. It sends the message to its one address.
func (s *Sender) Notify(ctx context.Context, m notify.Message) (notify.Receipt, error) {
	receipt := notify.Receipt{Provider: provider}
	// A connection that was kept alive may break before the request is written: then nothing was
	// sent.
	var sent atomic.Bool
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{WroteHeaders: func() { sent.Store(true) }})
	out, err := s.client.SendEmail(ctx, s.input(m))
	if err != nil {
		return receipt, classify(err, sent.Load())
	}
	receipt.ProviderID = aws.ToString(out.MessageId)
	return receipt, nil
}

func (s *Sender) input(m notify.Message) *sesv2.SendEmailInput {
	in := &sesv2.SendEmailInput{
		FromEmailAddress: &s.cfg.From,
		// One recipient a message: a complaint names everybody at the domain.
		Destination: &types.Destination{ToAddresses: []string{m.Email}},
		Content: &types.EmailContent{Simple: &types.Message{
			Subject: content(m.Subject),
			Body:    &types.Body{Text: content(m.Text), Html: content(m.HTML)},
			Headers: sesHeaders(m),
		}},
		EmailTags: []types.MessageTag{{Name: aws.String("delivery_id"), Value: aws.String(m.DeliveryID.String())}},
	}
	if s.cfg.ConfigurationSet != "" {
		in.ConfigurationSetName = &s.cfg.ConfigurationSet
	}
	return in
}

func content(s string) *types.Content {
	return &types.Content{Data: &s, Charset: aws.String("UTF-8")}
}

func sesHeaders(m notify.Message) []types.MessageHeader {
	var all []types.MessageHeader
	for _, h := range notify.EmailHeaders(m) {
		all = append(all, types.MessageHeader{Name: aws.String(h.Name), Value: aws.String(h.Value)})
	}
	return all
}

// permanent are the codes after which the same message would be rejected again. A suspended or
// paused account and an unverified sender are not among them: an operator fixes those, and the
// messages should still be sent.
// https://docs.aws.amazon.com/ses/latest/APIReference-V2/API_SendEmail.html
var permanent = map[string]bool{"MessageRejected": true, "BadRequestException": true, "NotFoundException": true}

// throttled reports whether the answer means that SES is called too often for the account's sending
// rate or quota.
// https://docs.aws.amazon.com/ses/latest/dg/manage-sending-quotas-errors.html
func throttled(code string, status int) bool {
	switch code {
	case "TooManyRequestsException", "RequestLimitExceeded", "SlowDown":
		return true
	}
	return status == http.StatusTooManyRequests || strings.HasPrefix(code, "Throttl") || strings.HasPrefix(code, "RequestThrottl")
}

// classify returns the SDK's error as a *notify.Error. sent reports that the request was sent.
func classify(err error, sent bool) error {
	response, answered := errors.AsType[*awshttp.ResponseError](err)
	if !answered || response.HTTPStatusCode() == 0 {
		switch {
		case sent:
			return notify.Uncertain("no_answer")
		case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
			return notify.Transient("timeout", 0)
		}
		return notify.Transient(unsent(err), 0)
	}
	code, status := "status_"+strconv.Itoa(response.HTTPStatusCode()), response.HTTPStatusCode()
	if api, ok := errors.AsType[smithy.APIError](err); ok && api.ErrorCode() != "" && api.ErrorCode() != "UnknownError" {
		code = api.ErrorCode()
	}
	switch {
	case status < 300:
		// A successful answer that cannot be read.
		return notify.Uncertain("unreadable_answer")
	case throttled(code, status):
		return notify.Throttled(code, retryAfter(response))
	case permanent[code]:
		return notify.Permanent(code)
	default:
		// An account or credentials that an operator has to fix, and the provider's failures.
		return notify.Transient(code, retryAfter(response))
	}
}

// unsent returns the code for a request that was not sent.
func unsent(err error) string {
	if _, ok := errors.AsType[*net.DNSError](err); ok {
		return "dns"
	}
	if _, ok := errors.AsType[net.Error](err); ok {
		return "connect"
	}
	return "not_sent"
}

// retryAfter returns the value of the header, which AWS sends in seconds.
func retryAfter(r *awshttp.ResponseError) time.Duration {
	seconds, err := strconv.Atoi(r.Response.Header.Get("Retry-After"))
	if err != nil || seconds < 0 {
		return 0
	}
	return time.Duration(seconds) * time.Second
}
