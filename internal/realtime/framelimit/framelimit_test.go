package framelimit

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/time/rate"
)

// wire is a frame as a client sends it (RFC 6455, section 5.2).
func wire(opcode byte, size int) []byte {
	b := []byte{opcode}
	switch {
	case size < 126:
		b = append(b, 0x80|byte(size))
	case size < 1<<16:
		b = binary.BigEndian.AppendUint16(append(b, 0x80|126), uint16(size))
	default:
		b = binary.BigEndian.AppendUint64(append(b, 0x80|127), uint64(size))
	}
	return append(append(b, 0x89, 0x80, 0x8a, 0x80), bytes.Repeat([]byte{0x89}, size)...)
}

func TestMeter_CountsEveryFrameInAnyChunks(t *testing.T) {
	t.Parallel()
	const frames = 60
	opcodes, sizes := []byte{0x89, 0x8a, 0x81, 0x00}, []int{0, 1, 125, 126, 127, 65535, 65536, 70000}
	var sent []byte
	for i := range frames {
		sent = append(sent, wire(opcodes[i%len(opcodes)], sizes[rand.N(len(sizes))])...)
	}
	for burst, want := range map[int][]bool{frames: nil, frames - 1: {false}, frames - 3: {true}} {
		var calls []bool
		m := meter{limiter: rate.NewLimiter(0, burst), exceeded: func(control bool) { calls = append(calls, control) }}
		good := true
		for rest := sent; len(rest) > 0; {
			n := min(len(rest), 1+rand.N(40))
			good = m.read(rest[:n]) && good
			rest = rest[n:]
		}
		require.Equal(t, want, calls, "once, about frame %d: whether it was a control frame", burst+1)
		require.Equal(t, want == nil, good)
	}
}
