// Package push sends messages through Firebase Cloud Messaging's HTTP v1 API, with the real Admin
// SDK; only endpoint and credentials differ between production and the sandbox. The SDK's retries
// are prevented: after a time-out they would send a message twice.
package push

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	firebase "firebase.google.com/go/v4"
	"firebase.google.com/go/v4/errorutils"
	"firebase.google.com/go/v4/messaging"
	"github.com/google/uuid"
	"golang.org/x/oauth2"
	"google.golang.org/api/option"
	transporthttp "google.golang.org/api/transport/http"

	"carewire/internal/notify"
)

const (
	// provider is the name in receipts.
	provider = "fcm"
	// scope is the OAuth scope that sending requires.
	scope = "https://www.googleapis.com/auth/firebase.messaging"
	// quotaWait is how long FCM asks to wait after QUOTA_EXCEEDED without a Retry-After.
	// https://firebase.google.com/docs/cloud-messaging/scale-fcm
	quotaWait = time.Minute
	// tokenTimeout bounds the request for an access token.
	tokenTimeout = 5 * time.Second
	// maxDevices bounds the calls of one message; the devices seen last come first.
	maxDevices = 10
)

// Config configures the client of FCM.
type Config struct {
	// ProjectID is the Firebase project. Required.
	ProjectID string
	// Endpoint is the URL of the API, such as the sandbox's, without /v1; empty means Google's.
	Endpoint string
	// CredentialsJSON is a service account's key file; empty means the application default
	// credentials.
	CredentialsJSON []byte
}

// Sender sends push messages. It is safe for concurrent use.
type Sender struct {
	client    *messaging.Client
	transport *http.Transport
}

var _ notify.Notifier = (*Sender)(nil)

// New returns a Sender. It does not call FCM.
func New(ctx context.Context, cfg Config) (*Sender, error) {
	if cfg.ProjectID == "" {
		return nil, errors.New("push: the Firebase project is missing")
	}
	base := newTransport()
	// Tokens are requested without the request's context: they need a separate timeout.
	ctx = context.WithValue(context.WithoutCancel(ctx), oauth2.HTTPClient, &http.Client{Transport: base, Timeout: tokenTimeout})
	auth := []option.ClientOption{option.WithScopes(scope), option.WithTelemetryDisabled()}
	if len(cfg.CredentialsJSON) > 0 {
		auth = append(auth, option.WithAuthCredentialsJSON(option.ServiceAccount, cfg.CredentialsJSON))
	}
	authorized, err := transporthttp.NewTransport(ctx, &marking{base}, auth...)
	if err != nil {
		return nil, fmt.Errorf("read the Google credentials: %w", err)
	}
	options := []option.ClientOption{option.WithHTTPClient(&http.Client{Transport: &once{authorized}, CheckRedirect: noRedirect})}
	if cfg.Endpoint != "" {
		options = append(options, option.WithEndpoint(cfg.Endpoint+"/v1"))
	}
	app, err := firebase.NewApp(ctx, &firebase.Config{ProjectID: cfg.ProjectID}, options...)
	if err != nil {
		return nil, fmt.Errorf("make the Firebase app: %w", err)
	}
	client, err := app.Messaging(ctx)
	if err != nil {
		return nil, fmt.Errorf("make the FCM client: %w", err)
	}
	return &Sender{client: client, transport: base}, nil
}

