package strictjson_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"carewire/internal/strictjson"
)

func TestCheck_ReturnsReasonAndPath(t *testing.T) {
	t.Parallel()
	many := func(extra string) string {
		var names []string
		for i := range 100 {
			names = append(names, fmt.Sprintf(`"n%d":%d`, i, i))
		}
		return "{" + strings.Join(names, ",") + extra + "}"
	}
	members := func(n int) string {
		var text strings.Builder
		for i := range n {
			fmt.Fprintf(&text, `,"m%d":0`, i)
		}
		return `{"a":[{` + text.String()[1:] + `}]}`
	}
	for text, want := range map[string]struct {
		reason strictjson.Reason
		path   string
	}{
		`{"a":1,"a":2}`:                        {strictjson.Duplicate, "a"},
		`{"a":{"b":1},"a":{"c":1}}`:            {strictjson.Duplicate, "a"},
		`{"a":1,"\u0061":2}`:                   {strictjson.Duplicate, "a"},
		`{"\u0061":1,"a":2}`:                   {strictjson.Duplicate, "a"},
		`{"":1,"":2}`:                          {strictjson.Duplicate, ""},
		`{"x":[{"y":0},{"b":1,"c":{},"b":2}]}`: {strictjson.Duplicate, "x[1].b"},
		`{"x":{"y":{"z":1,"z":[]}}}`:           {strictjson.Duplicate, "x.y.z"},
		many(`,"n7":1`):                        {strictjson.Duplicate, "n7"},
		many(`,"\u006e99":1`):                  {strictjson.Duplicate, "n99"},
		members(1001):                          {strictjson.TooMany, "a[0]"},
		`{"a":[{"b":"x\u0000y"}]}`:             {strictjson.NUL, "a[0].b"},
		`{"a":{"b\u0000":1}}`:                  {strictjson.NUL, "a.b\x00"},
		`{"a":[1,1e999]}`:                      {strictjson.BigNumber, "a[1]"},
		strings.Repeat("9", 400):               {strictjson.BigNumber, ""},
		strings.Repeat("[", 33):                {strictjson.TooDeep, ""},
		strings.Repeat(`{"a":`, 33):            {strictjson.TooDeep, ""},
		"\"\xff\"":                             {strictjson.NotUTF8, ""},
		``:                                     {strictjson.Syntax, ""},
		`{"a":1}{`:                             {strictjson.Syntax, ""},
		`{"a":1,}`:                             {strictjson.Syntax, ""},
		`[1 2]`:                                {strictjson.Syntax, ""},
		`01`:                                   {strictjson.Syntax, ""},
		`"\u00g0"`:                             {strictjson.Syntax, ""},
		`"\`:                                   {strictjson.Syntax, ""},
	} {
		e, ok := errors.AsType[*strictjson.Error](strictjson.Check([]byte(text)))
		require.True(t, ok, text)
		require.Equal(t, want.reason, e.Reason, "%s: %s", text, e.Error())
		require.Equal(t, want.path, e.Path, text)
	}
	for _, text := range []string{
		`{"a":1,"A":2,"b":{"a":1},"c":[{"a":1},{"a":2}]}`, many(""), members(1000), strings.Repeat("[", 32) + strings.Repeat("]", 32),
		" [1e3, -0.5, \"\\\\u0000\", true, false, null] \n", `{"a":"\\","b":"\""}`,
	} {
		require.NoError(t, strictjson.Check([]byte(text)), text)
	}
}

func TestObject_HasMembersByTheirExactNames(t *testing.T) {
	t.Parallel()
	members, err := strictjson.Object([]byte(`{"sub":"a","SUB":"b"}`))
	require.NoError(t, err)
	require.Equal(t, map[string]json.RawMessage{"sub": []byte(`"a"`), "SUB": []byte(`"b"`)}, members)
	for _, text := range []string{`null`, `[]`, `"sub"`, `{"sub":1,"sub":2}`, ``} {
		_, err := strictjson.Object([]byte(text))
		require.Error(t, err, text)
	}
}

// FuzzCheck compares Check with encoding/json: a text that Check accepts must be valid for
// encoding/json, and vice versa unless Check reports an ambiguity.
func FuzzCheck(f *testing.F) {
	for _, text := range []string{`{"a":[1,-2.5e+3,"x\u00e4\n"],"b":{"c":null,"d":true}}`, `{"a":1,"a":2}`, `[`, `1e999`, `"\ud800"`, `{"\u0061":1,"a":2}`} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		err := strictjson.CheckDepth(text, 10_000)
		e, refused := errors.AsType[*strictjson.Error](err)
		require.Equal(t, err != nil, refused)
		switch {
		case !utf8.Valid(text):
			require.Equal(t, strictjson.NotUTF8, e.Reason)
		case !refused:
			require.True(t, json.Valid(text))
		case e.Reason == strictjson.Syntax:
			require.False(t, json.Valid(text))
			var v any
			if syntax, ok := errors.AsType[*json.SyntaxError](json.Unmarshal(text, &v)); ok {
				require.InDelta(t, syntax.Offset, e.Offset, 0)
			}
		}
	})
}

func BenchmarkCheck(b *testing.B) {
	body := []byte(`{"patientId":"0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b","clinicId":"0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5c","status":"final","effectiveAt":"2026-03-14T09:30:00Z","code":{"system":"http://loinc.org","code":"24323-8","display":"Comprehensive metabolic panel"},"results":[{"code":{"system":"http://loinc.org","code":"2823-3","display":"Potassium"},"value":4.10,"unit":"mmol/L","interpretation":"N"}]}`)
	b.ReportAllocs()
	b.SetBytes(int64(len(body)))
	for b.Loop() {
		if err := strictjson.Check(body); err != nil {
			b.Fatal(err)
		}
	}
}

func TestStrings_FindsTheStringsOfTheOutermostObject(t *testing.T) {
	t.Parallel()
	for text, want := range map[string][2]string{
		`{"a":"one","b":{"a":"inner"},"c":["a"]}`: {"one", ""},
		`{"b":"x\ty","a":"\u00e9"}`:               {"é", "x\ty"},
		`{"A":"one","\u0061":"escaped"}`:          {"", ""},
		`{"a":5,"b":null}`:                        {"", ""},
		`["a","b"]`:                               {"", ""},
		`[{"a":"one"}]`:                           {"", ""},
		` { "b" : "" , "a" : "one" } `:            {"one", ""},
	} {
		found := []strictjson.Member{{"a", "before"}, {"b", "before"}}
		require.NoError(t, strictjson.Strings([]byte(text), 8, found), text)
		require.Equal(t, want, [2]string{found[0].Value, found[1].Value}, text)
	}
	for _, text := range []string{`{"a":"one","a":"two"}`, `{"a":"one"`, `{"a":"\u0000"}`, `{"b":[[[[[[[[[]]]]]]]]]}`} {
		require.Error(t, strictjson.Strings([]byte(text), 8, []strictjson.Member{{Name: "a"}}), text)
	}
}
