package main

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"carewire/internal/app"
	"carewire/internal/config"
)

func serveCommand() *cobra.Command {
	var demo, anyAddr bool
	var roles []string
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Run the service",
		Long: `Run the service until Ctrl-C or SIGTERM.

It uses the PostgreSQL database in DATABASE_URL, or an embedded one in CAREWIRE_DATA_DIR, and migrates its schema first. Without
DATABASE_URL but with the URLs of the other roles, it waits until the schema has been migrated. If the database is
unavailable, it retries for CAREWIRE_START_TIMEOUT.

On the first signal /readyz returns 503; the service waits CAREWIRE_DRAIN_DELAY for load balancers to notice, and then shuts
down gracefully. A second signal skips the wait, a third one ends the process immediately.

` + config.Reference(),
		Example: `  carewire serve --demo
  carewire serve --roles api,realtime`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := config.FromEnvironment()
			cfg.Demo, cfg.DemoAnyAddr, cfg.Roles = demo, anyAddr, roles
			if err != nil {
				return errors.Join(err, cfg.Validate()) // All errors at once.
			}
			secondSignal, stop := notifySecondSignal()
			defer stop()
			return app.Serve(cmd.Context(), secondSignal, cfg, cmd.OutOrStdout())
		},
	}
	cmd.Flags().BoolVar(&demo, "demo", false, "seed a demo clinic, sign tokens with a local key and send messages to the sandbox")
	cmd.Flags().BoolVar(&anyAddr, "demo-any-address", false, "allow demo mode on addresses other than loopback")
	cmd.Flags().StringSliceVar(&roles, "roles", config.AllRoles, "roles of this instance; each of "+strings.Join(config.AllRoles, ", ")+" needs at least one instance")
	return cmd
}

// notifySecondSignal returns a context that is cancelled by the second Ctrl-C or SIGTERM. The third
// one ends the process.
func notifySecondSignal() (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(context.Background())
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		defer cancel()
		defer signal.Stop(signals)
		for range 2 {
			select {
			case <-signals:
			case <-ctx.Done():
				return
			}
		}
	}()
	return ctx, cancel
}
