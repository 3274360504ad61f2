package main

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"carewire/internal/postgres"
)

const (
	lightRate   = 20.0 // Writes a second.
	lightTime   = 10 * time.Second
	lightRounds = 2
	// lightTail is the time after a round in which the messages of its last writes are sent.
	lightTail = 300 * time.Millisecond
)

// light measures the processor time of a write with four messages at 20 writes a second, in which
// every write is a batch of its own everywhere: of the service with all roles and of the database. The
// cost of an idle service is part of it, and is reported beside it. The floor is the database's
// processor time of the same record and event, inserted at the same rate through pgx.
func light(ctx context.Context, dir string) ([]Measure, error) {
	floor, err := lightFloor(ctx, dir)
	if err != nil {
		return nil, fmt.Errorf("floor: %w", err)
	}
	s, err := serveDemo(ctx, dir, "api,realtime,dispatch,work")
	if err != nil {
		return nil, err
	}
	defer s.stop()
	owner, err := s.pool(ctx, "")
	if err != nil {
		return nil, err
	}
	defer owner.Close()
	who, err := s.cast(ctx)
	if err != nil {
		return nil, err
	}
	if err := s.publish(ctx, fourMessages); err != nil {
		return nil, err
	}
	// The first writes fill caches and prepare statements.
	if _, err := writeAtRate(ctx, s, who, 5*lightRate, lightTime/2); err != nil {
		return nil, err
	}
	if err := drained(ctx, owner); err != nil {
		return nil, err
	}
	write, idle, err := lightCosts(ctx, s, owner, who)
	if err != nil {
		return nil, err
	}
	return []Measure{
		beside("CPU of a write with four messages, 20 writes/s", write.total(), "ms", floor).costing(write),
		alone("CPU of an idle service a second", idle.total(), "ms").costing(idle),
	}, nil
}

// total returns the processor time of the service and the database in milliseconds.
func (c Cost) total() float64 { return (c.Service + c.Database) / 1000 }

// lightCosts returns the cost of a write, and of a second without writes.
func lightCosts(ctx context.Context, s *service, owner *pgxpool.Pool, who cast) (write, idle Cost, err error) {
	m, began := newMeter(ctx, owner, s), time.Now()
	for range lightRounds {
		m.reset()
		wait(ctx, lightTime)
		second := m.per(lightTime.Seconds())
		progress("idle, a second%s", second)
		idle.add(second, 1.0/lightRounds)

		m.reset()
		n, err := writeAtRate(ctx, s, who, lightRate, lightTime)
		if err != nil {
			return write, idle, err
		}
		wait(ctx, lightTail)
		one := m.per(float64(n))
		progress("light load, %.1f writes/s%s", float64(n)/lightTime.Seconds(), one)
		write.add(one, 1.0/lightRounds)
		if err := drained(ctx, owner); err != nil {
			return write, idle, err
		}
	}
	return write, idle, fourMessagesEach(ctx, owner, began)
}

// add adds a share of another cost.
func (c *Cost) add(other Cost, share float64) {
	c.Service += share * other.Service
	c.Database += share * other.Database
	c.Allocs += share * other.Allocs
	c.bench += share * other.bench
}

// fourMessagesEach checks that each record's event after a time led to four messages that were sent.
func fourMessagesEach(ctx context.Context, owner *pgxpool.Pool, after time.Time) error {
	var wrong int
	err := owner.QueryRow(ctx, `SELECT count(*) FROM events AS e
		CROSS JOIN LATERAL (SELECT count(*) AS n FROM deliveries AS d WHERE d.event_id = e.event_id AND d.state = 'sent') AS sent
		WHERE e.type = 'ehr.lab_report.created' AND e.time > $1 AND sent.n <> 4`, after).Scan(&wrong)
	if err == nil && wrong > 0 {
		err = fmt.Errorf("%d writes did not lead to four sent messages", wrong)
	}
	return err
}

// lightFloor returns the processor time of the database per insert of a record and its event, in
// milliseconds.
func lightFloor(ctx context.Context, dir string) (float64, error) {
	s, err := serveDemo(ctx, dir, "api")
	if err != nil {
		return 0, err
	}
	defer s.stop()
	who, err := s.cast(ctx)
	if err != nil {
		return 0, err
	}
	pool, err := s.pool(ctx, postgres.Owner)
	if err != nil {
		return 0, err
	}
	defer pool.Close()
	insert := func(ctx context.Context) error { return insertTwo(ctx, pool, who) }
	if _, err := atRate(ctx, 5*lightRate, lightTime/2, insert); err != nil {
		return 0, err
	}
	m := newMeter(ctx, pool, s)
	n, err := atRate(ctx, lightRate, lightTime, insert)
	cost := m.per(float64(n))
	progress("floor of light load, %.1f writes/s%s", float64(n)/lightTime.Seconds(), cost)
	return cost.Database / 1000, err
}
