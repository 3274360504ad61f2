package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"carewire/internal/operator"
	"carewire/internal/table"
)

func rulesDryRunCommand() *cobra.Command {
	var asJSON, wide bool
	var made operator.MadeUpEvent
	var data string
	cmd := &cobra.Command{
		Use:   "dry-run FILE [EVENT-ID | POSITION]",
		Short: "Show what a rule file decides about an event",
		Long: `Show what a rule file, or standard input for -, decides about an event: who gets a message on which channel, and why, with the
addresses, preferences and roles that people have now. The event is one of the ledger, by its ID or position, or a made-up one
with --type: the example of the event catalog, with the fields of --data. It stores and sends nothing.`,
		Example: `  carewire rules dry-run rules.yaml 1042
  carewire rules dry-run rules.yaml --type chat.message_unread --data '{"userId": "0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b"}'`,
		Args: func(cmd *cobra.Command, args []string) error {
			if err := versionArgs(1, 2)(cmd, args); err != nil {
				return err
			}
			if (len(args) == 2) == (made.Type != "") {
				return usagef("want an event of the ledger, or --type for a made-up one%s", seeHelp(cmd))
			}
			return nil
		},
		RunE: withOperator(func(cmd *cobra.Command, op *operator.Operator, args []string) error {
			name, src, err := readFile(cmd, args[0])
			if err != nil {
				return err
			}
			in := operator.DryRunRequest{Source: string(src)}
			if made.Type != "" {
				in.Event = &made
				if err := parseData(data, &made.Data); err != nil {
					return err
				}
			} else if in.EventID, err = eventID(cmd.Context(), op, args[1]); err != nil {
				return err
			}
			run, err := op.DryRunRules(cmd.Context(), name, in)
			if err != nil {
				return err
			}
			if asJSON {
				return printJSON(cmd.OutOrStdout(), run)
			}
			return printDryRun(cmd.OutOrStdout(), run, wide)
		}),
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON instead of a table")
	cmd.Flags().StringVar(&made.Type, "type", "", "type of a made-up event, such as ehr.lab_report.created")
	cmd.Flags().StringVar(&data, "data", "", "JSON object with fields of the made-up event's data")
	registerWide(cmd, &wide)
	return cmd
}

// eventID returns the ID of the event with the ID or at the position.
func eventID(ctx context.Context, op *operator.Operator, arg string) (uuid.UUID, error) {
	id, position, err := parseEvent(arg)
	if err != nil || position == 0 {
		return id, err
	}
	x, err := op.ExplainPosition(ctx, position)
	return x.EventID, err
}

// parseData parses the flag data.
func parseData(text string, data *map[string]any) error {
	if text == "" {
		return nil
	}
	decoder := json.NewDecoder(strings.NewReader(text))
	decoder.UseNumber()
	if err := decoder.Decode(data); err != nil {
		return usagef("invalid --data: want a JSON object such as '{\"status\": \"final\"}'")
	}
	return nil
}

func printDryRun(out io.Writer, run operator.DryRun, wide bool) error {
	if len(run.Decisions) == 0 {
		_, err := fmt.Fprintf(out, "%s: no rule matches\n", run.Type)
		return err
	}
	t := table.New(out, wide, table.Flexible("RULE"), table.Plain("RECIPIENT"), table.Plain("CHANNEL"), table.Plain("STATE"), table.Flexible("REASON"), table.WideOnly("PRIORITY"), table.WideOnly("TEMPLATE"))
	for _, d := range run.Decisions {
		t.Row(d.Rule, idText(d.RecipientID), d.Channel, d.State, d.Reason, d.Priority, d.Template)
	}
	return t.Flush()
}
