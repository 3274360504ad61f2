package etag_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"carewire/internal/httpapi/etag"
)

func TestParse_ReadsListsOfTags(t *testing.T) {
	t.Parallel()
	for header, want := range map[string]etag.List{
		`*`:                        {Any: true},
		` * `:                      {Any: true},
		`"3"`:                      {Strong: []int64{3}},
		`"3", "4"`:                 {Strong: []int64{3, 4}},
		`"3","4"`:                  {Strong: []int64{3, 4}},
		`,, "3" ,	"4",`:            {Strong: []int64{3, 4}},
		`W/"3", "4"`:               {Strong: []int64{4}, Weak: []int64{3}},
		`"a,b", "4"`:               {Strong: []int64{4}},
		`"03"`:                     {},
		`"-3"`:                     {},
		`""`:                       {},
		`"33a64df5"`:               {},
		`"9999999999999999999999"`: {},
		"\"\xc3\xa9\"":             {},
	} {
		got, err := etag.Parse(header)
		require.NoError(t, err, header)
		require.Equal(t, want, got, header)
	}
}

func TestParse_RejectsOtherForms(t *testing.T) {
	t.Parallel()
	for _, header := range []string{
		``, ` `, `,`, `3`, `"3`, `3"`, `'3'`, `w/"3"`, `W/3`, `"3" "4"`, `"3";"4"`, `*, "3"`, `"3", *`, `"a b"`, "\"a\x7fb\"", `W/ "3"`,
		strings.Repeat(`"1",`, 101),
	} {
		_, err := etag.Parse(header)
		require.ErrorContains(t, err, "entity tags", header)
	}
}

func TestList_ComparesStronglyAndWeakly(t *testing.T) {
	t.Parallel()
	list, err := etag.Parse(`W/"1", "2"`)
	require.NoError(t, err)
	require.False(t, list.Matches(1))
	require.True(t, list.MatchesWeakly(1))
	require.True(t, list.Matches(2))
	require.True(t, list.MatchesWeakly(2))
	require.False(t, list.MatchesWeakly(3))
	require.True(t, etag.List{Any: true}.Matches(3))
}
