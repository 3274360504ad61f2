package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"carewire/internal/app"
	"carewire/internal/config"
)

func ledgerCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "ledger", Short: "Look after the ledger"}
	cmd.AddCommand(newEpochCommand())
	return cmd
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
