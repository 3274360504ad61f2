package dosage_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"carewire/internal/fhirimport/dosage"
)

func TestRead_KeepsWhatHasNoFieldAsText(t *testing.T) {
	t.Parallel()
	for source, want := range map[string]string{
		`{"doseAndRate":[{"doseRange":{"low":{"value":1,"unit":"mg"},"high":{"value":2,"unit":"mg"}}}]}`:    "dose 1 mg - 2 mg",
		`{"text":"Once","asNeededCodeableConcept":{"text":"pain"}}`:                                         "Once; as needed for pain",
		`{"timing":{"repeat":{"frequency":1,"frequencyMax":2,"period":1,"periodUnit":"d","when":["ACM"]}}}`: "1 to 2 times per 1 d; before breakfast",
		`{"maxDosePerPeriod":{"numerator":{"value":4,"unit":"g"},"denominator":{"value":1,"unit":"d"}}}`:    "at most 4 g per 1 d",
	} {
		var d dosage.Dosage
		require.NoError(t, json.Unmarshal([]byte(source), &d), source)
		require.Equal(t, want, d.Read().Text, source)
	}
}
