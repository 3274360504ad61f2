package notify

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"carewire/internal/postgres"
)

const (
	// groupTimeout bounds the writing down of one claim or outcome, its retries included; with attemptTimeout two of it
	// stay below jobTimeout.
	groupTimeout = 4 * time.Second
	// groupSize is how many of them one statement holds at most.
	groupSize = 200
	// settleRetry is the wait before an outcome is written again after an error of the connection or the server.
	settleRetry = 100 * time.Millisecond
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
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), groupTimeout)
	defer cancel()
	me := &waiting[I, O]{in: in, turn: make(chan turn[O], 1)}
	g.mu.Lock()
	g.queue = append(g.queue, me)
	lead := !g.busy
	g.busy = true
	g.mu.Unlock()
	if !lead {
		// No look at ctx: the leader before is bounded by its own, and would be missed as the next one.
		if t := <-me.turn; !t.lead {
			return t.out, t.err
		}
	}
	g.lead(ctx)
	t := <-me.turn
	return t.out, t.err
}

// lead works for the group at the head of the queue, in which the caller is the first, and hands over.
func (g *group[I, O]) lead(ctx context.Context) {
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
	if len(members) == 1 {
		members[0].turn <- turn[O]{err: err}
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

// newSettler commits settlements in groups, and rings once for each. It tells of each whether the delivery was still its
// attempt's. It repeats what failed for reasons that pass; an outcome whose commit was not confirmed is then found settled.
func newSettler(pool *pgxpool.Pool, ring func()) *group[settlement, bool] {
	return &group[settlement, bool]{work: func(ctx context.Context, all []settlement) ([]bool, error) {
		ids, err := settleAll(ctx, pool, all)
		for err != nil && postgres.Transient(err) {
			select {
			case <-ctx.Done():
				return nil, errors.Join(err, ctx.Err())
			case <-time.After(settleRetry):
			}
			ids, err = settleAll(ctx, pool, all)
		}
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
