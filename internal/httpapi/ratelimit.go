package httpapi

import (
	"context"

	lru "github.com/hashicorp/golang-lru/v2"
	"golang.org/x/time/rate"

	"carewire/internal/care"
)

// keyedLimiter hold a rate limit for each key, of those that asked last. One that is forgotten begins anew with a full burst.
type keyedLimiter[K comparable] struct {
	rate  rate.Limit
	burst int
	known *lru.Cache[K, *rate.Limiter]
}

// limitedKeys limits how many keys have a limiter of their own: about 100 bytes each.
const limitedKeys = 10_000

func newKeyedLimiter[K comparable](perSecond float64, burst int) *keyedLimiter[K] {
	known, err := lru.New[K, *rate.Limiter](limitedKeys)
	if err != nil {
		panic(err) // Only a size below 1 is an error.
	}
	return &keyedLimiter[K]{rate.Limit(perSecond), burst, known}
}

func (l *keyedLimiter[K]) of(key K) *rate.Limiter {
	if limiter, ok := l.known.Get(key); ok {
		return limiter
	}
	limiter := rate.NewLimiter(l.rate, l.burst)
	if before, ok, _ := l.known.PeekOrAdd(key, limiter); ok {
		return before // Another request was faster.
	}
	return limiter
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
	limiter, ok := l.known.Get(key)
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
