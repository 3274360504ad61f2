package e2e_test

import (
	"context"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"carewire/internal/postgres"
	"carewire/internal/postgres/embedded"
	"carewire/internal/postgres/postgrestest"
)

// server is a PostgreSQL server of the test, with durable commits.
type server struct {
	t   *testing.T
	cfg embedded.Config
	*embedded.Server
}

func startServer(t *testing.T) *server {
	t.Helper()
	s := &server{t: t, cfg: embedded.Config{DataDir: postgrestest.DataDir(t)}}
	var err error
	s.Server, err = embedded.Start(t.Context(), s.cfg)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Stop(context.Background())) })
	return s
}

// crash ends the server as `pg_ctl stop -m immediate` does: immediately, without a checkpoint.
func (s *server) crash() {
	s.t.Helper()
	text, err := os.ReadFile(filepath.Join(s.Dir(), "data", "postmaster.pid"))
	require.NoError(s.t, err)
	pid, err := strconv.Atoi(strings.SplitN(string(text), "\n", 2)[0])
	require.NoError(s.t, err)
	require.NoError(s.t, syscall.Kill(pid, syscall.SIGQUIT))
	require.Error(s.t, <-s.Wait())
	require.NoError(s.t, s.Stop(context.Background()))
}

// restart starts it again on the same data.
func (s *server) restart() {
	s.t.Helper()
	url := s.URL()
	again, err := embedded.Start(s.t.Context(), s.cfg)
	require.NoError(s.t, err)
	s.Server = again
	require.Equal(s.t, url, s.URL())
}

// watcher is a socket client that reconnects with its cursor when the socket closes.
type watcher struct {
	c    *clinic
	mu   sync.Mutex
	seen map[string]int
	lost bool
}

// watch reads until the test ends.
func (c *clinic) watch(as string) *watcher {
	c.t.Helper()
	w := &watcher{c: c, seen: map[string]int{}}
	s := c.dial(as, "")
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for s != nil {
			// Closing the socket ends the read.
			stop := context.AfterFunc(ctx, func() { _ = s.conn.Close() })
			w.follow(s)
			stop()
			_ = s.conn.Close()
			s = w.redial(ctx, as, s.cursor)
		}
	}()
	c.t.Cleanup(func() {
		cancel()
		<-done
	})
	return w
}

// follow records events until the socket closes.
func (w *watcher) follow(s *socket) {
	for {
		var frame struct {
			Type, From, To, Cursor string
			Events                 []struct{ Type, Subject string }
		}
		if err := s.conn.ReadJSON(&frame); err != nil {
			return
		}
		w.mu.Lock()
		switch {
		case frame.Type == "resync", frame.Type == "events" && frame.From != s.cursor:
			w.lost = true
		case frame.Type == "events":
			s.cursor = frame.To
			for _, e := range frame.Events {
				if e.Type == "ehr.lab_report.created" {
					w.seen[e.Subject]++
				}
			}
		}
		w.mu.Unlock()
	}
}

func (w *watcher) redial(ctx context.Context, as, cursor string) *socket {
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for ctx.Err() == nil {
		if conn, err := w.c.tryDial(as, cursor); err == nil {
			return &socket{t: w.c.t, conn: conn, cursor: cursor}
		}
		select {
		case <-ctx.Done():
		case <-tick.C:
		}
	}
	return nil
}

// sawOnce reports whether each subject arrived exactly once.
func (w *watcher) sawOnce(subjects map[string]bool) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	for subject := range subjects {
		if w.seen[subject] != 1 {
			return false
		}
	}
	return true
}

func TestFaults_ADatabaseCrashUnderLoadIsReportedAndLosesNothing(t *testing.T) {
	t.Parallel()
	pg := startServer(t)
	cfg := testConfig(t, &postgrestest.DB{URL: pg.URL()})
	cfg.RateLimit = 1_000_000 // Errors during the outage return quickly.
	c := newClinic(t, cfg)
	c.start()
	w, socket := newWriters(c), c.watch(doctor)
	refusals := func() int {
		w.mu.Lock()
		defer w.mu.Unlock()
		return w.refused[http.StatusServiceUnavailable]
	}
	status := func(path string) int { return c.do("", http.MethodGet, path, nil).status }

	for round := range 2 {
		crashed, restarted := make(chan struct{}), make(chan struct{})
		before := w.count()
		w.at, w.then = before+30, func() { close(crashed) }
		var load sync.WaitGroup
		load.Go(func() {
			w.until(func() bool {
				select {
				case <-restarted:
					return w.count() >= before+60
				default:
					return false
				}
			})
		})
		<-crashed
		pg.crash()
		refused := refusals()
		c.eventually("requests are refused", func() bool { return refusals() >= refused+5 })
		c.eventually("/readyz returns 503", func() bool { return status("/readyz") == http.StatusServiceUnavailable })
		require.Equal(t, http.StatusOK, status("/livez"))
		pg.restart()
		close(restarted)
		load.Wait()
		c.eventually("it recovers by itself", func() bool { return status("/readyz") == http.StatusOK })
		require.GreaterOrEqual(t, w.count(), before+60, "round %d", round)
	}
	require.Empty(t, w.bad, "each refusal is a 503 with Retry-After and a problem")

	pool, err := postgres.Open(t.Context(), postgres.Config{URL: pg.URL(), Role: postgres.Owner, MaxConns: 2})
	require.NoError(t, err)
	c.db = &postgrestest.DB{URL: pg.URL(), Owner: pool}
	t.Cleanup(pool.Close)
	c.eventually("everything is planned", func() bool {
		return c.query(`SELECT (SELECT count(*) FROM outbox) + (SELECT count(*) FROM followers WHERE position < (SELECT max(position) FROM events))`) == 0
	})
	c.requireLedgerIsSound()
	c.requireWritten(w.acknowledged)
	c.eventually("the socket shows each of them once", func() bool { return socket.sawOnce(w.acknowledged) })
	require.False(t, socket.lost, "its transcript is whole")
	id := c.writeReport()
	c.eventually("and messages go out", func() bool { return len(ofType(c.story("lab_report/"+id), "notification.sent")) == 6 })
}
