package push

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"strings"
	"sync/atomic"
	"time"
)

// The Admin SDK retries a request after any network error, even if it may have been accepted, and
// after a 503, for up to 15 seconds. There is no option to disable that, but it does not retry
// after another status. So once turns a network error into an answer with the status 599, and a 503
// into a 502 with the same body.
const (
	statusNoAnswer = 599
	// headerReason holds the reason for a missing answer.
	headerReason = "Carewire-Reason"
)

// progressKey is the context key of a request's *progress.
type progressKey struct{}

// progress records how far a request got: authorized, and sent.
type progress struct{ signedIn, sent atomic.Bool }

// once limits each request to one attempt.
type once struct{ next http.RoundTripper }

// RoundTrip implements http.RoundTripper. It always returns an answer.
func (t *once) RoundTrip(r *http.Request) (*http.Response, error) {
	res, err := t.next.RoundTrip(r)
	if err != nil {
		return &http.Response{
			StatusCode: statusNoAnswer, Status: "599 No Answer", Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
			Header: http.Header{headerReason: {reason(r.Context(), err)}}, Body: io.NopCloser(strings.NewReader("")), Request: r,
		}, nil
	}
	if res.StatusCode == http.StatusServiceUnavailable {
		res.StatusCode = http.StatusBadGateway
	}
	res.Body = &answerBody{res.Body}
	return res, nil
}

// answerBody hides that an answer was cut off, after which the SDK would send the message again.
// Decoding then fails instead.
type answerBody struct{ io.ReadCloser }

// Read implements io.Reader. It ends the body where it is cut off.
func (b *answerBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err != nil {
		err = io.EOF
	}
	return n, err
}

// reason returns the code for a failed request, without its address or content.
func reason(ctx context.Context, err error) string {
	if p, ok := ctx.Value(progressKey{}).(*progress); ok && !p.signedIn.Load() {
		return "credentials"
	}
	if _, ok := errors.AsType[*net.DNSError](err); ok {
		return "dns"
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return "timeout"
	}
	return "connect"
}

// marking records how far a request to FCM gets. It is the innermost transport: the authorizing one
// around it requests tokens separately.
type marking struct{ next http.RoundTripper }

// RoundTrip implements http.RoundTripper.
func (t *marking) RoundTrip(r *http.Request) (*http.Response, error) {
	if p, ok := r.Context().Value(progressKey{}).(*progress); ok {
		p.signedIn.Store(true)
		r = r.WithContext(httptrace.WithClientTrace(r.Context(), &httptrace.ClientTrace{WroteHeaders: func() { p.sent.Store(true) }}))
	}
	return t.next.RoundTrip(r)
}

// newTransport returns a transport whose dialling times out well within one attempt, so that an
// unreachable host is recognized as such.
func newTransport() *http.Transport {
	return &http.Transport{
		Proxy:               http.ProxyFromEnvironment,
		DialContext:         (&net.Dialer{Timeout: 5 * time.Second, KeepAlive: 30 * time.Second}).DialContext,
		TLSHandshakeTimeout: 5 * time.Second,
		ForceAttemptHTTP2:   true,
		MaxIdleConnsPerHost: 64,
		IdleConnTimeout:     90 * time.Second,
	}
}
