package receipt

import (
	"context"
	"crypto"
	"crypto/rsa"
	"crypto/sha1" //nolint:gosec // Signature version 1 of SNS.
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"carewire/internal/strictjson"
)

const (
	// maxAge is the age up to which an SNS message is accepted: SNS retries for an hour.
	// https://docs.aws.amazon.com/sns/latest/dg/sns-message-delivery-retries.html
	maxAge = time.Hour + 5*time.Minute
	// maxSkew is how far the provider's clock may be ahead.
	maxSkew = 5 * time.Minute
	// maxCertificate is the largest certificate that is read, in bytes. Amazon's have 2 KB.
	maxCertificate = 64 << 10
	// maxCertificates bounds the cache. Amazon uses one certificate a region at a time.
	maxCertificates = 16
	// fetchTimeout bounds a request to Amazon.
	fetchTimeout = 5 * time.Second
)

// snsHost is the host of SNS in a region, also of China and GovCloud. It is anchored, so that no
// other host that contains it matches.
var snsHost = regexp.MustCompile(`^sns\.[a-z]{2}(-[a-z]+)+-[0-9]\.amazonaws\.com(\.cn)?$`)

// SNS verifies messages of Amazon SNS topics. It is safe for concurrent use.
type SNS struct {
	cfg    SNSConfig
	client *http.Client

	mu           sync.Mutex
	certificates map[string]*x509.Certificate
}

// SNSConfig configures SNS.
type SNSConfig struct {
	// TopicARNs are the ARNs of the topics, at least one. Messages of other topics are refused.
	TopicARNs []string
	// Endpoint is the URL of a stand-in (http://127.0.0.1:1234) that serves certificates and
	// subscription confirmations instead of Amazon. Empty means Amazon.
	Endpoint string
	// Transport sends requests; nil means http.DefaultTransport.
	Transport http.RoundTripper
}

