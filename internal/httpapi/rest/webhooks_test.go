package rest_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha1" // Twilio's signature.
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"carewire/internal/httpapi/webhook"
	"carewire/internal/notify"
	"carewire/internal/notify/receipt"
)

// applied has the receipts that the webhooks passed on.
type applied struct{ all []notify.DeliveryReceipt }

func (a *applied) Apply(_ context.Context, all []notify.DeliveryReceipt) (notify.Applied, error) {
	a.all = append(a.all, all...)
	return notify.Applied{New: len(all)}, nil
}

// withWebhooks returns a server with the webhooks of WhatsApp and Twilio, whose secrets are "secret".
func withWebhooks(t *testing.T) (*bundle, *applied) {
	t.Helper()
	a := &applied{}
	return setup(t, func(c *config) {
		c.Webhooks = webhook.Config{
			WhatsApp: receipt.NewWhatsApp("secret", "token"), Twilio: receipt.NewTwilio("secret"),
			Applier: a, Writer: c.Writer, Logger: slog.New(slog.DiscardHandler),
		}
	}), a
}

func signedByWhatsApp(body string) string {
	mac := hmac.New(sha256.New, []byte("secret"))
	mac.Write([]byte(body))
	return "sha256=" + hex.EncodeToString(mac.Sum(nil))
}

func signedByTwilio(text string) string {
	mac := hmac.New(sha1.New, []byte("secret"))
	mac.Write([]byte(text))
	return base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

func TestWebhooks_TakeOnlyWhatTheProviderSignedForThisURL(t *testing.T) {
	t.Parallel()
	b, a := withWebhooks(t)
	status := fmt.Sprintf(`{"entry":[{"changes":[{"value":{"statuses":[{"id":"m","status":"delivered","timestamp":"%d"}]}}]}]}`, time.Now().Unix())
	const form, fields = "MessageSid=m&MessageStatus=delivered", "MessageSidmMessageStatusdelivered"
	for _, c := range []struct {
		name, path, body, header, signature string
		status, receipts                    int
	}{
		{"WhatsApp", "/webhooks/whatsapp", status, "X-Hub-Signature-256", signedByWhatsApp(status), 200, 1},
		{"WhatsApp, another body", "/webhooks/whatsapp", status + " ", "X-Hub-Signature-256", signedByWhatsApp(status), 403, 0},
		{"WhatsApp, no signature", "/webhooks/whatsapp", status, "X-Other", "", 403, 0},
		{"Twilio", "/webhooks/twilio?delivery=x", form, "X-Twilio-Signature", signedByTwilio("http://carewire.test/webhooks/twilio?delivery=x" + fields), 200, 1},
		{"Twilio, another URL", "/webhooks/twilio?delivery=y", form, "X-Twilio-Signature", signedByTwilio("http://carewire.test/webhooks/twilio?delivery=x" + fields), 403, 0},
		{"Twilio, another host", "/webhooks/twilio?delivery=x", form, "X-Twilio-Signature", signedByTwilio("http://other.example/webhooks/twilio?delivery=x" + fields), 403, 0},
		{"a provider that is not configured", "/webhooks/ses", status, "X-Other", "", 404, 0},
	} {
		a.all = nil
		w := b.do("", http.MethodPost, c.path, c.body, c.header, c.signature)
		require.Equal(t, c.status, w.Code, "%s: %s", c.name, w.Body)
		require.Len(t, a.all, c.receipts, c.name)
		require.NotContains(t, w.Body.String(), receipt.ReasonSignature, "%s: the reason would help to forge one", c.name)
	}
	require.Equal(t, 2, b.events("receipt.refused"), "once a minute for each provider and reason")
}

func TestWebhooks_RefuseABodyAboveTheLimit(t *testing.T) {
	t.Parallel()
	b, a := withWebhooks(t)
	status := fmt.Sprintf(`{"entry":[{"changes":[{"value":{"statuses":[{"id":"m","status":"delivered","timestamp":"%d"}]}}]}]}`, time.Now().Unix())
	full := status + strings.Repeat(" ", receipt.MaxBody-len(status))
	w := b.do("", http.MethodPost, "/webhooks/whatsapp", full, "X-Hub-Signature-256", signedByWhatsApp(full))
	require.Equal(t, http.StatusOK, w.Code, "%s", w.Body)
	require.Len(t, a.all, 1)
	for _, more := range []string{" ", strings.Repeat(" ", 1<<20)} {
		w = b.do("", http.MethodPost, "/webhooks/whatsapp", full+more, "X-Hub-Signature-256", signedByWhatsApp(full+more))
		requireProblem(t, w, http.StatusRequestEntityTooLarge, "too_large")
	}
	require.Len(t, a.all, 1)
}
