package main

import (
	"encoding/json"
	"io"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/google/uuid"
	"github.com/spf13/cobra"
)

// listFlags are the flags of commands that list items.
type listFlags struct {
	json  bool
	wide  bool
	limit int
}

func (l *listFlags) register(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&l.json, "json", false, "print JSON instead of a table")
	cmd.Flags().IntVar(&l.limit, "limit", 50, "maximum number of items")
	registerWide(cmd, &l.wide)
}

// max returns the limit, or an error if it is out of range.
func (l *listFlags) max() (int32, error) {
	if l.limit < 1 {
		return 0, usagef("--limit must be at least 1, not %d", l.limit)
	}
	if l.limit > math.MaxInt32 {
		return 0, usagef("--limit must be at most %d, not %d", math.MaxInt32, l.limit)
	}
	return int32(l.limit), nil
}

// parseNumber parses a positive integer argument. The error names the kind of number, and the
// command that lists them.
func parseNumber[T int32 | int64](arg, kind, command string) (T, error) {
	n, err := strconv.ParseInt(arg, 10, 64)
	if err != nil || n < 1 || int64(T(n)) != n {
		return 0, usagef("invalid %s %q; want a number from %s", kind, arg, command)
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
		return uuid.Nil, usagef("%s: invalid ID %q; want a UUID", flag, value)
	}
	return id, nil
}

func registerWide(cmd *cobra.Command, wide *bool) {
	cmd.Flags().BoolVar(wide, "wide", false, "print all columns, in full")
}

// printJSON prints a value as indented JSON.
func printJSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}

// printList prints items as a table that fits maxWidth unless --wide is set, or as JSON.
func printList[T any](cmd *cobra.Command, list listFlags, items []T, columns []tableColumn, row func(T) []string) error {
	if list.json {
		if items == nil {
			items = []T{}
		}
		return printJSON(cmd.OutOrStdout(), items)
	}
	t := newTable(cmd.OutOrStdout(), list.wide, columns...)
	for _, item := range items {
		t.row(row(item)...)
	}
	return t.flush()
}

const (
	// maxWidth is the width of a table without --wide, in characters.
	maxWidth = 120
	// minFlexible is the width below which no column is shortened.
	minFlexible = 12
	// gap is the space between columns.
	gap = 2
)

// tableColumn is a column of a table.
type tableColumn struct {
	name string
	// wideOnly reports that it is printed with --wide only, flexible that its values may be
	// shortened.
	wideOnly, flexible bool
}

func column(name string) tableColumn   { return tableColumn{name: name} }
func wideOnly(name string) tableColumn { return tableColumn{name: name, wideOnly: true} }
func flexible(name string) tableColumn { return tableColumn{name: name, flexible: true} }

// table writes aligned columns.
type table struct {
	out     io.Writer
	wide    bool
	columns []tableColumn
	rows    [][]string
}

// fixed returns columns that are printed in full, with and without --wide.
func fixed(names ...string) []tableColumn {
	columns := make([]tableColumn, len(names))
	for i, name := range names {
		columns[i] = column(name)
	}
	return columns
}

// newTable returns a table. Unless wide, it leaves out and shortens columns to fit maxWidth.
func newTable(out io.Writer, wide bool, columns ...tableColumn) *table {
	return &table{out: out, wide: wide, columns: columns}
}

// row adds a row with a cell for each column. An empty cell prints as "-".
func (t *table) row(cells ...string) {
	for i := range cells {
		if cells[i] == "" {
			cells[i] = "-"
		}
	}
	t.rows = append(t.rows, cells)
}

// flush prints the table.
func (t *table) flush() error {
	widths := t.widths()
	var b strings.Builder
	header := make([]string, len(t.columns))
	for i, c := range t.columns {
		header[i] = c.name
	}
	for _, cells := range append([][]string{header}, t.rows...) {
		var line strings.Builder
		for i, cell := range cells {
			if widths[i] == 0 {
				continue
			}
			cell = shorten(cell, widths[i])
			line.WriteString(cell)
			line.WriteString(strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell)+gap))
		}
		b.WriteString(strings.TrimRight(line.String(), " ") + "\n")
	}
	_, err := io.WriteString(t.out, b.String())
	return err
}

// widths returns the width of each column; 0 for one that is left out.
func (t *table) widths() []int {
	widths, total := make([]int, len(t.columns)), -gap
	for i, c := range t.columns {
		if c.wideOnly && !t.wide {
			continue
		}
		widths[i] = utf8.RuneCountInString(c.name)
		for _, cells := range t.rows {
			widths[i] = max(widths[i], utf8.RuneCountInString(cells[i]))
		}
		total += widths[i] + gap
	}
	for !t.wide && total > maxWidth {
		widest := -1
		for i, c := range t.columns {
			if c.flexible && widths[i] > minFlexible && (widest < 0 || widths[i] > widths[widest]) {
				widest = i
			}
		}
		if widest < 0 {
			break
		}
		widths[widest]--
		total--
	}
	return widths
}

// shorten returns the text in at most so many characters.
func shorten(text string, width int) string {
	if runes := []rune(text); len(runes) > width {
		return string(runes[:width-1]) + "…"
	}
	return text
}