// noRedirect rejects redirects, so that no message is sent to another host.
func noRedirect(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

// Close closes idle connections.
func (s *Sender) Close() { s.transport.CloseIdleConnections() }

// Notify implements notify.Notifier. It sends the message to each of the person's devices and
// succeeds if it is accepted for one. The receipt lists the devices that FCM no longer knows, also
// with an error.
func (s *Sender) Notify(ctx context.Context, m notify.Message) (notify.Receipt, error) {
	devices := m.Devices[:min(len(m.Devices), maxDevices)]
	results := make([]result, len(devices))
	var wg sync.WaitGroup
	for i, d := range devices {
		wg.Go(func() { results[i] = s.send(ctx, m, d) })
	}
	wg.Wait()
	return combine(results)
}

// result is the result for one device.
type result struct {
	device     uuid.UUID
	providerID string
	gone       bool
	err        *notify.Error
}

func (s *Sender) send(ctx context.Context, m notify.Message, d notify.Device) result {
	var p progress
	id, err := s.client.Send(context.WithValue(ctx, progressKey{}, &p), message(m, d))
	if err != nil {
		failure, gone := classify(err, p.sent.Load())
		return result{device: d.ID, gone: gone, err: failure}
	}
	return result{device: d.ID, providerID: id}
}

// severity orders the classes for a message that no device accepted: if one device may have it, it
// is not sent again; if one may still get it, it is retried.
var severity = map[notify.Class]int{notify.ClassPermanent: 1, notify.ClassThrottled: 2, notify.ClassTransient: 3, notify.ClassUncertain: 4}

func combine(results []result) (notify.Receipt, error) {
	receipt := notify.Receipt{Provider: provider}
	var worst *notify.Error
	for _, r := range results {
		if r.gone {
			receipt.Gone = append(receipt.Gone, r.device)
		}
		if r.err == nil && receipt.ProviderID == "" {
			receipt.ProviderID = r.providerID
		}
		if r.err != nil && r.err.Class == notify.ClassThrottled {
			receipt.Throttled = true
		}
		if r.err != nil && (worst == nil || severity[r.err.Class] > severity[worst.Class]) {
			worst = r.err
		}
	}
	switch {
	case receipt.ProviderID != "":
		return receipt, nil
	case worst == nil:
		return receipt, notify.Permanent("no_device")
	default:
		return receipt, worst
	}
}

// message returns the message for one device. It contains ids, links and the request to sign in.
func message(m notify.Message, d notify.Device) *messaging.Message {
	urgent := m.Priority == "critical" || m.Priority == "high"
	androidPriority, apnsPriority, urgency := "normal", "5", "normal"
	if urgent {
		androidPriority, apnsPriority, urgency = "high", "10", "high"
	}
	ttl, expires := m.TTL, strconv.FormatInt(time.Now().Add(m.TTL).Unix(), 10)
	out := &messaging.Message{
		Token:        d.Token,
		Notification: &messaging.Notification{Title: m.Title, Body: m.Body},
		Data:         map[string]string{"deliveryId": m.DeliveryID.String(), "link": m.Link, "type": m.Type},
		Android: &messaging.AndroidConfig{
			CollapseKey: m.CollapseKey, Priority: androidPriority, TTL: &ttl,
			// The tag replaces a notification that is already shown.
			Notification: &messaging.AndroidNotification{Tag: m.CollapseKey, ChannelID: m.Platform.AndroidChannel},
		},
		APNS: &messaging.APNSConfig{
			Headers: map[string]string{"apns-collapse-id": m.CollapseKey, "apns-priority": apnsPriority, "apns-expiration": expires},
			Payload: &messaging.APNSPayload{Aps: aps(m)},
		},
		Webpush: &messaging.WebpushConfig{
			// The topic has at most 32 characters of base64url (RFC 8030, section 5.4): a UUID
			// without its dashes.
			Headers: map[string]string{"TTL": strconv.Itoa(int(m.TTL.Seconds())), "Urgency": urgency, "Topic": topic(m.CollapseKey)},
		},
	}
	// FCM rejects other links, such as those of the demo.
	if strings.HasPrefix(m.Link, "https://") {
		out.Webpush.FCMOptions = &messaging.WebpushFCMOptions{Link: m.Link}
	}
	enrich(out, m)
	return out
}

func topic(key string) string {
	id, err := uuid.Parse(key)
	if err != nil {
		return key
	}
	return fmt.Sprintf("%x", id[:])
}

// classify returns the SDK's error as a *notify.Error, and whether FCM no longer knows the token.
// sent reports that the request was sent.
// https://firebase.google.com/docs/reference/fcm/rest/v1/ErrorCode
func classify(err error, sent bool) (failure *notify.Error, gone bool) {
	response := errorutils.HTTPResponse(err) //nolint:bodyclose // a copy in memory
	switch {
	case sent && (response == nil || response.StatusCode == statusNoAnswer):
		return notify.Uncertain("no_answer"), false
	case response == nil:
		return notify.Permanent("invalid_message"), false
	case response.StatusCode == statusNoAnswer:
		return notify.Transient(response.Header.Get(headerReason), 0), false
	}
	wait := retryAfter(response)
	switch {
	case messaging.IsUnregistered(err):
		return notify.Permanent("UNREGISTERED"), true
	case messaging.IsSenderIDMismatch(err):
		// The token belongs to another project's app and will never work.
		return notify.Permanent("SENDER_ID_MISMATCH"), true
	case messaging.IsInvalidArgument(err):
		// Only the error's text shows whether message or token is at fault: the token is kept.
		return notify.Permanent("INVALID_ARGUMENT"), false
	case messaging.IsThirdPartyAuthError(err):
		return notify.Transient("THIRD_PARTY_AUTH_ERROR", wait), false
	case messaging.IsQuotaExceeded(err):
		return notify.Throttled("QUOTA_EXCEEDED", cmp.Or(wait, quotaWait)), false
	case response.StatusCode == http.StatusTooManyRequests:
		return notify.Throttled("status_429", cmp.Or(wait, quotaWait)), false
	case messaging.IsUnavailable(err):
		return notify.Transient("UNAVAILABLE", wait), false
	case messaging.IsInternal(err):
		return notify.Transient("INTERNAL", wait), false
	case response.StatusCode == http.StatusBadRequest, response.StatusCode == http.StatusNotFound:
		return notify.Permanent("status_" + strconv.Itoa(response.StatusCode)), false
	default:
		return notify.Transient("status_"+strconv.Itoa(response.StatusCode), wait), false
	}
}

// retryAfter returns the value of the header, which has two forms (RFC 9110, section 10.2.3).
func retryAfter(r *http.Response) time.Duration {
	value := r.Header.Get("Retry-After")
	if seconds, err := strconv.Atoi(value); err == nil {
		return max(time.Duration(seconds)*time.Second, 0)
	}
	if at, err := http.ParseTime(value); err == nil {
		return max(time.Until(at), 0)
	}
	return 0
}
