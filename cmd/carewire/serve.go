package main

import (
	"github.com/spf13/cobra"

	"carewire/internal/app"
	"carewire/internal/config"
)

func serveCommand() *cobra.Command {
	var demo, anyAddr bool
	var roles []string
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Serve the API, the sockets and the work behind them",
		Long: `Serve the API, the sockets and the work behind them, until Ctrl-C or SIGTERM.

The database is the settings', or an embedded PostgreSQL in CAREWIRE_DATA_DIR. It is migrated first; without the owner's
DATABASE_URL the service waits until somebody has.

` + config.Reference(),
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := settings(func(c *config.Config) { c.Demo, c.DemoAnyAddr, c.Roles = demo, anyAddr, roles })
			if err != nil {
				return err
			}
			return app.Serve(cmd.Context(), cfg, cmd.OutOrStdout())
		},
	}
	cmd.Flags().BoolVar(&demo, "demo", false, "seed a demo clinic, sign tokens with a key of its own, send to the sandbox")
	cmd.Flags().BoolVar(&anyAddr, "demo-any-address", false, "let demo mode listen on addresses that are not loopback")
	cmd.Flags().StringSliceVar(&roles, "roles", config.AllRoles, "what this instance does; every role needs an instance")
	return cmd
}
