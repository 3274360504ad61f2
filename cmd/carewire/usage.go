package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// usageError is a mistake in the arguments or flags of a command. The exit status is 2, as that of
// a failure is 1.
type usageError struct{ err error }

func (e *usageError) Error() string { return e.err.Error() }

func (e *usageError) Unwrap() error { return e.err }

// usagef returns a usageError.
func usagef(format string, args ...any) error { return &usageError{fmt.Errorf(format, args...)} }

// exitStatus returns the exit status for the error of a command.
func exitStatus(err error) int {
	switch _, usage := errors.AsType[*usageError](err); {
	case err == nil:
		return 0
	case usage:
		return 2
	}
	return 1
}

// withUsageErrors makes every error in arguments and flags of the commands below root a usageError,
// in the words of this program instead of cobra's.
func withUsageErrors(root *cobra.Command) {
	root.Args, root.RunE = cobra.ArbitraryArgs, runGroup
	root.SetFlagErrorFunc(flagError)
	wrapUsage(root)
}

func wrapUsage(cmd *cobra.Command) {
	cmd.SuggestionsMinimumDistance = 2
	if check := cmd.Args; check != nil {
		cmd.Args = func(cmd *cobra.Command, args []string) error { return argsError(cmd, args, check(cmd, args)) }
	}
	if cmd.PreRunE == nil && cmd.PreRun == nil {
		cmd.PreRunE = func(cmd *cobra.Command, _ []string) error { return checkFlags(cmd) }
	}
	for _, sub := range cmd.Commands() {
		wrapUsage(sub)
	}
}

// seeHelp ends a usage error.
func seeHelp(cmd *cobra.Command) string { return "; see " + cmd.CommandPath() + " --help" }

// argsError returns the error of a check of arguments. cobra's own name no argument.
func argsError(cmd *cobra.Command, args []string, err error) error {
	var usage *usageError
	switch {
	case err == nil || errors.As(err, &usage):
		return err
	case strings.HasPrefix(err.Error(), "unknown command"): // From cobra.NoArgs.
		return usagef("unexpected argument %q%s", args[0], seeHelp(cmd))
	case strings.Contains(err.Error(), "arg(s)"):
		return usagef("want arguments %s, got %d%s", argsUsage(cmd), len(args), seeHelp(cmd))
	}
	return &usageError{err}
}

// argsUsage returns the arguments in the usage of a command.
func argsUsage(cmd *cobra.Command) string { return strings.TrimPrefix(cmd.Use, cmd.Name()+" ") }

// flagError returns the error of a flag that cannot be parsed.
func flagError(cmd *cobra.Command, err error) error {
	var unknown *pflag.NotExistError
	var missing *pflag.ValueRequiredError
	var invalid *pflag.InvalidValueError
	switch {
	case errors.As(err, &unknown):
		name := "--" + unknown.GetSpecifiedName()
		if unknown.GetSpecifiedShortnames() != "" {
			name = "-" + unknown.GetSpecifiedName()
		}
		return usagef("unknown flag %s%s", name, seeHelp(cmd))
	case errors.As(err, &missing):
		return usagef("--%s needs a value%s", missing.GetSpecifiedName(), seeHelp(cmd))
	case errors.As(err, &invalid):
		f := invalid.GetFlag()
		return usagef("--%s: invalid value %q; want %s", f.Name, invalid.GetValue(), valueForm(f))
	}
	return &usageError{err}
}

// valueForm describes the values of a flag.
func valueForm(f *pflag.Flag) string {
	switch f.Value.Type() {
	case "int", "int32", "int64":
		return "a whole number"
	case "duration":
		return "a duration such as 90s or 1h"
	case "time":
		return "an RFC 3339 time such as 2026-03-14T09:30:00Z"
	case "bound":
		return "a position, an RFC 3339 time such as 2026-03-14T09:30:00Z, or a duration such as 24h"
	case "bool":
		return "true or false"
	}
	return "another value"
}

// The annotations with which cobra stores which flags are required and exclude each other.
const (
	oneRequired = "cobra_annotation_one_required"
	exclusive   = "cobra_annotation_mutually_exclusive"
)

// checkFlags returns the error of missing flags, and of flags that exclude each other. It does what
// cobra would do afterwards.
func checkFlags(cmd *cobra.Command) error {
	var missing []string
	groups := map[string][]string{}
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		if len(f.Annotations[cobra.BashCompOneRequiredFlag]) > 0 && !f.Changed {
			missing = append(missing, "--"+f.Name)
		}
		for _, kind := range []string{oneRequired, exclusive} {
			for _, group := range f.Annotations[kind] {
				key := kind + " " + group
				if groups[key] == nil {
					groups[key] = []string{}
				}
				if f.Changed {
					groups[key] = append(groups[key], f.Name)
				}
			}
		}
	})
	if len(missing) > 0 {
		return usagef("missing %s%s", strings.Join(missing, ", "), seeHelp(cmd))
	}
	for key, set := range groups {
		kind, group, _ := strings.Cut(key, " ")
		names := "--" + strings.ReplaceAll(group, " ", ", --")
		switch {
		case kind == oneRequired && len(set) == 0:
			return usagef("want one of %s%s", names, seeHelp(cmd))
		case kind == exclusive && len(set) > 1:
			return usagef("only one of %s can be used%s", names, seeHelp(cmd))
		}
	}
	return nil
}

// runGroup is the RunE of a command with subcommands. Without arguments it prints its help, which is
// a usage error, so that a script notices.
func runGroup(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		cmd.SetOut(cmd.ErrOrStderr())
		if err := cmd.Help(); err != nil {
			return err
		}
		return usagef("missing command after %q", cmd.CommandPath())
	}
	if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
		return usagef("unknown command %q for %q; did you mean %s?", args[0], cmd.CommandPath(), strings.Join(near, " or "))
	}
	return usagef("unknown command %q for %q%s", args[0], cmd.CommandPath(), seeHelp(cmd))
}
