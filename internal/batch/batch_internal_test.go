package batch

import (
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
		siblings int64
		delay    func(int64) time.Duration
		batches  []int
	}{
		{gatherSiblings - 1, nil, []int{1, 1}}, // A lone caller never waits.
		{gatherSiblings, nil, []int{2}},
		{1, func(siblings int64) time.Duration { return time.Duration(siblings-1) * time.Second }, []int{1, 1}},
		{2, func(siblings int64) time.Duration { return time.Duration(siblings-1) * time.Second }, []int{2}},
	} {
		synctest.Test(t, func(t *testing.T) {
			var batches []int
			g := &Group[int, int]{
				Siblings: func() int64 { return c.siblings }, Delay: c.delay,
				Work: func(_ context.Context, all []int) ([]int, error) {
					batches = append(batches, len(all))
					return all, nil
				},
			}
			var wg sync.WaitGroup
			for i := range 2 {
				wg.Go(func() {
					elapse(time.Duration(i) * gatherDelay / 2)
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
