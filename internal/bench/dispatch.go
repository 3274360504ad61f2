package main

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"carewire/internal/postgres"
)

// planEvents is the number of events in the ledger when the planner starts.
const planEvents = 20_000

// plan measures how fast the dispatch role plans events in the ledger: rules, directory,
// notifications, deliveries, jobs and their events, four messages an event. As in production, the
// role's sequencer moves the new events at the same time, and its other followers read them.
func plan(ctx context.Context, dir string) ([]Measure, error) {
	return besideDispatcher(ctx, dir, fillLedger, func(ctx context.Context, owner *pgxpool.Pool, dispatcher *service) (Measure, error) {
		perSecond, cost, err := planningRate(ctx, owner, dispatcher)
		return alone("dispatch, 4 messages an event", perSecond, "events/s").costing(cost), err
	})
}

// besideDispatcher fills the ledger of a service without the role dispatch, starts a second service
// with it, and measures.
func besideDispatcher(ctx context.Context, dir string, fill func(context.Context, *service, *pgxpool.Pool) error,
	measure func(ctx context.Context, owner *pgxpool.Pool, dispatcher *service) (Measure, error),
) ([]Measure, error) {
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
	if err := fill(ctx, s, owner); err != nil {
		return nil, err
	}
	dispatcher, err := s.beside(ctx, []string{"--demo", "--roles", "dispatch"})
	if err != nil {
		return nil, err
	}
	defer dispatcher.stop()
	m, err := measure(ctx, owner, dispatcher)
	if err != nil {
		return nil, err
	}
	return []Measure{m}, nil
}

// fillLedger publishes the rules and then adds the events to the ledger.
func fillLedger(ctx context.Context, s *service, owner *pgxpool.Pool) error {
	return fillLedgerBy(ctx, s, owner, fourMessages)
}

// fillLedgerBy is fillLedger with other rules.
func fillLedgerBy(ctx context.Context, s *service, owner *pgxpool.Pool, rules string) error {
	who, err := s.cast(ctx)
	if err != nil {
		return err
	}
	worker, err := s.pool(ctx, postgres.Worker)
	if err != nil {
		return err
	}
	defer worker.Close()
	if err := s.publish(ctx, rules); err != nil {
		return err
	}
	if err := seedPatients(ctx, owner, who); err != nil {
		return err
	}
	if err := appendRecords(ctx, owner, who, planEvents); err != nil {
		return err
	}
	_, err = moveAll(ctx, worker)
	return err
}

// planningRate measures the planner from its first batch to its last, and the cost of an event.
func planningRate(ctx context.Context, owner *pgxpool.Pool, dispatcher *service) (perSecond float64, cost Cost, err error) {
	var first, at, last int64
	if err := owner.QueryRow(ctx, "SELECT max(position) FROM events").Scan(&last); err != nil {
		return 0, cost, err
	}
	var began time.Time
	m := newMeter(ctx, owner, dispatcher)
	for deadline := time.Now().Add(time.Minute); at < last; wait(ctx, 10*time.Millisecond) {
		if err := owner.QueryRow(ctx, "SELECT coalesce(max(position), 0) FROM followers WHERE name = 'dispatch'").Scan(&at); err != nil {
			return 0, cost, err
		}
		if began.IsZero() && at > last-planEvents {
			began, first = time.Now(), at
			m.reset()
		}
		if time.Now().After(deadline) {
			return 0, cost, fmt.Errorf("the planner is at %d of %d after a minute", at, last)
		}
	}
	perSecond, cost = float64(at-first)/time.Since(began).Seconds(), m.per(float64(at-first))
	progress("dispatch: %.0f/s%s", perSecond, cost)
	var messages int
	if err := owner.QueryRow(ctx, "SELECT count(*) FROM deliveries WHERE rule LIKE 'bench%'").Scan(&messages); err != nil {
		return 0, cost, err
	}
	if messages != 4*planEvents {
		return 0, cost, fmt.Errorf("%d events led to %d messages, not four each", planEvents, messages)
	}
	return perSecond, cost, nil
}
