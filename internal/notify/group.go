package notify

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"

	"carewire/internal/postgres"
)

const (
	// settleTimeout bounds the writing down of one outcome, its retries included; with attemptTimeout it stays below
	// jobTimeout.
	settleTimeout = 4 * time.Second
	// settleBatch is how many outcomes one statement holds at most.
	settleBatch = 200
	// settleRetry is the wait before an outcome is written again after an error of the connection or the server.
	settleRetry = 100 * time.Millisecond
)

// settler commits settlements in groups. It has no goroutine: the first caller commits, those that come meanwhile queue
// up, and the first of them commits for all of them next. One alone never waits for company.
type settler struct {
	pool *pgxpool.Pool
	ring func()

	mu    sync.Mutex
	busy  bool
	queue []*waiting
}

// waiting is one caller in the queue.
type waiting struct {
	settlement settlement
	// turn gets either the result, or the word to lead the next group.
	turn chan turn
}

type turn struct {
	lead    bool
	settled bool
	err     error
}

func newSettler(pool *pgxpool.Pool, ring func()) *settler {
	return &settler{pool: pool, ring: ring}
}

// settle commits one settlement, with others. It reports whether the delivery was still this attempt's.
func (s *settler) settle(ctx context.Context, one settlement) (bool, error) {
	me := &waiting{settlement: one, turn: make(chan turn, 1)}
	s.mu.Lock()
	s.queue = append(s.queue, me)
	lead := !s.busy
	s.busy = true
	s.mu.Unlock()
	if !lead {
		// No look at ctx: the leader before is bounded by its own, and would be missed as the next one.
		if t := <-me.turn; !t.lead {
			return t.settled, t.err
		}
	}
	s.lead(ctx)
	t := <-me.turn
	return t.settled, t.err
}

// lead commits the group at the head of the queue, in which the caller is the first, and hands over.
func (s *settler) lead(ctx context.Context) {
	s.mu.Lock()
	n := min(len(s.queue), settleBatch)
	group := slices.Clone(s.queue[:n])
	s.queue = slices.Delete(s.queue, 0, n)
	s.mu.Unlock()
	defer s.handOver()

	settled, err := s.write(ctx, group)
	if err != nil && len(group) > 1 {
		// Perhaps one of them is at fault: it must not take the others along.
		for _, one := range group {
			alone, err := s.write(ctx, []*waiting{one})
			one.turn <- turn{settled: len(alone) == 1, err: err}
		}
		s.ring()
		return
	}
	for _, one := range group {
		one.turn <- turn{settled: slices.Contains(settled, one.settlement.id), err: err}
	}
	if err == nil {
		s.ring()
	}
}

func (s *settler) handOver() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.busy = len(s.queue) > 0
	if s.busy {
		s.queue[0].turn <- turn{lead: true}
	}
}

// write repeats what failed for reasons that pass. An outcome whose commit was not confirmed is then found settled.
func (s *settler) write(ctx context.Context, group []*waiting) ([]uuid.UUID, error) {
	all := make([]settlement, len(group))
	for i, one := range group {
		all[i] = one.settlement
	}
	for {
		settled, err := settleAll(ctx, s.pool, all)
		if err == nil || !postgres.Transient(err) {
			return settled, err
		}
		select {
		case <-ctx.Done():
			return nil, errors.Join(err, ctx.Err())
		case <-time.After(settleRetry):
		}
	}
}
