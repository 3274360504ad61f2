package realtime_test

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"

	"carewire/internal/care"
	"carewire/internal/event"
	"carewire/internal/realtime"
)

func TestServe_RefusesBeforeTheUpgrade(t *testing.T) {
	t.Parallel()
	b := setup(t, func(c *realtime.Config) {
		c.Limits.ConnectionsPerUser, c.Limits.RoomsPerSession = 2, 3
		c.Limits.PongWait = time.Hour // The nurse's clients do not read, and the cases below may have to wait for their turn.
	})
	host := strings.TrimPrefix(b.url, "ws://")
	b.dial(t, b.nurse)
	b.dial(t, b.nurse)
	for name, tc := range map[string]struct {
		who     uuid.UUID
		options []option
		status  int
	}{
		"a foreign page":                 {b.patient, []option{origin("https://evil.example")}, 403},
		"a page whose name only ends so": {b.patient, []option{origin("https://evil-app.example")}, 403},
		"another scheme":                 {b.patient, []option{origin("http://app.example")}, 403},
		"a sandboxed page":               {b.patient, []option{origin("null")}, 403},
		"other subprotocols":             {b.patient, []option{protocols("graphql-ws", "carewire.v2")}, 400},
		"nobody":                         {uuid.Nil, nil, 403},
		"a person without a role":        {b.person(t, b.here), nil, 403},
		"too many sockets":               {b.nurse, nil, 429},
		"too many rooms":                 {b.patient, []option{rooms("a", "b", "c", "d")}, 422},
		"an allowed page":                {b.patient, []option{origin("https://app.example")}, 101},
		"the service's own page":         {b.stranger, []option{origin("http://" + host)}, 101},
		"no subprotocol":                 {b.doctor, []option{protocols()}, 101},
		"ours among others":              {b.doctor, []option{protocols("mqtt", realtime.Subprotocol)}, 101},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			conn, resp, err := b.try(tc.who, tc.options...)
			require.Equal(t, tc.status, resp.StatusCode)
			_ = resp.Body.Close()
			if tc.status == 101 {
				require.NoError(t, err)
				require.NoError(t, conn.Close())
			}
			if name == "ours among others" {
				require.Equal(t, realtime.Subprotocol, conn.Subprotocol())
			}
		})
	}
	resp, err := http.Get("http" + strings.TrimPrefix(b.url, "ws"))
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	require.Equal(t, 400, resp.StatusCode, "not a handshake")
}

func TestServe_ReturnsTheReservationWhenASocketEnds(t *testing.T) {
	t.Parallel()
	b := setup(t, func(c *realtime.Config) { c.Limits.ConnectionsPerUser = 1 })
	require.NoError(t, b.dial(t, b.patient).conn.Close())
	require.Eventually(t, func() bool {
		conn, resp, err := b.try(b.patient)
		_ = resp.Body.Close()
		return err == nil && conn != nil
	}, patience, 5*time.Millisecond)
}

func TestSession_AnswersMalformedMessagesAndStaysOpen(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for name, tc := range map[string]struct{ send, id, code, field string }{
		"no JSON":          {"{", "", "malformed", ""},
		"no object":        {`"subscribe"`, "", "malformed", ""},
		"no type":          {`{"id":"1","room":"x"}`, "1", "invalid", "type"},
		"unknown type":     {`{"type":"publish","id":"1"}`, "1", "invalid", "type"},
		"no id":            {`{"type":"subscribe","room":"x"}`, "", "invalid", "id"},
		"id is a number":   {`{"type":"subscribe","id":7}`, "", "invalid", "id"},
		"id too long":      {`{"type":"subscribe","id":"` + strings.Repeat("x", 101) + `"}`, "", "invalid", "id"},
		"room is a list":   {`{"type":"subscribe","id":"1","room":[]}`, "1", "invalid", "room"},
		"no room":          {`{"type":"subscribe","id":"1"}`, "1", "invalid", "room"},
		"unknown room":     {`{"type":"subscribe","id":"1","room":"ward:7"}`, "1", "invalid", "room"},
		"no UUID":          {`{"type":"unsubscribe","id":"1","room":"patient:7"}`, "1", "invalid", "room"},
		"another UUIDform": {`{"type":"subscribe","id":"1","room":"patient:urn:uuid:` + b.patient.String() + `"}`, "1", "invalid", "room"},
		"leave oneself":    {`{"type":"unsubscribe","id":"1","room":"user:` + b.patient.String() + `"}`, "1", "invalid", "room"},
		"no token":         {`{"type":"refresh","id":"1","token":" "}`, "1", "invalid", "token"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := b.dial(t, b.patient)
			require.NoError(t, c.conn.WriteMessage(websocket.TextMessage, []byte(tc.send)))
			f := c.control()
			require.Equal(t, []string{"error", tc.id, tc.code, tc.field}, []string{f.Type, f.ID, f.Code, f.Field}, f.Detail)
			require.NotEmpty(t, f.Detail)
			require.NoError(t, c.conn.WriteMessage(websocket.BinaryMessage, []byte("x")))
			require.Equal(t, "malformed", c.control().Code)
			c.says(ask{Type: "subscribe", ID: "ok", Room: "patient:" + b.patient.String()})
			require.Equal(t, "subscribed", c.control().Type)
		})
	}
}

