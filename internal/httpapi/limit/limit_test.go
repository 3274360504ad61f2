package limit_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"carewire/internal/care"
	"carewire/internal/httpapi/limit"
)

func TestKeyed_LimitsEachKeyAlone(t *testing.T) {
	t.Parallel()
	l := limit.NewKeyed[string](0, 2)
	require.False(t, l.Exhausted("a"), "an unknown key")
	require.NoError(t, l.Allow("a"))
	require.False(t, l.Exhausted("a"))
	require.False(t, l.Exhausted("a"), "asking does not count")
	require.NoError(t, l.Allow("a"))
	require.True(t, l.Exhausted("a"))
	require.Equal(t, care.RateLimited, care.CodeOf(l.Allow("a")))
	require.NoError(t, l.Allow("b"))
}

func TestGate_HasPlacesUntilTheyAreTaken(t *testing.T) {
	t.Parallel()
	g := make(limit.Gate, 1)
	leave, err := g.Pass(t.Context())
	require.NoError(t, err)
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = g.Pass(ended)
	require.ErrorIs(t, err, context.Canceled)
	leave()
	_, err = g.Pass(t.Context())
	require.NoError(t, err)
}
