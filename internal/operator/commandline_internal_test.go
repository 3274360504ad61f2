package operator

import (
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestCommandLine_NamesTheOperatingSystemUser(t *testing.T) {
	t.Parallel()
	first, second := CommandLine(), CommandLine()
	require.Equal(t, "system:cli", first.Actor.ID)
	require.NotEqual(t, first.CorrelationID, second.CorrelationID, "each run is one of its own")
	require.Equal(t, "cli:"+osUser(os.Getuid(), os.Getenv("SUDO_USER")), first.CorrelationID[:strings.LastIndexByte(first.CorrelationID, ':')])

	const unknown = 3_999_999_999 // No system has this user.
	require.Equal(t, "uid-3999999999", osUser(unknown, ""))
	require.Equal(t, "uid-3999999999(ada)", osUser(unknown, "ada"))
	require.Equal(t, "uid-3999999999(a_b_c)", osUser(unknown, "a:b\nc"), "a colon would end the name")
	require.Len(t, plainName(strings.Repeat("x", 300)), maxOSUser)
}
