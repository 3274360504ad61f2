// Package email sends messages through Amazon SES v2, with the real SDK client; only endpoint and
// credentials differ between production and the sandbox.
package email

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sesv2"
	"github.com/aws/aws-sdk-go-v2/service/sesv2/types"

	"carewire/internal/notify"
	"carewire/internal/notify/awsclient"
	"carewire/internal/notify/httpcall"
)

// provider is the name in receipts.
const provider = "ses"

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
	account := awsclient.Config{Region: cfg.Region, Endpoint: cfg.Endpoint, AccessKeyID: cfg.AccessKeyID, SecretAccessKey: cfg.SecretAccessKey}
	loaded, transport, err := account.Load(ctx)
	if err != nil {
		return nil, fmt.Errorf("email: %w", err)
	}
	client := sesv2.NewFromConfig(loaded, func(o *sesv2.Options) {
		if endpoint := account.BaseEndpoint(); endpoint != nil {
			o.BaseEndpoint = endpoint
		}
	})
	return &Sender{client: client, transport: transport, cfg: cfg}, nil
}

// Close closes idle connections.
func (s *Sender) Close() { s.transport.CloseIdleConnections() }

// Notify implements notify.Notifier. It sends the message to its one address.
func (s *Sender) Notify(ctx context.Context, m notify.Message) (notify.Receipt, error) {
	receipt := notify.Receipt{Provider: provider}
	ctx, progress := httpcall.Track(ctx)
	out, err := s.client.SendEmail(ctx, s.input(m))
	if err != nil {
		return receipt, awsclient.Classify(err, progress, permanentError)
	}
	receipt.ProviderID = aws.ToString(out.MessageId)
	return receipt, nil
}

func (s *Sender) input(m notify.Message) *sesv2.SendEmailInput {
	in := &sesv2.SendEmailInput{
		FromEmailAddress: aws.String(notify.EmailSender(s.cfg.From, m.SenderName)),
		// One recipient a message: a complaint names everybody at the domain.
		Destination: &types.Destination{ToAddresses: []string{m.Email}},
		Content: &types.EmailContent{Simple: &types.Message{
			Subject: content(m.Subject),
			Body:    &types.Body{Text: content(m.Text), Html: content(m.HTML)},
			Headers: sesHeaders(m),
		}},
		EmailTags: []types.MessageTag{{Name: aws.String(notify.DeliveryTag), Value: aws.String(m.DeliveryID.String())}},
	}
	if m.ReplyTo != "" {
		in.ReplyToAddresses = []string{m.ReplyTo}
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
// paused account, an unverified sender and an unknown configuration set (NotFoundException) are not
// among them: an operator fixes those, and another provider may send the message.
// https://docs.aws.amazon.com/ses/latest/APIReference-V2/API_SendEmail.html
var permanent = map[string]bool{"MessageRejected": true, "BadRequestException": true}

// permanentError returns the code, and whether the same message would be rejected again. SES also
// rejects a message if its sender, or in an account without production access its recipient, is not
// verified in the region; only the text shows that.
// https://docs.aws.amazon.com/ses/latest/dg/troubleshoot-verification.html
func permanentError(code string, err error) (string, bool) {
	if code == "MessageRejected" && strings.Contains(err.Error(), "is not verified") {
		return "not_verified", false
	}
	return code, permanent[code]
}
