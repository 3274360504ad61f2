package main

import (
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"carewire/internal/operator"
	"carewire/internal/table"
)

func suppressionsCommand() *cobra.Command {
	return group("suppressions", "List and remove addresses that get no more messages", suppressionsListCommand(), suppressionsRemoveCommand())
}

func suppressionsListCommand() *cobra.Command {
	var list listFlags
	var f operator.SuppressionFilter
	var person, after string
	cmd := &cobra.Command{
		Use:   "list [--person ID] [--channel CHANNEL] [--reason REASON]",
		Short: "List suppressions, newest first",
		Long: `List suppressions, newest first. A suppressed address gets no more messages, because the provider reported a permanent bounce, a
complaint or an opt-out. The list has no addresses: only a keyed hash of each is stored. Use --person to find those of a
person. Use --after with the last ID of a page to list the next page.`,
		Example: `  carewire suppressions list
  carewire suppressions list --channel email --reason hard_bounce --limit 10
  carewire suppressions list --person 0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b --json`,
		Args: cobra.NoArgs,
		RunE: withOperator(func(cmd *cobra.Command, op *operator.Operator, _ []string) (err error) {
			limit, err := list.max()
			if err != nil {
				return err
			}
			f.Limit = int(limit)
			if f.UserID, err = parseOptionalID("--person", person); err != nil {
				return err
			}
			afterID, err := parseOptionalID("--after", after)
			if err != nil {
				return err
			}
			all, err := op.ListSuppressionsAfter(cmd.Context(), f, afterID)
			if err != nil {
				return err
			}
			return printList(cmd, list, all, suppressionColumns, suppressionRow)
		}),
	}
	list.register(cmd)
	flags := cmd.Flags()
	flags.StringVar(&person, "person", "", "only suppressions of the addresses of the person with this ID")
	flags.StringVar(&f.Channel, "channel", "", "only suppressions that arose on this channel, such as email")
	flags.StringVar(&f.Reason, "reason", "", "only suppressions for this reason: hard_bounce, complaint or opted_out")
	flags.StringVar(&after, "after", "", "last ID of the previous page")
	return cmd
}

var suppressionColumns = []table.Column{
	table.Plain("ID"), table.Plain("CHANNEL"), table.Plain("REASON"), table.Plain("SOURCE"), table.Plain("SINCE"), table.Plain("PERSON"),
}

func suppressionRow(s operator.Suppression) []string {
	person := ""
	if s.UserID != nil {
		person = s.UserID.String()
	}
	return []string{s.ID.String(), s.Channel, s.Reason, s.Source, s.CreatedAt.Format(time.RFC3339), person}
}

func suppressionsRemoveCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "remove ID",
		Short: "Send messages to a suppressed address again",
		Long: `Send messages to a suppressed address again. Remove a complaint or an opt-out only if the owner of the address asked for it:
providers suspend senders that ignore them. The removal is recorded in the audit trail. A person removes their own
suppression by verifying the address again.`,
		Example: `  carewire suppressions list --person 0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b
  carewire suppressions remove 0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b`,
		Args: oneArg("ID"),
		RunE: withOperator(func(cmd *cobra.Command, op *operator.Operator, args []string) error {
			id, err := uuid.Parse(args[0])
			if err != nil {
				return usagef("invalid suppression ID %q; want an ID from carewire suppressions list", args[0])
			}
			if err := op.RemoveSuppression(cmd.Context(), operator.CommandLine(), id); err != nil {
				return err
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "suppression %s is removed\n", id)
			return err
		}),
	}
}
