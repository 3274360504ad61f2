package main

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"carewire/internal/operator"
	"carewire/internal/table"
)

// templatesList lists the versions of the templates.
const templatesList = "carewire templates list"

func templatesListCommand() *cobra.Command {
	var list listFlags
	var before int32
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List published versions of the templates, newest first",
		Long: `List published versions of the templates, newest first. Messages about events after a version's position in the ledger have its
texts; one without a position has not reached the planner yet. Use --before with the last version of a page to list the next page.`,
		Example: `  carewire templates list
  carewire templates list --limit 10 --json`,
		Args: cobra.NoArgs,
		RunE: withOperator(func(cmd *cobra.Command, op *operator.Operator, _ []string) error {
			limit, err := list.max()
			if err != nil {
				return err
			}
			all, err := op.ListTemplateSets(cmd.Context(), before, limit)
			if err != nil {
				return err
			}
			columns := []table.Column{
				table.Plain("VERSION"), table.Plain("POSITION"), table.Plain("PUBLISHED AT"), table.Plain("PUBLISHED BY"), table.Flexible("NOTE"),
			}
			return printList(cmd, list, all, columns, templateSetRow)
		}),
	}
	list.register(cmd)
	cmd.Flags().Int32Var(&before, "before", 0, "last version of the previous page")
	return cmd
}

func templateSetRow(s operator.TemplateSet) []string {
	position := ""
	if s.Position > 0 {
		position = strconv.FormatInt(s.Position, 10)
	}
	return []string{strconv.Itoa(int(s.Version)), position, s.PublishedAt.Format(time.RFC3339), s.PublishedBy, strings.Join(strings.Fields(s.Note), " ")}
}

func templatesShowCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "show [VERSION]",
		Short: "Print a version of the templates, by default the newest",
		Example: `  carewire templates show > templates.yaml
  carewire templates show 3 --json | jq -r .note`,
		Args: versionArgs(0, 1),
		RunE: withOperator(func(cmd *cobra.Command, op *operator.Operator, args []string) error {
			version, err := parseVersion(args, 0, templatesList)
			if err != nil {
				return err
			}
			set, err := op.GetTemplateSet(cmd.Context(), version)
			if err != nil {
				return err
			}
			if asJSON {
				return printJSON(cmd.OutOrStdout(), set)
			}
			_, err = fmt.Fprint(cmd.OutOrStdout(), set.Source)
			return err
		}),
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON that includes the source")
	return cmd
}

func templatesDiffCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "diff [[A] B]",
		Short: "Compare versions of the templates",
		Long: `Compare version A of the templates with version B. With one version, compare it with the one before; without any, compare the
newest version with the one before.`,
		Example: `  carewire templates diff
  carewire templates diff 3
  carewire templates diff 3 5 --json | jq .changed`,
		Args: versionArgs(0, 2),
		RunE: withOperator(func(cmd *cobra.Command, op *operator.Operator, args []string) error {
			first, second, err := parseVersions(args, templatesList)
			if err != nil {
				return err
			}
			var d operator.TemplateDifference
			if len(args) < 2 {
				d, err = op.CompareWithPreviousTemplates(cmd.Context(), first)
			} else {
				d, err = op.CompareTemplateSets(cmd.Context(), first, second)
			}
			if err != nil {
				return err
			}
			if asJSON {
				return printJSON(cmd.OutOrStdout(), d)
			}
			return printDifference(cmd.OutOrStdout(), d.Added, d.Removed, d.Changed, d.Unreadable, d.Text)
		}),
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON that includes the diff")
	return cmd
}

func templatesRollbackCommand() *cobra.Command {
	return rollingBack(&cobra.Command{
		Use:   "rollback VERSION",
		Short: "Roll back to an earlier version of the templates",
		Long: `Roll back to an earlier version of the templates. Its source is checked and published again as a new version. If it equals the
newest version, nothing changes. Messages about earlier events keep their version.`,
		Example: `  carewire templates list
  carewire templates rollback 3 --note "the texts were unclear"`,
	}, "templates", (*operator.Operator).RollBackTemplates)
}
