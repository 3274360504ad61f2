package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"carewire/internal/postgres"
)

const (
	writers     = 32
	writeRounds = 3
	writeTime   = 3 * time.Second
)

// writes measures POST /api/ehr/lab-reports with all checks, compared to the same two inserts
// through pgx.BeginFunc, and again without row-level security, to show its cost. The sequencer and
// the followers are off: this is the cost of the write alone.
func writes(ctx context.Context, dir string) ([]Measure, error) {
	s, err := serveDemo(ctx, dir, "api")
	if err != nil {
		return nil, err
	}
	defer s.stop()
	who, err := s.cast(ctx)
	if err != nil {
		return nil, err
	}
	// The owner is exempt from row-level security, so that its cost counts for the service, not for
	// the floor.
	pool, err := s.pool(ctx, postgres.Owner)
	if err != nil {
		return nil, err
	}
	defer pool.Close()
	rest := newPoster(s)
	defer rest.close()
	request := rest.request(reportsPath, "Authorization", "Bearer "+who.token, who.report())
	post := func(ctx context.Context) error { return rest.post(ctx, request) }
	floor := func(ctx context.Context) error { return insertTwo(ctx, pool, who) }
	return writeRates(ctx, newMeter(ctx, pool, s), pool, post, floor)
}

// writeRates measures posts and posts without row-level security, compared to the floor. It
// alternates between them, so that all see the same machine load and table sizes.
func writeRates(ctx context.Context, m *meter, pool *pgxpool.Pool, post, floor func(context.Context) error) ([]Measure, error) {
	secured, err := securedTables(ctx, pool)
	if err != nil {
		return nil, err
	}
	var rates [3]float64
	var costs [3]Cost
	for range writeRounds {
		for i, turn := range []struct {
			name, security string
			work           func(context.Context) error
		}{
			{"floor of writes", "DISABLE", floor},
			{"writes without row-level security", "DISABLE", post},
			{"writes", "ENABLE", post},
		} {
			if err := setSecurity(ctx, pool, secured, turn.security); err != nil {
				return nil, err
			}
			rate, cost, err := m.rate(ctx, turn.name, turn.work)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", turn.name, err)
			}
			rates[i] += rate / writeRounds
			costs[i] = cost // That of the last round, in which the caches are full.
		}
	}
	return []Measure{
		beside("REST writes, 32 connections", rates[2], "1/s", rates[0]).costing(costs[2]),
		beside("REST writes, the same without row-level security", rates[1], "1/s", rates[0]).costing(costs[1]),
	}, nil
}

// securedTables returns the names of the tables with policies.
func securedTables(ctx context.Context, pool *pgxpool.Pool) ([]string, error) {
	rows, err := pool.Query(ctx, "SELECT oid::regclass::text FROM pg_class WHERE relrowsecurity ORDER BY 1")
	if err != nil {
		return nil, fmt.Errorf("list the tables with policies: %w", err)
	}
	return pgx.CollectRows(rows, pgx.RowTo[string])
}

// setSecurity turns the policies of the tables on or off: ENABLE or DISABLE.
func setSecurity(ctx context.Context, pool *pgxpool.Pool, tables []string, to string) error {
	for _, table := range tables {
		if _, err := pool.Exec(ctx, "ALTER TABLE "+table+" "+to+" ROW LEVEL SECURITY"); err != nil {
			return fmt.Errorf("%s row-level security of %s: %w", to, table, err)
		}
	}
	return nil
}

// rate runs work concurrently on every writer for some seconds, after a warm-up, and returns the
// number of completions a second, and the cost of each.
func (m *meter) rate(ctx context.Context, what string, work func(context.Context) error) (perSecond float64, cost Cost, err error) {
	var done, all atomic.Int64
	var wg sync.WaitGroup
	errs := make(chan error, writers)
	m.reset()
	begin := time.Now()
	warm, end := begin.Add(time.Second), begin.Add(time.Second+writeTime)
	for range writers {
		wg.Go(func() {
			for now := time.Now(); now.Before(end) && ctx.Err() == nil; now = time.Now() {
				if err := work(ctx); err != nil {
					errs <- err
					return
				}
				all.Add(1)
				if now.After(warm) {
					done.Add(1)
				}
			}
		})
	}
	wg.Wait()
	close(errs)
	perSecond = float64(done.Load()) / time.Since(warm).Seconds()
	cost = m.per(float64(all.Load()))
	progress("%s: %.0f/s%s", what, perSecond, cost)
	return perSecond, cost, errors.Join(<-errs, ctx.Err())
}

// insertTwo is the floor: it inserts a record and its outbox row, as the service does, in one
// transaction.
func insertTwo(ctx context.Context, pool *pgxpool.Pool, who cast) error {
	record, now := uuid.Must(uuid.NewV7()), time.Now()
	data := fmt.Sprintf(`{"recordId":%q,"userId":%q,"clinicId":%q,"doctorId":%q,"status":"final","version":1}`, record, who.patient, who.clinic, who.doctor)
	return pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, `INSERT INTO records (id, kind, version, status, patient_id, clinic_id, doctor_id, code_system, code, effective_at,
			body, created_at, created_by, updated_at, updated_by) VALUES ($1, 'lab_report', 1, 'final', $2, $3, $4, 'http://loinc.org', '24323-8', $5, $6, $5, $7, $5, $7)`,
			record, who.patient, who.clinic, who.doctor, now, []byte(data), who.doctor.String())
		if err != nil {
			return err
		}
		_, err = tx.Exec(ctx, `INSERT INTO outbox (event_id, type, source, subject, subject_version, time, data, clinic_id, person_id, actor_id, actor_role, correlation_id)
			VALUES ($1, 'ehr.lab_report.created', '/carewire', $2, 1, $3, $4, $5, $6, $7, 'doctor', 'bench')`,
			uuid.Must(uuid.NewV7()), "lab_report/"+record.String(), now, []byte(data), who.clinic, who.patient, who.doctor.String())
		return err
	})
}
