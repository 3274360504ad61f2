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

// The Admin SDK repeats a request after any error of the network, also when it may have been accepted, and after a 503,
// for up to 15 seconds. It offers no way to turn that off, but it repeats nothing that was answered with another status.
// So once answers for the network: an error becomes an answer with the status 599, and a 503 becomes a 502, with the body
// that says what it was.
const (
	statusNoAnswer = 599
	// headerReason says why there is no answer.
	headerReason = "Carewire-Reason"
)

// progressKey finds, in a request's context, its *progress.
type progressKey struct{}

// progress is how far a request came: signed in, with what it takes to be sent, and sent.
type progress struct{ signedIn, sent atomic.Bool }

// once makes each request one attempt.
type once struct{ next http.RoundTripper }

// RoundTrip sends the request and always gives an answer.
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

// answerBody hides that an answer broke off: the SDK would send the message again. What is missing then shows in the
// decoding.
type answerBody struct{ io.ReadCloser }

// Read ends the body where it breaks off.
func (b *answerBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err != nil {
		err = io.EOF
	}
	return n, err
}

// reason names why a request failed, without its address or what it carried.
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

// marking notes how far a request to FCM comes. It is the innermost: the authorizing transport around it fetches tokens
// by itself.
type marking struct{ next http.RoundTripper }

// RoundTrip sends the request.
func (t *marking) RoundTrip(r *http.Request) (*http.Response, error) {
	if p, ok := r.Context().Value(progressKey{}).(*progress); ok {
		p.signedIn.Store(true)
		r = r.WithContext(httptrace.WithClientTrace(r.Context(), &httptrace.ClientTrace{WroteHeaders: func() { p.sent.Store(true) }}))
	}
	return t.next.RoundTrip(r)
}

// newTransport gives up dialling well within one attempt, so that a host that cannot be reached is known as such.
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
