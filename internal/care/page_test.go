package care

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
)

func TestPageMark_ComesBackAsItWas(t *testing.T) {
	t.Parallel()
	m := PageMark{Time: time.Date(2026, 3, 14, 9, 30, 0, 123456000, time.UTC), ID: uuid.New()}
	got, ok := ParsePageMark(m.String(), AfterAll)
	require.True(t, ok)
	require.Equal(t, m, got)
	got, ok = ParsePageMark("", AfterAll)
	require.True(t, ok)
	require.Equal(t, AfterAll, got)
}

func TestPageMark_RefusesWhatIsNone(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"x", "AAAA", "????", BeforeAll.String(), AfterAll.String(), PageMark{}.String() + "AA"} {
		_, ok := ParsePageMark(text, AfterAll)
		require.False(t, ok, "%q", text)
	}
}
