// Command carewire is the event backbone of a clinic's software: the service and the tools beside it, in one binary.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	_ "time/tzdata" // Time zones are known wherever the binary runs, also in an empty container.

	"github.com/spf13/cobra"

	"carewire/internal/app"
	"carewire/internal/config"
)

func main() {
	// The second Ctrl-C ends the process at once, unless the command has a use for it: stop() gives the signal back after the
	// first.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	root := &cobra.Command{
		Use:           "carewire",
		Short:         "The event backbone of a clinic's software",
		SilenceUsage:  true,
		SilenceErrors: true,
		Version:       app.Version().String(),
	}
	root.SetVersionTemplate("{{.Version}}\n")
	root.AddCommand(versionCommand(), serveCommand(), migrateCommand(), tokenCommand(), importCommand(), rulesCommand(), followerCommand(), deliveriesCommand(), ledgerCommand())
	if err := root.ExecuteContext(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "carewire:", err)
		os.Exit(1)
	}
}

// group is a command of commands. Alone it shows its help; what it does not know it refuses, as the root does.
func group(name, short string, commands ...*cobra.Command) *cobra.Command {
	cmd := &cobra.Command{
		Use:   name,
		Short: short,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return cmd.Help()
			}
			return fmt.Errorf("unknown command %q for %q: carewire %s --help lists those it has", args[0], cmd.CommandPath(), name)
		},
	}
	cmd.AddCommand(commands...)
	return cmd
}

// settings reads and validates the settings. adjust sets what flags say before they are validated.
func settings(adjust func(*config.Config)) (config.Config, error) {
	cfg, err := config.FromEnvironment()
	if err != nil {
		return cfg, fmt.Errorf("the settings are not usable:\n%w", err)
	}
	adjust(&cfg)
	if err := cfg.Validate(); err != nil {
		return cfg, fmt.Errorf("the settings are not usable:\n%w", err)
	}
	return cfg, nil
}
