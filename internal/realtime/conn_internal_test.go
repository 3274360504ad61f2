package realtime

import (
	"bytes"
	"io"
	"net"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// large is a frame that no network buffer has room for.
var large = bytes.Repeat([]byte("x"), 64<<20)

// dialConn returns the two ends of a TCP connection.
func dialConn(t *testing.T) (near *conn, far net.Conn) {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer func() { _ = l.Close() }()
	far, err = (&net.Dialer{}).DialContext(t.Context(), "tcp", l.Addr().String())
	require.NoError(t, err)
	under, err := l.Accept()
	require.NoError(t, err)
	t.Cleanup(func() { _, _ = under.Close(), far.Close() })
	return newConn(under, under), far
}

func TestConn_FinishesAFrameBeforeAnythingElse(t *testing.T) {
	t.Parallel()
	c, far := dialConn(t)
	rest, ok := c.try(large)
	require.True(t, ok)
	require.NotEmpty(t, rest)
	_, ok = c.try([]byte("other"))
	require.False(t, ok)
	require.NoError(t, c.SetWriteDeadline(time.Now().Add(time.Millisecond)))
	_, err := c.Write([]byte("late"))
	require.ErrorIs(t, err, os.ErrDeadlineExceeded)

	require.NoError(t, c.SetWriteDeadline(time.Now().Add(time.Minute)))
	written := make(chan error, 2)
	go func() {
		_, err := c.Write([]byte("behind"))
		written <- err
	}()
	go func() { written <- c.finish(rest, time.Minute) }()
	got := make([]byte, len(large)+len("behind"))
	_, err = io.ReadFull(far, got)
	require.NoError(t, err)
	require.True(t, bytes.Equal(large, got[:len(large)]))
	require.Equal(t, "behind", string(got[len(large):]))
	require.NoError(t, <-written)
	require.NoError(t, <-written)
}

func TestSession_ReturnsTheCreditOfAFrameOnceItsRestIsWritten(t *testing.T) {
	t.Parallel()
	c, far := dialConn(t)
	h := &Hub{limits: Limits{}.withDefaults(), frames: newFrames(1<<20, 1<<20)}
	s := &session{hub: h, conn: c}
	s.flying = append(s.flying, h.frames.take("a", "b", collect(t, visible(t, 1)...)))
	rest, ok := c.try(large)
	require.True(t, ok)
	s.finish(rest)
	require.Positive(t, h.frames.flying.Load())
	_, err := io.ReadFull(far, make([]byte, len(large)))
	require.NoError(t, err)
	h.open.Wait()
	require.Zero(t, h.frames.flying.Load())
	require.Empty(t, s.flying)
}

func TestConn_GivesUpAFrameThatIsNotAcceptedInTime(t *testing.T) {
	t.Parallel()
	c, _ := dialConn(t)
	rest, ok := c.try(large)
	require.True(t, ok)
	require.ErrorIs(t, c.finish(rest, time.Millisecond), os.ErrDeadlineExceeded)
}

func TestConn_WritesAtOnceAfterTheDeadlineOfAnotherWrite(t *testing.T) {
	t.Parallel()
	c, _ := dialConn(t)
	deadline := time.Now().Add(100 * time.Millisecond)
	require.NoError(t, c.SetWriteDeadline(deadline))
	_, err := c.Write([]byte("ping"))
	require.NoError(t, err)
	require.Eventually(t, func() bool { return time.Now().After(deadline) }, time.Minute, time.Millisecond)
	rest, ok := c.try([]byte("event"))
	require.True(t, ok)
	require.Empty(t, rest)
}

func TestConn_WritesNothingBehindACloseFrame(t *testing.T) {
	t.Parallel()
	c, _ := dialConn(t)
	_, err := c.Write([]byte{closeFrame, 0})
	require.NoError(t, err)
	_, ok := c.try([]byte("event"))
	require.False(t, ok)
}
