package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"carewire/internal/app"
	"carewire/internal/config"
	"carewire/internal/operator"
)

func rulesCommand() *cobra.Command {
	return group("rules", "Manage the notification rules",
		rulesCheckCommand(), rulesPublishCommand(), rulesListCommand(), rulesFailuresCommand(), rulesShowCommand(), rulesDiffCommand(),
		rulesRollbackCommand(), rulesDefaultCommand(), rulesExplainCommand(), rulesDryRunCommand(), rulesBacktestCommand())
}

func rulesCheckCommand() *cobra.Command {
	var asJSON bool
	var templateFile string
	cmd := &cobra.Command{
		Use:   "check FILE",
		Short: "Check a rule file",
		Long: `Check a rule file and print all errors with their lines. "-" reads standard input. It needs no database: the rules may name
the templates of the binary, or those of the file in --templates. The exit status is 1 if there are errors, also with --json.`,
		Example: `  carewire rules check rules.yaml
  carewire rules check rules.yaml --templates templates.yaml
  carewire rules show 3 | carewire rules check -
  carewire rules check rules.yaml --json | jq -r '.errors[] | "\(.line): \(.message)"'`,
		Args: oneArg("FILE"),
		RunE: withSettings(func(cmd *cobra.Command, cfg config.Config, args []string) error {
			name, src, err := readFile(cmd, args[0])
			if err != nil {
				return err
			}
			var templates *operator.SourceFile
			if templateFile != "" {
				if templates, err = readSource(cmd, templateFile); err != nil {
					return err
				}
			}
			n, err := app.CheckRules(cfg, name, src, templates)
			if asJSON {
				return printRuleCheck(cmd.OutOrStdout(), name, n, err)
			}
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s: %d rules, no errors\n", name, n)
			return err
		}),
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	cmd.Flags().StringVar(&templateFile, "templates", "", "template file with the templates of the rules; default: the built-in templates")
	return cmd
}

// readSource returns a rule or template file. "-" is standard input.
func readSource(cmd *cobra.Command, file string) (*operator.SourceFile, error) {
	name, src, err := readFile(cmd, file)
	return &operator.SourceFile{Name: name, Source: src}, err
}

// ruleCheck is the result of a check in JSON.
type ruleCheck struct {
	File   string                 `json:"file"`
	Rules  int                    `json:"rules"`
	Errors []operator.RuleMistake `json:"errors"`
}

// printRuleCheck prints the result of a check. Mistakes are also an error, for the exit status.
func printRuleCheck(out io.Writer, file string, rules int, err error) error {
	mistakes := operator.RuleMistakes(err)
	if err != nil && len(mistakes) == 0 {
		return err
	}
	if err := printJSON(out, ruleCheck{File: file, Rules: rules, Errors: mistakes}); err != nil {
		return err
	}
	if len(mistakes) > 0 {
		return fmt.Errorf("%s: %d errors", file, len(mistakes))
	}
	return nil
}

func rulesPublishCommand() *cobra.Command {
	return publishing(&cobra.Command{
		Use:     "publish FILE",
		Short:   "Check and publish a rule file, or standard input for -",
		Example: `  carewire rules publish rules.yaml --note "page the doctor on call"`,
	}, (*operator.Operator).PublishRules)
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
