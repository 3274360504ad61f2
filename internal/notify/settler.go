package notify

import (
	"context"
	"slices"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"carewire/internal/batch"
	"carewire/internal/postgres"
)

// newSettler returns a batcher that commits settlements, and calls wake once for each batch, and then
// overtaken with the settlements. Its result reports whether the settlement was written.
func newSettler(pool *pgxpool.Pool, wake func(), overtaken func(context.Context, []settlement), siblings func() int64) *batch.Group[settlement, bool] {
	return &batch.Group[settlement, bool]{
		Siblings: siblings, Delay: settleDelay,
		Work: func(ctx context.Context, all []settlement) ([]bool, error) {
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
		},
	}
}

// settleDelay returns how long an outcome waits for those of the few messages that are being sent at
// light load. No message waits for it: its own has been sent. With more of them, batches are full without a
// wait, which would bound their rate.
func settleDelay(siblings int64) time.Duration {
	if delay := batch.DefaultDelay(siblings); delay > 0 || siblings < 2 {
		return delay
	}
	return 5 * time.Millisecond
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
