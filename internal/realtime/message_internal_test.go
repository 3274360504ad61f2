package realtime

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"carewire/internal/care"
)

func TestParseRequest_OmitsAnIDThatIsTooLong(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", maxIDLength+1)
	for _, msg := range []string{`{"type":"subscribe","id":"` + long + `"}`, `{"id":"` + long + `","room":5}`} {
		req, p := parseRequest([]byte(msg))
		require.Equal(t, "id", p.field)
		require.Empty(t, req.ID)
	}
}

func TestParseRequest_MatchesFieldsByTheirExactNamesOnce(t *testing.T) {
	t.Parallel()
	for msg, field := range map[string]string{
		`{"type":"subscribe","id":"1","room":"a","ROOM":"b"}`:           "room",
		`{"type":"subscribe","id":"1","TOKEN":"b"}`:                     "token",
		`{"Type":"subscribe","id":"1"}`:                                 "type",
		"{\"type\":\"refresh\",\"id\":\"1\",\"to\u212aen\":\"kelvin\"}": "token",
	} {
		_, p := parseRequest([]byte(msg))
		require.NotNil(t, p, msg)
		require.Equal(t, string(care.Invalid), p.code, msg)
		require.Equal(t, field, p.field, msg)
	}
	for _, msg := range []string{
		`{"type":"subscribe","id":"1","room":"a","room":"b"}`, `{"type":"subscribe","id":"1","x":{"y":1,"y":2}}`,
		`{"type":"subscribe","id":"1","x":` + strings.Repeat("[", 100) + strings.Repeat("]", 100) + `}`,
	} {
		_, p := parseRequest([]byte(msg))
		require.NotNil(t, p, msg)
		require.Equal(t, string(care.Malformed), p.code, msg)
	}
}

// FuzzParseRequest checks that a message is a request or is refused, and that the answer is JSON
// that repeats only its id and the name of a room.
func FuzzParseRequest(f *testing.F) {
	id := "0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b"
	for _, seed := range []string{
		`{"type":"subscribe","id":"1","room":"patient:` + id + `"}`, `{"type":"unsubscribe","id":"1","room":"clinic:` + id + `"}`, `{"type":"refresh","id":"1","token":"t"}`,
		`{"type":"subscribe","id":"1","room":"user:urn:uuid:` + id + `"}`, `{"TYPE":"subscribe","Id":"1"}`, `{"id":"1","room":5}`, `{"id":{"id":5}}`, `{"type":"subscribe","id":"\ud800\u0000"}`,
		"", "null", "[]", `"x"`, "{}", "{", "\xff", `{"id":"` + strings.Repeat("x", 101) + `","room":[]}`, strings.Repeat("[", 200), `{"id":"1","id":2}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, msg []byte) {
		req, p := parseRequest(msg)
		require.LessOrEqual(t, len(req.ID), maxIDLength)
		name, bad := parseRoom(req.Room)
		room := ""
		if bad == nil {
			room = name.String()
			require.True(t, strings.EqualFold(req.Room, room), "one room has one name")
		}
		if p == nil {
			require.Contains(t, []string{"subscribe", "unsubscribe", "refresh"}, req.Type)
			require.NotEmpty(t, req.ID)
			return
		}
		require.Contains(t, []string{string(care.Malformed), string(care.Invalid)}, p.code)
		require.NotEmpty(t, p.detail)
		require.True(t, p.field == "" || slices.Contains([]string{"type", "id", "room", "token"}, p.field), "%q", p.field)
		var answer reply
		require.NoError(t, json.Unmarshal(p.reply(req.ID, room).encode(), &answer))
		require.Equal(t, reply{Type: "error", ID: req.ID, Room: room, Code: p.code, Field: p.field, Detail: p.detail}, answer)
	})
}
