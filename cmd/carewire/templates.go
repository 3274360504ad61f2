package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"carewire/internal/app"
	"carewire/internal/config"
	"carewire/internal/operator"
)

func templatesCommand() *cobra.Command {
	return group("templates", "Manage the texts of messages",
		templatesCheckCommand(), templatesPreviewCommand(), templatesPublishCommand(), templatesListCommand(), templatesShowCommand(),
		templatesDiffCommand(), templatesRollbackCommand(), templatesDefaultCommand())
}

func templatesCheckCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "check FILE",
		Short: "Check a template file",
		Long: `Check a template file and print all errors with their lines. "-" reads standard input. It needs no database, so it does not
check that the published rules find their templates; publish does. The exit status is 1 if there are errors, also with --json.`,
		Example: `  carewire templates check templates.yaml
  carewire templates show 3 | carewire templates check -
  carewire templates check templates.yaml --json | jq -r '.errors[] | "\(.line): \(.message)"'`,
		Args: oneArg("FILE"),
		RunE: withSettings(func(cmd *cobra.Command, cfg config.Config, args []string) error {
			name, src, err := readFile(cmd, args[0])
			if err != nil {
				return err
			}
			n, err := app.CheckTemplates(cfg, name, src)
			if asJSON {
				return printTemplateCheck(cmd.OutOrStdout(), name, n, err)
			}
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s: %d templates, no errors\n", name, n)
			return err
		}),
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// templateCheck is the result of a check in JSON.
type templateCheck struct {
	File      string                     `json:"file"`
	Templates int                        `json:"templates"`
	Errors    []operator.TemplateMistake `json:"errors"`
}

// printTemplateCheck prints the result of a check. Mistakes are also an error, for the exit status.
func printTemplateCheck(out io.Writer, file string, templates int, err error) error {
	mistakes := operator.TemplateMistakes(err)
	if err != nil && len(mistakes) == 0 {
		return err
	}
	if err := printJSON(out, templateCheck{File: file, Templates: templates, Errors: mistakes}); err != nil {
		return err
	}
	if len(mistakes) > 0 {
		return fmt.Errorf("%s: %d errors", file, len(mistakes))
	}
	return nil
}

func templatesPublishCommand() *cobra.Command {
	return publishing(&cobra.Command{
		Use:   "publish FILE",
		Short: "Check and publish a template file, or standard input for -",
		Long: `Check and publish a template file, or standard input for -. Messages about events after the publication have its texts. A file
without a template that the newest rules need is refused.`,
		Example: `  carewire templates show > templates.yaml
  carewire templates publish templates.yaml --note "shorter texts"`,
	}, (*operator.Operator).PublishTemplates)
}

func templatesDefaultCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "default",
		Short:   "Print the templates in this binary",
		Example: `  carewire templates default > templates.yaml`,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := cmd.OutOrStdout().Write(operator.DefaultTemplates())
			return err
		},
	}
}
