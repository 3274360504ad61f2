// Package twilio sends text messages through Twilio, with its own client; only the endpoint differs
// between production and the sandbox. A message is sent once: notify counts the attempts.
package twilio

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/twilio/twilio-go/client"
	api "github.com/twilio/twilio-go/rest/api/v2010"

	"carewire/internal/notify"
	"carewire/internal/notify/httpcall"
)

const (
	// provider is the name in receipts.
	provider = "twilio"
	// maxAnswer bounds an answer, in bytes.
	maxAnswer = 1 << 20
)

// Config configures the client.
type Config struct {
	// AccountSID is the account. Required.
	AccountSID string
	// KeySID and Secret are the credentials: an API key and its secret, or without KeySID the
	// account's auth token. Secret is required.
	KeySID, Secret string
	// From is the sender: a phone number in E.164 form, a sender ID, or the SID of a messaging service.
	// Required.
	From string
	// StatusCallback is the https URL to which Twilio sends receipts; empty means none.
	StatusCallback string
	// Endpoint is the URL of the API, such as the sandbox's; empty means Twilio's.
	Endpoint string
}

var (
	accountForm = regexp.MustCompile(`^AC[0-9a-fA-F]{32}$`)
	keyForm     = regexp.MustCompile(`^SK[0-9a-fA-F]{32}$`)
	serviceForm = regexp.MustCompile(`^MG[0-9a-fA-F]{32}$`)
	fromForm    = regexp.MustCompile(`^(\+[1-9][0-9]{6,14}|MG[0-9a-fA-F]{32}|[A-Za-z0-9 &_-]{1,11}|[0-9]{3,8})$`)
	// secretForm matches what Twilio's client accepts.
	secretForm = regexp.MustCompile(`^[A-Za-z0-9]{1,100}$`)
)

// Validate returns an error for each missing or malformed field.
func (cfg Config) Validate() error {
	var errs []error
	if !accountForm.MatchString(cfg.AccountSID) {
		errs = append(errs, errors.New("twilio: AccountSID must be AC and 32 hexadecimal digits"))
	}
	if cfg.KeySID != "" && !keyForm.MatchString(cfg.KeySID) {
		errs = append(errs, errors.New("twilio: KeySID must be SK and 32 hexadecimal digits"))
	}
	if !secretForm.MatchString(cfg.Secret) {
		errs = append(errs, errors.New("twilio: Secret must be letters and digits"))
	}
	if !fromForm.MatchString(cfg.From) {
		errs = append(errs, errors.New("twilio: From must be a phone number such as +15550100001, a sender ID, or the SID of a messaging service"))
	}
	for name, value := range map[string]string{"StatusCallback": cfg.StatusCallback, "Endpoint": cfg.Endpoint} {
		if u, err := url.Parse(value); value != "" && (err != nil || u.Host == "" || (u.Scheme != "https" && u.Scheme != "http")) {
			errs = append(errs, fmt.Errorf("twilio: %s must be a URL", name))
		}
	}
	return errors.Join(errs...)
}

// Sender sends text messages. It is safe for concurrent use.
type Sender struct {
	cfg       Config
	endpoint  *url.URL
	transport *http.Transport
}

var _ notify.Notifier = (*Sender)(nil)

