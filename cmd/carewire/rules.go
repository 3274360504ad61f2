package main

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"carewire/internal/app"
	"carewire/internal/config"
)

func rulesCommand() *cobra.Command {
	return group("rules", "Check, publish, compare and explain the notification rules, and go back to earlier ones",
		rulesCheckCommand(), rulesPublishCommand(), rulesListCommand(), rulesShowCommand(), rulesDiffCommand(),
		rulesRollbackCommand(), rulesDefaultCommand(), rulesExplainCommand())
}

func rulesCheckCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "check FILE",
		Short: "Say all that is wrong with a rule file, each with its line",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			src, err := os.ReadFile(args[0])
			if err != nil {
				return err
			}
			n, err := app.RulesCheck(args[0], src)
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s: %d rules, no errors\n", args[0], n)
			return err
		},
	}
}

func rulesPublishCommand() *cobra.Command {
	var note string
	cmd := &cobra.Command{
		Use:   "publish FILE",
		Short: "Check a rule file and put it in force",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			src, err := os.ReadFile(args[0])
			if err != nil {
				return err
			}
			cfg, err := config.FromEnvironment()
			if err != nil {
				return err
			}
			version, err := app.RulesPublish(cmd.Context(), cfg, args[0], src, note)
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "version %d is in force\n", version)
			return err
		},
	}
	cmd.Flags().StringVar(&note, "note", "", "why, for those who read the history")
	return cmd
}

func rulesDefaultCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "default",
		Short: "Print the default rules",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := cmd.OutOrStdout().Write(app.RulesDefault())
			return err
		},
	}
}
