package body_test

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"carewire/internal/care"
	"carewire/internal/httpapi/body"
)

func TestCheck_NamesTheFieldThatNoColumnCanHold(t *testing.T) {
	t.Parallel()
	for text, field := range map[string]string{
		`{"a": [{"b": "x\u0000y"}]}`: "a[0].b",
		`{"a": {"b\u0000": 1}}`:      "a.b?",
		`"\u0000"`:                   "body",
		`{"a": [1, 1e999]}`:          "a[1]",
		`1e999`:                      "body",
	} {
		err := body.Check([]byte(text))
		require.Equal(t, care.Invalid, care.CodeOf(err), text)
		refusal, _ := errors.AsType[*care.Error](err)
		require.Equal(t, field, refusal.Fields[0].Field, text)
	}
	require.NoError(t, body.Check([]byte(`{"a": "\\u0000 is how JSON says it"}`)))
}
