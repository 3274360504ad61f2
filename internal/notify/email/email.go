// Package email sends messages through Amazon SES v2, with the real SDK client; only endpoint and credentials differ
// between production and the sandbox. The SDK's own retries are off: the delivery's attempts are counted by us.
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

// Config says how to reach SES.
type Config struct {
	// From is the sender's address, verified with SES. Required.
	From string
	// ConfigurationSet publishes receipts; empty means none.
	ConfigurationSet string
	// Region overrides the SDK's own choice.
	Region string
	// Endpoint is another address of the API, such as the sandbox's; empty means Amazon's.
	Endpoint string
	// AccessKeyID and SecretAccessKey override the SDK's own search for credentials.
	AccessKeyID, SecretAccessKey string
}

// Sender sends email. It is safe for concurrent use.
type Sender struct {
	client    *sesv2.Client
	transport *http.Transport
	cfg       Config
}

var _ notify.Notifier = (*Sender)(nil)

// New makes a Sender. It does not call SES.
func New(ctx context.Context, cfg Config) (*Sender, error) {
	if cfg.From == "" {
		return nil, errors.New("email: the sender's address is missing")
	}
	options := []func(*config.LoadOptions) error{
		// The SDK adds its own settings to this one, such as AWS_CA_BUNDLE. Dialling is given up well within one attempt, so
		// that a host that cannot be reached is known as such.
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
	// The same transport in a client of ours, which can be closed.
	transport := built.GetTransport()
	loaded.HTTPClient = &http.Client{Transport: transport, CheckRedirect: noRedirect}
	client := sesv2.NewFromConfig(loaded, func(o *sesv2.Options) {
		if cfg.Endpoint != "" {
			o.BaseEndpoint = &cfg.Endpoint
		}
	})
	return &Sender{client: client, transport: transport, cfg: cfg}, nil
}

// noRedirect keeps a message from being sent anywhere but where it is meant to go.
func noRedirect(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

// Close lets go of idle connections.
func (s *Sender) Close() { s.transport.CloseIdleConnections() }

// Notify sends the message to its one address.
func (s *Sender) Notify(ctx context.Context, m notify.Message) (notify.Receipt, error) {
	receipt := notify.Receipt{Provider: provider}
	// A connection that was kept alive may break before the request is written: then nothing was sent.
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
			Headers: headers(m),
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

// headers keep auto-responders quiet (RFC 3834) and tell mail programs what is urgent.
func headers(m notify.Message) []types.MessageHeader {
	all := []types.MessageHeader{{Name: aws.String("Auto-Submitted"), Value: aws.String("auto-generated")}}
	if m.Priority == "critical" {
		all = append(all, types.MessageHeader{Name: aws.String("X-Priority"), Value: aws.String("1")},
			types.MessageHeader{Name: aws.String("Importance"), Value: aws.String("high")})
	}
	return all
}

// permanent are the codes after which the same message is refused again. A suspended or paused account and an unverified
// sender are not among them: an operator mends those, and the messages should still go out.
// https://docs.aws.amazon.com/ses/latest/APIReference-V2/API_SendEmail.html
var permanent = map[string]bool{"MessageRejected": true, "BadRequestException": true, "NotFoundException": true}

// throttled reports whether SES means by the answer that it is called too often: for the account's sending rate or quota.
// https://docs.aws.amazon.com/ses/latest/dg/manage-sending-quotas-errors.html
func throttled(code string, status int) bool {
	switch code {
	case "TooManyRequestsException", "RequestLimitExceeded", "SlowDown":
		return true
	}
	return status == http.StatusTooManyRequests || strings.HasPrefix(code, "Throttl") || strings.HasPrefix(code, "RequestThrottl")
}

// classify says what the SDK's error means. sent says that the request went out.
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
		// An answer that says yes and cannot be read.
		return notify.Uncertain("unreadable_answer")
	case throttled(code, status):
		return notify.Throttled(code, retryAfter(response))
	case permanent[code]:
		return notify.Permanent(code)
	default:
		// An account or credentials to be mended, and the provider's own failures.
		return notify.Transient(code, retryAfter(response))
	}
}

// unsent names why a request did not go out.
func unsent(err error) string {
	if _, ok := errors.AsType[*net.DNSError](err); ok {
		return "dns"
	}
	if _, ok := errors.AsType[net.Error](err); ok {
		return "connect"
	}
	return "not_sent"
}

// retryAfter reads the header's form in seconds, which is what AWS sends.
func retryAfter(r *awshttp.ResponseError) time.Duration {
	seconds, err := strconv.Atoi(r.Response.Header.Get("Retry-After"))
	if err != nil || seconds < 0 {
		return 0
	}
	return time.Duration(seconds) * time.Second
}
