package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"carewire/internal/care"
	"carewire/internal/operator"
)

// maxStdin bounds the rules and templates that are read from standard input, in bytes; larger ones are refused.
const maxStdin = 1 << 20

// readFile returns the contents of a rule or template file and its name in errors. "-" is standard input.
func readFile(cmd *cobra.Command, file string) (name string, src []byte, err error) {
	if file != "-" {
		src, err = os.ReadFile(file) //nolint:gosec // The operator chooses the file.
		return file, src, err
	}
	src, err = io.ReadAll(io.LimitReader(cmd.InOrStdin(), maxStdin))
	return "<stdin>", src, err
}

// publishing completes a command that publishes a file of rules or templates.
func publishing(cmd *cobra.Command, publish func(op *operator.Operator, ctx context.Context, by care.Command, file string, src []byte, note string) (int32, error)) *cobra.Command {
	var note string
	cmd.Args = oneArg("FILE")
	cmd.RunE = withOperator(func(cmd *cobra.Command, op *operator.Operator, args []string) error {
		name, src, err := readFile(cmd, args[0])
		if err != nil {
			return err
		}
		version, err := publish(op, cmd.Context(), operator.CommandLine(), name, src, note)
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(cmd.OutOrStdout(), "version %d is in force\n", version)
		return err
	})
	registerNote(cmd, &note)
	return cmd
}

// rollingBack completes a command that publishes an earlier version of the rules or templates again.
func rollingBack(cmd *cobra.Command, kind string, rollBack func(op *operator.Operator, ctx context.Context, by care.Command, version int32, note string) (int32, error)) *cobra.Command {
	var note string
	cmd.Args = versionArgs(1, 1)
	cmd.RunE = withOperator(func(cmd *cobra.Command, op *operator.Operator, args []string) error {
		version, err := parseVersion(args, 0, "carewire "+kind+" list")
		if err != nil {
			return err
		}
		published, err := rollBack(op, cmd.Context(), operator.CommandLine(), version, note)
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(cmd.OutOrStdout(), "version %d is in force, with the %s of version %d\n", published, kind, version)
		return err
	})
	registerNote(cmd, &note)
	return cmd
}

func registerNote(cmd *cobra.Command, note *string) {
	cmd.Flags().StringVar(note, "note", "", "reason for the change, shown in the version history")
}

// parseVersions returns the versions in the arguments; a missing one is 0, which is the newest.
func parseVersions(args []string, command string) (first, second int32, err error) {
	if first, err = parseVersion(args, 0, command); err == nil {
		second, err = parseVersion(args, 1, command)
	}
	return first, second, err
}

// printDifference prints the names that were added, removed and changed, or the reason that there are
// none, and the unified diff.
func printDifference(out io.Writer, added, removed, changed []string, unreadable, text string) error {
	var b strings.Builder
	for _, change := range []struct {
		kind  string
		names []string
	}{{"added", added}, {"removed", removed}, {"changed", changed}} {
		if len(change.names) > 0 {
			fmt.Fprintf(&b, "# %s: %s\n", change.kind, strings.Join(change.names, ", "))
		}
	}
	if unreadable != "" {
		fmt.Fprintf(&b, "# %s\n", unreadable)
	}
	_, err := fmt.Fprint(out, b.String(), text)
	return err
}

// versionArgs accepts between least and most arguments. The error of any other number has the
// command's usage.
func versionArgs(least, most int) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) < least || len(args) > most {
			return usagef("want arguments %s, got %d%s", argsUsage(cmd), len(args), seeHelp(cmd))
		}
		return nil
	}
}

// parseVersion returns the version in the argument with an index, or 0, which is the newest, if
// there is no such argument. The command lists versions.
func parseVersion(args []string, i int, command string) (int32, error) {
	if i >= len(args) {
		return 0, nil
	}
	return parseNumber[int32](args[i], "version", command)
}
