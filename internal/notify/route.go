package notify

import (
	"cmp"
	"context"
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"time"
)

// route is a channel's providers, and the jobs that wait because none of them admits a message. It
// is safe for concurrent use, and has no goroutine.
type route struct {
	// groups are the providers by order. Those of one group have the same order.
	groups [][]*Provider

	mu sync.Mutex
	// queue holds the waiters, the most urgent first. Only the first of them watches the providers.
	queue []*waiter
}

// waiter is a job that waits to be admitted.
type waiter struct {
	rank int
	// nudge wakes the first waiter in the queue.
	nudge chan struct{}
}

// newRoute returns the route of a channel with these providers.
func newRoute(providers []*Provider) *route {
	byOrder := map[int][]*Provider{}
	var orders []int
	for i, p := range providers {
		order := cmp.Or(p.order, i+1)
		if _, ok := byOrder[order]; !ok {
			orders = append(orders, order)
		}
		byOrder[order] = append(byOrder[order], p)
	}
	slices.Sort(orders)
	r := &route{}
	for _, order := range orders {
		r.groups = append(r.groups, byOrder[order])
	}
	return r
}

// candidates returns the providers in the order in which they are tried for one message, without
// those that were called already. Each group is shuffled by weight.
func (r *route) candidates(called []*Provider) []*Provider {
	var all []*Provider
	for _, group := range r.groups {
		if len(group) > 1 {
			group = shuffled(group)
		}
		for _, p := range group {
			if !slices.Contains(called, p) {
				all = append(all, p)
			}
		}
	}
	return all
}

// shuffled returns the providers in a random order, in which each precedes the others with the
// probability of its share of the weights (Efraimidis and Spirakis, 2006).
func shuffled(group []*Provider) []*Provider {
	keys := make(map[*Provider]float64, len(group))
	for _, p := range group {
		keys[p] = rand.ExpFloat64() / p.weight //nolint:gosec // spreads load, hides nothing
	}
	return slices.SortedFunc(slices.Values(group), func(a, b *Provider) int { return cmp.Compare(keys[a], keys[b]) })
}

// admit waits until a provider may be called: until the breaker of one lets it through and its
// limiter has room, at most holdTimeout. Those of a lower rank (1 is the most urgent) go first,
// those of one rank in the order in which they came. It returns a pass, whose finish must be called.
// If the wait timed out, stop was closed or ctx ended, it returns nil and how long the job should
// snooze. It calls held once if breakers are the reason for the wait.
func (r *route) admit(ctx context.Context, stop <-chan struct{}, rank int, held func()) (*pass, time.Duration) {
	r.mu.Lock()
	if len(r.queue) == 0 {
		if c, _ := r.try(nil); c != nil {
			r.mu.Unlock()
			return c, 0
		}
	}
	w := &waiter{rank: rank, nudge: make(chan struct{}, 1)}
	at := len(r.queue)
	for at > 0 && r.queue[at-1].rank > rank {
		at--
	}
	r.queue = slices.Insert(r.queue, at, w)
	r.mu.Unlock()
	return r.wait(ctx, stop, w, held)
}

func (r *route) wait(ctx context.Context, stop <-chan struct{}, w *waiter, held func()) (*pass, time.Duration) {
	limit, again := time.NewTimer(holdTimeout), time.NewTimer(holdTimeout)
	defer limit.Stop()
	defer again.Stop()
	reported := false
	for {
		c, o := r.admitFirst(w)
		if c != nil {
			return c, 0
		}
		if o.breaker && !reported {
			held()
			reported = true
		}
		if o.wait > 0 {
			again.Reset(o.wait)
		} else {
			again.Stop()
		}
		select {
		case <-w.nudge:
		case <-again.C:
		case <-limit.C:
			r.leave(w)
			return nil, jitter(cmp.Or(o.wait, r.shortestOpen()))
		case <-stop:
			r.leave(w)
			return nil, drainSnooze
		case <-ctx.Done():
			r.leave(w)
			return nil, drainSnooze
		}
	}
}

// shortestOpen returns the shortest time for which a breaker of the route stays open.
func (r *route) shortestOpen() time.Duration {
	shortest := time.Duration(math.MaxInt64)
	for _, group := range r.groups {
		for _, p := range group {
			shortest = min(shortest, p.open)
		}
	}
	return shortest
}

// admitFirst admits the waiter if it is the first in the queue and a provider has no obstacle.
func (r *route) admitFirst(w *waiter) (*pass, obstacle) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.queue[0] != w {
		return nil, obstacle{breaker: r.closed()}
	}
	c, o := r.try(nil)
	if c != nil {
		r.remove(w)
	}
	return c, o
}

// closed reports whether the breaker of every provider keeps messages back.
func (r *route) closed() bool {
	for _, group := range r.groups {
		for _, p := range group {
			if p.breakerState() == BreakerClosed {
				return false
			}
		}
	}
	return true
}

// try admits a message to the first provider without an obstacle, among those that were not called.
// Otherwise it returns the obstacle that ends first: wait is 0 only if every provider waits for a
// nudge.
func (r *route) try(called []*Provider) (*pass, obstacle) {
	first, breakers := obstacle{}, true
	for _, p := range r.candidates(called) {
		c, o := p.try()
		if c != nil {
			c.nudge = r.nudge
			return c, obstacle{}
		}
		breakers = breakers && o.breaker
		if o.wait > 0 && (first.wait == 0 || o.wait < first.wait) {
			first.wait = o.wait
		}
	}
	first.breaker = breakers
	return nil, first
}

// next admits a message to a provider that was not called yet, or returns nil. It does not wait:
// the message passes those in the queue, which wait because no provider admits them.
func (r *route) next(called []*Provider) *pass {
	c, _ := r.try(called)
	return c
}

func (r *route) leave(w *waiter) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.remove(w)
}

// remove removes the waiter from the queue, and wakes the first of the others. The caller holds the
// lock.
func (r *route) remove(w *waiter) {
	if at := slices.Index(r.queue, w); at >= 0 {
		r.queue = slices.Delete(r.queue, at, at+1)
	}
	r.wakeFirst()
}

// nudge wakes the first waiter in the queue.
func (r *route) nudge() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.wakeFirst()
}

func (r *route) wakeFirst() {
	if len(r.queue) == 0 {
		return
	}
	select {
	case r.queue[0].nudge <- struct{}{}:
	default:
	}
}

// stats returns the state of the providers, in the order in which they are tried.
func (r *route) stats() []ProviderStats {
	r.mu.Lock()
	waiting := len(r.queue)
	r.mu.Unlock()
	var all []ProviderStats
	for _, group := range r.groups {
		for _, p := range group {
			s := p.Stats()
			s.Waiting = waiting
			all = append(all, s)
		}
	}
	return all
}
