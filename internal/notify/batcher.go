package notify

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"carewire/internal/postgres"
)

const (
	// groupTimeout bounds one statement of a group. A member waits for the statement before its own at most, so that two of
	// it pass before it knows.
	groupTimeout = 5 * time.Second
	// groupSize is how many of them one statement holds at most: more than all workers of all channels.
	groupSize = 200
)

// group does in one statement what concurrent callers want each. It has no goroutine: the first caller works, those that
// come meanwhile queue up, and the first of them works for all of them next. One alone never waits for company.
type group[I, O any] struct {
	// work gives a result for each, in their order.
	work func(ctx context.Context, all []I) ([]O, error)

	mu    sync.Mutex
	busy  bool
	queue []*waiting[I, O]
}

// waiting is one caller in the queue.
type waiting[I, O any] struct {
	in I
	// turn gets either the result, or the word to lead the next group.
	turn chan turn[O]
}

type turn[O any] struct {
	lead bool
	out  O
	err  error
}

// do works on one, with others. What is begun is finished also when the caller's time is up.
func (g *group[I, O]) do(ctx context.Context, in I) (O, error) {
	me := &waiting[I, O]{in: in, turn: make(chan turn[O], 1)}
	g.mu.Lock()
	g.queue = append(g.queue, me)
	lead := !g.busy
	g.busy = true
	g.mu.Unlock()
	if !lead {
		// No look at ctx: the leader before has a time of its own, and this one would be missed as the next.
		if t := <-me.turn; !t.lead {
			return t.out, t.err
		}
	}
	g.lead(ctx)
	t := <-me.turn
	return t.out, t.err
}

// lead works for the group at the head of the queue, in which the caller is the first, and hands over. The group has the
// whole of its time, however long its leader waited to lead.
func (g *group[I, O]) lead(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), groupTimeout)
	defer cancel()
	g.mu.Lock()
	n := min(len(g.queue), groupSize)
	members := slices.Clone(g.queue[:n])
	g.queue = slices.Delete(g.queue, 0, n)
	g.mu.Unlock()
	defer g.handOver()

	all := make([]I, len(members))
	for i, one := range members {
		all[i] = one.in
	}
	out, err := g.work(ctx, all)
	if err == nil {
		for i, one := range members {
			one.turn <- turn[O]{out: out[i]}
		}
		return
	}
	if len(members) == 1 || postgres.Transient(err) {
		for _, one := range members {
			one.turn <- turn[O]{err: err}
		}
		return
	}
	// Perhaps one of them is at fault: it must not take the others along.
	for _, one := range members {
		alone, err := g.work(ctx, []I{one.in})
		t := turn[O]{err: err}
		if err == nil {
			t.out = alone[0]
		}
		one.turn <- t
	}
}

func (g *group[I, O]) handOver() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.busy = len(g.queue) > 0
	if g.busy {
		g.queue[0].turn <- turn[O]{lead: true}
	}
}

// newSettler commits settlements in groups, and rings once for each. It tells of each whether it was written.
func newSettler(pool *pgxpool.Pool, ring func()) *group[settlement, bool] {
	return &group[settlement, bool]{work: func(ctx context.Context, all []settlement) ([]bool, error) {
		ids, err := settleAll(ctx, pool, all)
		if err != nil {
			return nil, err
		}
		ring()
		settled := make([]bool, len(all))
		for i := range all {
			settled[i] = slices.Contains(ids, all[i].id)
		}
		return settled, nil
	}}
}

const (
	// firstRetry and lastRetry are the waits before something is written again after an error that passes: each is twice
	// the one before, up to the last.
	firstRetry = 100 * time.Millisecond
	lastRetry  = 2 * time.Second
)

// persist repeats fn as long as it fails for a reason that passes, until ctx ends or stop is closed; failing is called after
// the first failure. It ends when the pool is closed, which is the end of the process.
func persist(ctx context.Context, stop <-chan struct{}, fn func() error, failing func(error)) error {
	for wait := firstRetry; ; wait = min(2*wait, lastRetry) {
		err := fn()
		if err == nil || !postgres.Transient(err) || postgres.Closed(err) {
			return err
		}
		if wait == firstRetry {
			failing(err)
		}
		select {
		case <-ctx.Done():
			return err
		case <-stop:
			return err
		case <-time.After(jitter(wait)):
		}
	}
}
