package providerfile

import (
	"maps"
	"os"
	"regexp"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestDocs_TheExampleHasEveryKindAndParses(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../../docs/notifications.md")
	require.NoError(t, err)
	section := regexp.MustCompile(`(?ms)^## Providers\n(.*?)^## `).FindSubmatch(page)
	require.NotNil(t, section)
	example := regexp.MustCompile("(?s)```yaml\n(.*?)```").FindSubmatch(section[1])
	require.NotNil(t, example)
	all, err := Parse(example[1])
	require.NoError(t, err)
	used := map[string]bool{}
	for _, providers := range all {
		for _, p := range providers {
			used[p.Kind] = true
		}
	}
	require.ElementsMatch(t, slices.Collect(maps.Keys(kinds)), slices.Collect(maps.Keys(used)))
	for name, k := range kinds {
		row := regexp.MustCompile("(?m)^\\| `" + name + "` \\|.*$").Find(section[1])
		require.NotNil(t, row, name)
		if name == "aws-sms" {
			row = append(row, "`accessKeyId` `secretAccessKey`"...) // "as for `ses`"
		}
		for _, key := range k.keys()[len(common):] {
			require.Contains(t, string(row), "`"+key+"`", name)
		}
	}
	for _, key := range common {
		require.Regexp(t, "(?m)^\\| `"+key+"` \\|", string(section[1]))
	}
}
