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
	// batchTimeout bounds one statement of a batch. A caller waits for the statement before its own
	// at most, so that it has its result within twice this time.
	batchTimeout = 5 * time.Second
	// maxBatch bounds the inputs of one statement. It is more than all workers of all channels.
	maxBatch = 400
	// gatherDelay is how long a batch waits for more inputs while at least gatherSiblings callers are
	// at work, as with PostgreSQL's commit_delay and commit_siblings. A statement costs as much as the
	// claims of ten deliveries, and its commit a flush of the log.
	gatherDelay    = 500 * time.Microsecond
	gatherSiblings = 8
)

// batcher processes the inputs of concurrent callers in one statement (group commit). It has no
// goroutine: the first caller works, callers that arrive meanwhile queue, and the first of them
// works for all of them next. A single caller never waits for others.
type batcher[I, O any] struct {
	// work returns one output for each input, in their order.
	work func(ctx context.Context, all []I) ([]O, error)
	// siblings returns the number of callers at work, which may have an input soon. Nil means none.
	siblings func() int64

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

// do processes one input, together with others. Work that has begun is finished even if ctx ends.
func (g *batcher[I, O]) do(ctx context.Context, in I) (O, error) {
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
func (g *batcher[I, O]) lead(ctx context.Context) {
	if g.siblings != nil && g.siblings() >= gatherSiblings {
		time.Sleep(gatherDelay) //nolint:forbidigo // The callers that it waits for signal nothing.
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), batchTimeout)
	defer cancel()
	g.mu.Lock()
	n := min(len(g.queue), maxBatch)
	members := slices.Clone(g.queue[:n])
	g.queue = slices.Delete(g.queue, 0, n)
	g.mu.Unlock()
	defer g.promoteNext()

	all := make([]I, len(members))
	for i, one := range members {
		all[i] = one.in
	}
	out, err := g.work(ctx, all)
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
		alone, err := g.work(ctx, []I{one.in})
		t := batchResult[O]{err: err}
		if err == nil {
			t.out = alone[0]
		}
		one.result <- t
	}
}

func (g *batcher[I, O]) promoteNext() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.busy = len(g.queue) > 0
	if g.busy {
		g.queue[0].result <- batchResult[O]{lead: true}
	}
}

// newSettler returns a batcher that commits settlements, and calls wake once for each batch, and then
// overtaken with the settlements. Its result reports whether the settlement was written.
func newSettler(pool *pgxpool.Pool, wake func(), overtaken func(context.Context, []settlement), siblings func() int64) *batcher[settlement, bool] {
	return &batcher[settlement, bool]{siblings: siblings, work: func(ctx context.Context, all []settlement) ([]bool, error) {
		ids, err := settleAll(ctx, pool, all)
		if err != nil {
			return nil, err
		}
		wake()
		overtaken(ctx, all)
		settled := make([]bool, len(all))
		for i := range all {
			settled[i] = slices.Contains(ids, all[i].id)
		}
		return settled, nil
	}}
}

const (
	// firstRetry and lastRetry are the first and the longest wait before a write is retried after a
	// transient error. Each wait is twice the one before.
	firstRetry = 100 * time.Millisecond
	lastRetry  = 2 * time.Second
)

// retryTransient repeats fn while it fails with a transient error, until ctx ends or stop is
// closed. It calls failing after the first failure. It returns when the pool is closed, which is
// the end of the process.
func retryTransient(ctx context.Context, stop <-chan struct{}, fn func() error, failing func(error)) error {
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
