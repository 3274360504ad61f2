// Package whatsapp sends messages through Meta's WhatsApp Cloud API. Outside of a conversation that
// the recipient has begun, the API accepts only templates that Meta has approved: a message is the
// name of a template, its language and the values of its variables.
package whatsapp

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"

	"carewire/internal/notify"
	"carewire/internal/notify/httpcall"
)

// DefaultEndpoint and DefaultVersion are Meta's. A version is supported for two years.
// https://developers.facebook.com/docs/graph-api/changelog
const (
	DefaultEndpoint = "https://graph.facebook.com"
	DefaultVersion  = "v23.0"
)

const (
	// provider is the name in receipts.
	provider = "whatsapp"
	// maxAnswer bounds an answer, in bytes; Meta's have about 300.
	maxAnswer = 64 << 10
)

// Config configures the client.
type Config struct {
	// PhoneNumberID is Meta's ID of the number that messages come from. Required.
	PhoneNumberID string
	// Token is an access token with the permission whatsapp_business_messaging. Required.
	Token string
	// Version is the version of the API; empty means DefaultVersion.
	Version string
	// Endpoint is the URL of the API without the version; empty means DefaultEndpoint.
	Endpoint string
}

var (
	digits      = regexp.MustCompile(`^[0-9]{1,32}$`)
	versionForm = regexp.MustCompile(`^v[0-9]{1,3}\.[0-9]{1,2}$`)
)

// Validate returns an error for a missing or malformed field.
func (cfg Config) Validate() error {
	switch {
	case !digits.MatchString(cfg.PhoneNumberID):
		return errors.New("whatsapp: PhoneNumberID must be the ID of the number, such as 106540352242922")
	case cfg.Token == "" || strings.ContainsAny(cfg.Token, " \r\n\t"):
		return errors.New("whatsapp: Token must be one word")
	case cfg.Version != "" && !versionForm.MatchString(cfg.Version):
		return fmt.Errorf("whatsapp: invalid version %q; want one such as %s", cfg.Version, DefaultVersion)
	}
	if u, err := url.Parse(cfg.Endpoint); cfg.Endpoint != "" && (err != nil || u.Host == "") {
		return fmt.Errorf("whatsapp: invalid endpoint %q; want a URL such as %s", cfg.Endpoint, DefaultEndpoint)
	}
	return nil
}

// Sender sends WhatsApp messages. It is safe for concurrent use.
type Sender struct {
	client    *http.Client
	transport *http.Transport
	url       string
	token     string
}

var _ notify.Notifier = (*Sender)(nil)

// New returns a Sender. It does not call the API.
func New(cfg Config) (*Sender, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if cfg.Version == "" {
		cfg.Version = DefaultVersion
	}
	if cfg.Endpoint == "" {
		cfg.Endpoint = DefaultEndpoint
	}
	transport := httpcall.NewTransport()
	return &Sender{
		client: httpcall.NewClient(transport), transport: transport, token: cfg.Token,
		url: strings.TrimRight(cfg.Endpoint, "/") + "/" + cfg.Version + "/" + cfg.PhoneNumberID + "/messages",
	}, nil
}

// Close closes idle connections.
func (s *Sender) Close() { s.transport.CloseIdleConnections() }

// Notify implements notify.Notifier. A message without an approved template fails with the code
// "no_approved_template".
func (s *Sender) Notify(ctx context.Context, m notify.Message) (notify.Receipt, error) {
	receipt := notify.Receipt{Provider: provider}
	if m.Approved == nil {
		return receipt, notify.Permanent("no_approved_template")
	}
	body, err := json.Marshal(newRequest(m))
	if err != nil {
		return receipt, notify.Permanent("invalid_message")
	}
	ctx, progress := httpcall.Track(ctx)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.url, bytes.NewReader(body))
	if err != nil {
		return receipt, notify.Transient("not_sent", 0)
	}
	// Without GetBody the transport cannot send the request again after a connection breaks.
	req.GetBody = nil
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer "+s.token)
	res, err := s.client.Do(req)
	if err != nil {
		return receipt, progress.Unanswered(err)
	}
	defer func() { _ = res.Body.Close() }()
	answer, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	if res.StatusCode >= http.StatusMultipleChoices {
		return receipt, classify(res, answer)
	}
	if err != nil {
		return receipt, notify.Uncertain("unreadable_answer")
	}
	if receipt.ProviderID = messageID(answer); receipt.ProviderID == "" {
		return receipt, notify.Uncertain("unreadable_answer")
	}
	return receipt, nil
}

// messageID returns the ID in a successful answer, or "".
func messageID(answer []byte) string {
	var accepted struct {
		Messages []struct{ ID string }
	}
	if json.Unmarshal(answer, &accepted) != nil || len(accepted.Messages) != 1 {
		return ""
	}
	return accepted.Messages[0].ID
}
