package main

import (
	"encoding/csv"
	"encoding/json"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"carewire/internal/operator"
	"carewire/internal/table"
)

// auditFlags are the flags of the audit command.
type auditFlags struct {
	filter      operator.AuditFilter
	person      string
	limit       int
	json, csv   bool
	wide, names bool
	people      map[uuid.UUID]string
}

func auditCommand() *cobra.Command {
	var f auditFlags
	cmd := &cobra.Command{
		Use:   "audit [--subject KIND/ID] [--person ID] [--actor ID] [--type TYPE] [--from TIME] [--to TIME]",
		Short: "List the audit trail",
		Long: `List the events of the audit trail that all filters select, oldest first: writes, reads, denials, sign-ins, notifications.
At least one filter is required. The list is the same as that of GET /api/audit and of the queries in sql/audit.

For a subject, the list has its own events, those that they caused, and the lists that showed it. For a person, it has
the events about the person and the lists that showed the person's name.

The events have ids. With --names the names of people are looked up and printed. Reading the audit trail and looking up
names are recorded in it.`,
		Example: `  carewire audit --subject lab_report/0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b
  carewire audit --person 0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b --type record.read --from 2026-03-01T00:00:00Z --names
  carewire audit --actor 0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b --csv >activity.csv
  carewire audit --type 'membership.*' --from 2026-03-01T00:00:00Z --wide
  carewire audit --type access.denied --from 2026-03-14T00:00:00Z --json | jq -r '.[].actorid'`,
		Args: cobra.NoArgs,
		RunE: withOperator(func(cmd *cobra.Command, op *operator.Operator, _ []string) error {
			if err := f.check(); err != nil {
				return err
			}
			command := operator.CommandLine()
			entries, err := op.ListAudit(cmd.Context(), command, f.filter, f.limit)
			if err != nil {
				return err
			}
			if f.names {
				if f.people, err = op.ListAuditNames(cmd.Context(), command, entries); err != nil {
					return err
				}
			}
			return f.print(cmd.OutOrStdout(), entries)
		}),
	}
	f.register(cmd)
	return cmd
}

func (f *auditFlags) register(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&f.filter.Subject, "subject", "", "only the story of this subject, such as lab_report/ID")
	flags.StringVar(&f.person, "person", "", "only events about the person with this ID")
	flags.StringVar(&f.filter.ActorID, "actor", "", "only events of this actor: a person's ID, service:ID or system:PART")
	flags.StringVar(&f.filter.Type, "type", "", "only events of this type or pattern, such as record.read or user.*")
	flags.TimeVar(&f.filter.From, "from", time.Time{}, []string{time.RFC3339}, "only events at or after this time (RFC 3339)")
	flags.TimeVar(&f.filter.To, "to", time.Time{}, []string{time.RFC3339}, "only events before this time (RFC 3339)")
	flags.IntVar(&f.limit, "limit", 1000, "maximum number of events")
	flags.BoolVar(&f.json, "json", false, "print JSON instead of a table")
	flags.BoolVar(&f.csv, "csv", false, "print comma-separated values instead of a table, with all columns")
	flags.BoolVar(&f.wide, "wide", false, "print all columns of the table")
	flags.BoolVar(&f.names, "names", false, "print the names of people")
	cmd.MarkFlagsMutuallyExclusive("json", "csv")
	cmd.MarkFlagsMutuallyExclusive("json", "names")
}

func (f *auditFlags) check() (err error) {
	if f.limit < 1 || f.limit > maxAuditEvents {
		return usagef("--limit must be 1 to %d, not %d", maxAuditEvents, f.limit)
	}
	if f.filter.PersonID, err = parseOptionalID("--person", f.person); err != nil {
		return err
	}
	g := f.filter
	if g.Subject == "" && g.PersonID == uuid.Nil && g.ActorID == "" && g.Type == "" && g.From.IsZero() && g.To.IsZero() {
		return usagef("want at least one of --subject, --person, --actor, --type, --from, --to")
	}
	return nil
}

// maxAuditEvents bounds the memory of the command.
const maxAuditEvents = 100_000

// auditColumn is a column of the list. The table without --wide has the narrow ones.
type auditColumn struct {
	name   string
	narrow bool
	value  func(e operator.AuditEntry) string
}

