package rule_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"carewire/internal/rule"
)

func TestCompare_ShowsTheLinesAndNamesTheRules(t *testing.T) {
	t.Parallel()
	from := "rules:\n  - name: kept\n    on: user.created\n  - name: gone\n    on: user.updated\n  - name: other\n    on: user.disabled\n"
	to := "# why\nrules:\n  - on: user.created\n    name: kept\n  - name: other\n    on: user.*\n  - name: fresh\n    on: user.updated\n"
	c, err := rule.Compare("version 1", "version 2", []byte(from), []byte(to))
	require.NoError(t, err)
	require.Equal(t, []string{"fresh"}, c.Added)
	require.Equal(t, []string{"gone"}, c.Removed)
	require.Equal(t, []string{"other"}, c.Changed, "the order of keys and a comment change nothing")
	require.Contains(t, c.Text, "--- version 1\n+++ version 2\n@@ -1,7 +1,8 @@\n+# why\n rules:\n")
	require.Contains(t, c.Text, "\n-  - name: gone\n")
	require.Contains(t, c.Text, "\n+  - name: fresh\n")

	same, err := rule.Compare("a", "b", []byte(from), []byte(from))
	require.NoError(t, err)
	require.Equal(t, rule.Comparison{Added: []string{}, Removed: []string{}, Changed: []string{}}, same)
}

func TestCompare_StillShowsTheLinesOfWhatIsNoRuleSet(t *testing.T) {
	t.Parallel()
	for _, broken := range []string{"rules: [", "rules: 7", "", "just text", "- a\n- b"} {
		c, err := rule.Compare("version 1", "version 2", []byte("rules: []\n"), []byte(broken))
		require.ErrorContains(t, err, "version 2: want YAML with a list of rules", broken)
		require.Contains(t, c.Text, "-rules: []")
		require.Empty(t, c.Removed)
	}
	c, err := rule.Compare("version 1", "version 2", []byte("rules:\n  - escalate: now\n"), []byte("rules: []\n"))
	require.NoError(t, err, "what the checks refuse can be compared")
	require.Equal(t, []string{"#1"}, c.Removed)
}
