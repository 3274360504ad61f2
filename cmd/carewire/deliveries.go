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
	return group("deliveries", "See what became of messages, and send one again", deliveriesListCommand(), deliveriesRedriveCommand())
}

func deliveriesListCommand() *cobra.Command {
	var list listing
	var f app.DeliveryFilter
	var from, to moment
	var recipient, after string
	cmd := &cobra.Command{
		Use:   "list [--state STATE] [--channel CHANNEL]",
		Short: "List messages, the last planned first",
		Long: `List messages, the last planned first: ids, states and codes, never words or addresses. For the next page, name the last
one that was listed with --after.`,
		Example: `  carewire deliveries list --state failed
  carewire deliveries list --state suppressed --channel push --limit 10
  carewire deliveries list --rule critical-result --from 2026-03-14T00:00:00Z --to 2026-03-15T00:00:00Z
  carewire deliveries list --state failed --json | jq -r '.[].id'`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var err error
			if f.Limit, err = list.max(); err != nil {
				return err
			}
			f.From, f.To = from.Time, to.Time
			if f.RecipientID, err = optionalID("--recipient", recipient); err != nil {
				return err
			}
			afterID, err := optionalID("--after", after)
			if err != nil {
				return err
			}
			cfg, err := config.FromEnvironment()
			if err != nil {
				return err
			}
			all, err := app.Deliveries(cmd.Context(), cfg, f, afterID)
			if err != nil {
				return err
			}
			if list.json {
				return printJSON(cmd.OutOrStdout(), all)
			}
			t := newTable(cmd.OutOrStdout(), "ID", "CHANNEL", "STATE", "REASON", "ATTEMPT", "PLANNED AT", "UPDATED AT", "RECIPIENT", "EVENT TYPE", "EVENT")
			for _, d := range all {
				t.row(d.ID.String(), d.Channel, d.State, cmp.Or(d.ErrorCode, d.Reason), strconv.Itoa(int(d.Attempt)),
					d.CreatedAt.Format(time.RFC3339), d.UpdatedAt.Format(time.RFC3339), d.RecipientID.String(), d.EventType, d.EventID.String())
			}
			return t.flush()
		},
	}
	list.flags(cmd)
	cmd.Flags().StringVar(&f.State, "state", "", "only those in this state, such as failed")
	cmd.Flags().StringVar(&f.Channel, "channel", "", "only those on this channel, such as email")
	cmd.Flags().StringVar(&f.Rule, "rule", "", "only those that this rule said to send")
	cmd.Flags().StringVar(&recipient, "recipient", "", "only this person's, by id")
	cmd.Flags().Var(&from, "from", "only those that were planned at this time or later")
	cmd.Flags().Var(&to, "to", "only those that were planned before this time")
	cmd.Flags().StringVar(&after, "after", "", "the id of the last one of the page before")
	return cmd
}

// optionalID reads a flag that names an id; an empty one is none.
func optionalID(flag, text string) (uuid.UUID, error) {
	if text == "" {
		return uuid.Nil, nil
	}
	id, err := uuid.Parse(text)
	if err != nil {
		return uuid.Nil, fmt.Errorf("%s: %q is not an id", flag, text)
	}
	return id, nil
}

func deliveriesRedriveCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "redrive ID",
		Short: "Queue a message again that failed",
		Long: `Queue a message again that failed, was cancelled, is unknown, or was suppressed for want of an address that its
recipient has by now. That it was is in the audit trail. Where another channel has taken its place meanwhile, or the message
arrived although its state is unknown, the recipient is told twice. One that had used up its attempts gets a single one more.`,
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
