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
		Short: "Migrate the database schema",
		Long: `Migrate the schema of the database in DATABASE_URL, or of the embedded database of a running service.

The roles carewire_owner, carewire_app, carewire_worker and carewire_auditor are created if they do not exist; for that, the
user in DATABASE_URL needs CREATEROLE on the first run. Concurrent runs are safe: one migrates, the others wait. If the
database is unavailable, the command retries for CAREWIRE_START_TIMEOUT.`,
		Args: cobra.NoArgs,
		RunE: withSettings(func(cmd *cobra.Command, cfg config.Config, _ []string) error {
			if err := app.Migrate(cmd.Context(), cfg); err != nil {
				return err
			}
			_, err := fmt.Fprintln(cmd.OutOrStdout(), "the schema is up to date")
			return err
		}),
	}
}