// New returns a Sender. It does not call Twilio.
func New(cfg Config) (*Sender, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	s := &Sender{cfg: cfg, transport: httpcall.NewTransport()}
	if cfg.Endpoint != "" {
		var err error
		if s.endpoint, err = url.Parse(cfg.Endpoint); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// Close closes idle connections.
func (s *Sender) Close() { s.transport.CloseIdleConnections() }

// Notify implements notify.Notifier. It sends the message's text to its number.
func (s *Sender) Notify(ctx context.Context, m notify.Message) (notify.Receipt, error) {
	receipt := notify.Receipt{Provider: provider}
	ctx, progress := httpcall.Track(ctx)
	c := &call{ctx: ctx, sender: s}
	base := &client.Client{Credentials: client.NewCredentials(s.user(), s.cfg.Secret), HTTPClient: httpcall.NewClient(c)}
	base.SetAccountSid(s.cfg.AccountSID)
	out, err := api.NewApiService(client.NewRequestHandler(base)).CreateMessage(s.params(m))
	if err != nil || c.status != http.StatusCreated {
		return receipt, c.classify(err, progress)
	}
	if out.Sid != nil {
		receipt.ProviderID = *out.Sid
	}
	return receipt, nil
}

func (s *Sender) user() string {
	if s.cfg.KeySID != "" {
		return s.cfg.KeySID
	}
	return s.cfg.AccountSID
}

func (s *Sender) params(m notify.Message) *api.CreateMessageParams {
	p := &api.CreateMessageParams{}
	p.SetTo(m.Phone)
	p.SetBody(m.Text)
	if serviceForm.MatchString(s.cfg.From) {
		p.SetMessagingServiceSid(s.cfg.From)
	} else {
		p.SetFrom(s.cfg.From)
	}
	if m.TTL > 0 {
		p.SetValidityPeriod(validity(m.TTL))
	}
	if s.cfg.StatusCallback != "" {
		p.SetStatusCallback(callback(s.cfg.StatusCallback, m.DeliveryID.String()))
	}
	return p
}

// callback returns the URL with the delivery's id.
func callback(base, id string) string {
	separator := "?"
	if strings.Contains(base, "?") {
		separator = "&"
	}
	return base + separator + url.Values{notify.DeliveryParameter: {id}}.Encode()
}

// validity returns how long Twilio may keep the message, in seconds: 1 to 36,000.
// https://www.twilio.com/docs/messaging/api/message-resource#create-a-message-resource
func validity(ttl time.Duration) int {
	return int(min(max(ttl, time.Second), 10*time.Hour) / time.Second)
}

// call is the round trip of one message. Twilio's client takes no context, and drops the status and
// the headers of an error.
type call struct {
	ctx    context.Context //nolint:containedctx // It lives for one call.
	sender *Sender
	status int
	wait   time.Duration
}

// RoundTrip implements http.RoundTripper.
func (c *call) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.WithContext(c.ctx)
	if to := c.sender.endpoint; to != nil {
		r.URL.Scheme, r.URL.Host = to.Scheme, to.Host
	}
	response, err := c.sender.transport.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	c.status, c.wait = response.StatusCode, httpcall.RetryAfter(response.Header)
	response.Body = http.MaxBytesReader(nil, response.Body, maxAnswer)
	return response, nil
}

// codeOptedOut is the code of a recipient who replied STOP.
const codeOptedOut = "opted_out"

// permanent are Twilio's codes about the recipient or the message: the same message would be
// rejected again. Errors of the account, its balance, its sender or its permissions are not among
// them: an operator fixes those, and another provider may send the message.
// https://www.twilio.com/docs/api/errors
var permanent = map[int]string{
	21610: codeOptedOut, // The recipient replied STOP.
	21211: "21211",      // Invalid number.
	21214: "21214",      // Number cannot be reached.
	21217: "21217",      // Number does not seem to be valid.
	21265: "21265",      // The number is a short code.
	21602: "21602",      // No body.
	21604: "21604",      // No number.
	21605: "21605",      // The body is too long.
	21614: "21614",      // Not a mobile number.
	21617: "21617",      // The body is too long.
	21619: "21619",      // Neither body nor media.
}

// throttled are Twilio's codes for too many calls: of the API, and of the sender's queue.
var throttled = map[int]bool{20429: true, 14107: true, 21611: true, 30001: true, 30022: true}

// classify returns the error of Twilio's client as a *notify.Error.
func (c *call) classify(err error, progress *httpcall.Progress) error {
	if c.status == 0 {
		return progress.Unanswered(err)
	}
	code, number := "status_"+strconv.Itoa(c.status), 0
	if answer, ok := errors.AsType[*client.TwilioRestError](err); ok && answer.Code > 0 {
		number = answer.Code
		code = strconv.Itoa(number)
	}
	switch final, ok := permanent[number]; {
	case c.status < 300:
		// A successful answer that cannot be read.
		return notify.Uncertain("unreadable_answer")
	case c.status == http.StatusTooManyRequests || throttled[number]:
		return notify.Throttled(code, c.wait)
	case ok:
		return notify.Permanent(final)
	default:
		return notify.Transient(code, c.wait)
	}
}
