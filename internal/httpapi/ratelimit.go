package httpapi

import (
	"net"
	"net/http"

	"golang.org/x/time/rate"

	"carewire/internal/care"
)

// limiters hold a rate limit for each key, of those that asked last. One that is forgotten begins anew with a full burst.
type limiters struct {
	rate  rate.Limit
	burst int
	known *lru[string, *rate.Limiter]
}

func newLimiters(perSecond float64, burst int) *limiters {
	return &limiters{rate.Limit(perSecond), burst, newLRU[string, *rate.Limiter](10_000)}
}

func (l *limiters) of(key string) *rate.Limiter {
	return l.known.getOrPut(key, func() *rate.Limiter { return rate.NewLimiter(l.rate, l.burst) })
}

// allow counts one against the key and tells whether it was within the limit.
func (l *limiters) allow(key string) error {
	if !l.of(key).Allow() {
		return tooMany()
	}
	return nil
}

// exhausted tells whether the key has used up what it may, without counting.
func (l *limiters) exhausted(key string) bool {
	limiter, ok := l.known.get(key)
	return ok && limiter.Tokens() < 1
}

func tooMany() *care.Error {
	return care.Errorf(care.RateLimited, "too many requests; slow down and try again")
}

// peer is the address of whoever holds the connection, without its port. Headers that claim another are not believed.
func peer(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	return host
}
