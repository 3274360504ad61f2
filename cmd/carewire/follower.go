package main

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"carewire/internal/app"
	"carewire/internal/config"
)

func followerCommand() *cobra.Command {
	return group("follower", "See and redrive what a follower of the ledger passed over", followerListCommand(), followerFailuresCommand(), followerRedriveCommand())
}

func followerListCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "list",
		Short: "See where each follower stands",
		Long: `See where each follower stands: the last position that it handled, how many events it has not come to yet, and how many
it passed over and that wait for a redrive.`,
		Example: `  carewire follower list
  carewire follower list --json | jq '.[] | select(.failures > 0)'`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := config.FromEnvironment()
			if err != nil {
				return err
			}
			all, err := app.FollowerStatus(cmd.Context(), cfg)
			if err != nil {
				return err
			}
			if asJSON {
				return printJSON(cmd.OutOrStdout(), all)
			}
			t := newTable(cmd.OutOrStdout(), "FOLLOWER", "POSITION", "LAG", "FAILURES", "UPDATED AT")
			for _, f := range all {
				t.row(f.Name, strconv.FormatInt(f.Position, 10), strconv.FormatInt(f.Lag, 10), strconv.FormatInt(f.Failures, 10), f.UpdatedAt.Format(time.RFC3339))
			}
			return t.flush()
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON instead of a table")
	return cmd
}

func followerFailuresCommand() *cobra.Command {
	var list listing
	var name string
	var after int64
	cmd := &cobra.Command{
		Use:   "failures [--name NAME]",
		Short: "List the events that a follower could not handle and passed over",
		Long: `List the events that a follower could not handle and passed over, the oldest first, until they are redriven.
An error tells classes and codes, never data. For the next page of one follower's, name the last position with --after.`,
		Example: `  carewire follower failures
  carewire follower failures --name dispatch --limit 10
  carewire follower failures --json | jq -r '.[].position'`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			limit, err := list.max()
			if err != nil {
				return err
			}
			if after != 0 && name == "" {
				return errors.New("--after: goes with --name, as several followers can fail at one position")
			}
			cfg, err := config.FromEnvironment()
			if err != nil {
				return err
			}
			failures, err := app.FollowerFailures(cmd.Context(), cfg, name, after, limit)
			if err != nil {
				return err
			}
			if list.json {
				return printJSON(cmd.OutOrStdout(), failures)
			}
			t := newTable(cmd.OutOrStdout(), "FOLLOWER", "POSITION", "EVENT", "ATTEMPTS", "FAILED AT", "ERROR")
			for _, f := range failures {
				t.row(f.Follower, strconv.FormatInt(f.Position, 10), f.EventID.String(), strconv.Itoa(int(f.Attempts)), f.FailedAt.Format(time.RFC3339), f.Error)
			}
			return t.flush()
		},
	}
	list.flags(cmd)
	cmd.Flags().Int64Var(&after, "after", 0, "the last position of the page before")
	cmd.Flags().StringVar(&name, "name", "", "only this follower's: one of "+strings.Join(app.Followers(), ", "))
	return cmd
}

func followerRedriveCommand() *cobra.Command {
	var name string
	cmd := &cobra.Command{
		Use:   "redrive --name NAME POSITION",
		Short: "Let a follower handle an event that it passed over",
		Long: `Let a follower handle one event that it passed over, alone and out of order; once mended, it is redriven once. That it
was is in the ledger. When it fails again, the failure keeps the new error.

For the follower dispatch, run it with the settings of the service: they say which channels are configured.`,
		Example: `  carewire follower failures
  carewire follower redrive --name dispatch 1042`,
		Args: exactly("POSITION"),
		RunE: func(cmd *cobra.Command, args []string) error {
			position, err := number[int64](args[0], "a position", "carewire follower failures")
			if err != nil {
				return err
			}
			cfg, err := config.FromEnvironment()
			if err != nil {
				return err
			}
			if err := app.FollowerRedrive(cmd.Context(), cfg, name, position); err != nil {
				return err
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "follower %s handled position %d\n", name, position)
			return err
		},
	}
	cmd.Flags().StringVar(&name, "name", "", "the follower: one of "+strings.Join(app.Followers(), ", "))
	_ = cmd.MarkFlagRequired("name")
	return cmd
}
