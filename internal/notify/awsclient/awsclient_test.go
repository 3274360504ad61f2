package awsclient_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/stretchr/testify/require"

	"carewire/internal/notify"
	"carewire/internal/notify/email"
	"carewire/internal/notify/notifytest"
	"carewire/internal/notify/sms"
)

const (
	region = "eu-central-1"
	key    = "AKIDEXAMPLE"
	secret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
)

// signature returns the Authorization header that the request should have.
func signature(t *testing.T, r *http.Request, body []byte, service string) string {
	t.Helper()
	at, err := time.Parse("20060102T150405Z", r.Header.Get("X-Amz-Date"))
	require.NoError(t, err)
	again, err := http.NewRequestWithContext(t.Context(), r.Method, "http://"+r.Host+r.URL.RequestURI(), bytes.NewReader(body))
	require.NoError(t, err)
	_, rest, _ := strings.Cut(r.Header.Get("Authorization"), "SignedHeaders=")
	signed, _, _ := strings.Cut(rest, ",")
	for name := range strings.SplitSeq(signed, ";") {
		if values := r.Header.Values(name); len(values) > 0 {
			again.Header[http.CanonicalHeaderKey(name)] = values
		}
	}
	hash := sha256.Sum256(body)
	credentials := aws.Credentials{AccessKeyID: key, SecretAccessKey: secret}
	require.NoError(t, v4.NewSigner().SignHTTP(t.Context(), credentials, again, hex.EncodeToString(hash[:]), service, region, at))
	return again.Header.Get("Authorization")
}

func TestLoad_RequestsAreSigned(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		channel, service string
		sender           func(url string) (notify.Notifier, error)
	}{
		{notify.Email, "ses", func(url string) (notify.Notifier, error) {
			return email.New(t.Context(), email.Config{From: "clinic@carewire.example", Region: region, Endpoint: url, AccessKeyID: key, SecretAccessKey: secret})
		}},
		{notify.SMS, "sms-voice", func(url string) (notify.Notifier, error) {
			return sms.New(t.Context(), sms.Config{Origination: "+15550100000", Region: region, Endpoint: url, AccessKeyID: key, SecretAccessKey: secret})
		}},
	} {
		t.Run(c.channel, func(t *testing.T) {
			t.Parallel()
			var got, want string
			url := notifytest.Serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				body, err := io.ReadAll(r.Body)
				if err != nil {
					return
				}
				got, want = r.Header.Get("Authorization"), signature(t, r, body, c.service)
				_, _ = io.WriteString(w, `{"MessageId":"1"}`)
			}))
			n, err := c.sender(url)
			require.NoError(t, err)
			receipt, err := n.Notify(t.Context(), notifytest.TestMessage(c.channel))
			require.NoError(t, err)
			require.Equal(t, "1", receipt.ProviderID)
			require.NotEmpty(t, got)
			require.Equal(t, want, got)
		})
	}
}
