// Package batch processes the inputs of concurrent callers in one statement (group commit).
package batch

import (
	"context"
	"slices"
	"sync"
	"time"

	"carewire/internal/postgres"
)

const (
	// Timeout bounds one statement of a batch. A caller waits for the statement before its own
	// at most, so that it has its result within twice this time.
	Timeout = 5 * time.Second
	// Max bounds the inputs of one statement. It is more than all workers of all channels.
	Max = 400
	// gatherDelay is how long a batch waits by default while at least gatherSiblings callers are at work. A
	// statement costs as much as the claims of ten deliveries, and its commit a flush of the log.
	gatherDelay    = 500 * time.Microsecond
	gatherSiblings = 8
)

// Group processes the inputs of concurrent callers in one statement (group commit). It has no
// goroutine: the first caller works, callers that arrive meanwhile queue, and the first of them
// works for all of them next. A single caller never waits for others.
type Group[I, O any] struct {
	// Work returns one output for each input, in their order.
	Work func(ctx context.Context, all []I) ([]O, error)
	// Siblings returns the number of callers at work, which may have an input soon, with the one that
	// has one now. Nil means none.
	Siblings func() int64
	// Delay returns how long a batch waits for more inputs of that many siblings, as with PostgreSQL's
	// commit_delay and commit_siblings. Nil means DefaultDelay.
	Delay func(siblings int64) time.Duration

	mu    sync.Mutex
	busy  bool
	queue []*waiting[I, O]
}

// waiting is one caller in the queue.
type waiting[I, O any] struct {
	in I
	// result receives either the output, or the call to lead the next batch.
	result chan batchResult[O]
}

type batchResult[O any] struct {
	lead bool
	out  O
	err  error
}

// Do processes one input, together with others. Work that has begun is finished even if ctx ends.
func (g *Group[I, O]) Do(ctx context.Context, in I) (O, error) {
	me := &waiting[I, O]{in: in, result: make(chan batchResult[O], 1)}
	g.mu.Lock()
	g.queue = append(g.queue, me)
	lead := !g.busy
	g.busy = true
	g.mu.Unlock()
	if !lead {
		// ctx is ignored: the current leader has its own timeout, and this caller may have to lead
		// next.
		if t := <-me.result; !t.lead {
			return t.out, t.err
		}
	}
	g.lead(ctx)
	t := <-me.result
	return t.out, t.err
}

// lead processes the batch at the head of the queue, of which the caller is the first, and promotes
// the next leader. The batch has the whole of its timeout, however long its leader waited.
func (g *Group[I, O]) lead(ctx context.Context) {
	time.Sleep(g.delay()) //nolint:forbidigo // The callers that it waits for signal nothing.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), Timeout)
	defer cancel()
	g.mu.Lock()
	n := min(len(g.queue), Max)
	members := slices.Clone(g.queue[:n])
	g.queue = slices.Delete(g.queue, 0, n)
	g.mu.Unlock()
	defer g.promoteNext()

	all := make([]I, len(members))
	for i, one := range members {
		all[i] = one.in
	}
	out, err := g.Work(ctx, all)
	if err == nil {
		for i, one := range members {
			one.result <- batchResult[O]{out: out[i]}
		}
		return
	}
	if len(members) == 1 || postgres.Transient(err) {
		for _, one := range members {
			one.result <- batchResult[O]{err: err}
		}
		return
	}
	// One of them may be at fault: it must not fail the others.
	for _, one := range members {
		alone, err := g.Work(ctx, []I{one.in})
		t := batchResult[O]{err: err}
		if err == nil {
			t.out = alone[0]
		}
		one.result <- t
	}
}

func (g *Group[I, O]) delay() time.Duration {
	switch {
	case g.Siblings == nil:
		return 0
	case g.Delay == nil:
		return DefaultDelay(g.Siblings())
	default:
		return g.Delay(g.Siblings())
	}
}

// DefaultDelay returns 500 µs for eight siblings or more, and otherwise nothing.
func DefaultDelay(siblings int64) time.Duration {
	if siblings >= gatherSiblings {
		return gatherDelay
	}
	return 0
}

func (g *Group[I, O]) promoteNext() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.busy = len(g.queue) > 0
	if g.busy {
		g.queue[0].result <- batchResult[O]{lead: true}
	}
}

// State returns whether a batch is being processed, and how many callers wait for the next one.
func (g *Group[I, O]) State() (busy bool, waiting int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.busy, len(g.queue)
}
