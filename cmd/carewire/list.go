package main

import (
	"encoding/json"
	"io"
	"math"
	"strconv"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"carewire/internal/table"
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

// printList prints items as a table that fits a terminal unless --wide is set, or as JSON.
func printList[T any](cmd *cobra.Command, list listFlags, items []T, columns []table.Column, row func(T) []string) error {
	if list.json {
		if items == nil {
			items = []T{}
		}
		return printJSON(cmd.OutOrStdout(), items)
	}
	t := table.New(cmd.OutOrStdout(), list.wide, columns...)
	for _, item := range items {
		t.Row(row(item)...)
	}
	return t.Flush()
}
