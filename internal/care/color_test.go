package care_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"carewire/internal/care"
)

func TestCheckColor_WantsOneThatIsDarkEnoughForWhiteLetters(t *testing.T) {
	t.Parallel()
	require.Error(t, care.CheckColor("#ffff00"))
	require.Error(t, care.CheckColor("red"))
	require.NoError(t, care.CheckColor("#0b5c6b"))
	require.ErrorContains(t, care.CheckColor("#777777"), "has a contrast of 4.4 with white", "rounded down")
	for _, bad := range []string{"", "#0B5C6B", "#0b5c6", "#0b5c6b;x"} {
		require.Error(t, care.CheckColor(bad), bad)
	}
}
