package operator_test

import (
	"context"
	"log/slog"
	"os"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"carewire/internal/care"
	"carewire/internal/config"
	"carewire/internal/ledger"
	"carewire/internal/operator"
)

func TestConfig_NamesTheMissingDependency(t *testing.T) {
	t.Parallel()
	_, err := operator.New(operator.Config{})
	require.EqualError(t, err, "operator: Config.App is required")
	_, err = operator.New(operator.Config{App: &pgxpool.Pool{}})
	require.EqualError(t, err, "operator: Config.Writer is required")
	_, err = operator.Open(operator.OpenConfig{})
	require.EqualError(t, err, "operator: OpenConfig.Listeners is required")
}

// open returns the Operator of a command without a database.
func open(t *testing.T) *operator.Operator {
	t.Helper()
	op, err := operator.Open(operator.OpenConfig{
		Settings:  config.Config{DataDir: t.TempDir()},
		Listeners: map[string]ledger.Handler{"export": nil, "analytics": nil},
		Channels:  care.BuiltinChannels,
		Configured: func(context.Context, *pgxpool.Pool) (care.Channels, error) {
			return nil, nil
		},
		LibraryLogger: slog.New(slog.DiscardHandler), Logger: slog.New(slog.DiscardHandler),
	})
	require.NoError(t, err)
	t.Cleanup(op.Close)
	return op
}

func TestOpen_ConnectsWhenAMethodNeedsTheDatabase(t *testing.T) {
	t.Parallel()
	op := open(t)
	_, err := op.ListFollowers(t.Context())
	require.ErrorContains(t, err, "CAREWIRE_DATA_DIR")
	_, err = op.ListDeadLetters(t.Context(), 0, 10)
	require.ErrorContains(t, err, "CAREWIRE_DATA_DIR")
}

func TestListFailures_RejectsAnUnknownFollowerWithoutADatabase(t *testing.T) {
	t.Parallel()
	_, err := open(t).ListFailures(t.Context(), "sequencer", 0, 10)
	require.EqualError(t, err, `unknown follower "sequencer"; want one of dispatch, analytics, export`)
}

func TestCheckRules_ReturnsTheNumberOfRulesOrErrorsWithTheirLines(t *testing.T) {
	t.Parallel()
	n, err := operator.CheckRules(care.BuiltinChannels, nil, operator.SourceFile{Name: "default.yaml", Source: operator.DefaultRules()}, nil)
	require.NoError(t, err)
	require.Positive(t, n)
	_, err = operator.CheckRules(care.BuiltinChannels, nil, operator.SourceFile{Name: "rules.yaml", Source: []byte("rules:\n  - name: x\n    on: ehr.unheard_of\n")}, nil)
	require.ErrorContains(t, err, "rules.yaml:")
}

// The rules of the page are a whole rule file.
func TestCheckRules_AcceptsTheExampleOfTheGuide(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/notifications.md")
	require.NoError(t, err)
	_, example, ok := strings.Cut(string(page), "```yaml\nrules:\n")
	require.True(t, ok)
	example, _, ok = strings.Cut(example, "```")
	require.True(t, ok)
	n, err := operator.CheckRules(care.BuiltinChannels, nil, operator.SourceFile{Name: "rules.yaml", Source: []byte("rules:\n" + example)}, nil)
	require.NoError(t, err)
	require.Equal(t, 2, n)
}
