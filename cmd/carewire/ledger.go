package main

import (
	"fmt"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"carewire/internal/operator"
	"carewire/internal/table"
)

func ledgerCommand() *cobra.Command {
	return group("ledger", "Inspect and repair the ledger", ledgerHeadCommand(), ledgerVerifyCommand(), newEpochCommand(), rejectedCommand(), rejectedRedriveCommand())
}

func newEpochCommand() *cobra.Command {
	var reason string
	cmd := &cobra.Command{
		Use:   "new-epoch --reason TEXT",
		Short: "Start a new epoch after a restore or failover that lost data",
		Long: `Start a new epoch after a restore or failover that lost data. Positions may then have been assigned twice, so clients with
a cursor of an older epoch are asked to resync.`,
		Example: `  carewire ledger new-epoch --reason "restored the backup of 02:10"`,
		Args:    cobra.NoArgs,
		RunE: withOperator(func(cmd *cobra.Command, op *operator.Operator, _ []string) error {
			epoch, err := op.StartEpoch(cmd.Context(), reason)
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "epoch %d begins\n", epoch)
			return err
		}),
	}
	cmd.Flags().StringVar(&reason, "reason", "", "reason, which is stored with the epoch")
	_ = cmd.MarkFlagRequired("reason")
	return cmd
}

func rejectedCommand() *cobra.Command {
	var list listFlags
	var after int64
	cmd := &cobra.Command{
		Use:   "rejected",
		Short: "List dead-lettered outbox rows",
		Long: `List outbox rows that could not be moved to the ledger, oldest first. A redriven row is no longer listed. Errors have
classes and codes, never data; the row itself is in the table outbox_rejected. Use --after with the last ID of a page to
list the next page.`,
		Example: `  carewire ledger rejected
  carewire ledger rejected --json | jq -r '.[].id'`,
		Args: cobra.NoArgs,
		RunE: withOperator(func(cmd *cobra.Command, op *operator.Operator, _ []string) error {
			limit, err := list.max()
			if err != nil {
				return err
			}
			all, err := op.ListDeadLetters(cmd.Context(), after, limit)
			if err != nil {
				return err
			}
			columns := []table.Column{table.Plain("ID"), table.Plain("EVENT"), table.Flexible("TYPE"), table.WideOnly("SUBJECT"), table.Plain("REJECTED AT"), table.Flexible("ERROR")}
			return printList(cmd, list, all, columns, func(d operator.DeadLetter) []string {
				return []string{strconv.FormatInt(d.ID, 10), d.EventID, d.Type, d.Subject, d.RejectedAt.Format(time.RFC3339), d.Error}
			})
		}),
	}
	list.register(cmd)
	cmd.Flags().Int64Var(&after, "after", 0, "last ID of the previous page")
	return cmd
}

func rejectedRedriveCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "redrive ID",
		Short: "Return a dead-lettered row to the outbox",
		Long: `Return a dead-lettered row to the outbox after fixing the cause of its rejection. The redrive is recorded in the ledger. A
row that is rejected again gets a new ID.`,
		Example: `  carewire ledger rejected
  carewire ledger redrive 1042`,
		Args: oneArg("ID"),
		RunE: withOperator(func(cmd *cobra.Command, op *operator.Operator, args []string) error {
			id, err := parseNumber[int64](args[0], "ID", "carewire ledger rejected")
			if err != nil {
				return err
			}
			if err := op.RedriveDeadLetter(cmd.Context(), operator.CommandLine(), id); err != nil {
				return err
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "outbox row %d is back in the outbox\n", id)
			return err
		}),
	}
}
