package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
)

const (
	pipelineStep  = 5 * time.Second
	pipelineFirst = 200.0
	// maxLag is the maximum time from an event until its messages are sent and settled.
	maxLag = time.Second
)

// pipeline finds the maximum number of writes a second that one service with every role sustains,
// with four messages each sent to the sandbox and settled within a second. It increases the rate
// until the service falls behind, and then bisects between the last rate that passed and the first
// that failed.
func pipeline(ctx context.Context, dir string) ([]Measure, error) {
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
	if err := drained(ctx, owner); err != nil {
		return nil, err
	}
	carried, tooMuch := 0.0, 0.0
	for next := pipelineFirst; tooMuch == 0 || tooMuch/max(carried, 1) > 1.1; {
		kept, err := keepsUp(ctx, s, owner, who, next)
		if err == nil && !kept {
			// Once more: the first messages of a service take longer, as its statements have no plans yet.
			kept, err = keepsUp(ctx, s, owner, who, next)
		}
		if err != nil {
			return nil, err
		}
		if kept {
			carried = next
		} else {
			tooMuch = next
		}
		next = carried * 1.4
		if tooMuch > 0 {
			next = (carried + tooMuch) / 2
		}
	}
	return []Measure{alone("pipeline, 4 messages a write, lag under 1 s", carried, "writes/s")}, nil
}

// keepsUp writes at a rate for a while. It reports whether the service accepted the writes at that
// rate and settled 99 of 100 messages within maxLag.
func keepsUp(ctx context.Context, s *service, owner *pgxpool.Pool, who cast, perSecond float64) (bool, error) {
	var after time.Time
	if err := owner.QueryRow(ctx, "SELECT now()").Scan(&after); err != nil {
		return false, err
	}
	m := newMeter(ctx, owner, s)
	written, err := writeAtRate(ctx, s, who, perSecond, pipelineStep)
	if err != nil {
		return false, err
	}
	wait(ctx, maxLag)
	// Messages that are not settled by now exceed maxLag.
	var messages, late int
	var lag float64
	err = owner.QueryRow(ctx, `
		SELECT count(*), count(*) FILTER (WHERE lag > $2), coalesce(percentile_disc(0.99) WITHIN GROUP (ORDER BY lag), 0)
		FROM events AS e
		JOIN deliveries AS d ON d.event_id = e.event_id
		CROSS JOIN LATERAL (SELECT extract(epoch FROM coalesce(d.sent_at, now()) - e.time)::double precision AS lag) AS l
		WHERE e.type = 'ehr.lab_report.created' AND e.time > $1`, after, maxLag.Seconds()).Scan(&messages, &late, &lag)
	if err != nil {
		return false, err
	}
	progress("pipeline: %.0f writes/s offered, %.0f accepted, %d of %d messages settled, 99 of 100 within %.0f ms%s",
		perSecond, float64(written)/pipelineStep.Seconds(), messages-late, 4*written, lag*1000, m.per(float64(written)))
	kept := float64(written) >= 0.97*perSecond*pipelineStep.Seconds() && float64(messages-late) >= 0.99*4*float64(written)
	return kept, drained(ctx, owner)
}

// writeAtRate starts writes at the times that the rate sets, without waiting for earlier responses,
// as far as the number of connections allows. It returns the number acknowledged in time.
func writeAtRate(ctx context.Context, s *service, who cast, perSecond float64, during time.Duration) (int, error) {
	body := who.report()
	return atRate(ctx, perSecond, during, func(ctx context.Context) error {
		_, err := s.post(ctx, who.token, body)
		return err
	})
}

// atRate does the work at the times that the rate sets, as writeAtRate does.
func atRate(ctx context.Context, perSecond float64, during time.Duration, work func(context.Context) error) (int, error) {
	begin := time.Now()
	end := begin.Add(during)
	var next, written atomic.Int64
	var wg sync.WaitGroup
	errs := make(chan error, writers)
	for range writers {
		wg.Go(func() {
			for ctx.Err() == nil {
				due := begin.Add(time.Duration(float64(next.Add(1)) / perSecond * float64(time.Second)))
				if due.After(end) || time.Now().After(end) {
					return
				}
				wait(ctx, time.Until(due))
				if err := work(ctx); err != nil {
					errs <- err
					return
				}
				written.Add(1)
			}
		})
	}
	wg.Wait()
	close(errs)
	return int(written.Load()), errors.Join(<-errs, ctx.Err())
}

// drained waits until every write so far is planned and settled.
func drained(ctx context.Context, owner *pgxpool.Pool) error {
	deadline := time.Now().Add(time.Minute)
	for {
		var open bool
		err := owner.QueryRow(ctx, `SELECT EXISTS (SELECT FROM outbox) OR EXISTS (SELECT FROM deliveries WHERE state = 'queued')
			OR (SELECT position FROM followers WHERE name = 'dispatch') < (SELECT max(position) FROM events)`).Scan(&open)
		if err != nil || !open {
			return err
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("the service has not caught up after a minute")
		}
		wait(ctx, 50*time.Millisecond)
	}
}
