package rule_test

import (
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"carewire/internal/rule"
)

// What is nested without end, or long without end, is refused before it is parsed: by then 40 KB
// had taken seconds and gigabytes.
func TestParse_RefusesBombsBeforeItParsesThem(t *testing.T) {
	const n = 20_000
	laughs := "rules: &a [x]\nb: &b [*a, *a, *a, *a, *a, *a, *a, *a]\nc: &c [*b, *b, *b, *b, *b, *b, *b, *b]\n"
	var keys, steps strings.Builder
	for i := range n {
		fmt.Fprintf(&keys, "k%d: b\n", i)
	}
	for i := range 300 {
		steps.WriteString(strings.Repeat(" ", i) + "a:\n")
	}
	for name, row := range map[string]struct{ src, want string }{
		"brackets":                    {"rules: " + strings.Repeat("[", n) + strings.Repeat("]", n), "line 1: nested deeper than 20 levels"},
		"brackets that never end":     {"rules: " + strings.Repeat("[", n), "nested deeper"},
		"braces":                      {"rules: " + strings.Repeat("{a: ", n) + strings.Repeat("}", n), "nested deeper"},
		"brackets and braces":         {"rules: " + strings.Repeat("[{a: ", n/2) + strings.Repeat("}]", n/2), "nested deeper"},
		"brackets behind a comment":   {"# don't ]]]]\nrules: " + strings.Repeat("['] ]', ", 40) + strings.Repeat("]", 40), "line 2: nested deeper"},
		"brackets beside closed ones": {"rules: " + strings.Repeat("[[x], ", 40) + strings.Repeat("]", 40), "nested deeper"},
		"brackets in a rule's field":  {"rules:\n  - name: a\n    on: " + strings.Repeat("[", 30) + strings.Repeat("]", 30), "line 3: nested deeper"},
		"dashes":                      {"rules:\n  " + strings.Repeat("- ", n) + "a", "line 2: nested deeper"},
		"question marks":              {"rules:\n  " + strings.Repeat("? ", n) + "a", "nested deeper"},
		"steps of indentation":        {"rules:\n" + steps.String(), "nested deeper"},
		"keys":                        {keys.String(), "more than 40000 tokens"},
		"items":                       {"rules: [" + strings.Repeat("a, ", 3*n) + "a]", "more than 40000 tokens"},
		"documents":                   {strings.Repeat("---\na: b\n", n), "third document"},
		"anchors that double":         {laughs, "line 1: an anchor or alias is not supported"},
		"tags":                        {"rules: " + strings.Repeat("!!a ", n) + "a", "a tag is not supported"},
		"bytes":                       {"rules: []\n#" + strings.Repeat("x", 256<<10), "want at most 262144"},
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := rule.Parse([]byte(row.src), rule.Known{Channels: []string{"email"}})
		runtime.ReadMemStats(&after)
		require.ErrorContains(t, err, row.want, name)
		require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(100<<20), "%s: bytes allocated", name)
	}
}

// What conditions cost is bounded for a set as a whole: many that are refused, many that are long.
func TestParse_BoundsTheConditionsOfASetTogether(t *testing.T) {
	t.Parallel()
	set := func(condition string) string {
		var src strings.Builder
		src.WriteString("rules:\n")
		for i := range 100 {
			fmt.Fprintf(&src, "  - name: r%d\n    on: user.created\n    when: \"%s\"\n    recipients: [{user: data.userId}]\n    channels: [email]\n", i, condition)
		}
		return src.String()
	}
	known := rule.Known{Channels: []string{"email"}}
	_, err := rule.Parse([]byte(set(strings.Repeat("a && ", 300)+"b")), known)
	errs, ok := errors.AsType[rule.Errors](err)
	require.True(t, ok)
	require.Len(t, errs, 3)
	require.Less(t, len(err.Error()), 4000)
	_, err = rule.Parse([]byte(set(strings.Repeat("-", 1900)+"1 == 1")), known)
	errs, ok = errors.AsType[rule.Errors](err)
	require.True(t, ok)
	require.Len(t, errs, 1)
	require.ErrorContains(t, err, "rule r33: when: the conditions up to here have more than 64000 characters")
	_, err = rule.Parse([]byte(set("1 == 1")), known)
	require.NoError(t, err)
}
