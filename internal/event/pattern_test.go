package event

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestPattern_MatchesSegmentBySegment(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		pattern, typ string
		want         bool
	}{
		{"ehr.*.created", "ehr.lab_report.created", true},
		{"ehr.*.created", "ehr.lab_report.updated", false},
		{"ehr.*.created", "ehr.created", false},
		{"ehr.*.created", "ehr.a.b.created", false},
		{"user.created", "user.created", true},
		{"appointment.*", "appointment.checked_in", true},
		{"appointment.*", "appointment", false},
		{"**", "billing.invoice_issued", true},
		{"ehr.**", "ehr.lab_report.created", true},
		{"ehr.**", "ehr", true},
		{"**.created", "ehr.lab_report.created", true},
		{"**.created", "user.updated", false},
		{"ehr.**.created", "ehr.created", true},
		{"*", "user.created", false},
	} {
		require.Equal(t, c.want, Pattern(c.pattern).Match(c.typ), "%s ~ %s", c.pattern, c.typ)
	}
}

func TestPattern_RefusesMalformedPatterns(t *testing.T) {
	t.Parallel()
	for _, p := range []Pattern{"", ".", "ehr.", "Ehr.created", "ehr.lab*", "***", "ehr created"} {
		require.Error(t, p.Validate(), "%q", p)
	}
	for _, p := range []Pattern{"**", "ehr.*.created", "user.created", "**.created"} {
		require.NoError(t, p.Validate())
	}
}

// FuzzPattern compares with a straightforward matcher, and looks for patterns with excessive run
// time.
func FuzzPattern(f *testing.F) {
	for _, seed := range [][2]string{
		{"**", "user.created"},
		{"ehr.*.created", "ehr.lab_report.created"},
		{"**.created", "a.b.created"},
		{"a.**.b.**.c", "a.b.b.c.b.c"},
		{"*.*", "a"},
		{"", ""},
		{"**.**.*", "a"},
		{strings.Repeat("**.", 300) + "x", "a.b.c.d"},
		{"a.b", "a.b."},
		{"user.**", "user"},
	} {
		f.Add(seed[0], seed[1])
	}
	f.Fuzz(func(t *testing.T, pattern, typ string) {
		p, segments, typSegments := Pattern(pattern), strings.Split(pattern, "."), strings.Split(typ, ".")
		if len(segments)*len(typSegments) > 1<<20 {
			return
		}
		require.Equal(t, plainMatch(segments, typSegments), p.Match(typ))
		if p.Validate() == nil {
			require.NotContains(t, pattern, "***")
			require.NotContains(t, pattern, "..")
		}
		if p.Validate() == nil && !strings.Contains(pattern, "*") {
			require.True(t, p.Match(pattern), "a name matches itself")
		}
	})
}

// plainMatch fills a table with a row per segment: the ends of the type that match the rest of the
// pattern.
func plainMatch(pattern, typ []string) bool {
	after := make([]bool, len(typ)+1)
	after[len(typ)] = true
	for _, segment := range slices.Backward(pattern) {
		row := make([]bool, len(typ)+1)
		for j := len(typ); j >= 0; j-- {
			switch {
			case segment == "**":
				row[j] = after[j] || (j < len(typ) && row[j+1])
			case j < len(typ):
				row[j] = (segment == "*" || segment == typ[j]) && after[j+1]
			}
		}
		after = row
	}
	return after[0]
}
