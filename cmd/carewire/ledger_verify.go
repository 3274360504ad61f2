package main

import (
	"fmt"
	"strconv"

	"github.com/spf13/cobra"

	"carewire/internal/operator"
	"carewire/internal/table"
)

func ledgerHeadCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "head",
		Short: "Print the last event of the ledger",
		Long:  `Print the last event of the ledger: its position, epoch, ID, type and leaf hash (SHA-256 of its columns).`,
		Example: `  carewire ledger head
  carewire ledger head --json | jq .position`,
		Args: cobra.NoArgs,
		RunE: withOperator(func(cmd *cobra.Command, op *operator.Operator, _ []string) error {
			head, err := op.GetLedgerHead(cmd.Context())
			if err != nil {
				return err
			}
			if asJSON {
				return printJSON(cmd.OutOrStdout(), head)
			}
			if head.Position == 0 {
				_, err = fmt.Fprintln(cmd.OutOrStdout(), "the ledger is empty")
				return err
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "position %d, epoch %d\nevent %s, %s\nleaf hash %s\n", head.Position, head.Epoch, head.EventID, head.Type, head.LeafHash)
			return err
		}),
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func ledgerVerifyCommand() *cobra.Command {
	var asJSON bool
	var from, until int64
	cmd := &cobra.Command{
		Use:   "verify",
		Short: "Verify the integrity of the ledger",
		Long: `Verify the integrity of the ledger: positions are contiguous within each epoch, the leaf hash of each event matches its
columns, and no event ID occurs twice. The exit status is 1 if there is a problem. It reads every event, in pages, without
blocking writers.`,
		Example: `  carewire ledger verify
  carewire ledger verify --from 1000000 --json`,
		Args: cobra.NoArgs,
		RunE: withOperator(func(cmd *cobra.Command, op *operator.Operator, _ []string) error {
			if from < 1 {
				return usagef("--from must be at least 1, not %d", from)
			}
			if until < 0 || (until > 0 && until < from) {
				return usagef("--until must be at least --from, or 0 for the last position, not %d", until)
			}
			v, err := op.VerifyLedger(cmd.Context(), from, until)
			if err != nil {
				return err
			}
			return printVerification(cmd, v, asJSON)
		}),
	}
	cmd.Flags().Int64Var(&from, "from", 1, "first position")
	cmd.Flags().Int64Var(&until, "until", 0, "last position (default: that of the last event)")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// printVerification prints the problems. They are also an error, for the exit status.
func printVerification(cmd *cobra.Command, v operator.Verification, asJSON bool) (err error) {
	out := cmd.OutOrStdout()
	switch {
	case asJSON:
		err = printJSON(out, v)
	case len(v.Problems) == 0:
		_, err = fmt.Fprintf(out, "%d events up to position %d, no problems\n", v.Events, v.Until)
	default:
		t := table.New(out, false, table.Fixed("POSITION", "EPOCH", "PROBLEM")...)
		for _, p := range v.Problems {
			t.Row(strconv.FormatInt(p.Position, 10), strconv.Itoa(int(p.Epoch)), p.Problem)
		}
		err = t.Flush()
	}
	if err == nil && len(v.Problems) > 0 {
		return fmt.Errorf("the ledger has problems: %d in %d events up to position %d", len(v.Problems), v.Events, v.Until)
	}
	return err
}
