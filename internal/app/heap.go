package app

import (
	"context"
	"runtime/debug"
	runtimemetrics "runtime/metrics"
	"time"
)

const (
	// heapInterval is how often the heap is looked at.
	heapInterval = 5 * time.Second
	// garbageShare is the share of the live heap that has to be garbage, or free and not returned,
	// before a collection is worth its time.
	garbageShare = 4
)

// heap is the state of Go's heap, from runtime/metrics.
type heap struct {
	// live is what the last collection left, objects what there is now, garbage included, and free what
	// is free and not returned to the system; in bytes.
	live, objects, free uint64
	// allocated is in bytes, since the start.
	allocated uint64
	// collections is their number, since the start.
	collections uint64
}

func readHeap() heap {
	samples := []runtimemetrics.Sample{
		{Name: "/gc/heap/live:bytes"},
		{Name: "/memory/classes/heap/objects:bytes"},
		{Name: "/memory/classes/heap/free:bytes"},
		{Name: "/gc/heap/allocs:bytes"},
		{Name: "/gc/cycles/total:gc-cycles"},
	}
	runtimemetrics.Read(samples)
	return heap{
		live: samples[0].Value.Uint64(), objects: samples[1].Value.Uint64(), free: samples[2].Value.Uint64(),
		allocated: samples[3].Value.Uint64(), collections: samples[4].Value.Uint64(),
	}
}

// returnMemory gives the memory that a load has left behind back to the system once the service is
// quiet, until ctx ends. Go collects garbage in proportion to what is allocated, so that the garbage
// of the start, which is twice the live memory, or of a thousand handshakes would stay for up to two
// minutes, and its pages for longer.
func returnMemory(ctx context.Context) {
	tick := time.NewTicker(heapInterval)
	defer tick.Stop()
	for before := readHeap(); ; before = readHeap() {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if now := readHeap(); now.quietSince(before) && now.objects+now.free > now.live+now.live/garbageShare {
			debug.FreeOSMemory() // Collects first.
		}
	}
}

// quietSince reports whether little was allocated since an earlier state.
func (h heap) quietSince(before heap) bool {
	return h.collections == before.collections && h.allocated-before.allocated < h.live/garbageShare
}
