package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"
	"golang.org/x/term"

	"carewire/internal/app"
	"carewire/internal/config"
)

func importCommand() *cobra.Command {
	return group("import", "Take in what other systems keep", importFHIRCommand())
}

// importFlags are those of import fhir.
type importFlags struct {
	source, clinic, timeZone   string
	dryRun, strict, json, list bool
}

func importFHIRCommand() *cobra.Command {
	var f importFlags
	cmd := &cobra.Command{
		Use:   "fhir FILE...",
		Short: "Take in FHIR R4 bundles, resources and NDJSON",
		Long: `Take in FHIR R4 bundles (transaction, batch, collection, searchset), single resources and NDJSON (.ndjson, one resource a
line), also compressed (.gz). "-" reads the standard input. docs/fhir.md has the table of what becomes of which type.

What is taken in is history: it tells nobody. Taking in the same again changes nothing; a resource that changed becomes a new
version; a run that was cut short is completed by the next. Resources are told apart by --source and their ids, so give each
system a name of its own; left out, it is the name of the directory that the first file lies in.

The summary counts what was imported, updated, unchanged, skipped (it has no home here) and refused (something is wrong with
it). Each refused resource is listed on the standard error, with where it stood and the path of the fault; with --list each
skipped one too. The exit status is 0 also when resources were refused, unless --strict; it is 1 when the run could not finish.`,
		Example: `  carewire import fhir --source hospital-a export/*.json
  carewire import fhir --dry-run --list bundle.json.gz
  carewire import fhir --source lab --clinic 0190a1b2-3c4d-7e5f-8a9b-0c1d2e3f4a5b --time-zone Europe/Berlin results.ndjson
  zcat export.ndjson.gz | carewire import fhir --source hospital-a --json -`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return fmt.Errorf("name the files to take in, or - for the standard input; %s --help has examples", cmd.CommandPath())
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error { return f.run(cmd, args) },
	}
	flags := cmd.Flags()
	flags.StringVar(&f.source, "source", "", "the system that the resources are of; the default is the name of the first file's directory")
	flags.StringVar(&f.clinic, "clinic", "", "the id of the clinic for what names none")
	flags.StringVar(&f.timeZone, "time-zone", "UTC", "the time zone of new clinics and people")
	flags.BoolVar(&f.dryRun, "dry-run", false, "say what would be done, and do nothing")
	flags.BoolVar(&f.strict, "strict", false, "exit with 1 when a resource was refused")
	flags.BoolVar(&f.json, "json", false, "print the summary as JSON")
	flags.BoolVar(&f.list, "list", false, "list skipped resources too, each with its reason")
	return cmd
}

func (f *importFlags) run(cmd *cobra.Command, args []string) error {
	o := app.ImportOptions{Source: f.source, TimeZone: f.timeZone, DryRun: f.dryRun}
	if f.clinic != "" {
		id, err := uuid.Parse(f.clinic)
		if err != nil {
			return errors.New("--clinic: give the clinic's id, as GET /api/me shows it to those who work there")
		}
		o.ClinicID = id
	}
	cfg, err := config.FromEnvironment()
	if err != nil {
		return err
	}
	bar := newBar(cmd.ErrOrStderr())
	o.List = func(i app.ImportItem) {
		if f.list || i.Outcome != "skipped" {
			bar.line(i.String())
		}
	}
	o.Progress = bar.show
	sum, err := app.ImportFHIR(cmd.Context(), cfg, args, cmd.InOrStdin(), o, func(total int64) { bar.total = total })
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

func printSummary(out io.Writer, sum app.ImportSummary) error {
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

// bar shows how far a run is, on a terminal; elsewhere only lines are written.
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
	// barPause keeps the terminal from being what the import waits for.
	barPause = 100 * time.Millisecond
	// lineStart goes back to the start of the line and clears it (ECMA-48, EL).
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
