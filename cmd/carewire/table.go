package main

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"strings"
	"text/tabwriter"

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
