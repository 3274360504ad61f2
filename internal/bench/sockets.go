package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"carewire/internal/auth"
)

const (
	// socketPeople is the number of nurses who share the sockets.
	socketPeople = 20
	// burstReceived is how often an event is received in a burst, by all sockets together.
	burstReceived = 1_000_000
	// pacedReceived is how often an event is received each second while events are committed one by one
	// for pacedTime: 20 events a second by 1,000 sockets.
	pacedReceived = 20_000
	pacedTime     = 10 * time.Second
	// missedEvents is how far behind a client resumes.
	missedEvents = 100_000
	// idleSockets is how long sockets are idle before their memory is measured.
	idleSockets = 20 * time.Second
	// reportTime is how long an idle connection of PostgreSQL may keep its count of transactions to itself.
	reportTime = 11 * time.Second
	// silent is a rule set of which no rule applies to a new record.
	silent = `rules:
  - name: silent
    on: appointment.booked
    recipients: [{user: data.userId}]
    channels: [email]
`
)

// house is an instance that serves sockets, beside one that writes, and what the measures need.
type house struct {
	writer, server *service
	owner          *pgxpool.Pool
	who            cast
	crowd          *crowd
	// burstEvents are committed in one transaction. perSecond is how many are committed one by one.
	burstEvents, perSecond int
	// sent is the number of events that each socket has received, or will.
	sent int64
}

// sockets returns the measures of n sockets.
func sockets(n int) func(ctx context.Context, dir string) ([]Measure, error) {
	return func(ctx context.Context, dir string) (all []Measure, err error) {
		h, err := openHouse(ctx, dir, n)
		if err != nil {
			return nil, err
		}
		defer h.close()
		for _, step := range []func(context.Context) ([]Measure, error){h.connecting, h.paced, h.burst, h.frozen, h.restart, h.resume} {
			measures, err := step(ctx)
			if err != nil {
				return nil, err
			}
			for i := range measures {
				measures[i].Name += fmt.Sprintf(", %d sockets", n)
			}
			all = append(all, measures...)
		}
		return all, nil
	}
}

func openHouse(ctx context.Context, dir string, n int) (*house, error) {
	h := &house{burstEvents: burstReceived / n, perSecond: pacedReceived / n}
	var err error
	if h.writer, err = serveDemo(ctx, dir, "api,dispatch"); err != nil {
		return nil, err
	}
	if h.owner, err = h.writer.pool(ctx, ""); err != nil {
		return nil, err
	}
	if h.who, err = h.writer.cast(ctx); err != nil {
		return nil, err
	}
	if err := h.writer.publish(ctx, silent); err != nil {
		return nil, err
	}
	tokens, err := h.nurses(ctx)
	if err != nil {
		return nil, err
	}
	h.crowd = newCrowd(n, tokens)
	return h, h.serve(ctx)
}

// nurses registers people at the clinic and returns a token of each.
func (h *house) nurses(ctx context.Context) (tokens []string, err error) {
	err = execAll(ctx, h.owner, []statement{
		{`INSERT INTO users (id, email, email_verified, given_name, family_name)
			SELECT gen_random_uuid(), 'socket' || i || '@bench.example', true, 'A', 'B' FROM generate_series(1, $1::integer) AS i`, []any{socketPeople}},
		{`INSERT INTO memberships (id, user_id, clinic_id, role) SELECT gen_random_uuid(), id, $1, 'nurse' FROM users WHERE email LIKE 'socket%'`, []any{h.who.clinic}},
	})
	if err != nil {
		return nil, err
	}
	issuer, err := auth.LoadDemoIssuer(filepath.Join(h.writer.dataDir, "demo-key.pem"), "carewire")
	if err != nil {
		return nil, err
	}
	for i := range socketPeople {
		email := fmt.Sprintf("socket%d@bench.example", i+1)
		token, err := issuer.Mint(email, auth.DemoSubject(email), time.Hour)
		if err != nil {
			return nil, err
		}
		if _, _, err := h.writer.me(ctx, token); err != nil { // Links the sign-in to the person.
			return nil, err
		}
		tokens = append(tokens, token)
	}
	return tokens, nil
}

// serve starts an instance that serves sockets, and accepts the tokens of the one that writes.
func (h *house) serve(ctx context.Context) (err error) {
	h.server, err = h.writer.beside(ctx, []string{"--demo", "--roles", "api,realtime"}, "CAREWIRE_DATA_DIR="+h.writer.dataDir,
		"CAREWIRE_SOCKETS_PER_PERSON=100000")
	return err
}

func (h *house) close() {
	h.crowd.close()
	h.owner.Close()
	h.server.stop()
	h.writer.stop()
}

// commit commits n events of new records and wakes the sequencer.
func (h *house) commit(ctx context.Context, n int) error {
	h.sent += int64(n)
	err := appendRecords(ctx, h.owner, h.who, n)
	if err == nil {
		_, err = h.owner.Exec(ctx, "NOTIFY carewire_outbox")
	}
	return err
}

