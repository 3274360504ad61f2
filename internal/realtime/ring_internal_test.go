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
