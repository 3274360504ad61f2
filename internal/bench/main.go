// Command bench measures the service's hot paths on this machine. Each measure has a floor from the
// same run: the cost of the same work without carewire. Absolute figures vary with the machine; the
// ratios are comparable. It runs bin/carewire as users do, on new embedded databases with durable
// commits, prints a table and writes bench/latest.json. docs/performance.md describes each row.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"
)

// Measure is one row of the result. Floor is zero if there is none; Ratio is Value/Floor. Cost is
// that of one of the operations that the measure counts.
type Measure struct {
	Name  string  `json:"name"`
	Value float64 `json:"value"`
	Unit  string  `json:"unit"`
	Floor float64 `json:"floor"`
	Ratio float64 `json:"ratio"`
	Cost  *Cost   `json:"cost,omitempty"`
	// FloorCost is the cost of one operation of the floor.
	FloorCost *Cost `json:"floorCost,omitempty"`
}

func beside(name string, value float64, unit string, floor float64) Measure {
	return Measure{Name: name, Value: value, Unit: unit, Floor: floor, Ratio: value / floor}
}

func alone(name string, value float64, unit string) Measure {
	return Measure{Name: name, Value: value, Unit: unit}
}

// costing returns the measure with the cost of an operation.
func (m Measure) costing(c Cost) Measure {
	m.Cost = &c
	return m
}

// part is a group of measures that share a directory and services.
type part struct {
	name, about string
	measure     func(ctx context.Context, dir string) ([]Measure, error)
}

func parts() []part {
	return []part{
		{"writes", "REST writes, compared to the same inserts through pgx", writes},
		{"sequence", "moving the outbox to the ledger", sequence},
		{"dispatch", "planning events with four messages each", plan},
		{"backtest", "comparing a draft of the rules with four messages of each event", backtest},
		{"attention", "planning with preferences, quiet hours and a throttle, compared to planning without", planAttention},
		{"reminders", "reminders that become due at the same time", remind},
		{"waiting", "a million planned reminders: planning, writes, and a cancellation among them", waiting},
		{"large", "planning events at a clinic with a staff of 3,000", planLarge},
		{"deliver", "messages to a provider, compared to River's empty jobs", deliver},
		{"receipts", "delivery receipts of a provider", receipts},
		{"inbox", "a page of a large inbox, compared to an indexed read through pgx", inbox},
		{"latency", "latency from a write to a socket and to a provider, at 50 writes a second", latency},
		{"light", "processor time of a write with four messages, at 20 writes a second", light},
		{"pipeline", "writes a second, including their notifications", pipeline},
		{"import", "importing FHIR resources, new and unchanged", importing},
		{"memory", "memory of an idle service", memory},
	}
}

// longParts are measured only by name, because they take long or need many file descriptors.
func longParts() []part {
	return []part{
		{"sockets", "1,000 sockets: memory, connecting, paced and bursts of events, frozen clients, a restart, resuming", sockets(1000)},
		{"sockets-10k", "10,000 sockets, the same", sockets(10_000)},
		{"growth", "lists, look-ups, writes, the sequencer and dispatch in a grown database, compared to a small one", growth},
	}
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := run(ctx, os.Args[1:])
	switch {
	case err == nil, errors.Is(err, flag.ErrHelp):
	case ctx.Err() != nil:
		fmt.Fprintln(os.Stderr, "bench: interrupted; no result was written")
		os.Exit(1)
	case err != nil:
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	chosen, out, err := choose(args)
	if err != nil {
		return err
	}
	var all []Measure
	for _, p := range chosen {
		progress("%s: %s", p.name, p.about)
		measures, err := runPart(ctx, p)
		if err != nil {
			return fmt.Errorf("%s: %w", p.name, err)
		}
		all = append(all, measures...)
	}
	if err := printTable(all); err != nil {
		return err
	}
	return save(all, out)
}

// choose parses the command line.
func choose(args []string) (chosen []part, out string, err error) {
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	only := flags.String("only", "", "comma-separated parts to measure (default all but growth, sockets and sockets-10k)")
	all := append(parts(), longParts()...)
	flags.StringVar(&out, "out", filepath.Join("bench", "latest.json"), "file for the result")
	flags.IntVar(&grownEvents, "events", grownEvents, "events of the grown database of the part growth")
	flags.Usage = func() {
		_, _ = fmt.Fprintln(flags.Output(), "bench measures bin/carewire. Run make build first. Parts:")
		for _, p := range all {
			_, _ = fmt.Fprintf(flags.Output(), "  %-11s %s\n", p.name, p.about)
		}
		_, _ = fmt.Fprintln(flags.Output(), "Flags:")
		flags.PrintDefaults()
	}
	if err := flags.Parse(args); err != nil {
		return nil, "", err
	}
	if flags.NArg() > 0 {
		return nil, "", fmt.Errorf("unexpected argument %q; select parts with --only", flags.Arg(0))
	}
	if *only == "" {
		return parts(), out, nil
	}
	for name := range strings.SplitSeq(*only, ",") {
		i := slices.IndexFunc(all, func(p part) bool { return p.name == strings.TrimSpace(name) })
		if i < 0 {
			return nil, "", fmt.Errorf("--only: unknown part %q; see --help", name)
		}
		chosen = append(chosen, all[i])
	}
	return chosen, out, nil
}

// progress logs to standard error. Standard output has only the result.
func progress(format string, args ...any) {
	fmt.Fprintf(os.Stderr, time.Now().Format(time.TimeOnly)+" "+format+"\n", args...)
}

// runPart runs a part in a new directory, so that parts do not share data.
func runPart(ctx context.Context, p part) ([]Measure, error) {
	dir, err := os.MkdirTemp("", "carewire-bench-")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	// If started as root, PostgreSQL runs as another user, which needs access to the directory.
	if err := os.Chmod(dir, 0o711); err != nil {
		return nil, err
	}
	measures, err := p.measure(ctx, dir)
	return measures, errors.Join(err, ctx.Err())
}

func printTable(all []Measure) error {
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	_, _ = fmt.Fprintln(w, "measure\tvalue\tunit\tfloor\tratio\t")
	for _, m := range all {
		if m.Floor == 0 {
			_, _ = fmt.Fprintf(w, "%s\t%.2f\t%s\t–\t–\t\n", m.Name, m.Value, m.Unit)
			continue
		}
		_, _ = fmt.Fprintf(w, "%s\t%.2f\t%s\t%.2f\t%.2f\t\n", m.Name, m.Value, m.Unit, m.Floor, m.Ratio)
	}
	return w.Flush()
}

func save(all []Measure, path string) error {
	out, err := json.MarshalIndent(map[string]any{"measures": all}, "", "  ")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		return err
	}
	return os.WriteFile(path, append(out, '\n'), 0o600)
}
