// Command bench measures the service's hot paths on this machine, each beside a floor measured in the same run: what
// the same work costs with nothing of carewire's around it. Absolute figures drift with the machine; the ratios are what
// counts. It runs bin/carewire as its users do, on an embedded database of its own with durable commits, prints a table
// and writes bench/latest.json.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"text/tabwriter"
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

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	var all []Measure
	for _, part := range []func(context.Context, string) ([]Measure, error){writes, latency} {
		measures, err := onItsOwn(ctx, part)
		if err != nil {
			return err
		}
		all = append(all, measures...)
	}
	if err := printTable(all); err != nil {
		return err
	}
	return save(all, filepath.Join("bench", "latest.json"))
}

// onItsOwn gives a part a new directory, so that none works on what another left.
func onItsOwn(ctx context.Context, part func(context.Context, string) ([]Measure, error)) ([]Measure, error) {
	dir, err := os.MkdirTemp("", "carewire-bench-")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	// Started as root, PostgreSQL runs as another user, who must be able to enter.
	if err := os.Chmod(dir, 0o711); err != nil {
		return nil, err
	}
	return part(ctx, dir)
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