// NewSNS returns a verifier, or an error if one of the TopicARNs is not that of an SNS topic.
func NewSNS(cfg SNSConfig) (*SNS, error) {
	if len(cfg.TopicARNs) == 0 {
		return nil, errors.New("no topic ARN")
	}
	for _, arn := range cfg.TopicARNs {
		if !topicForm.MatchString(arn) {
			return nil, fmt.Errorf("invalid topic ARN %q; want one such as arn:aws:sns:eu-central-1:123456789012:receipts", arn)
		}
	}
	return &SNS{cfg: cfg, certificates: map[string]*x509.Certificate{}, client: &http.Client{
		Transport: cfg.Transport, Timeout: fetchTimeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}, nil
}

var topicForm = regexp.MustCompile(`^arn:aws[a-z-]*:sns:[a-z0-9-]+:[0-9]{12}:[A-Za-z0-9_-]{1,256}$`)

// snsMessage is the body of an SNS request. Its names match exactly, as they are signed.
// https://docs.aws.amazon.com/sns/latest/dg/sns-message-and-json-formats.html
type snsMessage struct {
	Type, MessageID, TopicARN, Subject, Message, Timestamp string
	Token, SubscribeURL                                    string
	SignatureVersion, Signature, SigningCertURL            string
	hasSubject                                             bool
}

// Verify returns the SNS message of a request. For a subscription confirmation it confirms the
// subscription and returns nil. The error is an *Error.
func (s *SNS) verify(ctx context.Context, body []byte) (*snsMessage, error) {
	m, err := parseSNS(body)
	if err != nil {
		return nil, err
	}
	// Before the certificate is fetched, so that others cannot make the service fetch one.
	if !slices.Contains(s.cfg.TopicARNs, m.TopicARN) {
		return nil, refuse(ReasonTopic)
	}
	at, err := time.Parse(time.RFC3339, m.Timestamp)
	if err != nil {
		return nil, refuse(ReasonMalformed)
	}
	if now := time.Now(); now.Sub(at) > maxAge || at.Sub(now) > maxSkew {
		return nil, refuse(ReasonTooOld)
	}
	if err := s.checkSignature(ctx, m); err != nil {
		return nil, err
	}
	switch m.Type {
	case "Notification":
		return m, nil
	case "SubscriptionConfirmation":
		return nil, s.confirm(ctx, m)
	default:
		return nil, nil // UnsubscribeConfirmation: the topic's owner ended the subscription.
	}
}

func parseSNS(body []byte) (*snsMessage, error) {
	// With duplicate names, the signed value could be another one than the used value.
	if len(body) > MaxBody || strictjson.Check(body) != nil {
		return nil, refuse(ReasonMalformed)
	}
	var fields map[string]any
	if json.Unmarshal(body, &fields) != nil {
		return nil, refuse(ReasonMalformed)
	}
	text := func(name string) string {
		s, _ := fields[name].(string)
		return s
	}
	m := &snsMessage{
		Type: text("Type"), MessageID: text("MessageId"), TopicARN: text("TopicArn"), Subject: text("Subject"), Message: text("Message"),
		Timestamp: text("Timestamp"), Token: text("Token"), SubscribeURL: text("SubscribeURL"),
		SignatureVersion: text("SignatureVersion"), Signature: text("Signature"), SigningCertURL: text("SigningCertURL"),
	}
	_, m.hasSubject = fields["Subject"].(string)
	known := m.Type == "Notification" || m.Type == "SubscriptionConfirmation" || m.Type == "UnsubscribeConfirmation"
	if !known || m.MessageID == "" || m.TopicARN == "" || m.Signature == "" {
		return nil, refuse(ReasonMalformed)
	}
	return m, nil
}

// signedText returns the text that is signed: name and value of the fields, in the order of their
// names, a line each.
// https://docs.aws.amazon.com/sns/latest/dg/sns-verify-signature-of-message.html
func (m *snsMessage) signedText() string {
	var b strings.Builder
	add := func(name, value string) { b.WriteString(name + "\n" + value + "\n") }
	add("Message", m.Message)
	add("MessageId", m.MessageID)
	if m.Type == "Notification" {
		if m.hasSubject {
			add("Subject", m.Subject)
		}
	} else {
		add("SubscribeURL", m.SubscribeURL)
	}
	add("Timestamp", m.Timestamp)
	if m.Type != "Notification" {
		add("Token", m.Token)
	}
	add("TopicArn", m.TopicARN)
	add("Type", m.Type)
	return b.String()
}

func (s *SNS) checkSignature(ctx context.Context, m *snsMessage) error {
	var hash crypto.Hash
	var sum []byte
	switch m.SignatureVersion {
	case "1":
		digest := sha1.Sum([]byte(m.signedText())) //nolint:gosec // Signature version 1.
		hash, sum = crypto.SHA1, digest[:]
	case "2":
		digest := sha256.Sum256([]byte(m.signedText()))
		hash, sum = crypto.SHA256, digest[:]
	default:
		return refuse(ReasonSignatureVersion)
	}
	signature, err := base64.StdEncoding.DecodeString(m.Signature)
	if err != nil {
		return refuse(ReasonSignature)
	}
	certificate, err := s.certificate(ctx, m.SigningCertURL, m.TopicARN)
	if err != nil {
		return err
	}
	key, ok := certificate.PublicKey.(*rsa.PublicKey)
	if !ok {
		return refuse(ReasonCertificate)
	}
	if now := time.Now(); now.After(certificate.NotAfter) || now.Before(certificate.NotBefore) {
		return refuse(ReasonCertificate)
	}
	if rsa.VerifyPKCS1v15(key, hash, sum, signature) != nil {
		return refuse(ReasonSignature)
	}
	return nil
}

// checkURL refuses a URL that is not on Amazon's SNS in the region of the topic, or not on the
// stand-in if there is one.
func (s *SNS) checkURL(text, topic string) (*url.URL, error) {
	u, err := url.Parse(text)
	if err != nil || u.User != nil || u.Opaque != "" || u.Fragment != "" {
		return nil, refuse(ReasonCertificateURL)
	}
	if s.cfg.Endpoint != "" {
		if u.Scheme+"://"+u.Host != s.cfg.Endpoint {
			return nil, refuse(ReasonCertificateURL)
		}
		return u, nil
	}
	// A region of the topic's own, so that not every region's SNS can be the sender.
	region := strings.Split(topic, ":")[3]
	if u.Scheme != "https" || u.Port() != "" || !snsHost.MatchString(u.Host) || !strings.HasPrefix(u.Host, "sns."+region+".amazonaws.com") {
		return nil, refuse(ReasonCertificateURL)
	}
	return u, nil
}

var certificatePath = regexp.MustCompile(`^/SimpleNotificationService-[0-9A-Za-z]+\.pem$`)

// certificate returns the certificate at the URL, from the cache if it was fetched before.
func (s *SNS) certificate(ctx context.Context, address, topic string) (*x509.Certificate, error) {
	u, err := s.checkURL(address, topic)
	if err != nil {
		return nil, err
	}
	if !certificatePath.MatchString(u.Path) || u.RawQuery != "" || u.RawPath != "" {
		return nil, refuse(ReasonCertificateURL)
	}
	s.mu.Lock()
	known := s.certificates[u.String()]
	s.mu.Unlock()
	if known != nil && time.Now().Before(known.NotAfter) {
		return known, nil
	}
	text, err := s.get(ctx, u.String())
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, refuse(ReasonCertificate)
	}
	parsed, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil, refuse(ReasonCertificate)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.certificates) >= maxCertificates {
		clear(s.certificates)
	}
	s.certificates[u.String()] = parsed
	return parsed, nil
}

// get returns the body at a URL that checkURL has accepted. A failure is one that SNS should retry.
func (s *SNS) get(ctx context.Context, address string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, refuse(ReasonCertificateURL)
	}
	res, err := s.client.Do(req)
	if err != nil {
		return nil, &Error{Reason: ReasonCertificateMissing, Retry: true}
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(res.Body, maxCertificate))
	if err != nil || res.StatusCode != http.StatusOK {
		return nil, &Error{Reason: ReasonCertificateMissing, Retry: true}
	}
	return body, nil
}

// confirm confirms the subscription of the message's topic, by the URL in the verified message.
func (s *SNS) confirm(ctx context.Context, m *snsMessage) error {
	u, err := s.checkURL(m.SubscribeURL, m.TopicARN)
	if err != nil {
		return err
	}
	q := u.Query()
	if q.Get("Action") != "ConfirmSubscription" || q.Get("TopicArn") != m.TopicARN {
		return refuse(ReasonTopic)
	}
	_, err = s.get(ctx, u.String())
	if wrong, ok := errors.AsType[*Error](err); ok && wrong.Retry {
		return &Error{Reason: "confirmation_failed", Retry: true}
	}
	return err
}
