// Package webhook defines the routes to which the providers of messages post delivery receipts. The
// requests are authenticated by their signatures: the routes take no session, no CSRF token and no
// Idempotency-Key, and have no limit per address, because a provider sends from few addresses. A
// refused request is counted and audited, at most once a minute for each provider and reason.
package webhook

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strings"

	"github.com/labstack/echo/v5"

	"carewire/internal/care"
	"carewire/internal/httpapi"
	"carewire/internal/httpapi/problem"
	"carewire/internal/notify"
	"carewire/internal/notify/receipt"
	"carewire/internal/outbox"
)

// Receiver verifies a request and returns its receipts. Its error is a *receipt.Error.
type Receiver interface {
	Receive(ctx context.Context, r receipt.Request) (receipt.Receipts, error)
}

// Applier stores receipts and applies them. It is notify.ReceiptApplier.
type Applier interface {
	Apply(ctx context.Context, all []notify.DeliveryReceipt) (notify.Applied, error)
}

// Config configures the webhooks. A webhook whose provider is nil does not exist (404).
type Config struct {
	SES, SMS, Twilio Receiver
	WhatsApp         *receipt.WhatsApp
	// Applier and Writer are required. Writer commits refusals to the audit trail.
	Applier Applier
	Writer  *outbox.Writer
	// Observe is called with what became of a request's receipts; reason is that of a refusal. May be
	// nil.
	Observe func(provider string, result Result, reason string, n int)
	Logger  *slog.Logger
}

// Result is the result of a receipt, as a metric's value.
type Result string

// The results.
const (
	ResultChanged   Result = "changed"   // It changed the state of its delivery.
	ResultUnchanged Result = "unchanged" // It is older than the state, or only suppressed the address.
	ResultWaiting   Result = "waiting"   // Its delivery is unknown or in flight.
	ResultRepeated  Result = "repeated"  // It was received before.
	ResultRefused   Result = "refused"   // The request was not verified.
	ResultFailed    Result = "failed"    // It could not be stored; the provider sends it again.
	// ResultSuppressed counts new suppressions, in addition to the other results.
	ResultSuppressed Result = "suppressed"
)

// Webhooks are the registered webhooks.
type Webhooks struct {
	cfg      Config
	base     string
	refusals *refusals
}

// Register adds the routes of the configured providers.
func Register(api *httpapi.Server, cfg Config) (*Webhooks, error) {
	if cfg.Applier == nil || cfg.Writer == nil || cfg.Logger == nil {
		return nil, errors.New("webhook: Applier, Writer and Logger are required")
	}
	if cfg.Observe == nil {
		cfg.Observe = func(string, Result, string, int) {}
	}
	w := &Webhooks{cfg: cfg, base: strings.TrimSuffix(api.BaseURL().String(), "/"), refusals: newRefusals(cfg.Writer, cfg.Logger)}
	add := func(provider string, r Receiver) {
		api.Handle(http.MethodPost, "/webhooks/"+provider, httpapi.Access{Public: true}, func(c *echo.Context) error { return w.receive(c, provider, r) })
	}
	if cfg.SES != nil {
		add("ses", cfg.SES)
	}
	if cfg.SMS != nil {
		add("sms", cfg.SMS)
	}
	if cfg.Twilio != nil {
		add("twilio", cfg.Twilio)
	}
	if cfg.WhatsApp != nil {
		add("whatsapp", cfg.WhatsApp)
		api.Handle(http.MethodGet, "/webhooks/whatsapp", httpapi.Access{Public: true}, w.challenge)
	}
	return w, nil
}

// Run records counted refusals until ctx ends, and then those that are left. Run it once.
func (w *Webhooks) Run(ctx context.Context) error { return w.refusals.counter.Run(ctx) }

// receive answers a request with receipts. The provider repeats a request that is answered with 5xx.
func (w *Webhooks) receive(c *echo.Context, provider string, from Receiver) error {
	r := c.Request()
	ctx := r.Context()
	body, err := io.ReadAll(io.LimitReader(r.Body, receipt.MaxBody+1))
	if err != nil {
		return care.Errorf(care.Malformed, "the body cannot be read")
	}
	all, err := from.Receive(ctx, receipt.Request{Header: r.Header, Body: body, URL: w.base + r.URL.RequestURI()})
	if err != nil {
		return w.refuse(ctx, provider, err)
	}
	done, err := w.cfg.Applier.Apply(ctx, all)
	if care.CodeOf(err) == care.Invalid {
		return w.refuse(ctx, provider, &receipt.Error{Reason: receipt.ReasonMalformed})
	}
	if err != nil {
		w.cfg.Observe(provider, ResultFailed, "", len(all))
		return err
	}
	for result, n := range map[Result]int{
		ResultChanged: done.Changed, ResultUnchanged: done.Matched - done.Changed, ResultWaiting: done.New - done.Matched,
		ResultSuppressed: done.Suppressed, ResultRepeated: done.Repeated,
	} {
		w.cfg.Observe(provider, result, "", n)
	}
	return c.NoContent(http.StatusOK)
}

// challenge confirms the subscription of the webhook at Meta.
func (w *Webhooks) challenge(c *echo.Context) error {
	text, err := w.cfg.WhatsApp.Challenge(c.Request().URL.Query())
	if err != nil {
		return w.refuse(c.Request().Context(), "whatsapp", err)
	}
	// Plain text, so that no browser takes it for a page.
	return c.String(http.StatusOK, text)
}

// refuse audits a refusal and returns its answer. The answer does not contain the reason: it would
// help to forge a request.
func (w *Webhooks) refuse(ctx context.Context, provider string, err error) error {
	refused, ok := errors.AsType[*receipt.Error](err)
	if !ok {
		return err
	}
	w.cfg.Observe(provider, ResultRefused, refused.Reason, 1)
	if refused.Retry {
		w.cfg.Logger.WarnContext(ctx, "receipt cannot be verified now", "provider", provider, "reason", refused.Reason)
		return problem.New(http.StatusServiceUnavailable, "unavailable", "the request cannot be verified now; send it again").With("Retry-After", "30")
	}
	w.refusals.count(ctx, provider, refused.Reason)
	if refused.Reason == receipt.ReasonMalformed || refused.Reason == receipt.ReasonTooOld {
		return care.Errorf(care.Malformed, "the request is not a current receipt of the provider")
	}
	return care.Errorf(care.Forbidden, "the request is not signed by the configured provider")
}
