package care

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
)

func TestPageMark_ComesBackAsItWas(t *testing.T) {
	t.Parallel()
	m := PageCursor{Time: time.Date(2026, 3, 14, 9, 30, 0, 123456000, time.UTC), ID: uuid.New()}
	got, ok := ParsePageCursor(m.String(), AfterAll)
	require.True(t, ok)
	require.Equal(t, m, got)
	got, ok = ParsePageCursor("", AfterAll)
	require.True(t, ok)
	require.Equal(t, AfterAll, got)
}

func TestPageMark_RefusesWhatIsNone(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"x", "AAAA", "????", BeforeAll.String(), AfterAll.String(), PageCursor{}.String() + "AA", AfterAll.String()[:30] + "\n\n"} {
		_, ok := ParsePageCursor(text, AfterAll)
		require.False(t, ok, "%q", text)
	}
}

// FuzzParsePageCursor: a mark has one text, and what is none gives nothing.
func FuzzParsePageCursor(f *testing.F) {
	good := PageCursor{Time: time.Date(2026, 3, 14, 9, 30, 0, 123456000, time.UTC), ID: uuid.UUID{1, 2, 3}}.String()
	for _, seed := range []string{"", "x", good, good[:31], good[:30] + "\n\n", good + "\n", good[:31] + "=", BeforeAll.String(), AfterAll.String(), "________________________________"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		m, ok := ParsePageCursor(text, AfterAll)
		switch {
		case !ok:
			require.Zero(t, m)
		case text == "":
			require.Equal(t, AfterAll, m)
		default:
			require.Equal(t, text, m.String())
			require.True(t, m.Time.After(BeforeAll.Time) && m.Time.Before(AfterAll.Time))
		}
	})
}
