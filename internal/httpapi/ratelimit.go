package httpapi

import (
	"context"

	"golang.org/x/time/rate"

	"carewire/internal/care"
)

// keyedLimiter hold a rate limit for each key, of those that asked last. One that is forgotten begins anew with a full burst.
type keyedLimiter[K comparable] struct {
	rate  rate.Limit
	burst int
	known *lru[K, *rate.Limiter]
}

func newKeyedLimiter[K comparable](perSecond float64, burst int) *keyedLimiter[K] {
	return &keyedLimiter[K]{rate.Limit(perSecond), burst, newLRU[K, *rate.Limiter](10_000)}
}

func (l *keyedLimiter[K]) of(key K) *rate.Limiter {
	return l.known.getOrPut(key, func() *rate.Limiter { return rate.NewLimiter(l.rate, l.burst) })
}

// allow counts one against the key and tells whether it was within the limit.
func (l *keyedLimiter[K]) allow(key K) error {
	if !l.of(key).Allow() {
		return tooMany()
	}
	return nil
}

// exhausted tells whether the key has used up what it may, without counting.
func (l *keyedLimiter[K]) exhausted(key K) bool {
	limiter, ok := l.known.get(key)
	return ok && limiter.Tokens() < 1
}

func tooMany() *care.Error {
	return care.Errorf(care.RateLimited, "too many requests; slow down and try again")
}

// gate lets a few in at a time. The others wait, those who came first go first.
type gate chan struct{}

// pass waits for a place and returns the function that frees it.
func (g gate) pass(ctx context.Context) (leave func(), err error) {
	select {
	case g <- struct{}{}:
		return func() { <-g }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}
