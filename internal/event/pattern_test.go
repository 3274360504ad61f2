package event

import (
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

func TestPattern_RefusesWhatIsNoPattern(t *testing.T) {
	t.Parallel()
	for _, p := range []Pattern{"", ".", "ehr.", "Ehr.created", "ehr.lab*", "***", "ehr created"} {
		require.Error(t, p.Validate(), "%q", p)
	}
	for _, p := range []Pattern{"**", "ehr.*.created", "user.created", "**.created"} {
		require.NoError(t, p.Validate())
	}
}
