package realtime_test

import (
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"

	"carewire/internal/realtime"
)

func TestSession_ClosesWhenTooManyFramesOfAnyKindCome(t *testing.T) {
	t.Parallel()
	b := setup(t, func(c *realtime.Config) { c.Limits.MessageBurst, c.Limits.MessagesPerSecond = 10, 0.001 })
	control := func(typ int) func(c *client) error {
		return func(c *client) error { return c.conn.WriteControl(typ, []byte("x"), time.Now().Add(patience)) }
	}
	raw := func(frame ...byte) func(c *client) error {
		return func(c *client) error {
			_, err := c.conn.NetConn().Write(frame)
			return err
		}
	}
	for name, tc := range map[string]struct {
		send func(c *client) error
		code int
	}{
		"pings":           {control(websocket.PingMessage), 1008},
		"pongs":           {control(websocket.PongMessage), 1008},
		"empty pings":     {raw(0x89, 0x80, 0, 0, 0, 0), 1008},
		"binary messages": {func(c *client) error { return c.conn.WriteMessage(websocket.BinaryMessage, nil) }, 4429},
		"no JSON":         {func(c *client) error { return c.conn.WriteMessage(websocket.TextMessage, []byte("{")) }, 4429},
		"subscriptions": {func(c *client) error {
			return c.conn.WriteJSON(ask{Type: "subscribe", ID: "1", Room: "patient:" + b.stranger.String()})
		}, 4429},
		"refreshes": {func(c *client) error { return c.conn.WriteJSON(ask{Type: "refresh", ID: "1", Token: "made up"}) }, 4429},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := b.dial(t, b.doctor)
			for range 11 {
				require.NoError(t, tc.send(c))
			}
			c.closes(tc.code)
		})
	}
	t.Run("fragments of one message", func(t *testing.T) {
		t.Parallel()
		c := b.dial(t, b.doctor)
		require.NoError(t, raw(0x01, 0x80, 0, 0, 0, 0)(c))
		for range 10 {
			require.NoError(t, raw(0x00, 0x80, 0, 0, 0, 0)(c))
		}
		c.closes(4429)
	})
	t.Run("pings and messages together", func(t *testing.T) {
		t.Parallel()
		c := b.dial(t, b.doctor)
		for range 5 {
			require.NoError(t, control(websocket.PingMessage)(c))
			c.says(ask{Type: "unsubscribe", ID: "1", Room: "patient:" + b.patient.String()})
		}
		require.NoError(t, control(websocket.PongMessage)(c))
		c.closes(1008)
	})
}

func TestSession_AnswersThePingsOfAClientThatSendsFew(t *testing.T) {
	t.Parallel()
	b := setup(t)
	c := b.dial(t, b.doctor)
	var pongs int
	c.conn.SetPongHandler(func(string) error { pongs++; return nil })
	for range 100 {
		require.NoError(t, c.conn.WriteControl(websocket.PingMessage, nil, time.Now().Add(patience)))
	}
	c.says(ask{Type: "unsubscribe", ID: "1", Room: "patient:" + b.patient.String()})
	require.Equal(t, "unsubscribed", c.control().Type)
	require.Equal(t, 100, pongs)
}

func TestSession_CutsOffAClientThatFloodsWithoutReading(t *testing.T) {
	t.Parallel()
	b := setup(t, func(c *realtime.Config) { c.Limits.WriteWait = time.Hour })
	c := b.dial(t, b.doctor, narrow)
	for i := 0; c.conn.WriteControl(websocket.PingMessage, make([]byte, 100), time.Now().Add(patience)) == nil; i++ {
		require.Less(t, i, 1_000_000)
	}
	require.Eventually(t, func() bool { return b.hub.Stats().Sessions == 0 }, patience, time.Millisecond)
}
