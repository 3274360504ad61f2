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
	"github.com/aws/aws-sdk-go-v2/service/pinpointsmsvoicev2"
	"github.com/aws/aws-sdk-go-v2/service/sesv2"
	sestypes "github.com/aws/aws-sdk-go-v2/service/sesv2/types"
	"github.com/stretchr/testify/require"

	"carewire/internal/notify/awsclient"
	"carewire/internal/notify/notifytest"
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
	for service, send := range map[string]func(cfg aws.Config) error{
		"ses": func(cfg aws.Config) error {
			_, err := sesv2.NewFromConfig(cfg).SendEmail(t.Context(), &sesv2.SendEmailInput{Content: &sestypes.EmailContent{Simple: &sestypes.Message{
				Subject: &sestypes.Content{Data: aws.String("Grüße")}, Body: &sestypes.Body{},
			}}})
			return err
		},
		"sms-voice": func(cfg aws.Config) error {
			_, err := pinpointsmsvoicev2.NewFromConfig(cfg).SendTextMessage(t.Context(), &pinpointsmsvoicev2.SendTextMessageInput{
				DestinationPhoneNumber: aws.String("+15550100077"), MessageBody: aws.String("Grüße"),
			})
			return err
		},
	} {
		t.Run(service, func(t *testing.T) {
			t.Parallel()
			var got, want string
			url := notifytest.Serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				body, err := io.ReadAll(r.Body)
				if err != nil {
					return
				}
				got, want = r.Header.Get("Authorization"), signature(t, r, body, service)
				_, _ = io.WriteString(w, `{"MessageId":"1"}`)
			}))
			cfg, transport, err := awsclient.Config{Region: region, AccessKeyID: key, SecretAccessKey: secret}.Load(t.Context())
			require.NoError(t, err)
			t.Cleanup(transport.CloseIdleConnections)
			cfg.BaseEndpoint = &url
			require.NoError(t, send(cfg))
			require.NotEmpty(t, got)
			require.Equal(t, want, got)
		})
	}
}
