package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"carewire/internal/postgres"
)

// grownEvents is the number of events in the ledger of the grown database, from which the sizes of
// its other tables follow (grow.sql): 2,500,000 events have 1,000,000 notifications and 2,000,000
// deliveries. The small database has the 50th part of each, and not less than smallest.
var grownEvents = 1_000_000

const (
	smallPart = 50
	smallest  = 20_000
	// growthRounds is how often each request is sent to one database and then to the other,
	// growthReads times in a row.
	growthRounds = 4
	growthReads  = 20
)

// clinicDB is a service with a filled database.
type clinicDB struct {
	*service
	owner, worker *pgxpool.Pool
	who           cast
	tokens        map[string]string
	meter         *meter
}

// growth fills a small and a grown database with the same clinic, and compares every list and look-up
// over REST, the write, the sequencer and dispatch. Value is the grown database, floor the small one.
func growth(ctx context.Context, dir string) ([]Measure, error) {
	small, err := openClinicDB(ctx, filepath.Join(dir, "small"), max(grownEvents/smallPart, smallest))
	if err != nil {
		return nil, err
	}
	defer small.close()
	grown, err := openClinicDB(ctx, filepath.Join(dir, "grown"), grownEvents)
	if err != nil {
		return nil, err
	}
	defer grown.close()
	all, err := compareReads(ctx, small, grown)
	if err != nil {
		return nil, err
	}
	for _, compare := range []func(ctx context.Context, small, grown *clinicDB) (Measure, error){compareWrites, compareSequencers, compareDispatch} {
		m, err := compare(ctx, small, grown)
		if err != nil {
			return nil, err
		}
		all = append(all, m)
	}
	return all, nil
}

// openClinicDB starts a service on a new database and fills it.
func openClinicDB(ctx context.Context, dir string, events int) (*clinicDB, error) {
	if err := os.Mkdir(dir, 0o711); err != nil { // PostgreSQL may run as another user.
		return nil, err
	}
	s, err := serveDemo(ctx, dir, "api")
	if err != nil {
		return nil, err
	}
	c := &clinicDB{service: s, tokens: map[string]string{}}
	if err := c.open(ctx, events); err != nil {
		c.close()
		return nil, err
	}
	return c, nil
}

func (c *clinicDB) open(ctx context.Context, events int) (err error) {
	if c.owner, err = c.pool(ctx, ""); err != nil {
		return err
	}
	if c.worker, err = c.pool(ctx, postgres.Worker); err != nil {
		return err
	}
	c.meter = newMeter(ctx, c.owner, c.service)
	if c.who, err = c.cast(ctx); err != nil {
		return err
	}
	for _, role := range []string{"operator", "doctor", "patient", "receptionist", "auditor"} {
		if c.tokens[role], err = c.tool(ctx, "token", "--as", role+"@demo.example"); err != nil {
			return err
		}
	}
	if err := seedPatients(ctx, c.owner, c.who); err != nil {
		return err
	}
	return c.grow(ctx, events)
}

func (c *clinicDB) close() {
	for _, pool := range []*pgxpool.Pool{c.owner, c.worker} {
		if pool != nil {
			pool.Close()
		}
	}
	c.stop()
}

// reads are the durations of a request and its mean cost.
type reads struct {
	took []time.Duration
	cost Cost
}

func (r *reads) p50() float64 {
	slices.Sort(r.took)
	return millis(percentile(r.took, 50))
}

// compareReads sends each request to both databases in turn.
func compareReads(ctx context.Context, small, grown *clinicDB) (all []Measure, err error) {
	for _, q := range growthQueries() {
		var of [2]reads
		for range growthRounds {
			for i, c := range []*clinicDB{small, grown} {
				if err := c.readMany(ctx, q, &of[i]); err != nil {
					return nil, err
				}
			}
		}
		m := beside(q.name(), of[1].p50(), "ms", of[0].p50())
		m.Cost, m.FloorCost = &of[1].cost, &of[0].cost
		progress("%s: %.2f ms, small %.2f ms; µs of CPU each: service %.0f, database %.0f, small %.0f and %.0f", m.Name, m.Value, m.Floor,
			m.Cost.Service, m.Cost.Database, m.FloorCost.Service, m.FloorCost.Database)
		all = append(all, m)
	}
	return all, nil
}

