package main

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"carewire/internal/app"
	"carewire/internal/operator"
)

func rulesCommand() *cobra.Command {
	return group("rules", "Manage the notification rules",
		rulesCheckCommand(), rulesPublishCommand(), rulesListCommand(), rulesShowCommand(), rulesDiffCommand(),
		rulesRollbackCommand(), rulesDefaultCommand(), rulesExplainCommand())
}

func rulesCheckCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "check FILE",
		Short:   "Check a rule file",
		Long:    `Check a rule file and print all errors with their lines. It needs no database.`,
		Example: `  carewire rules check rules.yaml`,
		Args:    oneArg("FILE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			src, err := os.ReadFile(args[0])
			if err != nil {
				return err
			}
			n, err := app.CheckRules(args[0], src)
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
		Use:     "publish FILE",
		Short:   "Check and publish a rule file",
		Example: `  carewire rules publish rules.yaml --note "page the doctor on call"`,
		Args:    oneArg("FILE"),
		RunE: withOperator(func(cmd *cobra.Command, op *operator.Operator, args []string) error {
			src, err := os.ReadFile(args[0])
			if err != nil {
				return err
			}
			version, err := op.PublishRules(cmd.Context(), operator.CommandLine(), args[0], src, note)
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "version %d is in force\n", version)
			return err
		}),
	}
	cmd.Flags().StringVar(&note, "note", "", "reason for the change, shown in the version history")
	return cmd
}

func rulesDefaultCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "default",
		Short:   "Print the default rules",
		Example: `  carewire rules default > rules.yaml`,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := cmd.OutOrStdout().Write(operator.DefaultRules())
			return err
		},
	}
}
