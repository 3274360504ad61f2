package main

import (
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"carewire/internal/app"
	"carewire/internal/config"
	"carewire/internal/table"
)

func providersCommand() *cobra.Command {
	return group("providers", "Check the providers of messages", providersCheckCommand())
}

func providersCheckCommand() *cobra.Command {
	var asJSON, wide bool
	cmd := &cobra.Command{
		Use:   "check [FILE]",
		Short: "Check a provider file, and print the providers in the order in which they are tried",
		Long: `Check a provider file, and print the providers of each channel in the order in which they are tried. Without FILE it checks
the file of CAREWIRE_PROVIDERS; "-" reads standard input. Channels that are not in the file have the provider of their own
settings.

The check is that of carewire serve: it prints all errors with their line, field and remedy, reads the credentials, and
reports those that cannot be read. Run it with the environment of the service. It prints no credential, calls no provider
and needs no database. The exit status is 2 if there are errors, also with --json.`,
		Example: `  carewire providers check
  carewire providers check providers.yaml
  carewire providers check providers.yaml --json | jq -r '.errors[] | "\(.line): \(.field): \(.message)"'`,
		Args: maxOneArg("FILE"),
		RunE: withSettings(func(cmd *cobra.Command, cfg config.Config, args []string) error {
			name, src, err := readProviderFile(cmd, cfg, args)
			if err != nil {
				return err
			}
			uses, warnings, err := app.CheckProviders(cmd.Context(), cfg, src)
			if asJSON {
				return printProviderCheck(cmd.OutOrStdout(), name, uses, warnings, err)
			}
			if err != nil {
				return usagef("%s:\n%w", name, err)
			}
			for _, warning := range warnings {
				if _, err := fmt.Fprintln(cmd.ErrOrStderr(), "carewire: warning:", warning); err != nil {
					return err
				}
			}
			return printProviders(cmd.OutOrStdout(), wide, uses)
		}),
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON instead of a table")
	registerWide(cmd, &wide)
	return cmd
}

// maxOneArg accepts one argument or none.
func maxOneArg(name string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) > 1 {
			return usagef("want at most one argument %s, got %d%s", name, len(args), seeHelp(cmd))
		}
		return nil
	}
}

// readProviderFile returns the file of the arguments, else that of the settings; nil if there is
// none.
func readProviderFile(cmd *cobra.Command, cfg config.Config, args []string) (name string, src []byte, err error) {
	switch {
	case len(args) == 1:
		name, src, err = readFile(cmd, args[0])
	case cfg.Providers != "":
		if name, src, err = readFile(cmd, cfg.Providers); err != nil {
			err = fmt.Errorf("CAREWIRE_PROVIDERS: %w", err)
		}
	default:
		return "", nil, nil
	}
	if err != nil {
		return name, nil, &usageError{err}
	}
	if src == nil {
		src = []byte{} // An empty file is not the same as none.
	}
	return name, src, nil
}

// providerCheck is the result of a check in JSON.
type providerCheck struct {
	File      string              `json:"file,omitempty"`
	Providers []app.ProviderUse   `json:"providers"`
	Warnings  []string            `json:"warnings"`
	Errors    []app.ProviderError `json:"errors"`
}

// printProviderCheck prints the result of a check. Its errors are also an error, for the exit status.
func printProviderCheck(out io.Writer, file string, uses []app.ProviderUse, warnings []string, err error) error {
	mistakes := app.ProviderErrors(err)
	if err != nil && len(mistakes) == 0 {
		return err
	}
	result := providerCheck{File: file, Providers: uses, Warnings: warnings, Errors: mistakes}
	if uses == nil {
		result.Providers = []app.ProviderUse{}
	}
	if warnings == nil {
		result.Warnings = []string{}
	}
	if err := printJSON(out, result); err != nil {
		return err
	}
	if len(mistakes) > 0 {
		return usagef("%s: %d errors", file, len(mistakes))
	}
	return nil
}

var providerColumns = []table.Column{
	table.Plain("CHANNEL"), table.Plain("ORDER"), table.Plain("NAME"), table.Plain("KIND"), table.Plain("SHARE"), table.Plain("MAX RATE"), table.Flexible("CREDENTIALS"),
}

func printProviders(out io.Writer, wide bool, uses []app.ProviderUse) error {
	t := table.New(out, wide, providerColumns...)
	for _, u := range uses {
		rate := "-"
		if u.MaxRate > 0 {
			rate = strconv.FormatFloat(u.MaxRate, 'g', -1, 64) + "/s"
		}
		credentials := strings.Join(u.Credentials, ", ")
		switch {
		case u.FromSettings:
			credentials = "of the settings"
		case credentials == "":
			credentials = "default"
		}
		t.Row(u.Channel, strconv.Itoa(u.Order), u.Name, u.Kind, fmt.Sprintf("%.0f%%", math.Round(u.Share*100)), rate, credentials)
	}
	return t.Flush()
}
