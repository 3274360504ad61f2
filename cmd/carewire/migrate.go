package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"carewire/internal/app"
	"carewire/internal/config"
)

func migrateCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "migrate",
		Short: "Bring the database's schema up to date",
		Long: `Bring the schema of DATABASE_URL, or of the running embedded database, up to date.

The roles carewire_owner, carewire_app, carewire_worker and carewire_auditor are made where they are missing, for which
the user of DATABASE_URL needs CREATEROLE the first time. Several may migrate at once: one does, the others wait. A database that is away is waited for,
for CAREWIRE_START_TIMEOUT.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := config.FromEnvironment()
			if err != nil {
				return err
			}
			if err := app.Migrate(cmd.Context(), cfg); err != nil {
				return err
			}
			_, err = fmt.Fprintln(cmd.OutOrStdout(), "the schema is up to date")
			return err
		},
	}
}
