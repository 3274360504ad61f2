package httpapi

import (
	"context"

	lru "github.com/hashicorp/golang-lru/v2"
	"golang.org/x/time/rate"

	"carewire/internal/care"
)

// keyedLimiter limits the rate of each key. It keeps the most recently used keys; a key that was
// evicted starts again with a full burst.
type keyedLimiter[K comparable] struct {
	rate  rate.Limit
	burst int
	known *lru.Cache[K, *rate.Limiter]
}

// limitedKeys is the largest number of keys, at about 100 bytes each.
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

// allow counts a request of the key. It returns care.RateLimited above the limit.
func (l *keyedLimiter[K]) allow(key K) error {
	if !l.of(key).Allow() {
		return tooMany()
	}
	return nil
}

// exhausted reports whether the key has reached its limit, without counting.
func (l *keyedLimiter[K]) exhausted(key K) bool {
	limiter, ok := l.known.Get(key)
	return ok && limiter.Tokens() < 1
}

func tooMany() *care.Error {
	return care.Errorf(care.RateLimited, "too many requests; slow down and try again")
}

// gate limits concurrency: its capacity is the number of places. Others wait, first in, first out.
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
