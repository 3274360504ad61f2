// Command carewire is the event backbone of a clinic's software: the service and its command-line
// tools, in one binary.
//
// The commands are one package because they share flags, lists and usage errors.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	_ "time/tzdata" // Time zones work in an empty container too.

	"github.com/spf13/cobra"

	"carewire/internal/app"
)

func main() {
	// stop restores the default handling after the first signal, so that a second Ctrl-C ends the
	// process unless the command handles it.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	root := &cobra.Command{
		Use:   "carewire",
		Short: "The event backbone of a clinic's software",
		Long: `The event backbone of a clinic's software.

The exit status is 0 after success, 1 after a failure, and 2 for a mistake in the command's arguments or flags.`,
		SilenceUsage:  true,
		SilenceErrors: true,
		Version:       app.Version().String(),
	}
	root.SetVersionTemplate("{{.Version}}\n")
	root.AddCommand(versionCommand(), serveCommand(), migrateCommand(), healthCommand(), setupCommand(), clinicCommand(), userCommand(), roleCommand(), tokenCommand(), importCommand(), rulesCommand(), templatesCommand(), followerCommand(), deliveriesCommand(), suppressionsCommand(), providersCommand(), ledgerCommand(), auditCommand())
	withUsageErrors(root)
	err := root.ExecuteContext(ctx)
	if err != nil {
		fmt.Fprintln(os.Stderr, "carewire:", err)
	}
	os.Exit(exitStatus(err))
}
