package main

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"carewire/internal/app"
	"carewire/internal/config"
)

func rulesListCommand() *cobra.Command {
	var list listing
	var before int32
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the versions of the rules, the newest first",
		Long: `List the versions of the rules that were published, the newest first. A version is in force after its position in the
ledger; one without has not reached the planner yet. For the next page, name the last version with --before.`,
		Example: `  carewire rules list
  carewire rules list --limit 10 --json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			limit, err := list.max()
			if err != nil {
				return err
			}
			cfg, err := config.FromEnvironment()
			if err != nil {
				return err
			}
			all, err := app.Rules(cmd.Context(), cfg, before, limit)
			if err != nil {
				return err
			}
			if list.json {
				return printJSON(cmd.OutOrStdout(), all)
			}
			t := newTable(cmd.OutOrStdout(), "VERSION", "POSITION", "PUBLISHED AT", "PUBLISHED BY", "NOTE")
			for _, v := range all {
				position := ""
				if v.Position > 0 {
					position = strconv.FormatInt(v.Position, 10)
				}
				t.row(strconv.Itoa(int(v.Version)), position, v.PublishedAt.Format(time.RFC3339), v.PublishedBy, strings.Join(strings.Fields(v.Note), " "))
			}
			return t.flush()
		},
	}
	list.flags(cmd)
	cmd.Flags().Int32Var(&before, "before", 0, "the last version of the page before")
	return cmd
}

func rulesShowCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "show [VERSION]",
		Short: "Print a version of the rules, by default the newest",
		Example: `  carewire rules show > rules.yaml
  carewire rules show 3 --json | jq -r .note`,
		Args: versions(0, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			version, err := versionAt(args, 0)
			if err != nil {
				return err
			}
			cfg, err := config.FromEnvironment()
			if err != nil {
				return err
			}
			set, err := app.RulesAt(cmd.Context(), cfg, version)
			if err != nil {
				return err
			}
			if asJSON {
				return printJSON(cmd.OutOrStdout(), set)
			}
			_, err = fmt.Fprint(cmd.OutOrStdout(), set.Source)
			return err
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON with the source in it instead of the source")
	return cmd
}

func rulesDiffCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "diff A [B]",
		Short: "Show how version B of the rules, by default the newest, differs from A",
		Example: `  carewire rules diff 3
  carewire rules diff 3 5 --json | jq .changed`,
		Args: versions(1, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			from, err := versionAt(args, 0)
			if err != nil {
				return err
			}
			to, err := versionAt(args, 1)
			if err != nil {
				return err
			}
			cfg, err := config.FromEnvironment()
			if err != nil {
				return err
			}
			d, err := app.RulesDiff(cmd.Context(), cfg, from, to)
			if err != nil {
				return err
			}
			out := cmd.OutOrStdout()
			if asJSON {
				return printJSON(out, d)
			}
			var b strings.Builder
			for _, group := range []struct {
				what  string
				names []string
			}{{"added", d.Added}, {"removed", d.Removed}, {"changed", d.Changed}} {
				if len(group.names) > 0 {
					fmt.Fprintf(&b, "# %s: %s\n", group.what, strings.Join(group.names, ", "))
				}
			}
			if d.Unreadable != "" {
				fmt.Fprintf(&b, "# %s\n", d.Unreadable)
			}
			_, err = fmt.Fprint(out, b.String(), d.Text)
			return err
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON with the diff in it instead of the diff")
	return cmd
}

func rulesRollbackCommand() *cobra.Command {
	var note string
	cmd := &cobra.Command{
		Use:   "rollback VERSION",
		Short: "Go back to an earlier version of the rules",
		Long: `Go back to an earlier version of the rules: its source is checked, and published again as a new version. Where it is what
the newest version says, nothing changes.`,
		Example: `  carewire rules list
  carewire rules rollback 3 --note "too many messages"`,
		Args: versions(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			version, err := versionAt(args, 0)
			if err != nil {
				return err
			}
			cfg, err := config.FromEnvironment()
			if err != nil {
				return err
			}
			published, err := app.RulesRollback(cmd.Context(), cfg, version, note)
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "version %d is in force, with the rules of version %d\n", published, version)
			return err
		},
	}
	cmd.Flags().StringVar(&note, "note", "", "why, for those who read the history")
	return cmd
}

// versions refuses any other number of arguments.
func versions(least, most int) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) < least || len(args) > most {
			return fmt.Errorf("give %s; %s --help has examples", strings.TrimPrefix(cmd.Use, cmd.Name()+" "), cmd.CommandPath())
		}
		return nil
	}
}

// versionAt reads a version; 0, which is the newest, where there is none.
func versionAt(args []string, i int) (int32, error) {
	if i >= len(args) {
		return 0, nil
	}
	return number[int32](args[i], "a version of the rules", "carewire rules list")
}
