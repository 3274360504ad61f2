package main

import (
	"fmt"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"carewire/internal/app"
	"carewire/internal/config"
)

func ledgerCommand() *cobra.Command {
	return group("ledger", "Look after the ledger", newEpochCommand(), rejectedCommand(), rejectedRedriveCommand())
}

func newEpochCommand() *cobra.Command {
	var reason string
	cmd := &cobra.Command{
		Use:   "new-epoch --reason TEXT",
		Short: "Start a new epoch after a restore or a failover that lost data",
		Long: `Start a new epoch after a restore or a failover that lost data: positions may have been given out twice, so every
cursor of an older epoch is answered with resync.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := config.FromEnvironment()
			if err != nil {
				return err
			}
			epoch, err := app.NewEpoch(cmd.Context(), cfg, reason)
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "epoch %d begins\n", epoch)
			return err
		},
	}
	cmd.Flags().StringVar(&reason, "reason", "", "what happened; it is kept")
	_ = cmd.MarkFlagRequired("reason")
	return cmd
}

func rejectedCommand() *cobra.Command {
	var list listing
	var after int64
	cmd := &cobra.Command{
		Use:   "rejected",
		Short: "List the outbox rows that the ledger refused",
		Long: `List the outbox rows that the ledger refused, the oldest first, until they are redriven. An error tells classes and codes,
never data; the row itself is in the table outbox_rejected. For the next page, name the last id with --after.`,
		Example: `  carewire ledger rejected
  carewire ledger rejected --json | jq -r '.[].id'`,
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
			all, err := app.Rejections(cmd.Context(), cfg, after, limit)
			if err != nil {
				return err
			}
			if list.json {
				return printJSON(cmd.OutOrStdout(), all)
			}
			t := newTable(cmd.OutOrStdout(), "ID", "EVENT", "TYPE", "SUBJECT", "REJECTED AT", "ERROR")
			for _, r := range all {
				t.row(strconv.FormatInt(r.ID, 10), r.EventID, r.Type, r.Subject, r.RejectedAt.Format(time.RFC3339), r.Error)
			}
			return t.flush()
		},
	}
	list.flags(cmd)
	cmd.Flags().Int64Var(&after, "after", 0, "the last id of the page before")
	return cmd
}

func rejectedRedriveCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "redrive ID",
		Short: "Put an outbox row back that the ledger refused",
		Long: `Put an outbox row back that the ledger refused, once the row or what refused it is mended. That it was is in the ledger.
One that the ledger refuses again is rejected anew, under a new id.`,
		Example: `  carewire ledger rejected
  carewire ledger redrive 1042`,
		Args: exactly("ID"),
		RunE: func(cmd *cobra.Command, args []string) error {
			id, err := number[int64](args[0], "a rejected row's id", "carewire ledger rejected")
			if err != nil {
				return err
			}
			cfg, err := config.FromEnvironment()
			if err != nil {
				return err
			}
			if err := app.RejectionRedrive(cmd.Context(), cfg, id); err != nil {
				return err
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "outbox row %d is back in the outbox\n", id)
			return err
		},
	}
}
