package main

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"carewire/internal/app"
	"carewire/internal/operator"
	"carewire/internal/table"
)

func followerCommand() *cobra.Command {
	return group("follower", "Inspect followers and redrive failed events", followerListCommand(), followerFailuresCommand(), followerRedriveCommand())
}

func followerListCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List followers with their position and lag",
		Long: `List followers with the last position they handled, the number of events they have yet to handle, and the number of
failed events that wait for a redrive.`,
		Example: `  carewire follower list
  carewire follower list --json | jq '.[] | select(.failures > 0)'`,
		Args: cobra.NoArgs,
		RunE: withOperator(func(cmd *cobra.Command, op *operator.Operator, _ []string) error {
			all, err := op.ListFollowers(cmd.Context())
			if err != nil {
				return err
			}
			return printList(cmd, listFlags{json: asJSON}, all, table.Fixed("FOLLOWER", "POSITION", "LAG", "FAILURES", "UPDATED AT"), func(f operator.FollowerStatus) []string {
				return []string{
					f.Name, strconv.FormatInt(f.Position, 10), strconv.FormatInt(f.Lag, 10), strconv.FormatInt(f.Failures, 10),
					f.UpdatedAt.Format(time.RFC3339),
				}
			})
		}),
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON instead of a table")
	return cmd
}

func followerFailuresCommand() *cobra.Command {
	var list listFlags
	var name string
	var after int64
	cmd := &cobra.Command{
		Use:   "failures [--name NAME]",
		Short: "List events that a follower failed to handle",
		Long: `List events that a follower failed to handle and skipped, oldest first. A redriven event is no longer listed. Errors have
classes and codes, never data. Use --name with --after and the last position of a page to list the next page.`,
		Example: `  carewire follower failures
  carewire follower failures --name dispatch --limit 10
  carewire follower failures --json | jq -r '.[].position'`,
		Args: cobra.NoArgs,
		RunE: withOperator(func(cmd *cobra.Command, op *operator.Operator, _ []string) error {
			limit, err := list.max()
			if err != nil {
				return err
			}
			if after != 0 && name == "" {
				return usagef("--after requires --name: several followers can fail at the same position")
			}
			if name != "" {
				if err := checkFollower(name); err != nil {
					return err
				}
			}
			all, err := op.ListFailures(cmd.Context(), name, after, limit)
			if err != nil {
				return err
			}
			columns := []table.Column{table.Plain("FOLLOWER"), table.Plain("POSITION"), table.Plain("EVENT"), table.Plain("ATTEMPTS"), table.Plain("FAILED AT"), table.Flexible("ERROR")}
			return printList(cmd, list, all, columns, func(f operator.Failure) []string {
				return []string{
					f.Follower, strconv.FormatInt(f.Position, 10), f.EventID.String(), strconv.Itoa(int(f.Attempts)),
					f.FailedAt.Format(time.RFC3339), f.Error,
				}
			})
		}),
	}
	list.register(cmd)
	cmd.Flags().Int64Var(&after, "after", 0, "last position of the previous page")
	cmd.Flags().StringVar(&name, "name", "", "only failures of this follower, one of "+strings.Join(app.Followers(), ", "))
	return cmd
}

// checkFollower returns an error if the value of --name is not the name of a follower.
func checkFollower(name string) error {
	if all := app.Followers(); !slices.Contains(all, name) {
		return usagef("--name: unknown follower %q; want one of %s", name, strings.Join(all, ", "))
	}
	return nil
}

func followerRedriveCommand() *cobra.Command {
	var name string
	cmd := &cobra.Command{
		Use:   "redrive --name NAME POSITION",
		Short: "Run a follower on an event that it failed to handle",
		Long: `Run a follower on one event that it failed to handle, out of order. A successful redrive cannot be repeated and is recorded
in the ledger. If the event fails again, the failure keeps the new error.

For the follower dispatch, run this command with the settings of the service, which determine the configured channels.`,
		Example: `  carewire follower failures
  carewire follower redrive --name dispatch 1042`,
		Args: oneArg("POSITION"),
		RunE: withOperator(func(cmd *cobra.Command, op *operator.Operator, args []string) error {
			position, err := parseNumber[int64](args[0], "position", "carewire follower failures")
			if err != nil {
				return err
			}
			if err := checkFollower(name); err != nil {
				return err
			}
			if err := op.RedriveFailure(cmd.Context(), operator.CommandLine(), name, position); err != nil {
				return err
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "follower %s handled position %d\n", name, position)
			return err
		}),
	}
	cmd.Flags().StringVar(&name, "name", "", "name of the follower, one of "+strings.Join(app.Followers(), ", "))
	_ = cmd.MarkFlagRequired("name")
	return cmd
}
