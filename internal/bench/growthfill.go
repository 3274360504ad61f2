package main

import (
	"context"
	_ "embed"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// growSQL has statements that are separated by empty lines, with a comment before some.
//
//go:embed grow.sql
var growSQL string

// growFunctions are those that grow.sql calls. size returns the number of rows of a table, or the last
// position before the grown events; at returns when the i-th of n rows was written, in 400 days.
const growFunctions = `
	CREATE FUNCTION numbered(kind text, i bigint) RETURNS uuid LANGUAGE sql IMMUTABLE
	RETURN ('0190' || kind || '000-0000-7000-8000-' || lpad(i::text, 12, '0'))::uuid;
	CREATE FUNCTION size(of text) RETURNS bigint LANGUAGE sql STABLE
	RETURN CASE of
		WHEN 'first' THEN current_setting('bench.first')::bigint
		WHEN 'events' THEN current_setting('bench.events')::bigint
		ELSE current_setting('bench.events')::bigint * CASE of
			WHEN 'notifications' THEN 400
			WHEN 'records' THEN 100
			WHEN 'appointments' THEN 40
			WHEN 'invoices' THEN 40
			WHEN 'people' THEN 8
			WHEN 'conversations' THEN 8
		END / 1000
	END;
	CREATE FUNCTION busy(who text) RETURNS uuid LANGUAGE sql STABLE
	RETURN current_setting('bench.' || who)::uuid;
	CREATE FUNCTION at(i bigint, n bigint) RETURNS timestamptz LANGUAGE sql STABLE
	RETURN now() - interval '400 days' * (n - i) / n`

// grow fills the database: the demo's clinic, doctor and patient are the busy ones.
func (c *clinicDB) grow(ctx context.Context, events int) error {
	began := time.Now()
	conn, err := c.owner.Acquire(ctx)
	if err != nil {
		return err
	}
	defer conn.Release()
	if _, err := moveAll(ctx, c.worker); err != nil {
		return err
	}
	var first int64
	if err := conn.QueryRow(ctx, "SELECT coalesce(max(position), 0) FROM events").Scan(&first); err != nil {
		return err
	}
	for name, value := range map[string]string{
		"bench.events": strconv.Itoa(events), "bench.first": strconv.FormatInt(first, 10),
		"bench.clinic": c.who.clinic.String(), "bench.doctor": c.who.doctor.String(), "bench.patient": c.who.patient.String(),
		"statement_timeout": "0", "synchronous_commit": "off", "maintenance_work_mem": "256MB",
	} {
		if _, err := conn.Exec(ctx, "SELECT set_config($1, $2, false)", name, value); err != nil {
			return fmt.Errorf("set %s: %w", name, err)
		}
	}
	all := append(strings.Split(growFunctions, ";"), strings.Split(growSQL, ";\n")...)
	for _, sql := range all {
		if strings.TrimSpace(sql) == "" {
			continue
		}
		if _, err := conn.Exec(ctx, sql); err != nil {
			return fmt.Errorf("fill: %w: %s", err, sql)
		}
	}
	progress("filled with %d events in %s", events, time.Since(began).Round(time.Second))
	return nil
}
