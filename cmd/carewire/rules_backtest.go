package main

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"carewire/internal/operator"
	"carewire/internal/table"
)

// backtestFlags are the flags of rules backtest.
type backtestFlags struct {
	from, to         boundFlag
	limit            int
	json, wide, fail bool
}

func rulesBacktestCommand() *cobra.Command {
	var f backtestFlags
	cmd := &cobra.Command{
		Use:   "backtest FILE",
		Short: "Compare what a rule file decides about past events with what was planned",
		Long: `Compare what a rule file, or standard input for -, decides about past events with the messages that were planned: who would get
a message that they did not get (added), who would not get one that they got (removed), and which messages would have another
priority, template or class of reason (changed: the rule itself, a fallback channel, the escalation of a critical event).

The differences are counted by rule, event type and channel, and then listed in the order of the ledger. The channel inapp is the
notification in the inbox. It does not matter whether a message arrived, nor on which channel it was sent after one failed.

An event is decided as of the time when it was planned, but with the addresses, preferences and roles that people have now. If
these have changed since, even the rules in force show differences.

By default it reads the events of the 7 days before now, or before --to. --from and --to take a position of the ledger, a time
(RFC 3339), or a duration before now, such as 24h. Events that are not planned yet are left out. It reads the ledger in pages,
and stores and sends nothing. Ctrl-C ends it: the result is then partial, and the exit status 1. Otherwise the exit status is 0
with and without differences, unless --fail-on-difference is given.`,
		Example: `  carewire rules backtest rules.yaml
  carewire rules backtest rules.yaml --from 24h --wide
  carewire rules backtest rules.yaml --from 2026-03-01T00:00:00Z --to 2026-03-08T00:00:00Z --json | jq .summary
  carewire rules show | carewire rules backtest - --from 1000 --to 2000 --fail-on-difference`,
		Args: oneArg("FILE"),
		RunE: withOperator(f.run),
	}
	flags := cmd.Flags()
	flags.Var(&f.from, "from", "first event: a position, a time (RFC 3339), or a duration before now (default: 7 days before now, or before --to)")
	flags.Var(&f.to, "to", "last event: a position, or the events before a time (RFC 3339) or a duration before now (default: the last planned event)")
	flags.IntVar(&f.limit, "limit", 200, "maximum number of listed differences; all are counted")
	flags.BoolVar(&f.json, "json", false, "print JSON instead of tables")
	flags.BoolVar(&f.fail, "fail-on-difference", false, "exit with status 1 if there is a difference")
	registerWide(cmd, &f.wide)
	return cmd
}

func (f *backtestFlags) run(cmd *cobra.Command, op *operator.Operator, args []string) error {
	if f.limit < 0 {
		return usagef("--limit must be at least 0, not %d", f.limit)
	}
	if f.to.Position > 0 && f.from.Position > f.to.Position || !f.to.Time.IsZero() && f.from.Time.After(f.to.Time) {
		return usagef("--from must not be after --to")
	}
	name, src, err := readFile(cmd, args[0])
	if err != nil {
		return err
	}
	bar := backtestBar{bar: newBar(cmd.ErrOrStderr()), began: time.Now()}
	bar.silent = f.json && !bar.terminal
	in := operator.BacktestRequest{Source: string(src), From: f.from.BacktestBound, To: f.to.BacktestBound, Limit: f.limit}
	result, err := op.BacktestRules(cmd.Context(), name, in, bar.show)
	bar.clear()
	if err != nil {
		return err
	}
	if f.json {
		err = printJSON(cmd.OutOrStdout(), result)
	} else {
		err = printBacktest(cmd.OutOrStdout(), result, f.wide)
	}
	switch {
	case err != nil:
		return err
	case result.Summary.Partial:
		return fmt.Errorf("interrupted: the result is partial, up to position %d", result.Summary.To)
	case f.fail && result.Summary.Differences() > 0:
		return fmt.Errorf("%d differences", result.Summary.Differences())
	}
	return nil
}

// boundFlag is a flag with a position, a time or a duration before now.
type boundFlag struct {
	operator.BacktestBound

	text string
}

func (b *boundFlag) String() string { return b.text }

// Type implements pflag.Value.
func (b *boundFlag) Type() string { return "bound" }

// Set implements pflag.Value.
func (b *boundFlag) Set(text string) error {
	b.text = text
	if position, err := strconv.ParseInt(text, 10, 64); err == nil && position > 0 {
		b.BacktestBound = operator.BacktestBound{Position: position}
		return nil
	}
	if ago, err := time.ParseDuration(text); err == nil && ago > 0 {
		b.BacktestBound = operator.BacktestBound{Time: time.Now().Add(-ago)}
		return nil
	}
	at, err := time.Parse(time.RFC3339, text)
	b.BacktestBound = operator.BacktestBound{Time: at}
	return err
}

