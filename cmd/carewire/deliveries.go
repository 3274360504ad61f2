package main

import (
	"cmp"
	"fmt"
	"strconv"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"carewire/internal/app"
	"carewire/internal/config"
)

func deliveriesCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "deliveries", Short: "See what became of messages, and send one again"}
	cmd.AddCommand(deliveriesListCommand(), deliveriesRedriveCommand())
	return cmd
}

func deliveriesListCommand() *cobra.Command {
	var list listing
	var state, channel string
	cmd := &cobra.Command{
		Use:   "list [--state STATE] [--channel CHANNEL]",
		Short: "List messages, the last changed first",
		Example: `  carewire deliveries list --state failed
  carewire deliveries list --state suppressed --channel push --limit 10
  carewire deliveries list --state failed --json | jq -r '.[].id'`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			limit, err := list.max()
			if err != nil {
				return err
			}
			cfg, err := config.FromEnvironment()
			if err != nil {
				return err
			}
			all, err := app.Deliveries(cmd.Context(), cfg, state, channel, limit)
			if err != nil {
				return err
			}
			if list.json {
				return printJSON(cmd.OutOrStdout(), all)
			}
			t := newTable(cmd.OutOrStdout(), "ID", "CHANNEL", "STATE", "REASON", "ATTEMPT", "UPDATED AT", "RECIPIENT", "EVENT TYPE", "EVENT")
			for _, d := range all {
				t.row(d.ID.String(), d.Channel, d.State, cmp.Or(d.ErrorCode, d.Reason), strconv.Itoa(int(d.Attempt)),
					d.UpdatedAt.Format(time.RFC3339), d.RecipientID.String(), d.EventType, d.EventID.String())
			}
			return t.flush()
		},
	}
	list.flags(cmd)
	cmd.Flags().StringVar(&state, "state", "", "only those in this state, such as failed")
	cmd.Flags().StringVar(&channel, "channel", "", "only those on this channel, such as email")
	return cmd
}

func deliveriesRedriveCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "redrive ID",
		Short: "Queue a message again that failed",
		Long: `Queue a message again that failed, was cancelled, or was suppressed for want of an address that its recipient has by
now. That it was is in the audit trail. Where another channel has taken its place meanwhile, the recipient is told twice.
One that had used up its attempts gets a single one more.`,
		Example: `  carewire deliveries list --state failed
  carewire deliveries redrive 0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b`,
		Args: exactly("ID"),
		RunE: func(cmd *cobra.Command, args []string) error {
			id, err := uuid.Parse(args[0])
			if err != nil {
				return fmt.Errorf("%q is not a delivery's id: give one that carewire deliveries list shows", args[0])
			}
			cfg, err := config.FromEnvironment()
			if err != nil {
				return err
			}
			if err := app.DeliveryRedrive(cmd.Context(), cfg, id); err != nil {
				return err
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "delivery %s is queued\n", id)
			return err
		},
	}
}
