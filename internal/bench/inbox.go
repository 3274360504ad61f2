package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"carewire/internal/postgres"
)

const (
	inboxSize  = 10_000
	inboxPage  = 50
	inboxReads = 2000
)

// inbox measures how long a page of a person with many notifications takes over REST, with its
// counts. The floor is an indexed read of the same rows through pgx.
func inbox(ctx context.Context, dir string) ([]Measure, error) {
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
	who, err := s.cast(ctx)
	if err != nil {
		return nil, err
	}
	token, err := s.tool(ctx, "token", "--as", patientEmail)
	if err != nil {
		return nil, err
	}
	if err := fillInbox(ctx, owner, who); err != nil {
		return nil, err
	}
	floorPool, err := s.pool(ctx, postgres.Worker)
	if err != nil {
		return nil, err
	}
	defer floorPool.Close()
	var listed, floor []time.Duration
	for range inboxReads { // In turn, so that both have the same conditions.
		began := time.Now()
		if err := readPage(ctx, floorPool, who); err != nil {
			return nil, fmt.Errorf("floor: %w", err)
		}
		floor = append(floor, time.Since(began))
		began = time.Now()
		if err := s.read(ctx, fmt.Sprintf("/api/inbox?limit=%d", inboxPage), token); err != nil {
			return nil, err
		}
		listed = append(listed, time.Since(began))
	}
	slices.Sort(listed)
	slices.Sort(floor)
	return []Measure{beside("inbox page of 50 among 10,000, p50", millis(percentile(listed, 50)), "ms", millis(percentile(floor, 50)))}, nil
}

// fillInbox gives the demo's patient notifications that they have not read.
func fillInbox(ctx context.Context, owner *pgxpool.Pool, who cast) error {
	return execAll(ctx, owner, []statement{
		{`INSERT INTO notifications (id, event_position, event_id, event_type, subject, recipient_id, clinic_id, category, priority, rule, rule_version, template, created_at)
			SELECT gen_random_uuid(), 20000000 + i, gen_random_uuid(), 'ehr.lab_report.created', 'lab_report/' || gen_random_uuid(), $1, $2,
				'clinical', 'normal', 'bench', 1, 'clinical', now() - i * interval '1 minute'
			FROM generate_series(1, $3::integer) AS i`, []any{who.patient, who.clinic, inboxSize}},
		{`VACUUM ANALYZE notifications`, nil},
	})
}

// readPage reads the newest notifications of the demo's patient.
func readPage(ctx context.Context, pool *pgxpool.Pool, who cast) error {
	rows, err := pool.Query(ctx, `SELECT id, event_position, event_id, event_type, subject, clinic_id, category, priority, created_at, seen_at, read_at
		FROM notifications
		WHERE recipient_id = $1 AND archived_at IS NULL AND held_until IS NULL
		ORDER BY created_at DESC, id DESC
		LIMIT $2`, who.patient, inboxPage+1)
	if err != nil {
		return err
	}
	all, err := pgx.CollectRows(rows, pgx.RowToMap)
	if err == nil && len(all) != inboxPage+1 {
		return fmt.Errorf("%d rows; want %d", len(all), inboxPage+1)
	}
	return err
}

// read reads a whole response.
func (s *service) read(ctx context.Context, path, token string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url+path, nil)
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+token)
	res, err := s.client.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("GET %s: %s", path, res.Status)
	}
	_, err = io.Copy(io.Discard, res.Body)
	return err
}
