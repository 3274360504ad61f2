package care

import (
	"strconv"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
)

func TestPageCursor_RoundTrips(t *testing.T) {
	t.Parallel()
	c := PageCursor{Time: time.Date(2026, 3, 14, 9, 30, 0, 123456000, time.UTC), ID: uuid.New()}
	got, ok := ParsePageCursor(c.String(), AfterAll)
	require.True(t, ok)
	require.Equal(t, c, got)
	got, ok = ParsePageCursor("", AfterAll)
	require.True(t, ok)
	require.Equal(t, AfterAll, got)
}

func TestPageCursor_RejectsAnythingElse(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"x", "AAAA", "????", BeforeAll.String(), AfterAll.String(), PageCursor{}.String() + "AA", AfterAll.String()[:30] + "\n\n"} {
		_, ok := ParsePageCursor(text, AfterAll)
		require.False(t, ok, "%q", text)
	}
}

func TestPaginate_CutsTheExtraRowAndReturnsTheNextCursor(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		rows, page []int
		next       string
	}{
		{nil, nil, ""},
		{[]int{1, 2}, []int{1, 2}, ""},
		{[]int{1, 2, 3}, []int{1, 2}, "2"},
	} {
		page, next := Paginate(c.rows, 2, strconv.Itoa)
		require.Equal(t, c.page, page)
		require.Equal(t, c.next, next)
	}
}

func TestPaginateFiltered_EndsAtTheLimitOrAtTheFirstRowThatIsTheLastRead(t *testing.T) {
	t.Parallel()
	type row struct {
		id    byte
		place Place
	}
	match, last, both := Place{Matches: true}, Place{LastRead: true}, Place{Matches: true, LastRead: true}
	for name, c := range map[string]struct {
		rows []Place
		page int
		next byte
	}{
		"no rows":                            {nil, 0, 0},
		"all":                                {[]Place{match, match}, 2, 0},
		"one more":                           {[]Place{match, match, match}, 2, 2},
		"one more, the last read":            {[]Place{match, match, last}, 2, 2},
		"a short page":                       {[]Place{match, last}, 1, 2},
		"an empty page":                      {[]Place{last}, 0, 1},
		"a short page whose last row counts": {[]Place{both}, 1, 1},
		"a full page whose last row counts":  {[]Place{match, both}, 2, 2},
		"rows of another index behind":       {[]Place{match, last, match, match}, 1, 2},
	} {
		rows := make([]row, len(c.rows))
		for i, place := range c.rows {
			rows[i] = row{byte(i + 1), place}
		}
		page, next := PaginateFiltered(rows, 2, func(r row) (Place, PageCursor) { return r.place, PageCursor{ID: uuid.UUID{r.id}} })
		require.Len(t, page, c.page, name)
		require.Equal(t, PageCursor{ID: uuid.UUID{c.next}}, next, name)
	}
}

func TestPageLimit_IsBounded(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		limit, want int
		valid       bool
	}{
		{0, 50, true},
		{1, 1, true},
		{200, 200, true},
		{-1, -1, false},
		{201, 201, false},
	} {
		var errs FieldErrors
		require.Equal(t, c.want, errs.PageLimit(c.limit))
		require.Equal(t, c.valid, errs.Err() == nil, "%d", c.limit)
	}
}

// FuzzParsePageCursor checks that a cursor has exactly one text, and that an invalid text returns
// the zero cursor.
func FuzzParsePageCursor(f *testing.F) {
	good := PageCursor{Time: time.Date(2026, 3, 14, 9, 30, 0, 123456000, time.UTC), ID: uuid.UUID{1, 2, 3}}.String()
	for _, seed := range []string{"", "x", good, good[:31], good[:30] + "\n\n", good + "\n", good[:31] + "=", BeforeAll.String(), AfterAll.String(), "________________________________"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		c, ok := ParsePageCursor(text, AfterAll)
		switch {
		case !ok:
			require.Zero(t, c)
		case text == "":
			require.Equal(t, AfterAll, c)
		default:
			require.Equal(t, text, c.String())
			require.True(t, c.Time.After(BeforeAll.Time) && c.Time.Before(AfterAll.Time))
		}
	})
}
