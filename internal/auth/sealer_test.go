package auth_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"carewire/internal/auth"
)

func TestSealer_OpensOnlyWhatItSealedForThePurposeAndInTime(t *testing.T) {
	t.Parallel()
	s, err := auth.NewSealer([]byte(strings.Repeat("k", 32)))
	require.NoError(t, err)
	other, err := auth.NewSealer([]byte(strings.Repeat("x", 32)))
	require.NoError(t, err)
	text := auth.Seal(s, "a", "hello", time.Minute)
	value, ok := auth.Unseal[string](s, "a", text)
	require.True(t, ok)
	require.Equal(t, "hello", value)
	for name, try := range map[string]func() bool{
		"another purpose": func() bool { _, ok := auth.Unseal[string](s, "b", text); return ok },
		"another key":     func() bool { _, ok := auth.Unseal[string](other, "a", text); return ok },
		"another text":    func() bool { _, ok := auth.Unseal[string](s, "a", "A"+text[1:]); return ok && text[0] != 'A' },
		"nothing":         func() bool { _, ok := auth.Unseal[string](s, "a", ""); return ok },
		"too late":        func() bool { _, ok := auth.Unseal[string](s, "a", auth.Seal(s, "a", "x", -2*time.Second)); return ok },
	} {
		require.False(t, try(), name)
	}
}
