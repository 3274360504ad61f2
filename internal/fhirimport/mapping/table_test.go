package mapping_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"carewire/internal/fhirimport/mapping"
)

func TestTable_IsInTheDocumentation(t *testing.T) {
	t.Parallel()
	doc, err := os.ReadFile("../../../docs/fhir.md")
	require.NoError(t, err)
	var table strings.Builder
	table.WriteString("| FHIR R4 | here | notes |\n|---|---|---|\n")
	for _, m := range mapping.Table() {
		to := m.To
		if to == "" {
			to = "–"
		}
		fmt.Fprintf(&table, "| %s | %s | %s |\n", m.Type, to, m.Notes)
	}
	require.Contains(t, string(doc), table.String(), "docs/fhir.md must hold this table:\n%s", table.String())
}

func TestTable_HasEachTypeOnce(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, m := range mapping.Table() {
		require.False(t, seen[m.Type], m.Type)
		seen[m.Type] = true
		require.False(t, m.To == "" && m.Notes == "", "%s: the reason for not importing it is missing", m.Type)
	}
}
