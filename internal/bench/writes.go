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

// writes measures POST /api/ehr/lab-reports with everything on, beside the same two inserts through pgx.BeginFunc. The
// sequencer and the followers are off: this is the cost of the write alone.
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
	// The owner is not under row-level security: what that costs is the service's, not the floor's.
	pool, err := s.pool(ctx, postgres.Owner)
	if err != nil {
		return nil, err
	}
	defer pool.Close()
	rest, err := newPoster(ctx, s, reportsPath, who.token, who.report())
	if err != nil {
		return nil, err
	}
	defer rest.close()
	floor := func(ctx context.Context) error { return insertTwo(ctx, pool, who) }
	// In turn, so that both see the machine in the same mood and the tables at the same size.
	var restRate, floorRate float64
	m := newMeter(ctx, pool, s)
	for range writeRounds {
		f, err := m.rate(ctx, "its floor", floor)
		if err != nil {
			return nil, fmt.Errorf("floor: %w", err)
		}
		r, err := m.rate(ctx, "writes", rest.post)
		if err != nil {
			return nil, err
		}
		floorRate, restRate = floorRate+f/writeRounds, restRate+r/writeRounds
	}
	return []Measure{beside("REST writes, 32 connections", restRate, "1/s", floorRate)}, nil
}

// rate runs work on every writer at once for some seconds, after a warm-up, and tells how often a second it was done.
func (m *meter) rate(ctx context.Context, what string, work func(context.Context) error) (float64, error) {
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
	perSecond := float64(done.Load()) / time.Since(warm).Seconds()
	progress("%s: %.0f/s%s", what, perSecond, m.per(float64(all.Load())))
	return perSecond, errors.Join(<-errs, ctx.Err())
}

// insertTwo is the floor: a record and its outbox row, as the service writes them, in one transaction.
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