func TestSession_ClosesWhenAMessageIsTooLargeOrThereAreTooMany(t *testing.T) {
	t.Parallel()
	b := setup(t, func(c *realtime.Config) { c.Limits.MessageBurst, c.Limits.MessagesPerSecond = 10, 0.001 })
	large := b.dial(t, b.patient)
	require.NoError(t, large.conn.WriteMessage(websocket.TextMessage, bytes.Repeat([]byte("x"), 17<<10)))
	large.closes(1009)

	many := b.dial(t, b.patient)
	for range 11 {
		many.says(ask{Type: "subscribe", ID: "1", Room: "patient:" + b.patient.String()})
	}
	many.closes(4429)
}

func TestSession_ClosesAClientThatSendsRequestsWithoutReading(t *testing.T) {
	t.Parallel()
	b := setup(t, unhurried, func(c *realtime.Config) { c.Limits.MessageBurst = 1_000_000 })
	msg := []byte(`{"type":"subscribe","id":"` + strings.Repeat("x", 100) + `","room":"patient:` + b.patient.String() + `"}`)
	var err error
	for range 20 {
		c := b.dial(t, b.patient, narrow)
		for err = nil; err == nil && b.hub.Stats().Sessions > 0; {
			require.NoError(t, c.conn.SetWriteDeadline(time.Now().Add(2*time.Second)))
			err = c.conn.WriteMessage(websocket.TextMessage, msg)
		}
		_ = c.conn.Close()
		require.Eventually(t, func() bool { return b.hub.Stats().Sessions == 0 }, patience, time.Millisecond)
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			return
		}
		// A full receive buffer can also drop what acknowledges the client's requests: it sends no more, and is not cut off for
		// their number.
	}
	require.NoError(t, err, "the client was not cut off")
}

func TestSession_LimitsThePatientsItWatches(t *testing.T) {
	t.Parallel()
	b := setup(t, func(c *realtime.Config) { c.Limits.RoomsPerSession = 1 })
	b.exec(t, "INSERT INTO care_team (patient_id, clinic_id, member_id) VALUES ($1, $2, $3)", b.stranger, b.here, b.doctor)
	c := b.dial(t, b.doctor)
	for _, step := range []struct{ typ, room, want string }{
		{"subscribe", b.patient.String(), ""},
		{"subscribe", b.patient.String(), ""},
		{"subscribe", b.stranger.String(), "rate_limited"},
		{"unsubscribe", b.patient.String(), ""},
		{"subscribe", b.stranger.String(), ""},
	} {
		c.says(ask{Type: step.typ, ID: "1", Room: "patient:" + step.room})
		require.Equal(t, step.want, c.control().Code)
	}
}

