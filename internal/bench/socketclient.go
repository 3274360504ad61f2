package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gorilla/websocket"
)

const (
	// dialers is the number of sockets that connect at once.
	dialers = 64
	// socketBuffer is the client's buffer of each socket.
	socketBuffer = 4 << 10
)

// crowd is many sockets of one instance, read by this process.
type crowd struct {
	sockets []*socket
	// received is the number of events of new records that all sockets have received.
	received atomic.Int64
	buffers  sync.Pool

	mu sync.Mutex
	// late has the time from an event until it was received, for all received events, if it is not nil.
	late map[time.Duration]int
	// failed is the first reason for which a socket ended early, or missed an event.
	failed error
}

// socket is one client. Its cursor is that of a client that reconnects.
type socket struct {
	token  string
	cursor string
	conn   *websocket.Conn
	// frozen stops reading until the channel is closed, if there is one.
	frozen atomic.Pointer[chan struct{}]
	done   chan struct{}
}

// newCrowd returns n sockets that share the tokens, and are not connected.
func newCrowd(n int, tokens []string) *crowd {
	c := &crowd{buffers: sync.Pool{New: func() any { return new(bytes.Buffer) }}}
	for i := range n {
		c.sockets = append(c.sockets, &socket{token: tokens[i%len(tokens)]})
	}
	return c
}

// connect opens all sockets, each at its cursor, and reads them until they are closed.
func (c *crowd) connect(ctx context.Context, s *service) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	next := make(chan *socket)
	var running sync.WaitGroup
	for range dialers {
		running.Go(func() {
			for one := range next {
				if err := c.open(ctx, s, one); err != nil {
					cancel(err)
				}
			}
		})
	}
	for _, one := range c.sockets {
		select {
		case next <- one:
		case <-ctx.Done():
		}
	}
	close(next)
	running.Wait()
	return context.Cause(ctx)
}

func (c *crowd) open(ctx context.Context, s *service, one *socket) error {
	address := strings.Replace(s.url, "http", "ws", 1) + "/api/socket"
	if one.cursor != "" {
		address += "?cursor=" + url.QueryEscape(one.cursor)
	}
	dialer := websocket.Dialer{
		Subprotocols: []string{"carewire.v1"}, HandshakeTimeout: startTimeout, ReadBufferSize: socketBuffer,
		WriteBufferPool: &writeBuffers, NetDialContext: (&net.Dialer{}).DialContext,
	}
	conn, res, err := dialer.DialContext(ctx, address, http.Header{"Authorization": {"Bearer " + one.token}})
	if err != nil {
		if res != nil {
			err = fmt.Errorf("%w: %s", err, res.Status)
		}
		return fmt.Errorf("open a socket: %w", err)
	}
	_ = res.Body.Close()
	// A pong that is late on a busy machine is no failure.
	conn.SetPingHandler(func(data string) error {
		_ = conn.WriteControl(websocket.PongMessage, []byte(data), time.Now().Add(startTimeout))
		return nil
	})
	one.conn, one.done = conn, make(chan struct{})
	go c.read(one)
	return nil
}

var writeBuffers sync.Pool

// read reads a socket until it is closed.
func (c *crowd) read(one *socket) {
	defer close(one.done)
	buf := c.buffers.Get().(*bytes.Buffer)
	defer c.buffers.Put(buf)
	for {
		if thaw := one.frozen.Load(); thaw != nil {
			<-*thaw
		}
		_, r, err := one.conn.NextReader()
		if err == nil {
			buf.Reset()
			_, err = io.Copy(buf, r)
		}
		if err == nil {
			err = c.take(one, buf.Bytes())
		}
		switch {
		case err == nil:
		case websocket.IsCloseError(err, websocket.CloseGoingAway), errors.Is(err, net.ErrClosed):
			return
		default:
			c.fail(err)
			return
		}
	}
}

// take reads a frame: its cursors and the number and time of its events. The events of a frame count as
// old as its first one.
func (c *crowd) take(one *socket, frame []byte) error {
	now := time.Now()
	if cursor, ok := text(frame, `{"type":"hello","cursor":"`); ok {
		one.cursor = cursor
		return nil
	}
	from, ok := text(frame, `{"type":"events","from":"`)
	if !ok {
		if bytes.HasPrefix(frame, []byte(`{"type":"resync"`)) {
			return fmt.Errorf("a socket was refused its cursor: %s", frame)
		}
		return nil
	}
	if from != one.cursor {
		return errors.New("a frame does not begin where the previous one ended")
	}
	one.cursor, _ = text(frame, `"to":"`)
	n := bytes.Count(frame, []byte(`"type":"ehr.lab_report.created"`))
	if n == 0 {
		return nil
	}
	if at, ok := text(frame, `"time":"`); ok && c.timed() {
		began, err := time.Parse(time.RFC3339Nano, at)
		if err != nil {
			return err
		}
		c.mu.Lock()
		c.late[now.Sub(began)] += n
		c.mu.Unlock()
	}
	c.received.Add(int64(n))
	return nil
}

// text returns the text between the prefix and the next quote, of which the first is meant.
func text(frame []byte, prefix string) (string, bool) {
	_, rest, ok := bytes.Cut(frame, []byte(prefix))
	if !ok {
		return "", false
	}
	value, _, ok := bytes.Cut(rest, []byte(`"`))
	return string(value), ok
}

func (c *crowd) timed() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.late != nil
}

// time begins to record how old events are when they are received.
func (c *crowd) time() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.late = map[time.Duration]int{}
}

// times ends the recording and returns the percentiles.
func (c *crowd) times(percentiles ...int) []time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	var all []time.Duration
	for took, n := range c.late {
		for range n {
			all = append(all, took)
		}
	}
	c.late = nil
	list := make([]time.Duration, len(percentiles))
	for i, p := range percentiles {
		list[i] = percentile(all, p)
	}
	return list
}

func (c *crowd) fail(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.failed == nil {
		c.failed = err
	}
}

// await waits until the sockets have received n events of new records in total.
func (c *crowd) await(ctx context.Context, n int64) error {
	deadline := time.Now().Add(2 * time.Minute)
	for c.received.Load() < n {
		if err := c.err(); err != nil {
			return err
		}
		if ctx.Err() != nil || time.Now().After(deadline) {
			return errors.Join(fmt.Errorf("the sockets received %d events, want %d", c.received.Load(), n), ctx.Err())
		}
		wait(ctx, time.Millisecond)
	}
	if got := c.received.Load(); got != n {
		return fmt.Errorf("the sockets received %d events, want %d", got, n)
	}
	return c.err()
}

func (c *crowd) err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.failed
}

// ended waits until the instance has closed every socket.
func (c *crowd) ended(ctx context.Context) error {
	for _, one := range c.sockets {
		select {
		case <-one.done:
			_ = one.conn.Close()
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return c.err()
}

// close closes every socket from this side.
func (c *crowd) close() {
	for _, one := range c.sockets {
		if one.conn != nil {
			_ = one.conn.Close()
			<-one.done
		}
	}
}