// pace commits events one by one until pacing ends, and returns their number.
func (h *house) pace(ctx, pacing context.Context) (n int, err error) {
	for ; pacing.Err() == nil; n++ {
		began := time.Now()
		if err := h.commit(ctx, 1); err != nil {
			return n, err
		}
		wait(pacing, time.Second/time.Duration(h.perSecond)-time.Since(began))
	}
	return n, nil
}

// received waits until every socket has received what was sent.
func (h *house) received(ctx context.Context) error {
	return h.crowd.await(ctx, h.sent*int64(len(h.crowd.sockets)))
}

// connecting opens the sockets at once, and then measures their memory while they are idle.
func (h *house) connecting(ctx context.Context) ([]Measure, error) {
	n := float64(len(h.crowd.sockets))
	wait(ctx, idleSockets)
	before, err := h.server.memory(ctx)
	if err != nil {
		return nil, err
	}
	queries, err := h.transactions(ctx)
	if err != nil {
		return nil, err
	}
	m, began := newMeter(ctx, h.owner, h.server), time.Now()
	if err := h.crowd.connect(ctx, h.server); err != nil {
		return nil, err
	}
	took, cost := time.Since(began).Seconds(), m.per(n)
	progress("connected: %.0f sockets in %.1f s%s", n, took, cost)
	wait(ctx, idleSockets)
	transactions, err := h.transactions(ctx)
	if err != nil {
		return nil, err
	}
	after, err := h.server.memory(ctx)
	return []Measure{
		alone("sockets opened a second", n/took, "1/s").costing(cost),
		alone("transactions to open a socket", (transactions-queries)/n, ""),
		alone("memory of an idle socket", (after-before)*1024/n, "KiB"),
	}, err
}

// paced commits events one by one. The floor is one NOTIFY, the read of a row by the process that it wakes, and a write to one
// socket.
func (h *house) paced(ctx context.Context) ([]Measure, error) {
	floor, err := notifyAndRead(ctx, h.writer)
	if err != nil {
		return nil, err
	}
	write, err := socketWrite(ctx)
	if err != nil {
		return nil, err
	}
	base := percentile(floor, 50) + percentile(write, 50)
	h.crowd.time()
	m := newMeter(ctx, h.owner, h.server)
	pacing, stop := context.WithTimeout(ctx, pacedTime)
	defer stop()
	events, err := h.pace(ctx, pacing)
	if err != nil {
		return nil, err
	}
	if err := h.received(ctx); err != nil {
		return nil, err
	}
	n := float64(events * len(h.crowd.sockets))
	cost, times := m.per(n), h.crowd.times(50, 99)
	paced := fmt.Sprintf("%d events/s", h.perSecond)
	progress("paced: p50 %s, p99 %s%s", times[0], times[1], cost)
	return []Measure{
		beside(paced+", p50", millis(times[0]), "ms", millis(base)).costing(cost),
		beside(paced+", p99", millis(times[1]), "ms", millis(base)),
	}, nil
}

// burst commits events in one transaction.
func (h *house) burst(ctx context.Context) ([]Measure, error) {
	n := float64(h.burstEvents * len(h.crowd.sockets))
	h.crowd.time()
	m, began := newMeter(ctx, h.owner, h.server), time.Now()
	if err := h.commit(ctx, h.burstEvents); err != nil {
		return nil, err
	}
	if err := h.received(ctx); err != nil {
		return nil, err
	}
	took, cost, times := time.Since(began).Seconds(), m.per(n), h.crowd.times(99)
	memory, err := h.server.memory(ctx)
	burst := fmt.Sprintf("burst of %d events", h.burstEvents)
	progress("burst: %.0f received a second, p99 %s, %.0f MiB%s", n/took, times[0], memory, cost)
	return []Measure{
		alone(burst+", received", n/took, "1/s").costing(cost),
		alone(burst+", p99", millis(times[0]), "ms"),
		alone(burst+", memory after it", memory, "MiB"),
	}, err
}

// frozen is the burst while one in ten clients does not read, measured at the others.
func (h *house) frozen(ctx context.Context) ([]Measure, error) {
	all, thaw := h.crowd.sockets, make(chan struct{})
	frozen := len(all) / 10
	for _, one := range all[:frozen] {
		one.frozen.Store(&thaw)
	}
	// A client that waits for a frame freezes only after it.
	if err := errors.Join(h.commit(ctx, 1), h.received(ctx)); err != nil {
		return nil, err
	}
	h.crowd.time()
	if err := h.commit(ctx, h.burstEvents); err != nil {
		return nil, err
	}
	if err := h.crowd.await(ctx, h.sent*int64(len(all))-int64(h.burstEvents*frozen)); err != nil {
		return nil, err
	}
	times := h.crowd.times(99)
	memory, err := h.server.memory(ctx)
	if err != nil {
		return nil, err
	}
	close(thaw)
	for _, one := range all {
		one.frozen.Store(nil)
	}
	progress("frozen: p99 of the others %s, %.0f MiB", times[0], memory)
	return []Measure{
		alone("burst with one frozen client in ten, p99 of the others", millis(times[0]), "ms"),
		alone("burst with one frozen client in ten, memory after it", memory, "MiB"),
	}, h.received(ctx)
}

