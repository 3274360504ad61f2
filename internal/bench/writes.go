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
	writers      = 32
	writeSeconds = 8
)

// writes measures POST /api/ehr/lab-reports with everything on, beside the same two inserts through pgx.BeginFunc. The
// sequencer and the followers are off: this is the cost of the write alone.
func writes(ctx context.Context, dir string) ([]Measure, error) {
	s, err := serve(ctx, dir, "api", writers)
	if err != nil {
		return nil, err
	}
	defer s.stop()
	token, body, err := s.report(ctx)
	if err != nil {
		return nil, err
	}
	rest := func(ctx context.Context) error {
		_, err := s.post(ctx, token, body)
		return err
	}
	floor, closePool, err := twoInserts(ctx, s)
	if err != nil {
		return nil, err
	}
	defer closePool()
	// In turn, twice, so that both see the machine in the same mood and the tables at the same size.
	var restRate, floorRate float64
	for range 2 {
		f, err := rate(ctx, floor)
		if err != nil {
			return nil, fmt.Errorf("floor of writes: %w", err)
		}
		r, err := rate(ctx, rest)
		if err != nil {
			return nil, fmt.Errorf("writes: %w", err)
		}
		floorRate, restRate = floorRate+f/2, restRate+r/2
	}
	return []Measure{beside("REST writes, 32 connections", restRate, "1/s", floorRate)}, nil
}

// rate runs work on every writer at once for some seconds, after a warm-up, and tells how often a second it was done.
func rate(ctx context.Context, work func(context.Context) error) (float64, error) {
	var done atomic.Int64
	var wg sync.WaitGroup
	errs := make(chan error, writers)
	start := time.Now()
	warm, end := start.Add(time.Second), start.Add((writeSeconds/2+1)*time.Second)
	for range writers {
		wg.Go(func() {
			for now := time.Now(); now.Before(end) && ctx.Err() == nil; now = time.Now() {
				if err := work(ctx); err != nil {
					errs <- err
					return
				}
				if now.After(warm) {
					done.Add(1)
				}
			}
		})
	}
	wg.Wait()
	close(errs)
	return float64(done.Load()) / end.Sub(warm).Seconds(), errors.Join(<-errs, ctx.Err())
}

// twoInserts is the floor: a record and its outbox row, as the service writes them, in one transaction.
func twoInserts(ctx context.Context, s *service) (func(context.Context) error, func(), error) {
	url, err := s.databaseURL()
	if err != nil {
		return nil, nil, err
	}
	pool, err := postgres.Open(ctx, postgres.Config{URL: url, Role: postgres.App, MaxConns: writers, AppName: "bench"})
	if err != nil {
		return nil, nil, err
	}
	ids := make([]uuid.UUID, 0, 3)
	for _, email := range []string{"patient@demo.example", "doctor@demo.example"} {
		token, err := s.token(ctx, email)
		if err != nil {
			return nil, nil, err
		}
		person, clinic, err := s.me(ctx, token)
		if err != nil {
			return nil, nil, err
		}
		ids = append(ids, uuid.MustParse(person), uuid.MustParse(clinic))
	}
	return func(ctx context.Context) error { return insertTwo(ctx, pool, ids[0], ids[1], ids[2]) }, pool.Close, nil
}

func insertTwo(ctx context.Context, pool *pgxpool.Pool, patient, clinic, doctor uuid.UUID) error {
	record, now := uuid.Must(uuid.NewV7()), time.Now()
	data := fmt.Sprintf(`{"recordId":%q,"userId":%q,"clinicId":%q,"doctorId":%q,"status":"final","version":1}`, record, patient, clinic, doctor)
	return pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, `INSERT INTO records (id, kind, version, status, patient_id, clinic_id, doctor_id, code_system, code, effective_at,
			body, created_at, created_by, updated_at, updated_by) VALUES ($1, 'lab_report', 1, 'final', $2, $3, $4, 'http://loinc.org', '24323-8', $5, $6, $5, $7, $5, $7)`,
			record, patient, clinic, doctor, now, []byte(data), doctor.String())
		if err != nil {
			return err
		}
		_, err = tx.Exec(ctx, `INSERT INTO outbox (event_id, type, source, subject, subject_version, time, data, clinic_id, person_id, actor_id, actor_role, correlation_id)
			VALUES ($1, 'ehr.lab_report.created', '/carewire', $2, 1, $3, $4, $5, $6, $7, 'doctor', 'bench')`,
			uuid.Must(uuid.NewV7()), "lab_report/"+record.String(), now, []byte(data), clinic, patient, doctor.String())
		return err
	})
}
