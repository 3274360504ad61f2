package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
)

// listing are the flags that commands which list have in common.
type listing struct {
	json  bool
	limit int
}

func (l *listing) flags(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&l.json, "json", false, "print JSON instead of a table")
	cmd.Flags().IntVar(&l.limit, "limit", 50, "how many at most")
}

// max gives the limit, or refuses it.
func (l *listing) max() (int32, error) {
	if l.limit < 1 || l.limit > math.MaxInt32 {
		return 0, fmt.Errorf("--limit: %d is not possible; give a number from 1 on", l.limit)
	}
	return int32(l.limit), nil
}

// number reads an argument that counts from 1; where says what shows such numbers.
func number[T int32 | int64](arg, what, where string) (T, error) {
	n, err := strconv.ParseInt(arg, 10, 64)
	if err != nil || n < 1 || int64(T(n)) != n {
		return 0, fmt.Errorf("%q is not %s: give a number that %s lists", arg, what, where)
	}
	return T(n), nil
}

// moment is a flag that takes a time.
type moment struct{ time.Time }

// String gives the time as it is written.
func (m *moment) String() string {
	if m.IsZero() {
		return ""
	}
	return m.Format(time.RFC3339Nano)
}

// Set reads a time.
func (m *moment) Set(text string) (err error) {
	if m.Time, err = time.Parse(time.RFC3339, text); err != nil {
		return errors.New("write it as RFC 3339 has it, such as 2026-03-14T09:30:00Z")
	}
	return nil
}

// Type names what the flag takes.
func (m *moment) Type() string { return "TIME" }

// printJSON writes the value for programs.
func printJSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}

// table writes rows in columns under their heads.
type table struct{ w *tabwriter.Writer }

func newTable(out io.Writer, heads ...string) *table {
	t := &table{tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)}
	t.row(heads...)
	return t
}

// row adds a row; an empty cell shows as "-".
func (t *table) row(cells ...string) {
	for i := range cells {
		if cells[i] == "" {
			cells[i] = "-"
		}
	}
	_, _ = fmt.Fprintln(t.w, strings.Join(cells, "\t")) // Flush gives the error.
}

func (t *table) flush() error { return t.w.Flush() }

// exactly refuses any other number of arguments than one, and says which is missing.
func exactly(what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) != 1 {
			return fmt.Errorf("give one %s; %s --help has examples", what, cmd.CommandPath())
		}
		return nil
	}
}
