package limit

import (
	"context"

	lru "github.com/hashicorp/golang-lru/v2"
	"golang.org/x/time/rate"

	"carewire/internal/care"
)

// Keyed limits the rate of each key. It keeps the most recently used keys; a key that was
// evicted starts again with a full burst.
type Keyed[K comparable] struct {
	rate  rate.Limit
	burst int
	known *lru.Cache[K, *rate.Limiter]
}

// limitedKeys is the largest number of keys, at about 100 bytes each.
const limitedKeys = 10_000

// NewKeyed returns a limiter of perSecond requests a second for each key, with bursts of burst.
func NewKeyed[K comparable](perSecond float64, burst int) *Keyed[K] {
	known, err := lru.New[K, *rate.Limiter](limitedKeys)
	if err != nil {
		panic(err) // Only a size below 1 is an error.
	}
	return &Keyed[K]{rate.Limit(perSecond), burst, known}
}

func (l *Keyed[K]) of(key K) *rate.Limiter {
	if limiter, ok := l.known.Get(key); ok {
		return limiter
	}
	limiter := rate.NewLimiter(l.rate, l.burst)
	if before, ok, _ := l.known.PeekOrAdd(key, limiter); ok {
		return before // Another request was faster.
	}
	return limiter
}

// Allow counts a request of the key. It returns care.RateLimited above the limit.
func (l *Keyed[K]) Allow(key K) error {
	if !l.of(key).Allow() {
		return care.Errorf(care.RateLimited, "too many requests; slow down and try again")
	}
	return nil
}

// Exhausted reports whether the key has reached its limit, without counting.
func (l *Keyed[K]) Exhausted(key K) bool {
	limiter, ok := l.known.Get(key)
	return ok && limiter.Tokens() < 1
}

// Gate limits concurrency: its capacity is the number of places. Others wait, first in, first out.
type Gate chan struct{}

// Pass waits for a place and returns the function that frees it.
func (g Gate) Pass(ctx context.Context) (leave func(), err error) {
	select {
	case g <- struct{}{}:
		return func() { <-g }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}
