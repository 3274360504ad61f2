package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/gorilla/websocket"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"carewire/internal/postgres"
	"carewire/internal/postgres/embedded"
)

const (
	latencyWrites = 500
	latencyPause  = 20 * time.Millisecond // 50 writes a second.
	// settleDown is the maximum time for the last messages.
	settleDown = 30 * time.Second
)

// latency measures the time from the response to a write until its event is on a socket, and until
// the providers are called, at 50 writes a second with all roles and the default rules. The floor
// of both is one NOTIFY, and the read of a row by the connection that it wakes.
func latency(ctx context.Context, dir string) ([]Measure, error) {
	s, err := serveDemo(ctx, dir, "api,realtime,dispatch,work")
	if err != nil {
		return nil, err
	}
	defer s.stop()
	floor, err := notifyAndRead(ctx, s)
	if err != nil {
		return nil, fmt.Errorf("floor: %w", err)
	}
	who, err := s.cast(ctx)
	if err != nil {
		return nil, err
	}
	onSocket, acknowledged, err := writeAndListen(ctx, s, who)
	if err != nil {
		return nil, err
	}
	toSocket := since(acknowledged, onSocket)
	toProvider, err := providerCalls(ctx, s, acknowledged)
	if err != nil {
		return nil, err
	}
	base := millis(percentile(floor, 50))
	return []Measure{
		beside("commit to socket, 50 writes/s, p50", millis(percentile(toSocket, 50)), "ms", base),
		beside("commit to socket, 50 writes/s, p99", millis(percentile(toSocket, 99)), "ms", base),
		beside("commit to provider, 50 writes/s, p50", millis(percentile(toProvider, 50)), "ms", base),
		beside("commit to provider, 50 writes/s, p99", millis(percentile(toProvider, 99)), "ms", base),
	}, nil
}

// writeAndListen writes while the doctor's socket is open. It returns the times at which each
// subject's write was acknowledged and its event arrived on the socket.
func writeAndListen(ctx context.Context, s *service, who cast) (onSocket, acknowledged map[string]time.Time, err error) {
	dialer := websocket.Dialer{Subprotocols: []string{"carewire.v1"}}
	conn, res, err := dialer.DialContext(ctx, strings.Replace(s.url, "http", "ws", 1)+"/api/socket", http.Header{"Authorization": {"Bearer " + who.token}})
	if err != nil {
		return nil, nil, err
	}
	_ = res.Body.Close()
	defer func() { _ = conn.Close() }()

	onSocket, acknowledged = map[string]time.Time{}, map[string]time.Time{}
	heard := make(chan error, 1)
	go func() { heard <- readEvents(conn, onSocket) }()
	body := who.report()
	for range latencyWrites {
		began := time.Now()
		id, err := s.post(ctx, who.token, body)
		if err != nil {
			return nil, nil, err
		}
		acknowledged["lab_report/"+id] = time.Now()
		wait(ctx, latencyPause-time.Since(began))
	}
	return onSocket, acknowledged, <-heard
}

// readEvents records the time of each record's event, until all have arrived.
func readEvents(conn *websocket.Conn, seen map[string]time.Time) error {
	for len(seen) < latencyWrites {
		if err := conn.SetReadDeadline(time.Now().Add(30 * time.Second)); err != nil {
			return err
		}
		var frame struct {
			Events []struct{ Type, Subject string }
		}
		if err := conn.ReadJSON(&frame); err != nil {
			return err
		}
		now := time.Now()
		for _, e := range frame.Events {
			if e.Type == "ehr.lab_report.created" {
				seen[e.Subject] = now
			}
		}
	}
	return nil
}

// since returns the time between each write and its event. The response marks the commit; a
// negative time counts as zero.
func since(acknowledged, seen map[string]time.Time) []time.Duration {
	var took []time.Duration
	for subject, at := range seen {
		if began, ok := acknowledged[subject]; ok {
			took = append(took, max(0, at.Sub(began)))
		}
	}
	return took
}

// providerCalls waits until every message was sent, and reads the times of receipt from the
// sandbox.
func providerCalls(ctx context.Context, s *service, acknowledged map[string]time.Time) ([]time.Duration, error) {
	owner, err := s.pool(ctx, "")
	if err != nil {
		return nil, err
	}
	defer owner.Close()
	subjects, err := sentMessages(ctx, owner)
	if err != nil {
		return nil, err
	}
	var received []struct {
		DeliveryID string
		ReceivedAt time.Time
	}
	if err := s.get(ctx, "/sandbox/messages", "", &received); err != nil {
		return nil, err
	}
	var took []time.Duration
	for _, m := range received {
		if began, ok := acknowledged[subjects[m.DeliveryID]]; ok {
			took = append(took, max(0, m.ReceivedAt.Sub(began)))
		}
	}
	if len(took) < 4*latencyWrites {
		return nil, fmt.Errorf("the providers received only %d messages for %d writes", len(took), latencyWrites)
	}
	return took, nil
}

// sentMessages waits until no delivery is in progress, and returns the subject of each.
func sentMessages(ctx context.Context, owner *pgxpool.Pool) (map[string]string, error) {
	deadline := time.Now().Add(settleDown)
	for open := true; open; wait(ctx, 50*time.Millisecond) {
		// All are planned once the planner has handled the last event.
		err := owner.QueryRow(ctx, `SELECT EXISTS (SELECT FROM deliveries WHERE state = 'queued')
			OR (SELECT position FROM followers WHERE name = 'dispatch') < (SELECT max(position) FROM events)`).Scan(&open)
		if err != nil {
			return nil, err
		}
		if open && time.Now().After(deadline) {
			return nil, errors.New("messages are still in progress")
		}
	}
	rows, err := owner.Query(ctx, "SELECT d.id::text, n.subject FROM deliveries AS d JOIN notifications AS n ON n.id = d.notification_id")
	if err != nil {
		return nil, err
	}
	subjects := map[string]string{}
	var id, subject string
	_, err = pgx.ForEachRow(rows, []any{&id, &subject}, func() error {
		subjects[id] = subject
		return nil
	})
	return subjects, err
}

// notifyAndRead measures the floor: one connection notifies, another one wakes and reads a row.
func notifyAndRead(ctx context.Context, s *service) ([]time.Duration, error) {
	url, err := embedded.RunningURL(s.dataDir)
	if err != nil {
		return nil, err
	}
	var conns [2]*pgx.Conn
	for i := range conns {
		conns[i], err = postgres.ConnectListener(ctx, postgres.Config{URL: url, Role: postgres.Worker, AppName: "bench"})
		if err != nil {
			return nil, err
		}
		defer func() { _ = conns[i].Close(context.WithoutCancel(ctx)) }()
	}
	if _, err := conns[1].Exec(ctx, "LISTEN carewire_bench"); err != nil {
		return nil, err
	}
	var took []time.Duration
	for range latencyWrites {
		began := time.Now()
		if _, err := conns[0].Exec(ctx, "NOTIFY carewire_bench"); err != nil {
			return nil, err
		}
		if _, err := conns[1].WaitForNotification(ctx); err != nil {
			return nil, err
		}
		var head int64
		if err := conns[1].QueryRow(ctx, "SELECT coalesce(max(position), 0) FROM events").Scan(&head); err != nil {
			return nil, err
		}
		took = append(took, time.Since(began))
		wait(ctx, 2*time.Millisecond)
	}
	return took, nil
}

func percentile(took []time.Duration, p int) time.Duration {
	slices.Sort(took)
	return took[min(len(took)-1, len(took)*p/100)]
}

func millis(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
