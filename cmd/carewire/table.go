package main

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/google/uuid"
	"github.com/spf13/cobra"
)

// listFlags are the flags of commands that list items.
type listFlags struct {
	json  bool
	limit int
}

func (l *listFlags) register(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&l.json, "json", false, "print JSON instead of a table")
	cmd.Flags().IntVar(&l.limit, "limit", 50, "maximum number of items")
}

// max returns the limit, or an error if it is out of range.
func (l *listFlags) max() (int32, error) {
	if l.limit < 1 {
		return 0, fmt.Errorf("--limit must be at least 1, not %d", l.limit)
	}
	if l.limit > math.MaxInt32 {
		return 0, fmt.Errorf("--limit must be at most %d, not %d", math.MaxInt32, l.limit)
	}
	return int32(l.limit), nil
}

// parseNumber parses a positive integer argument. The error names the kind of number, and the
// command that lists them.
func parseNumber[T int32 | int64](arg, kind, command string) (T, error) {
	n, err := strconv.ParseInt(arg, 10, 64)
	if err != nil || n < 1 || int64(T(n)) != n {
		return 0, fmt.Errorf("invalid %s %q; want a number from %s", kind, arg, command)
	}
	return T(n), nil
}

// parseOptionalID parses the value of a flag that takes an ID. An empty value returns the zero ID.
func parseOptionalID(flag, value string) (uuid.UUID, error) {
	if value == "" {
		return uuid.Nil, nil
	}
	id, err := uuid.Parse(value)
	if err != nil {
		return uuid.Nil, fmt.Errorf("%s: invalid ID %q", flag, value)
	}
	return id, nil
}

// printList prints items as a table with a header, or as JSON.
func printList[T any](cmd *cobra.Command, asJSON bool, items []T, header []string, row func(T) []string) error {
	if asJSON {
		return printJSON(cmd.OutOrStdout(), items)
	}
	t := newTable(cmd.OutOrStdout(), header...)
	for _, item := range items {
		t.row(row(item)...)
	}
	return t.flush()
}

// printJSON prints a value as indented JSON.
func printJSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}

// table writes aligned columns.
type table struct{ w *tabwriter.Writer }

func newTable(out io.Writer, header ...string) *table {
	t := &table{tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)}
	t.row(header...)
	return t
}

// row adds a row. An empty cell prints as "-".
func (t *table) row(cells ...string) {
	for i := range cells {
		if cells[i] == "" {
			cells[i] = "-"
		}
	}
	_, _ = fmt.Fprintln(t.w, strings.Join(cells, "\t")) // flush returns the error.
}

func (t *table) flush() error { return t.w.Flush() }
