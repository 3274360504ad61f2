package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"carewire/internal/app"
	"carewire/internal/config"
	"carewire/internal/operator"
)

// group returns a command with subcommands. Without one it prints its help; that and an unknown
// subcommand are usage errors, as they are for the root command.
func group(name, short string, commands ...*cobra.Command) *cobra.Command {
	cmd := &cobra.Command{Use: name, Short: short, Args: cobra.ArbitraryArgs, RunE: runGroup}
	cmd.AddCommand(commands...)
	return cmd
}

type runE = func(cmd *cobra.Command, args []string) error

// withSettings returns a RunE that reads the settings from the environment and calls fn.
func withSettings(fn func(cmd *cobra.Command, cfg config.Config, args []string) error) runE {
	return func(cmd *cobra.Command, args []string) error {
		cfg, err := config.FromEnvironment()
		if err != nil {
			return err
		}
		for _, warning := range cfg.Warnings {
			if _, err := fmt.Fprintln(cmd.ErrOrStderr(), "carewire: warning:", warning); err != nil {
				return err
			}
		}
		return fn(cmd, cfg, args)
	}
}

// withOperator returns a RunE that opens an Operator for the settings in the environment and calls
// fn. The Operator connects to the database on first use, so fn checks its flags and arguments
// first.
func withOperator(fn func(cmd *cobra.Command, op *operator.Operator, args []string) error) runE {
	return withOperatorSettings(func(cmd *cobra.Command, op *operator.Operator, _ config.Config, args []string) error {
		return fn(cmd, op, args)
	})
}

// withOperatorSettings is withOperator for commands that also need the settings.
func withOperatorSettings(fn func(cmd *cobra.Command, op *operator.Operator, cfg config.Config, args []string) error) runE {
	return withSettings(func(cmd *cobra.Command, cfg config.Config, args []string) error {
		op, err := app.OpenOperator(cfg)
		if err != nil {
			return err
		}
		defer op.Close()
		return fn(cmd, op, cfg, args)
	})
}

// oneArg accepts exactly one argument. The error of any other number names it.
func oneArg(name string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) != 1 {
			return usagef("want one argument %s, got %d%s", name, len(args), seeHelp(cmd))
		}
		return nil
	}
}
