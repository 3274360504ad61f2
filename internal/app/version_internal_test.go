package app

import (
	"runtime/debug"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestVersion_PrefersTheStamp(t *testing.T) {
	t.Parallel()
	info := &debug.BuildInfo{Main: debug.Module{Version: "v1.2.3"}, Settings: []debug.BuildSetting{
		{Key: "vcs.revision", Value: "8d5f3c1"},
		{Key: "vcs.modified", Value: "true"},
	}}
	for stamp, want := range map[string]string{"v1.2.3-4-g8d5f3c1": "v1.2.3-4-g8d5f3c1", "": "v1.2.3"} {
		b := buildOf(stamp, info)
		require.Equal(t, want, b.Number)
		require.Equal(t, "8d5f3c1-dirty", b.Revision)
		require.Contains(t, b.String(), "carewire "+want+" (8d5f3c1-dirty, ")
	}
	require.Regexp(t, `^carewire devel \(unknown revision, go\S+, \w+/\w+\)$`, buildOf("", nil).String())
	stamped := buildOf("8d5f3c1-dirty", &debug.BuildInfo{Main: debug.Module{Version: "(devel)"}})
	require.Regexp(t, `^carewire 8d5f3c1-dirty \(go\S+, \w+/\w+\)$`, stamped.String())
}
