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

func followerCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "follower", Short: "See and redrive what a follower of the ledger passed over"}
	cmd.AddCommand(followerFailuresCommand(), followerRedriveCommand())
	return cmd
}

func followerFailuresCommand() *cobra.Command {
	var list listing
	var name string
	cmd := &cobra.Command{
		Use:   "failures [--name NAME]",
		Short: "List the events that a follower could not handle and passed over",
		Long: `List the events that a follower could not handle and passed over, the oldest first, until they are redriven.
An error tells classes and codes, never data.`,
		Example: `  carewire follower failures
  carewire follower failures --name dispatch --limit 10
  carewire follower failures --json | jq -r '.[].position'`,
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
			failures, err := app.FollowerFailures(cmd.Context(), cfg, name, limit)
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
	cmd.Flags().StringVar(&name, "name", "", "only this follower's: one of "+strings.Join(app.Followers(), ", "))
	return cmd
}

func followerRedriveCommand() *cobra.Command {
	var name string
	cmd := &cobra.Command{
		Use:   "redrive --name NAME POSITION",
		Short: "Let a follower handle an event that it passed over",
		Long: `Let a follower handle one event that it passed over, alone and out of order; once mended, it is redriven once.
When it fails again, the failure keeps the new error.

For the follower dispatch, run it with the settings of the service: they say which channels are configured.`,
		Example: `  carewire follower failures
  carewire follower redrive --name dispatch 1042`,
		Args: exactly("POSITION"),
		RunE: func(cmd *cobra.Command, args []string) error {
			position, err := strconv.ParseInt(args[0], 10, 64)
			if err != nil || position < 1 {
				return fmt.Errorf("%q is not a position: give a number that carewire follower failures lists", args[0])
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