// readMany sends the request several times, and once before without measuring it.
func (c *clinicDB) readMany(ctx context.Context, q growthQuery, r *reads) error {
	path := strings.NewReplacer("{clinic}", c.who.clinic.String(), "{doctor}", c.who.doctor.String(), "{patient}", c.who.patient.String()).Replace(q.path)
	for i := range growthReads + 1 {
		if i == 1 {
			c.meter.reset()
		}
		began := time.Now()
		if err := c.read(ctx, path, c.tokens[q.role]); err != nil {
			return err
		}
		if i > 0 {
			r.took = append(r.took, time.Since(began))
		}
	}
	cost := c.meter.per(growthReads)
	r.cost.Service += cost.Service / growthRounds
	r.cost.Database += cost.Database / growthRounds
	r.cost.Allocs += cost.Allocs / growthRounds
	return nil
}

// compareWrites compares REST writes on 32 connections.
func compareWrites(ctx context.Context, small, grown *clinicDB) (Measure, error) {
	var sum [2]float64
	var costs [2]Cost
	for range writeRounds {
		for i, c := range []*clinicDB{small, grown} {
			perSecond, cost, err := c.writeRate(ctx)
			if err != nil {
				return Measure{}, err
			}
			sum[i] += perSecond / writeRounds
			costs[i] = cost
		}
	}
	return besideSmall("REST writes, 32 connections", "1/s", sum, costs), nil
}

// besideSmall compares the rate in the grown database, the second one, to that in the small one.
func besideSmall(name, unit string, rates [2]float64, costs [2]Cost) Measure {
	m := beside(name, rates[1], unit, rates[0]).costing(costs[1])
	m.FloorCost = &costs[0]
	return m
}

func (c *clinicDB) writeRate(ctx context.Context) (float64, Cost, error) {
	rest := newPoster(c.service)
	defer rest.close()
	request := rest.request(reportsPath, "Authorization", "Bearer "+c.who.token, c.who.report())
	return c.meter.rate(ctx, "writes", func(ctx context.Context) error { return rest.post(ctx, request) })
}

// compareSequencers compares how fast a backlog moves to the ledger.
func compareSequencers(ctx context.Context, small, grown *clinicDB) (Measure, error) {
	var rates [2]float64
	for i, c := range []*clinicDB{small, grown} {
		if _, err := moveAll(ctx, c.worker); err != nil { // The writes.
			return Measure{}, err
		}
		var err error
		if rates[i], err = moveBacklog(ctx, c.owner, c.worker, c.who); err != nil {
			return Measure{}, err
		}
	}
	return beside("sequencer, backlog of 100,000", rates[1], "events/s", rates[0]), nil
}

// compareDispatch compares how fast events are planned, with four messages each.
func compareDispatch(ctx context.Context, small, grown *clinicDB) (Measure, error) {
	var rates [2]float64
	var costs [2]Cost
	for i, c := range []*clinicDB{small, grown} {
		var err error
		if rates[i], costs[i], err = c.dispatchRate(ctx); err != nil {
			return Measure{}, err
		}
	}
	return besideSmall("dispatch, 4 messages an event", "events/s", rates, costs), nil
}

// dispatchRate starts a dispatcher that follows the ledger from here on.
func (c *clinicDB) dispatchRate(ctx context.Context) (float64, Cost, error) {
	err := execAll(ctx, c.owner, []statement{{`INSERT INTO followers (name, position)
		SELECT name, (SELECT max(position) FROM events) FROM unnest(ARRAY['dispatch', 'analytics']) AS name
		ON CONFLICT (name) DO UPDATE SET position = excluded.position`, nil}})
	if err != nil {
		return 0, Cost{}, err
	}
	if err := c.publish(ctx, fourMessages); err != nil {
		return 0, Cost{}, err
	}
	if err := appendRecords(ctx, c.owner, c.who, planEvents); err != nil {
		return 0, Cost{}, err
	}
	if _, err := moveAll(ctx, c.worker); err != nil {
		return 0, Cost{}, err
	}
	dispatcher, err := c.beside(ctx, []string{"--demo", "--roles", "dispatch"})
	if err != nil {
		return 0, Cost{}, fmt.Errorf("start the dispatcher: %w", err)
	}
	defer dispatcher.stop()
	return planningRate(ctx, c.owner, dispatcher)
}