// restart stops the instance while events are committed, and starts it again. Every client reconnects with its cursor.
func (h *house) restart(ctx context.Context) ([]Measure, error) {
	loading, stop := context.WithCancel(ctx)
	defer stop()
	written := make(chan error, 1)
	go func() {
		_, err := h.pace(ctx, loading)
		written <- err
	}()
	began := time.Now()
	h.server.stop()
	if err := h.crowd.ended(ctx); err != nil {
		return nil, err
	}
	stopped := time.Since(began)
	if err := h.serve(ctx); err != nil {
		return nil, err
	}
	started := time.Since(began)
	queries, err := h.committed(ctx)
	if err != nil {
		return nil, err
	}
	m := newMeter(ctx, h.owner, h.server)
	if err := h.crowd.connect(ctx, h.server); err != nil {
		return nil, err
	}
	n := float64(len(h.crowd.sockets))
	stop()
	if err := <-written; err != nil {
		return nil, err
	}
	if err := h.received(ctx); err != nil {
		return nil, fmt.Errorf("after the restart: %w", err)
	}
	resumed := time.Since(began)
	progress("restart: stopped after %s, started after %s, resumed after %s%s", stopped, started, resumed, m.per(n))
	transactions, err := h.transactions(ctx)
	return []Measure{
		alone("restart under load, until all have resumed and missed nothing", resumed.Seconds(), "s"),
		alone("restart under load, transactions to resume a socket", (transactions-queries)/n, ""),
	}, err
}

// resume lets one client resume a long way behind. The floor is the read of the same rows through pgx.
func (h *house) resume(ctx context.Context) ([]Measure, error) {
	late := newCrowd(1, []string{h.crowd.sockets[0].token})
	late.sockets[0].cursor = h.crowd.sockets[0].cursor
	h.crowd.close()
	if err := h.commit(ctx, missedEvents); err != nil {
		return nil, err
	}
	for moved := false; !moved; wait(ctx, 50*time.Millisecond) {
		if err := h.owner.QueryRow(ctx, "SELECT NOT EXISTS (SELECT FROM outbox)").Scan(&moved); err != nil {
			return nil, err
		}
	}
	began := time.Now()
	rows, err := h.owner.Query(ctx, "SELECT * FROM (SELECT * FROM events ORDER BY position DESC LIMIT $1) AS e ORDER BY position", missedEvents)
	if err != nil {
		return nil, err
	}
	for rows.Next() {
	}
	if err := rows.Err(); err != nil {
		return nil, err
	}
	floor := time.Since(began).Seconds()
	m := newMeter(ctx, h.owner, h.server)
	began = time.Now()
	if err := late.connect(ctx, h.server); err != nil {
		return nil, err
	}
	defer late.close()
	if err := late.await(ctx, missedEvents); err != nil {
		return nil, err
	}
	took, cost := time.Since(began).Seconds(), m.per(missedEvents)
	progress("resume: %.2f s%s", took, cost)
	return []Measure{beside("resume of 100,000 missed events", took, "s", floor).costing(cost)}, nil
}

// transactions returns the number of transactions of the database so far.
func (h *house) transactions(ctx context.Context) (n float64, err error) {
	wait(ctx, reportTime)
	return h.committed(ctx)
}

func (h *house) committed(ctx context.Context) (n float64, err error) {
	err = h.owner.QueryRow(ctx, "SELECT xact_commit + xact_rollback FROM pg_stat_database WHERE datname = current_database()").Scan(&n)
	return n, err
}

// socketWrite measures a write to a TCP connection until the other end has read it.
func socketWrite(ctx context.Context) ([]time.Duration, error) {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	defer func() { _ = l.Close() }()
	from, err := (&net.Dialer{}).DialContext(ctx, "tcp", l.Addr().String())
	if err != nil {
		return nil, err
	}
	defer func() { _ = from.Close() }()
	to, err := l.Accept()
	if err != nil {
		return nil, err
	}
	defer func() { _ = to.Close() }()
	message, buf := make([]byte, 1000), make([]byte, 1000)
	var took []time.Duration
	for range latencyWrites {
		began := time.Now()
		if _, err := from.Write(message); err != nil {
			return nil, err
		}
		if _, err := to.Read(buf); err != nil {
			return nil, err
		}
		took = append(took, time.Since(began))
	}
	return took, nil
}
