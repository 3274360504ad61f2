package realtime

import (
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"carewire/internal/event"
)

// visible returns entries of events that their person may see.
func visible(t *testing.T, n int) []*entry {
	t.Helper()
	person := uuid.New()
	list := make([]*entry, n)
	for i := range list {
		e, err := newEntry(&event.Event{
			ID: uuid.New(), Position: int64(i + 1), Type: "appointment.booked", Source: "/carewire", Subject: "appointment/1", PersonID: &person, Data: []byte("{}"),
		})
		require.NoError(t, err)
		list[i] = e
	}
	return list
}

// collect returns a frame of the entries, of which the last one was read last.
func collect(t *testing.T, entries ...*entry) *frame {
	t.Helper()
	f := &frame{}
	for _, e := range entries {
		f.add(e)
		f.last = e
	}
	return f
}

func TestFrames_AreEncodedOnceForEqualEventsFromTheSameCursor(t *testing.T) {
	t.Parallel()
	c, e := newFrames(1<<20, 1<<20), visible(t, 3)
	first, again := c.take("a", "b", collect(t, e...)), c.take("a", "b", collect(t, e...))
	require.Same(t, first, again)
	require.Equal(t, collect(t, e...).encode("a", "b"), first.encode())
	_ = again.encode()
	require.EqualValues(t, 1, c.encoded.Load())

	require.NotSame(t, first, c.take("a", "b", collect(t, e[0], e[2])), "another session sees less")
	require.NotSame(t, first, c.take("z", "b", collect(t, e...)), "another one begins elsewhere")
	require.NotSame(t, first, c.take("a", "c", collect(t, e...)), "another one has read further")
}

func TestFrames_CountAFrameInFlightOnce(t *testing.T) {
	t.Parallel()
	c, e := newFrames(1<<20, 100), visible(t, 1)
	first, again := c.take("a", "b", collect(t, e...)), c.take("a", "b", collect(t, e...))
	size := int64(first.size)
	require.EqualValues(t, maxFrameHeader+len(first.encode().json), size-1, "the upper bound counts a comma behind the last event")
	require.Equal(t, size, c.flying.Load())
	require.True(t, c.crowded())
	c.land(first)
	require.Equal(t, size, c.flying.Load(), "one session still has it")
	c.land(again)
	require.Zero(t, c.flying.Load())
	require.False(t, c.crowded())
	c.land(nil)
}

func TestFrames_ForgetTheOldestOnesAboveTheirLimit(t *testing.T) {
	t.Parallel()
	e := visible(t, 1)
	one := collect(t, e...).size("a", "b")
	c := newFrames(2*one, 1<<20)
	first := c.take("a", "b", collect(t, e...))
	second := c.take("b", "c", collect(t, e...))
	third := c.take("c", "d", collect(t, e...))
	require.Same(t, second, c.take("b", "c", collect(t, e...)))
	require.Same(t, third, c.take("c", "d", collect(t, e...)))
	require.NotSame(t, first, c.take("a", "b", collect(t, e...)))
	require.Len(t, c.order, 2)
	require.Len(t, c.byFrom, 2)

	large := c.take("d", strings.Repeat("e", 10*one), collect(t, e...))
	require.Equal(t, []*sharedFrame{large}, c.order, "the last one stays")
}

func TestFrames_TellWhereTheLargestFrameFromACursorEnds(t *testing.T) {
	t.Parallel()
	c, e := newFrames(1<<20, 1<<20), visible(t, 3)
	require.Zero(t, c.end("a", 0))
	small := c.take("a", "b", collect(t, e[0]))
	c.take("a", "d", collect(t, e...))
	c.take("a", "c", collect(t, e[:2]...))
	require.EqualValues(t, 3, c.end("a", 0))
	require.EqualValues(t, 3, c.end("a", small.size+1))
	require.Zero(t, c.end("a", 1<<20), "all are smaller")
}

func TestFrameWire_IsAWebSocketFrameOfTheText(t *testing.T) {
	t.Parallel()
	for n, header := range map[int]string{
		0: "\x81\x00", 125: "\x81\x7d", 126: "\x81\x7e\x00\x7e", 1<<16 - 1: "\x81\x7e\xff\xff", 1 << 16: "\x81\x7f\x00\x00\x00\x00\x00\x01\x00\x00",
	} {
		text := strings.Repeat("x", n)
		wire := frameWire(append(make([]byte, maxFrameHeader), text...))
		require.Equal(t, header+text, string(wire), "RFC 6455, section 5.2")
	}
}
