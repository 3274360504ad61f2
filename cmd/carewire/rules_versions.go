package main

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"carewire/internal/operator"
	"carewire/internal/table"
)

func rulesListCommand() *cobra.Command {
	var list listFlags
	var before int32
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List published versions of the rules, newest first",
		Long: `List published versions of the rules, newest first. A version applies to events after its position in the ledger; one
without a position has not reached the planner yet. FAILURES counts the events for which a condition of a rule could not be
evaluated; carewire rules failures lists these conditions. Use --before with the last version of a page to list the next page.`,
		Example: `  carewire rules list
  carewire rules list --limit 10 --json`,
		Args: cobra.NoArgs,
		RunE: withOperator(func(cmd *cobra.Command, op *operator.Operator, _ []string) error {
			limit, err := list.max()
			if err != nil {
				return err
			}
			all, err := op.ListRuleSets(cmd.Context(), before, limit)
			if err != nil {
				return err
			}
			return printList(cmd, list, all, ruleSetColumns, ruleSetRow)
		}),
	}
	list.register(cmd)
	cmd.Flags().Int32Var(&before, "before", 0, "last version of the previous page")
	return cmd
}

var ruleSetColumns = []table.Column{
	table.Plain("VERSION"), table.Plain("POSITION"), table.Plain("FAILURES"), table.Plain("PUBLISHED AT"), table.Plain("PUBLISHED BY"), table.Flexible("NOTE"),
}

func ruleSetRow(s operator.RuleSet) []string {
	position := ""
	if s.Position > 0 {
		position = strconv.FormatInt(s.Position, 10)
	}
	return []string{strconv.Itoa(int(s.Version)), position, strconv.FormatInt(s.ConditionFailures, 10), s.PublishedAt.Format(time.RFC3339), s.PublishedBy, strings.Join(strings.Fields(s.Note), " ")}
}

func rulesShowCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "show [VERSION]",
		Short: "Print a version of the rules, by default the newest",
		Example: `  carewire rules show > rules.yaml
  carewire rules show 3 --json | jq -r .note`,
		Args: versionArgs(0, 1),
		RunE: withOperator(func(cmd *cobra.Command, op *operator.Operator, args []string) error {
			version, err := parseVersion(args, 0, "carewire rules list")
			if err != nil {
				return err
			}
			set, err := op.GetRuleSet(cmd.Context(), version)
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

func rulesFailuresCommand() *cobra.Command {
	var asJSON, wide bool
	cmd := &cobra.Command{
		Use:   "failures [VERSION]",
		Short: "List conditions of the rules that could not be evaluated",
		Long: `List conditions of a version of the rules, by default the newest, that could not be evaluated for some events, the last one
first. Unless its priority is critical, a rule with such a when notified nobody of these events. Position is that of the last
event, for carewire rules explain.`,
		Example: `  carewire rules failures
  carewire rules failures 3 --json | jq '.[] | select(.condition == "when")'`,
		Args: versionArgs(0, 1),
		RunE: withOperator(func(cmd *cobra.Command, op *operator.Operator, args []string) error {
			version, err := parseVersion(args, 0, "carewire rules list")
			if err != nil {
				return err
			}
			set, err := op.GetRuleSet(cmd.Context(), version)
			if err != nil {
				return err
			}
			columns := []table.Column{table.Flexible("RULE"), table.Plain("CONDITION"), table.Plain("CAUSE"), table.Plain("FAILURES"), table.Plain("LAST AT"), table.Plain("POSITION"), table.WideOnly("FIRST AT")}
			return printList(cmd, listFlags{json: asJSON, wide: wide}, set.FailedConditions, columns, func(f operator.FailedCondition) []string {
				return []string{
					f.Rule, f.Condition, f.Cause, strconv.FormatInt(f.Failures, 10), f.LastFailedAt.Format(time.RFC3339),
					strconv.FormatInt(f.LastPosition, 10), f.FirstFailedAt.Format(time.RFC3339),
				}
			})
		}),
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON instead of a table")
	registerWide(cmd, &wide)
	return cmd
}

func rulesDiffCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "diff [[A] B]",
		Short: "Compare versions of the rules",
		Long: `Compare version A of the rules with version B. With one version, compare it with the one before; without any, compare the
newest version with the one before.`,
		Example: `  carewire rules diff
  carewire rules diff 3
  carewire rules diff 3 5 --json | jq .changed`,
		Args: versionArgs(0, 2),
		RunE: withOperator(func(cmd *cobra.Command, op *operator.Operator, args []string) error {
			d, err := compareVersions(cmd.Context(), op, args)
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

// compareVersions compares the two versions in the arguments, or one with the version before.
func compareVersions(ctx context.Context, op *operator.Operator, args []string) (d operator.Difference, err error) {
	first, second, err := parseVersions(args, "carewire rules list")
	switch {
	case err != nil:
		return d, err
	case len(args) < 2:
		return op.CompareWithPreviousRules(ctx, first)
	}
	return op.CompareRuleSets(ctx, first, second)
}

func rulesRollbackCommand() *cobra.Command {
	return rollingBack(&cobra.Command{
		Use:   "rollback VERSION",
		Short: "Roll back to an earlier version of the rules",
		Long: `Roll back to an earlier version of the rules. Its source is checked and published again as a new version. If it equals the
newest version, nothing changes.`,
		Example: `  carewire rules list
  carewire rules rollback 3 --note "too many messages"`,
	}, "rules", (*operator.Operator).RollBackRules)
}
