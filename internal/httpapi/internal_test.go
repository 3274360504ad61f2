package httpapi

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
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

func TestSealer_OpensOnlyWhatItSealedForThePurposeAndInTime(t *testing.T) {
	t.Parallel()
	s, err := newSealer([]byte(strings.Repeat("k", 32)))
	require.NoError(t, err)
	other, err := newSealer([]byte(strings.Repeat("x", 32)))
	require.NoError(t, err)
	text := seal(s, "a", "hello", time.Minute)
	value, ok := unseal[string](s, "a", text)
	require.True(t, ok)
	require.Equal(t, "hello", value)
	for name, try := range map[string]func() bool{
		"another purpose": func() bool { _, ok := unseal[string](s, "b", text); return ok },
		"another key":     func() bool { _, ok := unseal[string](other, "a", text); return ok },
		"another text":    func() bool { _, ok := unseal[string](s, "a", "A"+text[1:]); return ok && text[0] != 'A' },
		"nothing":         func() bool { _, ok := unseal[string](s, "a", ""); return ok },
		"too late":        func() bool { _, ok := unseal[string](s, "a", seal(s, "a", "x", -2*time.Second)); return ok },
	} {
		require.False(t, try(), name)
	}
}

func TestLRU_ForgetsWhatWasNotUsedForLongest(t *testing.T) {
	t.Parallel()
	l := newLRU[string, int](2)
	l.put("a", 1)
	l.put("b", 2)
	_, _ = l.get("a")
	require.Equal(t, 3, l.getOrPut("c", func() int { return 3 }))
	_, ok := l.get("b")
	require.False(t, ok)
	v, _ := l.get("a")
	require.Equal(t, 1, v)
	l.put("a", 7)
	require.Equal(t, 7, l.getOrPut("a", func() int { return 0 }))
	l.remove("a")
	_, ok = l.get("a")
	require.False(t, ok)
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

// countingKeys counts how often a signature is looked at.
type countingKeys struct {
	oidc.KeySet
	n int
}

func (k *countingKeys) VerifySignature(ctx context.Context, token string) ([]byte, error) {
	k.n++
	return k.KeySet.VerifySignature(ctx, token)
}

func TestVerifier_LooksAtASignatureOnceInFiveMinutesAndNeverTrustsPastTheEnd(t *testing.T) {
	t.Parallel()
	issuer, err := NewLocalIssuer(filepath.Join(t.TempDir(), "key.pem"), "carewire")
	require.NoError(t, err)
	now := time.Now()
	v, err := NewVerifier(VerifierConfig{Local: issuer, Audience: "carewire", Now: func() time.Time { return now }})
	require.NoError(t, err)
	keys := &countingKeys{KeySet: v.keys}
	v.keys = keys
	token, err := issuer.Mint("a@b.example", "x", 7*time.Minute)
	require.NoError(t, err)
	for _, step := range []struct {
		after time.Duration
		looks int
	}{{0, 1}, {4 * time.Minute, 1}, {2 * time.Minute, 2}, {time.Minute, 2}} {
		now = now.Add(step.after)
		_, err := v.Verify(t.Context(), token)
		require.NoError(t, err)
		require.Equal(t, step.looks, keys.n)
	}
	now = now.Add(2 * time.Minute)
	_, err = v.Verify(t.Context(), token)
	p, ok := errors.AsType[*Problem](err)
	require.True(t, ok)
	require.Equal(t, codeTokenExpired, p.Code)
	require.Equal(t, care.Unauthenticated, care.CodeOf(err), "to those who know the domain's codes only")
}
