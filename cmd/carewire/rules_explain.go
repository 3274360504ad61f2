package main

import (
	"cmp"
	"fmt"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"carewire/internal/app"
	"carewire/internal/config"
)

func rulesExplainCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "explain EVENT-ID",
		Short: "Say why each person was told of an event, or was not",
		Long: `Say why each person was told of an event, or was not: for each rule that matched, what it decided for each recipient and
channel, and what became of it. It shows ids and codes, never names or addresses.`,
		Example: `  carewire rules explain 0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b
  carewire deliveries list --state suppressed --json | jq -r '.[0].eventId' | xargs carewire rules explain`,
		Args: exactly("EVENT-ID"),
		RunE: func(cmd *cobra.Command, args []string) error {
			id, err := uuid.Parse(args[0])
			if err != nil {
				return fmt.Errorf("%q is not an event's id: give the id of an event's envelope, or one from the column EVENT of carewire deliveries list", args[0])
			}
			cfg, err := config.FromEnvironment()
			if err != nil {
				return err
			}
			x, err := app.RulesExplain(cmd.Context(), cfg, id)
			if err != nil {
				return err
			}
			out := cmd.OutOrStdout()
			if asJSON {
				return printJSON(out, x)
			}
			_, err = fmt.Fprintf(out, "%s %s at position %d, rules version %d: %s\n", x.Type, x.Subject, x.Position, x.RuleVersion, x.Verdict)
			if err != nil || len(x.Rules) == 0 {
				return err
			}
			t := newTable(out, "RULE", "RECIPIENT", "CHANNEL", "STATE", "REASON", "DELIVERY")
			for _, r := range x.Rules {
				for _, d := range r.Decisions {
					t.row(r.Rule, text(d.RecipientID), d.Channel, d.State, cmp.Or(d.ErrorCode, d.Reason), text(d.DeliveryID))
				}
			}
			return t.flush()
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON instead of a table")
	return cmd
}

func text(id *uuid.UUID) string {
	if id == nil {
		return ""
	}
	return id.String()
}
