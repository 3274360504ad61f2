package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
)

// backtest measures how fast the events of the part dispatch are decided again and compared with
// their messages, four each, by the command. The time that the command takes for no events is
// subtracted.
func backtest(ctx context.Context, dir string) ([]Measure, error) {
	return besideDispatcher(ctx, dir, fillLedger, func(ctx context.Context, owner *pgxpool.Pool, dispatcher *service) (Measure, error) {
		if _, _, err := planningRate(ctx, owner, dispatcher); err != nil {
			return Measure{}, err
		}
		if _, err := owner.Exec(ctx, "ANALYZE events, notifications, deliveries"); err != nil {
			return Measure{}, err
		}
		perSecond, err := dispatcher.backtestRate(ctx, owner)
		return alone("backtest, 4 messages an event", perSecond, "events/s"), err
	})
}

// backtestRate measures the command, and checks that it reads all messages.
func (s *service) backtestRate(ctx context.Context, owner *pgxpool.Pool) (float64, error) {
	file := filepath.Join(filepath.Dir(s.dataDir), "backtest.yaml")
	if err := os.WriteFile(file, []byte(fourMessages), 0o600); err != nil {
		return 0, err
	}
	const planned = 4 * planEvents
	run := func(args ...string) (took time.Duration, messages int, err error) {
		began := time.Now()
		out, err := s.tool(ctx, append([]string{"rules", "backtest", file, "--json"}, args...)...)
		took = time.Since(began)
		var result struct {
			Summary struct{ MessagesBefore int }
		}
		if err == nil {
			err = json.Unmarshal([]byte(out), &result)
		}
		return took, result.Summary.MessagesBefore, err
	}
	idle, _, err := run("--to", "24h")
	if err != nil {
		return 0, err
	}
	m := newMeter(ctx, owner, s)
	took, messages, err := run()
	if err != nil {
		return 0, err
	}
	if messages < planned {
		return 0, fmt.Errorf("the backtest read %d messages, not %d", messages, planned)
	}
	perSecond := planEvents / (took - idle).Seconds()
	progress("backtest: %.0f/s%s", perSecond, m.per(planEvents))
	return perSecond, nil
}
