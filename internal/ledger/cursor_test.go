package ledger_test

import (
	"math"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"carewire/internal/care"
	"carewire/internal/ledger"
)

func TestCodec_DecodesTheCursorItEncoded(t *testing.T) {
	t.Parallel()
	codec := ledger.NewCodec([]byte("key"))
	for _, c := range []ledger.Cursor{
		{},
		{Epoch: 1, Position: 42, Hash: [8]byte{1, 2, 3, 4, 5, 6, 7, 8}},
		{Epoch: math.MaxInt32, Position: math.MaxInt64, Hash: [8]byte{255, 255, 255, 255, 255, 255, 255, 255}},
	} {
		text := codec.Encode(c)
		require.Regexp(t, `^[A-Za-z0-9_-]{50}$`, text)
		got, err := codec.Decode(text)
		require.NoError(t, err)
		require.Equal(t, c, got)
	}
}

func TestCodec_RefusesTextsItDidNotEncode(t *testing.T) {
	t.Parallel()
	codec := ledger.NewCodec([]byte("key"))
	good := codec.Encode(ledger.Cursor{Epoch: 1, Position: 42})
	bad := []string{
		"", "x", "42", good + "A", good[:len(good)-1], good + "==", " " + good, good + "\n", good[:49] + "\n", strings.Repeat("A", 50),
		ledger.NewCodec([]byte("another key")).Encode(ledger.Cursor{Epoch: 1, Position: 42}),
	}
	for i := range good { // Every character counts, in both halves.
		for _, c := range []byte{'A', 'B', '-', '_'} {
			if forged := good[:i] + string(c) + good[i+1:]; forged != good {
				bad = append(bad, forged)
			}
		}
	}
	for _, text := range bad {
		_, err := codec.Decode(text)
		require.Equal(t, care.Invalid, care.CodeOf(err), "%q", text)
		require.ErrorContains(t, err, "cursor")
	}
}

func FuzzCodecDecode(f *testing.F) {
	codec := ledger.NewCodec([]byte("key"))
	f.Add("")
	f.Add("not a cursor")
	f.Add(codec.Encode(ledger.Cursor{}))
	f.Add(codec.Encode(ledger.Cursor{Epoch: 3, Position: 1 << 40, Hash: [8]byte{9}}))
	f.Add(ledger.NewCodec(nil).Encode(ledger.Cursor{Epoch: 3}))
	f.Fuzz(func(t *testing.T, text string) {
		c, err := codec.Decode(text)
		if err != nil {
			require.Equal(t, care.Invalid, care.CodeOf(err))
			require.Zero(t, c)
			return
		}
		require.Equal(t, text, codec.Encode(c), "one cursor has one text")
	})
}

// FuzzCodec checks that every cursor decodes unchanged, and is refused with another key or after a
// flip of one bit.
func FuzzCodec(f *testing.F) {
	f.Add(int32(0), int64(0), []byte(nil), []byte(nil), uint16(0))
	f.Add(int32(1), int64(42), []byte{1, 2, 3, 4, 5, 6, 7, 8}, []byte("key"), uint16(7))
	f.Add(int32(math.MinInt32), int64(math.MinInt64), []byte{255}, []byte{0}, uint16(299))
	f.Fuzz(func(t *testing.T, epoch int32, position int64, hash, key []byte, bit uint16) {
		c := ledger.Cursor{Epoch: epoch, Position: position}
		copy(c.Hash[:], hash)
		codec := ledger.NewCodec(key)
		text := codec.Encode(c)
		got, err := codec.Decode(text)
		require.NoError(t, err)
		require.Equal(t, c, got)
		_, err = ledger.NewCodec(append([]byte("another "), key...)).Decode(text)
		require.Equal(t, care.Invalid, care.CodeOf(err))
		forged := []byte(text)
		forged[int(bit/8)%len(forged)] ^= 1 << (bit % 8)
		got, err = codec.Decode(string(forged))
		require.Equal(t, care.Invalid, care.CodeOf(err), "%q", forged)
		require.Zero(t, got)
	})
}

func TestResume_ReportsWhetherReadingCanContinue(t *testing.T) {
	t.Parallel()
	b := setup(t)
	empty, err := ledger.Head(t.Context(), b.App)
	require.NoError(t, err)
	require.Equal(t, ledger.Cursor{Epoch: 1}, empty)
	require.NoError(t, ledger.Resume(t.Context(), b.App, empty))
	b.publish(t, someEvents(3)...)
	head, err := ledger.Head(t.Context(), b.App)
	require.NoError(t, err)
	require.Equal(t, ledger.CursorOf(b.all(t)[2]), head)
	for name, tc := range map[string]struct {
		cursor ledger.Cursor
		reason string
	}{
		"the beginning":      {empty, ""},
		"the head":           {head, ""},
		"before the head":    {ledger.CursorOf(b.all(t)[1]), ""},
		"past the head":      {ledger.Cursor{Epoch: 1, Position: 4, Hash: head.Hash}, ledger.ReasonUnknownPosition},
		"another event":      {ledger.Cursor{Epoch: 1, Position: 2, Hash: head.Hash}, ledger.ReasonHistoryChanged},
		"a later epoch":      {ledger.Cursor{Epoch: 2, Position: 3, Hash: head.Hash}, ledger.ReasonEpoch},
		"no epoch":           {ledger.Cursor{Position: 3, Hash: head.Hash}, ledger.ReasonEpoch},
		"a hash of all zero": {ledger.Cursor{Epoch: 1, Position: 3}, ledger.ReasonHistoryChanged},
	} {
		err := ledger.Resume(t.Context(), b.App, tc.cursor)
		if tc.reason == "" {
			require.NoError(t, err, name)
			continue
		}
		var resync *ledger.ResyncError
		require.ErrorAs(t, err, &resync, name)
		require.Equal(t, tc.reason, resync.Reason, name)
	}
}

func TestCursorKey_IsOneForAllInstances(t *testing.T) {
	t.Parallel()
	b := setup(t)
	keys := make([][]byte, 6)
	var instances sync.WaitGroup
	for i := range keys {
		instances.Go(func() {
			key, err := ledger.CursorKey(t.Context(), b.Worker)
			if err != nil {
				t.Error(err)
			}
			keys[i] = key
		})
	}
	instances.Wait()
	for _, key := range keys {
		require.Len(t, key, 32)
		require.Equal(t, keys[0], key)
	}
}
