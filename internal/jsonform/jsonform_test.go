package jsonform_test

import (
	"encoding/json"
	"reflect"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"carewire/internal/jsonform"
)

type head struct {
	At    time.Time  `json:"at"`
	Until *time.Time `json:"until"`
}

type item struct {
	N     int32           `json:"n"`
	Price json.Number     `json:"price"`
	Any   json.RawMessage `json:"any"`
}

type body struct {
	head
	Items  []item         `json:"items"`
	ByName map[string]int `json:"byName"`
	Text   string         `json:"text"`
	Rate   float64        `json:"rate"`
}

func TestCanonical_WritesIntegersAndTimesAsGoReadsThem(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		`{"items":[{"n":1.0},{"n" : 1e2 , "price": 4.10}]}`: `{"items":[{"n":1},{"n" : 100 , "price": 4.10}]}`,
		`{"items":[{"n":-2.50e1,"any":1.0}]}`:               `{"items":[{"n":-25,"any":1.0}]}`,
		`{"byName":{"a":3.00,"b":0.0}}`:                     `{"byName":{"a":3,"b":0}}`,
		`{"items":[{"n":1.5},{"n":2.0}]}`:                   `{"items":[{"n":1.5},{"n":2}]}`,
		`{"items":[{"n":1e400}]}`:                           `{"items":[{"n":1e400}]}`,
		`{"rate":1.0,"text":"1.0","unknown":1.0}`:           `{"rate":1.0,"text":"1.0","unknown":1.0}`,
		`{"at":"2026-03-14t09:30:00z"}`:                     `{"at":"2026-03-14T09:30:00Z"}`,
		`{"until": "2026-03-14t09:30:00.5+01:00"}`:          `{"until": "2026-03-14T09:30:00.5+01:00"}`,
		`{"at":"2016-12-31T23:59:60Z"}`:                     `{"at":"2016-12-31T23:59:59Z"}`,
		`{"at":"2015-07-01T01:59:60+02:00"}`:                `{"at":"2015-07-01T01:59:59+02:00"}`,
		`{"at":"2026-03-14\u007409:30:00Z"}`:                `{"at":"2026-03-14T09:30:00Z"}`,
		`{"text":"2026-03-14t09:30:00z"}`:                   `{"text":"2026-03-14t09:30:00z"}`,
		`{"at":"2026-03-14T9:30:00z"}`:                      `{"at":"2026-03-14T9:30:00z"}`,
	} {
		require.Equal(t, want, string(jsonform.Canonical([]byte(in), reflect.TypeFor[body]())), in)
	}
}

func TestParseTime_AcceptsRFC3339AndNothingElse(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"2026-03-14T09:30:00Z": "2026-03-14T09:30:00Z", "2026-03-14t09:30:00z": "2026-03-14T09:30:00Z", "2026-03-14T09:30:00-00:00": "2026-03-14T09:30:00Z",
		"2026-03-14T09:30:00.123456789+23:59": "2026-03-13T09:31:00.123456789Z", "2016-12-31T23:59:60Z": "2016-12-31T23:59:59Z",
		"2016-12-31T15:59:60.5-08:00": "2016-12-31T23:59:59.5Z", "0000-01-01T00:00:00Z": "0000-01-01T00:00:00Z",
	} {
		got, ok := jsonform.ParseTime(text)
		require.True(t, ok, text)
		require.Equal(t, want, got.UTC().Format(time.RFC3339Nano), text)
	}
	for _, text := range []string{
		"", "2026-03-14", "2026-03-14T09:30Z", "2026-03-14T09:30:00", "2026-03-14 09:30:00Z", "2026-03-14T9:30:00Z", "2026-03-14T09:30:00,5Z", "2026-03-14T09:30:00.Z",
		"2026-03-14T24:00:00Z", "2026-02-30T09:30:00Z", "2026-03-14T09:60:00Z", "2026-03-14T09:30:60Z", "2016-11-30T23:59:60Z", "2016-12-31T23:59:61Z", "2026-03-14T09:30:00+24:00",
		"2026-03-14T09:30:00+01:60", "2026-03-14T09:30:00+0100", "2026-03-14T09:30:00 01:00", "2026-03-14T09:30:00+01", "2026-03-14T09:30:00ZZ", "+2026-03-14T09:30:00Z", "2026-03-14T09:30:00\u0665Z",
	} {
		_, ok := jsonform.ParseTime(text)
		require.False(t, ok, text)
	}
}

func TestPaths_HaveTheIndexesOfLists(t *testing.T) {
	t.Parallel()
	src := []byte(`{"text":"x","items":[{"n":1},{"n":5000000000}],"at":"2026-03-14T9:30:00Z"}`)
	var wrong *json.UnmarshalTypeError
	require.ErrorAs(t, json.Unmarshal(src, &struct{ Items []item }{}), &wrong)
	path, ok := jsonform.PathAt(src, wrong.Offset)
	require.True(t, ok)
	require.Equal(t, "items[1].n", path)
	path, ok = jsonform.InvalidTime(src, reflect.TypeFor[body]())
	require.True(t, ok)
	require.Equal(t, "at", path)
}
