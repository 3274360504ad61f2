// Package httpcall has the parts of an HTTP client that the providers' clients share: a transport
// that does not follow redirects, and the classification of calls without an answer.
package httpcall

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptrace"
	"strconv"
	"sync/atomic"
	"time"

	"carewire/internal/notify"
)

// DialTimeout bounds dialling and the TLS handshake. It ends well within one attempt, so that an
// unreachable host is recognized as such.
const DialTimeout = 5 * time.Second

// maxIdlePerHost is the number of connections to a provider that are kept alive.
const maxIdlePerHost = 64

// Tune sets the limits that all clients share.
func Tune(t *http.Transport) {
	t.TLSHandshakeTimeout = DialTimeout
	t.MaxIdleConnsPerHost = maxIdlePerHost
}

// NewTransport returns a transport for one provider. The caller closes its idle connections.
func NewTransport() *http.Transport {
	t := &http.Transport{
		Proxy:             http.ProxyFromEnvironment,
		DialContext:       (&net.Dialer{Timeout: DialTimeout, KeepAlive: 30 * time.Second}).DialContext,
		ForceAttemptHTTP2: true,
		IdleConnTimeout:   90 * time.Second,
	}
	Tune(t)
	return t
}

// NewClient returns a client that rejects redirects, so that no message is sent to another host.
func NewClient(t http.RoundTripper) *http.Client {
	return &http.Client{
		Transport:     t,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// Progress records whether a request was sent. A connection that was kept alive may break before
// the request is written: then nothing was sent.
type Progress struct{ sent atomic.Bool }

// Track returns a context that records the progress of the request made with it.
func Track(ctx context.Context) (context.Context, *Progress) {
	p := &Progress{}
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{WroteHeaders: func() { p.sent.Store(true) }}), p
}

// Sent reports whether the request's headers were written.
func (p *Progress) Sent() bool { return p.sent.Load() }

// Unanswered returns the error of a request that got no answer: uncertain if it was sent, otherwise
// transient.
func (p *Progress) Unanswered(err error) *notify.Error {
	switch {
	case p.Sent():
		return notify.Uncertain("no_answer")
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return notify.Transient("timeout", 0)
	}
	return notify.Transient(unsent(err), 0)
}

// unsent returns the code for a request that was not sent.
func unsent(err error) string {
	if _, ok := errors.AsType[*net.DNSError](err); ok {
		return "dns"
	}
	if _, ok := errors.AsType[net.Error](err); ok {
		return "connect"
	}
	return "not_sent"
}

// RetryAfter returns the value of the header, which has two forms (RFC 9110, section 10.2.3), or 0.
func RetryAfter(h http.Header) time.Duration {
	value := h.Get("Retry-After")
	if seconds, err := strconv.Atoi(value); err == nil {
		return max(time.Duration(seconds)*time.Second, 0)
	}
	if at, err := http.ParseTime(value); err == nil {
		return max(time.Until(at), 0)
	}
	return 0
}
