package main

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/gorilla/websocket"
	"github.com/jackc/pgx/v5"

	"carewire/internal/postgres"
)

const (
	latencyWrites = 500
	latencyPause  = 20 * time.Millisecond // 50 writes a second.
)

// latency measures how long after a write was acknowledged its event is on a socket, at 50 writes a second with
// everything running, beside one NOTIFY and a read of a row by whoever it woke.
func latency(ctx context.Context, dir string) ([]Measure, error) {
	s, err := serve(ctx, dir, "api,realtime,dispatch,work", writers)
	if err != nil {
		return nil, err
	}
	defer s.stop()
	floor, err := notifyAndRead(ctx, s)
	if err != nil {
		return nil, fmt.Errorf("floor of latency: %w", err)
	}
	took, err := commitToSocket(ctx, s)
	if err != nil {
		return nil, fmt.Errorf("commit to socket: %w", err)
	}
	base := millis(percentile(floor, 50))
	return []Measure{
		beside("commit to socket, 50 writes/s, p50", millis(percentile(took, 50)), "ms", base),
		beside("commit to socket, 50 writes/s, p99", millis(percentile(took, 99)), "ms", base),
	}, nil
}

// commitToSocket writes and waits for each event on the doctor's socket. The commit is taken to be when the answer
// arrived; an event that was faster counts as zero.
func commitToSocket(ctx context.Context, s *service) ([]time.Duration, error) {
	token, body, err := s.report(ctx)
	if err != nil {
		return nil, err
	}
	dialer := websocket.Dialer{Subprotocols: []string{"carewire.v1"}}
	conn, res, err := dialer.DialContext(ctx, strings.Replace(s.url, "http", "ws", 1)+"/api/socket", http.Header{"Authorization": {"Bearer " + token}})
	if err != nil {
		return nil, err
	}
	_ = res.Body.Close()
	defer func() { _ = conn.Close() }()

	var mu sync.Mutex
	seen, acknowledged := map[string]time.Time{}, map[string]time.Time{}
	all := make(chan error, 1)
	go func() { all <- readEvents(conn, latencyWrites, &mu, seen) }()
	for range latencyWrites {
		began := time.Now()
		id, err := s.post(ctx, token, body)
		if err != nil {
			return nil, err
		}
		mu.Lock()
		acknowledged["lab_report/"+id] = time.Now()
		mu.Unlock()
		wait(ctx, latencyPause-time.Since(began))
	}
	if err := <-all; err != nil {
		return nil, err
	}
	var took []time.Duration
	for subject, at := range acknowledged {
		took = append(took, max(0, seen[subject].Sub(at)))
	}
	return took, nil
}

func readEvents(conn *websocket.Conn, n int, mu *sync.Mutex, seen map[string]time.Time) error {
	for {
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
		mu.Lock()
		for _, e := range frame.Events {
			if e.Type == "ehr.lab_report.created" {
				seen[e.Subject] = now
			}
		}
		done := len(seen) >= n
		mu.Unlock()
		if done {
			return nil
		}
	}
}

// notifyAndRead is the floor: one connection notifies, another wakes and reads a row.
func notifyAndRead(ctx context.Context, s *service) ([]time.Duration, error) {
	url, err := s.databaseURL()
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
