package httpapi

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/labstack/echo/v5"
	"github.com/stretchr/testify/require"

	"carewire/internal/care"
)

func TestCheckRoutes_RefusesARouteThatNobodyDecidedAbout(t *testing.T) {
	t.Parallel()
	nothing := func(*echo.Context) error { return nil }
	for name, row := range map[string]struct {
		path   string
		access Access
		demo   bool
		want   string
	}{
		"no action":          {"/api/x", Access{}, false, `GET /api/x needs action "", which is not in the access table`},
		"an unknown action":  {"/api/x", Access{Action: "x.y"}, false, `"x.y"`},
		"public by mistake":  {"/api/x", Access{Public: true}, false, "not on the list of public routes"},
		"public in the demo": {"/metrics", Access{Public: true}, false, "not on the list of public routes"},
		"a demo":             {"/metrics", Access{Public: true}, true, ""},
		"a known action":     {"/api/x", Access{Action: care.RecordRead}, false, ""},
		"public":             {"/livez", Access{Public: true}, false, ""},
	} {
		s := &Server{cfg: Config{Demo: row.demo}, echo: echo.New(), routes: map[string]Access{}}
		s.Handle("GET", row.path, row.access, nothing)
		err := s.checkRoutes()
		if row.want == "" {
			require.NoError(t, err, name)
			continue
		}
		require.ErrorContains(t, err, row.want, name)
	}
	s := &Server{echo: echo.New()}
	s.echo.GET("/behind", nothing)
	require.ErrorContains(t, s.checkRoutes(), "GET /behind has no access")
}

func TestProblems_HaveAStatusForEveryCode(t *testing.T) {
	t.Parallel()
	for code, status := range map[care.Code]int{
		care.Malformed: 400, care.Unauthenticated: 401, care.Forbidden: 403, care.NotFound: 404, care.Conflict: 409, care.PreconditionFailed: 412,
		care.PossibleDuplicate: 409, care.TooLarge: 413, care.Invalid: 422, care.PreconditionRequired: 428, care.RateLimited: 429, care.Unavailable: 503,
	} {
		p := problemOf(t.Context(), slog.New(slog.DiscardHandler), fmt.Errorf("read: %w", care.Errorf(code, "words for a person")))
		require.Equal(t, status, p.Status, code)
		require.Equal(t, string(code), p.Code)
		require.Equal(t, "words for a person", p.Detail)
	}
	require.Len(t, statuses, 12)
	var log strings.Builder
	p := problemOf(t.Context(), slog.New(slog.NewTextHandler(&log, nil)), errors.New("Potassium 4.1"))
	require.Equal(t, 500, p.Status)
	require.NotContains(t, p.Detail, "Potassium")
	require.NotContains(t, log.String(), "Potassium")
	require.Contains(t, log.String(), "request failed")
}

func TestCheckBody_NamesTheFieldThatNoColumnCanHold(t *testing.T) {
	t.Parallel()
	for body, field := range map[string]string{
		`{"a": [{"b": "x\u0000y"}]}`: "a[0].b",
		`{"a": {"b\u0000": 1}}`:      "a.b?",
		`"\u0000"`:                   "body",
		`{"a": [1, 1e999]}`:          "a[1]",
		`1e999`:                      "body",
	} {
		err := checkBody([]byte(body))
		require.Equal(t, care.Invalid, care.CodeOf(err), body)
		refusal, _ := errors.AsType[*care.Error](err)
		require.Equal(t, field, refusal.Fields[0].Field, body)
	}
	require.NoError(t, checkBody([]byte(`{"a": "\\u0000 is how JSON says it"}`)))
}
