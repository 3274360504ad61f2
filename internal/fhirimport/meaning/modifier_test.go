package meaning_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"carewire/internal/fhirimport/meaning"
)

func TestModifiers_AreInTheDocumentation(t *testing.T) {
	t.Parallel()
	doc, err := os.ReadFile("../../../docs/fhir.md")
	require.NoError(t, err)
	var table strings.Builder
	table.WriteString("| type | element | effect |\n|---|---|---|\n")
	for _, m := range meaning.Modifiers() {
		fmt.Fprintf(&table, "| %s | `%s` | %s |\n", m.Type, strings.ReplaceAll(m.Element, ", ", "`, `"), m.Effect)
	}
	require.Contains(t, string(doc), table.String(), "docs/fhir.md must hold this table:\n%s", table.String())
}
