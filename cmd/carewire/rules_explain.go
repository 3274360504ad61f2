package main

import (
	"cmp"
	"fmt"
	"io"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"carewire/internal/operator"
)

func rulesExplainCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "explain EVENT-ID",
		Short: "Explain who was notified of an event and why",
		Long: `Explain who was notified of an event and why: each rule that matched, its decision for each recipient and channel, and the
state of the delivery. It prints IDs and codes, but no names or addresses.`,
		Example: `  carewire rules explain 0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b
  carewire deliveries list --state suppressed --json | jq -r '.[0].eventId' | xargs carewire rules explain`,
		Args: oneArg("EVENT-ID"),
		RunE: withOperator(func(cmd *cobra.Command, op *operator.Operator, args []string) error {
			id, err := uuid.Parse(args[0])
			if err != nil {
				return fmt.Errorf("invalid event ID %q; want the ID of an event, as in the column EVENT of carewire deliveries list", args[0])
			}
			x, err := op.ExplainEvent(cmd.Context(), id)
			if err != nil {
				return err
			}
			if asJSON {
				return printJSON(cmd.OutOrStdout(), x)
			}
			return printExplanation(cmd.OutOrStdout(), x)
		}),
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON instead of a table")
	return cmd
}

func printExplanation(out io.Writer, x operator.Explanation) error {
	_, err := fmt.Fprintf(out, "%s %s at position %d, rules version %d: %s\n", x.Type, x.Subject, x.Position, x.RuleVersion, x.Verdict)
	if err != nil || len(x.Rules) == 0 {
		return err
	}
	t := newTable(out, "RULE", "RECIPIENT", "CHANNEL", "STATE", "REASON", "DELIVERY")
	for _, r := range x.Rules {
		for _, d := range r.Decisions {
			t.row(r.Rule, idText(d.RecipientID), d.Channel, d.State, cmp.Or(d.ErrorCode, d.Reason), idText(d.DeliveryID))
		}
	}
	return t.flush()
}

func idText(id *uuid.UUID) string {
	if id == nil {
		return ""
	}
	return id.String()
}
