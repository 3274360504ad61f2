package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"carewire/internal/operator"
	"carewire/internal/table"
)

func rulesExplainCommand() *cobra.Command {
	var asJSON, wide bool
	var person string
	cmd := &cobra.Command{
		Use:   "explain (EVENT-ID | POSITION)",
		Short: "Explain who was notified of an event and why",
		Long: `Explain who was notified of an event and why: each rule that matched, its decision for each recipient and channel, and the
state of the delivery. It prints IDs and codes, but no names or addresses. The event is given by its ID or by its position in
the ledger.`,
		Example: `  carewire rules explain 0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b
  carewire rules explain 1042
  carewire rules explain 1042 --person 3b525135-45aa-5c00-b864-a2580d485cf8
  carewire deliveries list --state suppressed --json | jq -r '.[0].eventId' | xargs carewire rules explain`,
		Args: oneArg("EVENT-ID or POSITION"),
		RunE: withOperator(func(cmd *cobra.Command, op *operator.Operator, args []string) error {
			x, err := explain(cmd.Context(), op, args[0], person)
			if err != nil {
				return err
			}
			if asJSON {
				return printJSON(cmd.OutOrStdout(), x)
			}
			return printExplanation(cmd.OutOrStdout(), x, wide)
		}),
	}
	cmd.Flags().StringVar(&person, "person", "", "explain only for the person with this `ID`, also if no rule names them")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON instead of a table")
	registerWide(cmd, &wide)
	return cmd
}

// explain explains the event with the ID or at the position, for one person if an ID is given.
func explain(ctx context.Context, op *operator.Operator, arg, person string) (x operator.Explanation, err error) {
	id, position, err := parseEvent(arg)
	if err != nil {
		return x, err
	}
	personID, err := uuid.Parse(person)
	if person != "" && err != nil {
		return x, usagef("invalid person ID %q; want a UUID", person)
	}
	if position > 0 {
		x, err = op.ExplainPosition(ctx, position)
		if person == "" || err != nil {
			return x, err
		}
		id = x.EventID
	}
	if person == "" {
		return op.ExplainEvent(ctx, id)
	}
	return op.ExplainPerson(ctx, id, personID)
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
	if err != nil {
		return err
	}
	if x.Person != nil {
		if err := printPerson(out, *x.Person, wide); err != nil {
			return err
		}
	}
	if len(x.Rules) == 0 {
		return nil
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

// printPerson prints the preferences that were in force, and the nearest rules if none names the
// person.
func printPerson(out io.Writer, p operator.PersonExplanation, wide bool) error {
	for _, pref := range p.Preferences {
		what := cmp.Or(pref.Detail, pref.Category+" by "+pref.Channel)
		if pref.ClinicID != nil {
			what += " at clinic " + pref.ClinicID.String()
		}
		if _, err := fmt.Fprintf(out, "preference since position %d: %s %s\n", pref.Since, what, pref.Value); err != nil {
			return err
		}
	}
	if p.Named {
		return nil
	}
	if _, err := fmt.Fprintln(out, "no rule names this person; nearest are:"); err != nil {
		return err
	}
	t := table.New(out, wide, table.Flexible("RULE"), table.Plain("REASON"), table.Flexible("RECIPIENTS"))
	for _, n := range p.Nearest {
		t.Row(n.Rule, n.Reason, strings.Join(n.Recipients, ", "))
	}
	return t.Flush()
}

func idText(id *uuid.UUID) string {
	if id == nil {
		return ""
	}
	return id.String()
}
