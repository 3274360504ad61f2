package main

import (
	"cmp"
	"fmt"
	"strconv"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"carewire/internal/operator"
	"carewire/internal/table"
)

func deliveriesCommand() *cobra.Command {
	return group("deliveries", "List and retry deliveries", deliveriesListCommand(), deliveriesRedriveCommand())
}

func deliveriesListCommand() *cobra.Command {
	var list listFlags
	var f operator.DeliveryFilter
	var recipient, after string
	cmd := &cobra.Command{
		Use:   "list [--state STATE] [--channel CHANNEL]",
		Short: "List deliveries, newest first",
		Long: `List deliveries, newest first. A delivery is a message to one person on one channel. The list has IDs, states and error
codes, but no message texts or addresses. Use --after with the last ID of a page to list the next page.`,
		Example: `  carewire deliveries list --state failed
  carewire deliveries list --state suppressed --channel push --limit 10
  carewire deliveries list --rule critical-result --from 2026-03-14T00:00:00Z --to 2026-03-15T00:00:00Z
  carewire deliveries list --state failed --json | jq -r '.[].id'`,
		Args: cobra.NoArgs,
		RunE: withOperator(func(cmd *cobra.Command, op *operator.Operator, _ []string) (err error) {
			limit, err := list.max()
			if err != nil {
				return err
			}
			f.Limit = int(limit)
			if f.RecipientID, err = parseOptionalID("--recipient", recipient); err != nil {
				return err
			}
			afterID, err := parseOptionalID("--after", after)
			if err != nil {
				return err
			}
			all, err := op.ListDeliveries(cmd.Context(), f, afterID)
			if err != nil {
				return err
			}
			return printList(cmd, list, all, deliveryColumns, deliveryRow)
		}),
	}
	list.register(cmd)
	flags := cmd.Flags()
	flags.StringVar(&f.State, "state", "", "only deliveries in this state, such as failed")
	flags.StringVar(&f.Channel, "channel", "", "only deliveries on this channel, such as email")
	flags.StringVar(&f.Rule, "rule", "", "only deliveries of this rule")
	flags.StringVar(&recipient, "recipient", "", "only deliveries to the person with this ID")
	flags.TimeVar(&f.From, "from", time.Time{}, []string{time.RFC3339}, "only deliveries planned at or after this time (RFC 3339)")
	flags.TimeVar(&f.To, "to", time.Time{}, []string{time.RFC3339}, "only deliveries planned before this time (RFC 3339)")
	flags.StringVar(&after, "after", "", "last ID of the previous page")
	return cmd
}

var deliveryColumns = []table.Column{
	table.Plain("ID"), table.Plain("CHANNEL"), table.Plain("STATE"), table.Flexible("REASON"), table.Plain("ATTEMPT"), table.WideOnly("PLANNED AT"), table.Plain("UPDATED AT"),
	table.WideOnly("RECIPIENT"), table.WideOnly("EVENT TYPE"), table.WideOnly("EVENT"), table.WideOnly("PROVIDER"),
}

func deliveryRow(d operator.DeliveryStatus) []string {
	return []string{
		d.ID.String(), d.Channel, d.State, cmp.Or(d.ErrorCode, d.Reason), strconv.Itoa(int(d.Attempt)),
		d.CreatedAt.Format(time.RFC3339), d.UpdatedAt.Format(time.RFC3339), d.RecipientID.String(), d.EventType, d.EventID.String(), d.Provider,
	}
}

func deliveriesRedriveCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "redrive ID",
		Short: "Queue a delivery again",
		Long: `Queue a delivery again. It must have failed, been cancelled, have an unknown outcome, or have been suppressed because the
recipient had no address, and has one now. A delivery that has used up its attempts gets one more. The retry is recorded in
the audit trail.

The recipient can get the message twice if it was sent on another channel in the meantime, or if a delivery with an unknown
outcome did arrive.`,
		Example: `  carewire deliveries list --state failed
  carewire deliveries redrive 0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b`,
		Args: oneArg("ID"),
		RunE: withOperator(func(cmd *cobra.Command, op *operator.Operator, args []string) error {
			id, err := uuid.Parse(args[0])
			if err != nil {
				return usagef("invalid delivery ID %q; want an ID from carewire deliveries list", args[0])
			}
			if err := op.RedriveDelivery(cmd.Context(), operator.CommandLine(), id); err != nil {
				return err
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "delivery %s is queued\n", id)
			return err
		}),
	}
}
