package main

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"carewire/internal/ledger"
	"carewire/internal/postgres"
)

// backlog is the number of events in the outbox when the sequencer starts.
const backlog = 100_000

// sequence measures how fast the sequencer moves a backlog into the ledger, and then again with a
// long-lived snapshot open, so that deleted rows cannot be vacuumed and the sequencer has to skip
// all of them.
func sequence(ctx context.Context, dir string) ([]Measure, error) {
	s, err := serveDemo(ctx, dir, "api")
	if err != nil {
		return nil, err
	}
	defer s.stop()
	owner, err := s.pool(ctx, "")
	if err != nil {
		return nil, err
	}
	defer owner.Close()
	worker, err := s.pool(ctx, postgres.Worker)
	if err != nil {
		return nil, err
	}
	defer worker.Close()
	who, err := s.cast(ctx)
	if err != nil {
		return nil, err
	}
	usual, err := moveBacklog(ctx, owner, worker, who)
	if err != nil {
		return nil, err
	}
	snapshot, err := openSnapshot(ctx, owner)
	if err != nil {
		return nil, err
	}
	defer func() { _ = snapshot.Rollback(context.WithoutCancel(ctx)) }()
	held, err := moveBacklog(ctx, owner, worker, who)
	if err != nil {
		return nil, err
	}
	if _, err := snapshot.Exec(ctx, "SELECT count(*) FROM clinics"); err != nil {
		return nil, fmt.Errorf("the snapshot was not held to the end: %w", err)
	}
	return []Measure{
		alone("sequencer, backlog of 100,000", usual, "events/s"),
		alone("sequencer, the same with a long snapshot open", held, "events/s"),
	}, nil
}

// openSnapshot returns a read-only transaction that holds a snapshot.
func openSnapshot(ctx context.Context, owner *pgxpool.Pool) (pgx.Tx, error) {
	tx, err := owner.BeginTx(ctx, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly})
	if err != nil {
		return nil, err
	}
	// The transaction has a snapshot from its first statement on. Disable the timeout that would end
	// the idle session.
	for _, sql := range []string{"SET LOCAL idle_in_transaction_session_timeout = 0", "SELECT count(*) FROM clinics"} {
		if _, err := tx.Exec(ctx, sql); err != nil {
			_ = tx.Rollback(context.WithoutCancel(ctx))
			return nil, err
		}
	}
	return tx, nil
}

// moveBacklog fills the outbox and returns how many events a second leave it.
func moveBacklog(ctx context.Context, owner, worker *pgxpool.Pool, who cast) (float64, error) {
	if err := appendRecords(ctx, owner, who, backlog); err != nil {
		return 0, err
	}
	m := newMeter(ctx, owner)
	began := time.Now()
	moved, err := moveAll(ctx, worker)
	if err != nil {
		return 0, err
	}
	if moved < backlog {
		return 0, fmt.Errorf("only %d of %d events were moved", moved, backlog)
	}
	perSecond := float64(moved) / time.Since(began).Seconds()
	progress("sequence: %.0f/s%s", perSecond, m.per(float64(moved)))
	return perSecond, nil
}

// moveAll runs a sequencer until the outbox is empty.
func moveAll(ctx context.Context, worker *pgxpool.Pool) (moved int, err error) {
	sequencer := ledger.NewSequencer(ledger.SequencerConfig{Pool: worker, Logger: slog.New(slog.DiscardHandler)})
	for {
		n, err := sequencer.Step(ctx)
		if err != nil || n == 0 {
			return moved, err
		}
		moved += n
	}
}