func (f *auditFlags) columns() []auditColumn {
	// The subject of a story, and the actor of an activity, are the same in each row.
	byActor := f.filter.ActorID != ""
	all := []auditColumn{
		{"POSITION", true, func(e operator.AuditEntry) string { return strconv.FormatInt(e.Position, 10) }},
		{"TIME", true, func(e operator.AuditEntry) string { return e.Time.Format(time.RFC3339) }},
		{"TYPE", true, func(e operator.AuditEntry) string { return e.Type }},
		{"ACTOR", !byActor, func(e operator.AuditEntry) string { return e.ActorID }},
		{"ROLE", false, func(e operator.AuditEntry) string { return e.ActorRole }},
		{"SUBJECT", byActor, func(e operator.AuditEntry) string { return e.Subject }},
		{"PERSON", false, func(e operator.AuditEntry) string { return idText(e.PersonID) }},
		{"CLINIC", false, func(e operator.AuditEntry) string { return idText(e.ClinicID) }},
		{"DETAIL", true, auditDetail},
		{"ADDRESS", false, func(e operator.AuditEntry) string { return e.ClientAddress }},
		{"AGENT", false, func(e operator.AuditEntry) string { return string(e.ClientAgent) }},
		{"REQUEST", false, func(e operator.AuditEntry) string {
			if e.CorrelationID == nil {
				return ""
			}
			return *e.CorrelationID
		}},
	}
	if f.names {
		all = append(all, auditColumn{"ACTOR NAME", false, func(e operator.AuditEntry) string {
			id, _ := uuid.Parse(e.ActorID) // The zero ID of a program has no name.
			return f.people[id]
		}}, auditColumn{"PERSON NAME", false, func(e operator.AuditEntry) string {
			if e.PersonID == nil {
				return ""
			}
			return f.people[*e.PersonID]
		}})
		for i := range all {
			// The names replace the ids in a narrow table.
			switch all[i].name {
			case "ACTOR":
				all[i].narrow = false
			case "ACTOR NAME":
				all[i].narrow = !byActor
			case "PERSON NAME":
				all[i].narrow = true
			}
		}
	}
	return all
}

// auditDetail returns the codes of an event's data that tell what happened.
func auditDetail(e operator.AuditEntry) string {
	var data struct {
		Action, Kind, Role, Status, Reason, Method, Channel, Code string
		Count                                                     *int64
	}
	_ = json.Unmarshal(e.Data, &data) // Data of another form has no such codes.
	words := []string{}
	for _, word := range []string{data.Action, data.Kind, data.Role, data.Status, data.Method, data.Channel, data.Reason, data.Code} {
		if word != "" {
			words = append(words, word)
		}
	}
	if data.Count != nil {
		words = append(words, strconv.FormatInt(*data.Count, 10))
	}
	return strings.Join(words, " ")
}

func (f *auditFlags) print(out io.Writer, entries []operator.AuditEntry) error {
	if f.json {
		return printJSON(out, entries)
	}
	columns := f.columns()
	if f.csv {
		return printAuditCSV(out, columns, entries)
	}
	shown := make([]table.Column, len(columns))
	for i, c := range columns {
		shown[i] = table.Column{Name: c.name, WideOnly: !c.narrow}
	}
	t := table.New(out, f.wide, shown...)
	for _, e := range entries {
		t.Row(auditRow(columns, e)...)
	}
	return t.Flush()
}

func auditRow(columns []auditColumn, e operator.AuditEntry) []string {
	row := make([]string, len(columns))
	for i, c := range columns {
		row[i] = c.value(e)
	}
	return row
}

// printAuditCSV prints the entries as CSV (RFC 4180) with a header. A value that a spreadsheet would
// take for a formula gets an apostrophe, because names come from people.
func printAuditCSV(out io.Writer, columns []auditColumn, entries []operator.AuditEntry) error {
	w := csv.NewWriter(out)
	var header []string
	for _, c := range columns {
		header = append(header, strings.ToLower(strings.ReplaceAll(c.name, " ", "_")))
	}
	if err := w.Write(header); err != nil {
		return err
	}
	for _, e := range entries {
		row := auditRow(columns, e)
		for i, text := range row {
			if text != "" && strings.ContainsRune("=+-@\t\r", rune(text[0])) {
				row[i] = "'" + text
			}
		}
		if err := w.Write(row); err != nil {
			return err
		}
	}
	w.Flush()
	return w.Error()
}
