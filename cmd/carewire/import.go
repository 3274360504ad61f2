package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"
	"golang.org/x/term"

	"carewire/internal/operator"
)

func importCommand() *cobra.Command {
	return group("import", "Import data from other systems", importFHIRCommand())
}

// importFlags are the flags of import fhir.
type importFlags struct {
	source, clinic, timeZone   string
	dryRun, strict, json, list bool
}

func importFHIRCommand() *cobra.Command {
	var f importFlags
	cmd := &cobra.Command{
		Use:   "fhir FILE...",
		Short: "Import FHIR R4 bundles, resources and NDJSON",
		Long: `Import FHIR R4 bundles (transaction, batch, collection, searchset), single resources and NDJSON (.ndjson, one resource a
line). Files can be compressed (.gz). "-" reads standard input. docs/fhir.md has a table of the resource types.

Imported data is history: by default, no rule notifies anyone of it. Importing the same resource again changes nothing; a
changed resource becomes a new version; an interrupted import is completed by the next one. Resources are identified by
--source and their ID, so use a different source for each system. It defaults to the name of the first file's directory.

The summary counts resources that were imported, updated, unchanged, skipped (the type or content is not supported) and
refused (the resource is invalid). Each refused resource is listed on standard error with its place and the path of the
invalid element; --list also lists skipped ones. The exit status is 0 even if resources were refused, unless --strict is
given; it is 1 if the import could not finish.`,
		Example: `  carewire import fhir --source hospital-a export/*.json
  carewire import fhir --dry-run --list bundle.json.gz
  carewire import fhir --source lab --clinic 0190a1b2-3c4d-7e5f-8a9b-0c1d2e3f4a5b --time-zone Europe/Berlin results.ndjson
  zcat export.ndjson.gz | carewire import fhir --source hospital-a --json -`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usagef("want files to import, or - for standard input; see %s --help", cmd.CommandPath())
			}
			return nil
		},
		RunE: withOperator(f.run),
	}
	flags := cmd.Flags()
	flags.StringVar(&f.source, "source", "", "name of the system that exported the resources (default: name of the first file's directory)")
	flags.StringVar(&f.clinic, "clinic", "", "ID of the clinic for resources that name none")
	flags.StringVar(&f.timeZone, "time-zone", "UTC", "time zone of new clinics and people")
	flags.BoolVar(&f.dryRun, "dry-run", false, "report the outcome without importing")
	flags.BoolVar(&f.strict, "strict", false, "exit with status 1 if a resource was refused")
	flags.BoolVar(&f.json, "json", false, "print the summary as JSON")
	flags.BoolVar(&f.list, "list", false, "also list skipped resources with the reason")
	return cmd
}

func (f *importFlags) run(cmd *cobra.Command, op *operator.Operator, args []string) error {
	o := operator.ImportOptions{Source: f.source, TimeZone: f.timeZone, DryRun: f.dryRun}
	if f.clinic != "" {
		id, err := uuid.Parse(f.clinic)
		if err != nil {
			return usagef("--clinic: invalid ID; GET /api/me returns the IDs of your clinics")
		}
		o.ClinicID = id
	}
	bar := newBar(cmd.ErrOrStderr())
	o.List = func(i operator.ImportItem) {
		if f.list || i.Outcome != "skipped" {
			bar.line(i.String())
		}
	}
	o.Progress = bar.show
	sum, err := op.ImportFHIR(cmd.Context(), args, cmd.InOrStdin(), o, func(total int64) { bar.total = total })
	bar.clear()
	if err != nil {
		return err
	}
	if f.json {
		err = printJSON(cmd.OutOrStdout(), sum)
	} else {
		err = printSummary(cmd.OutOrStdout(), sum)
	}
	if err == nil && f.strict && sum.Refused > 0 {
		return fmt.Errorf("%d resources were refused", sum.Refused)
	}
	return err
}

func printSummary(out io.Writer, sum operator.ImportSummary) error {
	t := newTable(out, "TYPE", "OUTCOME", "COUNT", "REASON")
	for _, c := range sum.Counts {
		t.row(c.Type, string(c.Outcome), fmt.Sprint(c.Count), c.Reason)
	}
	if err := t.flush(); err != nil {
		return err
	}
	done := ""
	if sum.DryRun {
		done = " (dry run: nothing was written)"
	}
	_, err := fmt.Fprintf(out, "source %s: %d imported, %d updated, %d unchanged, %d skipped, %d refused%s\n",
		sum.Source, sum.Imported, sum.Updated, sum.Unchanged, sum.Skipped, sum.Refused, done)
	return err
}

// bar is a progress bar. Without a terminal it writes only lines.
type bar struct {
	out      io.Writer
	terminal bool
	total    int64
	shown    time.Time
}

func newBar(out io.Writer) *bar {
	file, ok := out.(*os.File)
	return &bar{out: out, terminal: ok && term.IsTerminal(int(file.Fd()))}
}

const (
	barWidth = 40
	// barPause limits redraws, so that a slow terminal does not delay the import.
	barPause = 100 * time.Millisecond
	// lineStart returns to the start of the line and clears it (ECMA-48, EL).
	lineStart = "\r\x1b[K"
)

func (b *bar) show(done int64) {
	if !b.terminal || b.total == 0 || time.Since(b.shown) < barPause {
		return
	}
	b.shown = time.Now()
	part := min(1, float64(done)/float64(b.total))
	full := int(part * barWidth)
	_, _ = fmt.Fprintf(b.out, "%s[%s%s] %3.0f %%", lineStart, strings.Repeat("=", full), strings.Repeat(" ", barWidth-full), part*100)
}

func (b *bar) clear() {
	if b.terminal {
		_, _ = fmt.Fprint(b.out, lineStart)
	}
}

// line writes a line above the bar.
func (b *bar) line(text string) {
	b.clear()
	_, _ = fmt.Fprintln(b.out, text)
}
