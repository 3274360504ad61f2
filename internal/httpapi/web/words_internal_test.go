package web

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"carewire/internal/clinic/ehr"
)

func TestWhen_ShowsNoMoreThanIsKnown(t *testing.T) {
	t.Parallel()
	tokyo := time.FixedZone("JST", 9*60*60)
	for text, want := range map[string]string{
		"2019":                 "2019",
		"2019-03":              "March 2019",
		"2019-03-15":           "15 March 2019",
		"2019-03-15T20:30:00Z": "16 March 2019, 05:30",
	} {
		at, err := ehr.ParseTime(text)
		require.NoError(t, err)
		require.Equal(t, want, when(at, tokyo))
	}
}
