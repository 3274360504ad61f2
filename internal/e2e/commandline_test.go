package e2e_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"carewire/internal/app"
	"carewire/internal/config"
	ops "carewire/internal/operator"
)

type (
	commandLine    = ops.Operator
	deliveryFilter = ops.DeliveryFilter
	dryRunRequest  = ops.DryRunRequest
)

// byCLI is the command that the command line acts for.
var byCLI = ops.CommandLine()

// openCommandLine opens the Operator of a command with the settings, and closes it with the test.
func openCommandLine(t *testing.T, cfg config.Config) *commandLine {
	t.Helper()
	op, err := app.OpenOperator(cfg)
	require.NoError(t, err)
	t.Cleanup(op.Close)
	return op
}

// commands returns the Operator of commands with the clinic's settings.
func (c *clinic) commands() *commandLine {
	c.t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cli == nil {
		c.cli = openCommandLine(c.t, c.cfg)
	}
	return c.cli
}
