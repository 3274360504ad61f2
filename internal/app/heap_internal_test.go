package app

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestHeap_IsQuietInAServiceThatAllocatesLittleAndCollectsNothing(t *testing.T) {
	t.Parallel()
	before := heap{live: 40, allocated: 1000, collections: 7}
	require.True(t, heap{live: 40, allocated: 1009, collections: 7}.quietSince(before))
	require.False(t, heap{live: 40, allocated: 1010, collections: 7}.quietSince(before), "it is at work")
	require.False(t, heap{live: 40, allocated: 1009, collections: 8}.quietSince(before), "the garbage was just collected")
}

func TestReadHeap_ReadsWhatTheRuntimeReports(t *testing.T) {
	t.Parallel()
	before := readHeap()
	block := make([]byte, 1<<20)
	after := readHeap()
	require.GreaterOrEqual(t, after.allocated-before.allocated, uint64(len(block)))
}
