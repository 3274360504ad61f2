package batch

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func TestGroup_GivesItsNextLeaderTheWholeTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := &Group[int, time.Duration]{Work: func(ctx context.Context, all []int) ([]time.Duration, error) {
			deadline, _ := ctx.Deadline()
			left := time.Until(deadline)
			elapse(Timeout - time.Millisecond)
			return slices.Repeat([]time.Duration{left}, len(all)), nil
		}}
		var wg sync.WaitGroup
		for range 3 {
			wg.Go(func() {
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				left, err := g.Do(ctx, 1)
				if left != Timeout || err != nil {
					t.Errorf("%s, %v", left, err)
				}
			})
			synctest.Wait()
		}
		wg.Wait()
	})
}

func TestGroup_GathersWhileOthersAreAtWork(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		siblings, minSiblings int64
		delay                 time.Duration
		batches               []int
	}{
		{defaultMinSiblings - 1, 0, 0, []int{1, 1}}, // A lone caller never waits.
		{defaultMinSiblings, 0, 0, []int{2}},
		{1, 2, time.Second, []int{1, 1}},
		{2, 2, time.Second, []int{2}},
	} {
		synctest.Test(t, func(t *testing.T) {
			var batches []int
			g := &Group[int, int]{
				Siblings: func() int64 { return c.siblings }, MinSiblings: c.minSiblings, Delay: c.delay,
				Work: func(_ context.Context, all []int) ([]int, error) {
					batches = append(batches, len(all))
					return all, nil
				},
			}
			var wg sync.WaitGroup
			for i := range 2 {
				wg.Go(func() {
					elapse(time.Duration(i) * cmp.Or(c.delay, defaultDelay) / 2)
					out, err := g.Do(t.Context(), i)
					if out != i || err != nil {
						t.Errorf("%d: %d, %v", i, out, err)
					}
				})
			}
			wg.Wait()
			require.Equal(t, c.batches, batches)
		})
	}
}

// elapse lets virtual time pass: it is for synctest's bubbles alone.
func elapse(d time.Duration) {
	time.Sleep(d) //nolint:forbidigo // no real time passes
}
