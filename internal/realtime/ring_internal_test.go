package realtime

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"carewire/internal/ledger"
)

func TestRing_ReturnsTheNextEventsOrReportsThatItForgotThem(t *testing.T) {
	t.Parallel()
	const size = 7
	r := newRing(size, 1<<20)
	r.reset(ledger.Cursor{Epoch: 1, Position: 40})
	head, held := int64(40), int64(0)
	buf := make([]*entry, 3)
	for range 50 {
		var batch []*entry
		for range rand.N(2 * size) {
			head, held = head+1, min(held+1, size)
			batch = append(batch, &entry{place: ledger.Cursor{Position: head}, size: 1})
		}
		r.append(batch)
		require.Equal(t, head, r.newest().Position)
		for position := int64(38); position < head+2; position++ {
			n, inRing := r.after(position, buf)
			require.Equal(t, position >= head-held, inRing, "position %d of %d", position, head)
			if !inRing {
				require.Zero(t, n)
				continue
			}
			require.Equal(t, max(0, min(int64(len(buf)), head-position)), int64(n))
			for i, e := range buf[:n] {
				require.Equal(t, position+1+int64(i), e.position())
			}
		}
	}
}

func TestRing_KnowsTheCursorsOfItsEvents(t *testing.T) {
	t.Parallel()
	at := func(epoch int32, position int64, hash byte) ledger.Cursor {
		return ledger.Cursor{Epoch: epoch, Position: position, Hash: [8]byte{hash}}
	}
	r := newRing(3, 1<<20)
	r.reset(at(2, 4, 4))
	require.False(t, r.has(at(2, 4, 4)), "the event before the first one is not in the ring")
	for position := int64(5); position <= 8; position++ {
		r.append([]*entry{{place: at(2, position, byte(position)), size: 1}})
	}
	for position := int64(6); position <= 8; position++ {
		require.True(t, r.has(at(2, position, byte(position))))
	}
	require.False(t, r.has(at(2, 5, 5)), "forgotten")
	require.False(t, r.has(at(2, 9, 9)), "not read yet")
	require.False(t, r.has(at(2, 7, 9)), "of another history")
	require.False(t, r.has(at(1, 7, 7)), "of an earlier epoch")
	r.setHead(at(3, 8, 8))
	require.False(t, r.has(at(2, 7, 7)), "of an epoch that has ended")
}
