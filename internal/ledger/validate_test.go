package ledger_test

import (
	"log/slog"
	"testing"

	"github.com/stretchr/testify/require"

	"carewire/internal/ledger"
)

func TestConfig_ListsTheMissingFieldsInOrder(t *testing.T) {
	t.Parallel()
	require.EqualError(t, ledger.FollowerConfig{}.Validate(),
		"ledger: FollowerConfig.Name is required\nledger: FollowerConfig.Pool is required\nledger: FollowerConfig.Handler is required\nledger: FollowerConfig.Logger is required")
	require.EqualError(t, ledger.SequencerConfig{Logger: slog.New(slog.DiscardHandler)}.Validate(), "ledger: SequencerConfig.Pool is required")
	require.Panics(t, func() { ledger.NewTail(ledger.TailConfig{}) })
}
