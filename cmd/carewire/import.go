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
	"carewire/internal/table"
)

func importCommand() *cobra.Command {
	return group("import", "Import data from other systems", importFHIRCommand())
}

// importFlags are the flags of import fhir.
type importFlags struct {
	source, clinic, doctor, timeZone, phoneRegion, baseURL string
	dryRun, strict, failFast, json, list                   bool
}

func importFHIRCommand() *cobra.Command {
	var f importFlags
	cmd := &cobra.Command{
		Use:   "fhir FILE|DIRECTORY...",
		Short: "Import FHIR R4 bundles, resources and NDJSON",
		Long: `Import FHIR R4 bundles (transaction, batch, collection, searchset, history), single resources and NDJSON (one resource a
line; .ndjson or .jsonl). Files can be compressed (.gz). "-" reads JSON or NDJSON from standard input. In a directory, all .json,
.ndjson and .jsonl files are read. docs/fhir.md has a table of the resource types.

Imported data is history: by default, no rule notifies anyone of it. Importing the same resource again changes nothing; a
changed resource becomes a new version; an interrupted import is completed by the next one. Resources are identified by
--source and their ID, so use a different source for each system. It defaults to the name of the first file's directory.
Resources of another server than the source's own, by the address in fullUrl, are kept apart.

The summary counts resources that were imported, updated, unchanged, skipped (the type or content is not supported) and
refused (the resource is invalid). Each refused resource is listed on standard error with its place and the path of the
invalid element; --list also lists skipped ones. The exit status is 0 even if resources were refused, unless --strict is
given. It is 1 if a file could not be read, which does not affect the others unless --fail-fast is given, and if the import
could not finish.`,
		Example: `  carewire import fhir --source hospital-a export/*.json
  carewire import fhir --dry-run --list bundle.json.gz
  carewire import fhir export/
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
	flags.StringVar(&f.doctor, "doctor", "", "email address or ID of the doctor who is responsible for records that name none (default: a stand-in with the clinic's name)")
	flags.StringVar(&f.timeZone, "time-zone", "UTC", "time zone of new clinics and people")
	flags.StringVar(&f.phoneRegion, "phone-region", "", "country of phone numbers without a country code, such as DE (default: the one of --time-zone)")
	flags.StringVar(&f.baseURL, "base-url", "", "address of the source's FHIR server (default: the first one in the resources)")
	flags.BoolVar(&f.failFast, "fail-fast", false, "stop at the first file that cannot be read")
	flags.BoolVar(&f.dryRun, "dry-run", false, "report the outcome without importing")
	flags.BoolVar(&f.strict, "strict", false, "exit with status 1 if a resource was refused")
	flags.BoolVar(&f.json, "json", false, "print the summary as JSON")
	flags.BoolVar(&f.list, "list", false, "also list skipped resources with the reason")
	return cmd
}

func (f *importFlags) run(cmd *cobra.Command, op *operator.Operator, args []string) error {
	o := operator.ImportOptions{
		Source: f.source, Doctor: f.doctor, TimeZone: f.timeZone, PhoneRegion: strings.ToUpper(f.phoneRegion), BaseURL: f.baseURL, FailFast: f.failFast, DryRun: f.dryRun,
		Client: operator.CommandLine().Client,
	}
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
	switch {
	case err != nil:
		return err
	case sum.UnreadFiles > 0:
		return fmt.Errorf("%d of the files could not be read to the end; the others were imported", sum.UnreadFiles)
	case f.strict && sum.Refused > 0:
		return fmt.Errorf("%d resources were refused", sum.Refused)
	}
	return nil
}

func printSummary(out io.Writer, sum operator.ImportSummary) error {
	t := table.New(out, false, table.Fixed("TYPE", "OUTCOME", "COUNT", "REASON")...)
	for _, c := range sum.Counts {
		t.Row(c.Type, string(c.Outcome), fmt.Sprint(c.Count), c.Reason)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	done := ""
	if sum.DryRun {
		done = " (dry run: nothing was written)"
	}
	more := ""
	if sum.Retracted > 0 {
		more = fmt.Sprintf(", %d retracted", sum.Retracted)
	}
	if sum.UnreadFiles > 0 {
		more += fmt.Sprintf(", %d files not read", sum.UnreadFiles)
	}
	_, err := fmt.Fprintf(out, "source %s: %d imported, %d updated, %d unchanged, %d skipped, %d refused%s%s\n",
		sum.Source, sum.Imported, sum.Updated, sum.Unchanged, sum.Skipped, sum.Refused, more, done)
	return err
}

// bar is a progress bar. Without a terminal it writes a line from time to time.
type bar struct {
	out      io.Writer
	terminal bool
	total    int64
	shown    time.Time
}

func newBar(out io.Writer) *bar {
	file, ok := out.(*os.File)
	return &bar{out: out, terminal: ok && term.IsTerminal(int(file.Fd())), shown: time.Now()}
}

const (
	barWidth = 40
	// barPause limits redraws, so that a slow terminal does not delay the import.
	barPause = 100 * time.Millisecond
	// linePause is the time between two lines without a terminal.
	linePause = 30 * time.Second
	// lineStart returns to the start of the line and clears it (ECMA-48, EL).
	lineStart = "\r\x1b[K"
)

func (b *bar) show(done int64) {
	pause := linePause
	if b.terminal {
		pause = barPause
	}
	if b.total == 0 || time.Since(b.shown) < pause {
		return
	}
	b.shown = time.Now()
	part := min(1, float64(done)/float64(b.total))
	if !b.terminal {
		_, _ = fmt.Fprintf(b.out, "import: %.0f %% read\n", part*100)
		return
	}
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
