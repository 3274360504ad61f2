package main

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"carewire/internal/operator"
)

func TestBacktestProgress_ShowsThePartTheRateAndTheTimeLeft(t *testing.T) {
	t.Parallel()
	p := operator.BacktestProgress{Done: 2500, Total: 10_000, Events: 2000}
	require.Equal(t, " 25 %, 1000 events/s, 6s left", backtestProgress(p, 2*time.Second))
	p.Done, p.Events = p.Total, 8000
	require.Equal(t, "100 %, 1000 events/s, 0s left", backtestProgress(p, 8*time.Second))
}

func TestBacktestBar_WritesALineFromTimeToTimeWithoutATerminal(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	bar := backtestBar{bar: newBar(&out), began: time.Now().Add(-time.Minute)}
	p := operator.BacktestProgress{Done: 1, Total: 2, Events: 600}
	bar.show(p)
	require.Empty(t, out.String(), "a short comparison writes nothing")
	bar.shown = bar.shown.Add(-backtestLinePause)
	bar.show(p)
	require.Regexp(t, `^backtest:  50 %, 10 events/s, 1m0s left\n$`, out.String())
	out.Reset()
	bar.shown, bar.silent = bar.shown.Add(-backtestLinePause), true
	bar.show(p)
	require.Empty(t, out.String())
}

func TestPrintBacktest_MarksAPartialResult(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	result := operator.Backtest{}
	result.Summary.From, result.Summary.To, result.Summary.Partial, result.Summary.ConditionFailures = 5, 9, true, 3
	require.NoError(t, printBacktest(&out, result, false))
	require.Contains(t, out.String(), "\nPARTIAL, interrupted: positions 5 to 9;")
	require.Regexp(t, `\nconditions that failed +3\n`, out.String())
	require.NotContains(t, out.String(), "cannot be read")
}

func TestBoundFlag_TakesAPositionATimeOrADuration(t *testing.T) {
	t.Parallel()
	var b boundFlag
	require.NoError(t, b.Set("42"))
	require.Equal(t, operator.BacktestBound{Position: 42}, b.BacktestBound)
	require.NoError(t, b.Set("2026-03-14T09:30:00Z"))
	require.Equal(t, operator.BacktestBound{Time: time.Date(2026, 3, 14, 9, 30, 0, 0, time.UTC)}, b.BacktestBound)
	require.NoError(t, b.Set("24h"))
	require.WithinDuration(t, time.Now().Add(-24*time.Hour), b.Time, time.Minute)
	for _, bad := range []string{"0", "-1", "-24h", "yesterday", "2026-03-14", ""} {
		require.Error(t, b.Set(bad), bad)
	}
}
