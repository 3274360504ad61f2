// Command bench measures the service's hot paths on this machine, each beside a floor measured in the same run: what
// the same work costs with nothing of carewire's around it. Absolute figures drift with the machine; the ratios are what
// counts. It runs bin/carewire as its users do, on embedded databases of its own with durable commits, prints a table
// and writes bench/latest.json. docs/performance.md says what each line means.
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

// Measure is one line of the result. Floor is zero where there is none; Ratio is Value/Floor.
type Measure struct {
	Name  string  `json:"name"`
	Value float64 `json:"value"`
	Unit  string  `json:"unit"`
	Floor float64 `json:"floor"`
	Ratio float64 `json:"ratio"`
}

func beside(name string, value float64, unit string, floor float64) Measure {
	return Measure{Name: name, Value: value, Unit: unit, Floor: floor, Ratio: value / floor}
}

func alone(name string, value float64, unit string) Measure {
	return Measure{Name: name, Value: value, Unit: unit}
}

// part is what is measured together, in a directory and with services of its own.
type part struct {
	name, what string
	measure    func(ctx context.Context, dir string) ([]Measure, error)
}

func parts() []part {
	return []part{
		{"writes", "REST writes beside the same inserts through pgx", writes},
		{"sequence", "the outbox into the ledger", sequence},
		{"dispatch", "events planned, four messages each", plan},
		{"large", "events planned at a clinic of 3,000 staff", planLarge},
		{"deliver", "messages to a provider beside River's empty jobs", deliver},
		{"latency", "from a write to a socket and to a provider, at 50 writes a second", latency},
		{"pipeline", "writes a second with all that follows from them", pipeline},
		{"import", "FHIR resources taken in, and taken in again", importing},
		{"memory", "what the service holds when nothing happens", memory},
	}
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := run(ctx, os.Args[1:])
	switch {
	case err == nil, errors.Is(err, flag.ErrHelp):
	case ctx.Err() != nil:
		fmt.Fprintln(os.Stderr, "bench: stopped; nothing was written")
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
		progress("%s: %s", p.name, p.what)
		measures, err := onItsOwn(ctx, p)
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

// choose reads the command line.
func choose(args []string) (chosen []part, out string, err error) {
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	only := flags.String("only", "", "measure only these parts, separated by commas")
	flags.StringVar(&out, "out", filepath.Join("bench", "latest.json"), "where the result is written")
	flags.Usage = func() {
		_, _ = fmt.Fprintln(flags.Output(), "bench measures bin/carewire, which must have been built. Its parts:")
		for _, p := range parts() {
			_, _ = fmt.Fprintf(flags.Output(), "  %-10s %s\n", p.name, p.what)
		}
		_, _ = fmt.Fprintln(flags.Output(), "Flags:")
		flags.PrintDefaults()
	}
	if err := flags.Parse(args); err != nil {
		return nil, "", err
	}
	if flags.NArg() > 0 {
		return nil, "", fmt.Errorf("what is %q? name parts with --only; --help lists them", flags.Arg(0))
	}
	if *only == "" {
		return parts(), out, nil
	}
	for name := range strings.SplitSeq(*only, ",") {
		i := slices.IndexFunc(parts(), func(p part) bool { return p.name == strings.TrimSpace(name) })
		if i < 0 {
			return nil, "", fmt.Errorf("--only: there is no part %q; --help lists them", name)
		}
		chosen = append(chosen, parts()[i])
	}
	return chosen, out, nil
}

// progress tells whoever waits what is going on; the result alone goes to the standard output.
func progress(format string, args ...any) {
	fmt.Fprintf(os.Stderr, time.Now().Format(time.TimeOnly)+" "+format+"\n", args...)
}

// onItsOwn gives a part a new directory, so that none works on what another left.
func onItsOwn(ctx context.Context, p part) ([]Measure, error) {
	dir, err := os.MkdirTemp("", "carewire-bench-")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	// Started as root, PostgreSQL runs as another user, who must be able to enter.
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
