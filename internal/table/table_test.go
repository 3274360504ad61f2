package table_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"carewire/internal/table"
)

func TestTable_FitsTheWidthUnlessWide(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 150)
	id := strings.Repeat("i", 36)
	columns := []table.Column{table.Plain("ID"), table.Flexible("RULE"), table.Flexible("REASON"), table.WideOnly("MORE")}
	var out bytes.Buffer
	narrow := table.New(&out, false, columns...)
	narrow.Row(id, "short", long, "extra")
	narrow.Row(id, "ü", "", "")
	require.NoError(t, narrow.Flush())
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	require.Len(t, lines, 3)
	require.Len(t, []rune(lines[1]), 120)
	require.Contains(t, lines[1], id+"  short  xxx")
	require.True(t, strings.HasSuffix(lines[1], "x…"))
	require.Equal(t, id+"  ü      -", lines[2])
	require.NotContains(t, out.String(), "MORE")
	out.Reset()
	wide := table.New(&out, true, columns...)
	wide.Row(id, "short", long, "extra")
	require.NoError(t, wide.Flush())
	require.Contains(t, out.String(), long+"  extra")
}
