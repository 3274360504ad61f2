package realtime

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"carewire/internal/ledger"
)

// shelf is a ledger up to head, with a gap; every event takes size bytes.
type shelf struct {
	head        atomic.Int64
	gap, gapEnd int64
	size        int
	reads       atomic.Int64
}

func (l *shelf) read(_ context.Context, after int64, limit int32) ([]*entry, error) {
	l.reads.Add(1)
	var list []*entry
	for p := l.next(after); p <= l.head.Load() && len(list) < int(limit); p = l.next(p) {
		list = append(list, &entry{place: ledger.Cursor{Position: p}, size: l.size})
	}
	return list, nil
}

// next returns the next position after a position.
func (l *shelf) next(p int64) int64 {
	if p++; p > l.gap && p < l.gapEnd {
		return l.gapEnd
	}
	return p
}

func TestWindows_ReturnEveryEventInOrderWithLittleMemoryAndAGrowingLedger(t *testing.T) {
	t.Parallel()
	l := &shelf{gap: 2*windowSpan + 7, gapEnd: 5*windowSpan + 1, size: 1}
	l.head.Store(windowSpan/2 + 1)
	w := newWindows(2*windowSpan, l.read)
	at := []int64{0, 0, windowSpan - 1, 1, windowSpan / 2}
	buf := make([]*entry, 100)
	for at[0] < 9*windowSpan {
		i := rand.N(len(at))
		if at[i] >= l.head.Load() {
			l.head.Store(l.next(l.head.Load() + rand.N[int64](windowSpan)))
			continue
		}
		n := w.after(at[i], buf[:1+rand.N(len(buf))])
		for tries := 0; n == 0; n = w.after(at[i], buf) {
			require.NoError(t, w.fetch(t.Context(), at[i]))
			tries++
			require.LessOrEqual(t, tries, 4, "behind %d of %d", at[i], l.head.Load()) // The gap takes three.
		}
		for _, e := range buf[:n] {
			require.Equal(t, l.next(at[i]), e.position())
			at[i] = e.position()
		}
		events, bytes := w.span()
		require.Equal(t, int64(bytes), events)
		require.LessOrEqual(t, bytes, 3*windowSpan, "the window used last, besides what may be held")
	}
}

func TestWindows_AreReadOnceForAllSessions(t *testing.T) {
	t.Parallel()
	l := &shelf{size: 1}
	l.head.Store(20 * windowSpan)
	w := newWindows(1<<30, l.read)
	var all sync.WaitGroup
	errs := make(chan error, 50)
	for range cap(errs) {
		all.Go(func() {
			buf := make([]*entry, scanChunk)
			for at := int64(0); at < l.head.Load(); {
				n := w.after(at, buf)
				if n > 0 {
					at = buf[n-1].position()
				} else if err := w.fetch(context.Background(), at); err != nil {
					errs <- err
					return
				}
			}
		})
	}
	all.Wait()
	require.Empty(t, errs)
	require.Equal(t, int64(20), l.reads.Load())
}

func TestWindows_ReportAShrunkLedgerAndDropTheOldOne(t *testing.T) {
	t.Parallel()
	l := &shelf{size: 1}
	l.head.Store(3)
	w := newWindows(1<<20, l.read)
	require.NoError(t, w.fetch(t.Context(), 0))
	require.ErrorIs(t, w.fetch(t.Context(), 3), errShrunk)

	begun, replaced := make(chan struct{}), make(chan struct{})
	slow := newWindows(1<<20, func(ctx context.Context, after int64, limit int32) ([]*entry, error) {
		close(begun)
		<-replaced
		return l.read(ctx, after, limit)
	})
	done := make(chan error, 1)
	go func() { done <- slow.fetch(context.Background(), 0) }()
	<-begun
	slow.forget()
	close(replaced)
	require.NoError(t, <-done)
	require.Zero(t, slow.after(0, make([]*entry, 1)), "it was begun before the ledger was replaced")
}

func TestWindows_ReturnTheErrorToEveryWaiterAndRetry(t *testing.T) {
	t.Parallel()
	l := &shelf{size: 1}
	l.head.Store(3)
	away := errors.New("away")
	fail := true
	w := newWindows(1<<20, func(ctx context.Context, after int64, limit int32) ([]*entry, error) {
		if fail {
			return nil, away
		}
		return l.read(ctx, after, limit)
	})
	require.ErrorIs(t, w.fetch(t.Context(), 0), away)
	fail = false
	require.NoError(t, w.fetch(t.Context(), 0))
	require.Equal(t, 3, w.after(0, make([]*entry, 5)))
}

func TestWindows_LeaveNoHoleIfOneIsDroppedDuringARead(t *testing.T) {
	t.Parallel()
	l := &shelf{size: 1}
	l.head.Store(500)
	begun, evicted := make(chan struct{}), make(chan struct{})
	w := newWindows(windowSpan, func(ctx context.Context, after int64, limit int32) ([]*entry, error) {
		if after == 500 {
			close(begun)
			<-evicted
		}
		return l.read(ctx, after, limit)
	})
	require.NoError(t, w.fetch(t.Context(), 0))
	l.head.Store(3 * windowSpan)
	done := make(chan error, 1)
	go func() { done <- w.fetch(context.Background(), 500) }()
	<-begun
	require.NoError(t, w.fetch(t.Context(), 2*windowSpan))
	close(evicted)
	require.NoError(t, <-done)
	require.Zero(t, w.after(0, make([]*entry, 1)), "its beginning is not held any more")
	require.NoError(t, w.fetch(t.Context(), 0))
	buf := make([]*entry, 1)
	require.Equal(t, 1, w.after(0, buf))
	require.Equal(t, int64(1), buf[0].position())
}