func TestHub_DropsAPeerThatDoesNotAnswerPings(t *testing.T) {
	t.Parallel()
	b := setup(t, func(c *realtime.Config) {
		c.Limits.PingPeriod, c.Limits.PongWait = 100*time.Millisecond, 1500*time.Millisecond
	})
	dead, alive := b.dial(t, b.patient), b.dial(t, b.doctor)
	dead.conn.SetPingHandler(func(string) error { return nil })
	go func() { _, _, _ = dead.conn.ReadMessage() }() // It reads the pings and does not answer them.
	ended := make(chan error, 1)
	go func() {
		_, _, err := alive.conn.ReadMessage()
		ended <- err
	}()
	require.Eventually(t, func() bool { return b.hub.Stats().Sessions == 1 }, patience, 5*time.Millisecond)
	require.Empty(t, ended, "the one that answers stays")
	require.NoError(t, alive.conn.Close())
	require.Error(t, <-ended)
}

func TestHub_AdvancesTheCursorOfASessionWithoutEvents(t *testing.T) {
	t.Parallel()
	b := setup(t, func(c *realtime.Config) {
		c.Limits.Tick, c.Limits.AdvanceAfter = 5*time.Millisecond, 10*time.Millisecond
	})
	c := b.dial(t, b.patient)
	b.append(t, b.report(b.stranger, b.here), b.report(b.stranger, b.here))
	for {
		f := c.next()
		require.Equal(t, "events", f.Type)
		require.Empty(t, f.Events)
		at, err := b.codec.Decode(f.To)
		require.NoError(t, err)
		if at.Position == 2 {
			break
		}
	}
	mine := b.report(b.patient, b.here)
	b.append(t, mine)
	c.gets(mine)
}

func TestHub_AClientThatDoesNotReadDelaysNoOtherAndLosesNothing(t *testing.T) {
	t.Parallel()
	b := setup(t, unhurried, func(c *realtime.Config) { c.Limits.RingEvents = 500 })
	lazy, quick := b.dial(t, b.doctor, narrow), b.dial(t, b.doctor)
	var sent []event.Event
	for range 8 {
		var batch []event.Event
		for range 500 {
			batch = append(batch, b.report(b.patient, b.here))
		}
		b.append(t, batch...)
		sent = append(sent, batch...)
		quick.gets(batch...)
	}
	// It begins to read when the ring has forgotten most of the missed events.
	lazy.gets(sent...)
}

func TestHub_SmallFramesThatTheNetworkDoesNotAcceptAtOnceFollow(t *testing.T) {
	t.Parallel()
	b := setup(t, unhurried)
	lazy, quick := b.dial(t, b.doctor, narrow), b.dial(t, b.doctor)
	var sent []event.Event
	for range 600 { // One by one, each is a small frame.
		one := b.report(b.patient, b.here)
		b.append(t, one)
		quick.gets(one)
		sent = append(sent, one)
	}
	require.Positive(t, b.hub.Stats().FlightBytes, "the network is full")
	lazy.gets(sent...)
	require.Eventually(t, func() bool { return b.hub.Stats().FlightBytes == 0 }, patience, time.Millisecond)
}

func TestShutdown_ClosesEverySocketAsGoingAwayAndRefusesNewOnes(t *testing.T) {
	t.Parallel()
	b := setup(t)
	doctor, patient := b.dial(t, b.doctor), b.dial(t, b.patient)
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- b.hub.Shutdown(ctx) }()
	doctor.closes(1001)
	patient.closes(1001)
	require.NoError(t, <-done)
	require.Zero(t, b.hub.Stats())
	require.Equal(t, 503, b.refused(t, b.doctor))
}

func TestShutdown_CutsUnresponsiveClientsAtTheDeadline(t *testing.T) {
	t.Parallel()
	b := setup(t)
	c := b.dial(t, b.doctor, narrow)
	var many []event.Event
	for range 2000 {
		many = append(many, b.report(b.patient, b.here))
	}
	b.append(t, many...)
	require.Equal(t, "events", c.next().Type) // The frames behind this one fill the connection.
	ctx, cancel := context.WithTimeout(context.Background(), 200*time.Millisecond)
	defer cancel()
	require.ErrorIs(t, b.hub.Shutdown(ctx), context.DeadlineExceeded)
	require.Zero(t, b.hub.Stats().Sessions)
}

func TestNew_NamesTheMissingFields(t *testing.T) {
	t.Parallel()
	_, err := realtime.New(realtime.Config{})
	require.ErrorContains(t, err, "Config.Pool")
	require.ErrorContains(t, err, "Config.Authorizer")
	require.Empty(t, care.CodeOf(err))
}
