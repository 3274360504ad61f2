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
	// garbageShare is the share of the live heap that has to be allocated since the last collection
	// before a collection is worth its time.
	garbageShare = 4
)

// heap is the state of Go's heap, from runtime/metrics.
type heap struct {
	// live is what the last collection left, in bytes.
	live uint64
	// allocated is in bytes, since the start.
	allocated uint64
	// collections is their number, since the start.
	collections uint64
}

func readHeap() heap {
	samples := []runtimemetrics.Sample{{Name: "/gc/heap/live:bytes"}, {Name: "/gc/heap/allocs:bytes"}, {Name: "/gc/cycles/total:gc-cycles"}}
	runtimemetrics.Read(samples)
	return heap{live: samples[0].Value.Uint64(), allocated: samples[1].Value.Uint64(), collections: samples[2].Value.Uint64()}
}

// returnMemory gives the memory that a load has left behind back to the system once the service is
// quiet, until ctx ends. Go collects garbage in proportion to what is allocated, so that the garbage
// of the start, which is twice the live memory, or of a thousand handshakes would stay for up to two
// minutes, and its pages for longer.
func returnMemory(ctx context.Context) {
	tick := time.NewTicker(heapInterval)
	defer tick.Stop()
	before := readHeap()
	var collected heap // At the last collection; what the start has allocated counts as garbage.
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		now := readHeap()
		if now.collections != before.collections {
			collected = now
		}
		if quiet(before, now) && now.allocated-collected.allocated > now.live/garbageShare {
			debug.FreeOSMemory() // Collects first.
			now = readHeap()
			collected = now
		}
		before = now
	}
}

// quiet reports whether little was allocated between the two states.
func quiet(before, now heap) bool {
	return now.collections == before.collections && now.allocated-before.allocated < now.live/garbageShare
}
