package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"carewire/internal/operator"
	"carewire/internal/table"
)

func rulesExplainCommand() *cobra.Command {
	var asJSON, wide bool
	cmd := &cobra.Command{
		Use:   "explain (EVENT-ID | POSITION)",
		Short: "Explain who was notified of an event and why",
		Long: `Explain who was notified of an event and why: each rule that matched, its decision for each recipient and channel, and the
state of the delivery. It prints IDs and codes, but no names or addresses. The event is given by its ID or by its position in
the ledger.`,
		Example: `  carewire rules explain 0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b
  carewire rules explain 1042
  carewire deliveries list --state suppressed --json | jq -r '.[0].eventId' | xargs carewire rules explain`,
		Args: oneArg("EVENT-ID or POSITION"),
		RunE: withOperator(func(cmd *cobra.Command, op *operator.Operator, args []string) error {
			x, err := explain(cmd.Context(), op, args[0])
			if err != nil {
				return err
			}
			if asJSON {
				return printJSON(cmd.OutOrStdout(), x)
			}
			return printExplanation(cmd.OutOrStdout(), x, wide)
		}),
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON instead of a table")
	registerWide(cmd, &wide)
	return cmd
}

// explain explains the event with the ID or at the position.
func explain(ctx context.Context, op *operator.Operator, arg string) (operator.Explanation, error) {
	id, position, err := parseEvent(arg)
	switch {
	case err != nil:
		return operator.Explanation{}, err
	case position > 0:
		return op.ExplainPosition(ctx, position)
	}
	return op.ExplainEvent(ctx, id)
}

// parseEvent parses the ID of an event or its position, which is 0 for an ID.
func parseEvent(arg string) (id uuid.UUID, position int64, err error) {
	if position, err := strconv.ParseInt(arg, 10, 64); err == nil && position > 0 {
		return uuid.Nil, position, nil
	}
	if id, err = uuid.Parse(arg); err != nil {
		return uuid.Nil, 0, usagef("invalid event ID %q; want the ID of an event, as in carewire deliveries list --wide, or its position in the ledger", arg)
	}
	return id, 0, nil
}

func printExplanation(out io.Writer, x operator.Explanation, wide bool) error {
	_, err := fmt.Fprintf(out, "%s %s at position %d, rules version %d: %s\n", x.Type, x.Subject, x.Position, x.RuleVersion, x.Verdict)
	if err != nil || len(x.Rules) == 0 {
		return err
	}
	t := table.New(out, wide, table.Flexible("RULE"), table.Plain("RECIPIENT"), table.Plain("CHANNEL"), table.Plain("STATE"), table.Flexible("REASON"), table.WideOnly("DELIVERY"))
	for _, r := range x.Rules {
		for _, d := range r.Decisions {
			t.Row(r.Rule, idText(d.RecipientID), d.Channel, d.State, cmp.Or(d.ErrorCode, d.Reason), idText(d.DeliveryID))
		}
	}
	if err := t.Flush(); err != nil || len(x.Escalations) == 0 {
		return err
	}
	steps := table.New(out, wide, table.Flexible("ESCALATION"), table.Plain("STEP"), table.Plain("UNLESS"), table.Plain("DUE"), table.Plain("OUTCOME"), table.WideOnly("BY"))
	for _, s := range x.Escalations {
		due := ""
		if s.DueAt != nil {
			due = s.DueAt.UTC().Format(time.RFC3339)
		}
		steps.Row(s.Rule, strconv.Itoa(int(s.Step)), s.Unless, due, s.Outcome, idText(s.DoneBy))
	}
	return steps.Flush()
}

func idText(id *uuid.UUID) string {
	if id == nil {
		return ""
	}
	return id.String()
}