// backtestBar shows how far a backtest is.
type backtestBar struct {
	*bar

	began  time.Time
	silent bool
}

// backtestLinePause is the time between two lines without a terminal.
const backtestLinePause = 5 * time.Second

func (b *backtestBar) show(p operator.BacktestProgress) {
	pause := backtestLinePause
	if b.terminal {
		pause = barPause
	}
	if b.silent || p.Total == 0 || time.Since(b.shown) < pause {
		return
	}
	b.shown = time.Now()
	text := backtestProgress(p, time.Since(b.began))
	if !b.terminal {
		_, _ = fmt.Fprintf(b.out, "backtest: %s\n", text)
		return
	}
	full := int(min(1, float64(p.Done)/float64(p.Total)) * barWidth)
	_, _ = fmt.Fprintf(b.out, "%s[%s%s] %s", lineStart, strings.Repeat("=", full), strings.Repeat(" ", barWidth-full), text)
}

// backtestProgress returns the progress in words after some time.
func backtestProgress(p operator.BacktestProgress, elapsed time.Duration) string {
	part := min(1, float64(p.Done)/float64(p.Total))
	text := fmt.Sprintf("%3.0f %%, %.0f events/s", part*100, float64(p.Events)/elapsed.Seconds())
	if part > 0 {
		left := time.Duration(float64(elapsed) * (1 - part) / part)
		text += fmt.Sprintf(", %s left", left.Round(time.Second))
	}
	return text
}

func printBacktest(out io.Writer, result operator.Backtest, wide bool) error {
	if err := printDifferences(out, result, wide); err != nil {
		return err
	}
	s := result.Summary
	t := table.New(out, wide, table.Fixed("TOTAL", "COUNT")...)
	for _, row := range []struct {
		name   string
		count  int64
		always bool
	}{
		{"events", s.Events, true},
		{"events matched by the file", s.Matched, true},
		{"events that cannot be read", s.Unreadable, false},
		{"conditions that failed", s.ConditionFailures, false},
		{"messages planned", s.MessagesBefore, true},
		{"messages by the file", s.MessagesAfter, true},
		{"same", s.Same, true},
		{"added", s.Added, true},
		{"removed", s.Removed, true},
		{"changed", s.Changed, true},
	} {
		if row.always || row.count > 0 {
			t.Row(row.name, strconv.FormatInt(row.count, 10))
		}
	}
	if err := t.Flush(); err != nil {
		return err
	}
	part := fmt.Sprintf("positions %d to %d", s.From, s.To)
	if s.To < s.From {
		part = "no events to compare"
	}
	if s.Partial {
		part = "PARTIAL, interrupted: " + part
	}
	_, err := fmt.Fprintf(out, "\n%s; with the addresses, preferences and roles that people have now\n", part)
	return err
}

// printDifferences prints the counts of the differences, and the listed ones.
func printDifferences(out io.Writer, result operator.Backtest, wide bool) error {
	if len(result.Groups) == 0 {
		_, err := fmt.Fprint(out, "no differences\n\n")
		return err
	}
	t := table.New(out, wide, table.Plain("CHANGE"), table.Flexible("RULE"), table.Flexible("TYPE"), table.Plain("CHANNEL"), table.Plain("COUNT"))
	for _, g := range result.Groups {
		t.Row(string(g.Change), g.Rule, g.Type, g.Channel, strconv.FormatInt(g.Count, 10))
	}
	if err := t.Flush(); err != nil {
		return err
	}
	if _, err := fmt.Fprintln(out); err != nil {
		return err
	}
	if len(result.Differences) > 0 {
		t = table.New(out, wide, table.Plain("CHANGE"), table.Plain("POSITION"), table.WideOnly("EVENT"), table.Flexible("TYPE"), table.Flexible("RULE"), table.Plain("RECIPIENT"), table.Plain("CHANNEL"), table.Flexible("BEFORE"), table.Flexible("AFTER"))
		for i := range result.Differences {
			d := &result.Differences[i]
			t.Row(string(d.Change), strconv.FormatInt(d.Position, 10), d.EventID.String(), d.Type, d.Rule(), d.RecipientID.String(), d.Channel, backtestMessage(d.Before), backtestMessage(d.After))
		}
		if err := t.Flush(); err != nil {
			return err
		}
	}
	more := ""
	if result.Summary.Unlisted > 0 {
		more = fmt.Sprintf("%d more differences; --limit lists more\n", result.Summary.Unlisted)
	}
	_, err := fmt.Fprintln(out, more)
	return err
}

// backtestMessage returns a message's priority and template, or the reason why there is none.
func backtestMessage(m operator.BacktestMessage) string {
	switch {
	case !m.Sent:
		return m.Reason
	case m.Reason == "" || strings.HasPrefix(m.Reason, "rule "):
		return m.Priority + " " + m.Template
	}
	return m.Priority + " " + m.Template + ", " + m.Reason
}
