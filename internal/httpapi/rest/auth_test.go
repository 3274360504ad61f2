package rest_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/stretchr/testify/require"

	"carewire/internal/auth"
	"carewire/internal/auth/authtest"
	"carewire/internal/httpapi/web"
)

// withProvider makes a server accept the provider's tokens.
func withProvider(t *testing.T, p *authtest.Provider) func(*config) {
	t.Helper()
	return func(c *config) {
		v, err := auth.NewVerifier(auth.VerifierConfig{Issuer: p.URL, Audience: audience, Logger: c.Logger})
		require.NoError(t, err)
		c.Verifier = v
		c.Pages.Login = web.LoginConfig{ClientID: "client", ClientSecret: "s3cret"}
	}
}

func (b *bundle) bearer(token string) *httptest.ResponseRecorder {
	return b.do("", http.MethodGet, "/api/me", nil, "Authorization", "Bearer "+token)
}

func TestAuth_TellsWhyATokenIsNotGood(t *testing.T) {
	t.Parallel()
	p := authtest.NewProvider(t, doctor, audience)
	b := setup(t, withProvider(t, p))
	good := p.Sign(t, p.Claims(nil))
	parts := strings.Split(good, ".")
	foreign, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	header := func(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }
	now := time.Now()
	for _, row := range []struct {
		name, token string
		status      int
		code        string
	}{
		{"good", good, 200, ""},
		{"expired", p.Sign(t, p.Claims(map[string]any{"exp": now.Add(-2 * time.Minute).Unix()})), 401, "token_expired"},
		{"expired within the clocks' difference", p.Sign(t, p.Claims(map[string]any{"exp": now.Add(-30 * time.Second).Unix()})), 200, ""},
		{"without end", p.Sign(t, p.Claims(map[string]any{"exp": nil})), 401, "token_invalid"},
		{"with an end far beyond time", p.Sign(t, p.Claims(map[string]any{"exp": 1e300})), 401, "token_invalid"},
		{"with an end before time", p.Sign(t, p.Claims(map[string]any{"exp": -1})), 401, "token_invalid"},
		{"with an end as text", p.Sign(t, p.Claims(map[string]any{"exp": fmt.Sprint(now.Add(time.Hour).Unix())})), 401, "token_invalid"},
		{"with an end between two seconds", p.Sign(t, p.Claims(map[string]any{"exp": float64(now.Add(time.Hour).Unix()) + 0.5})), 200, ""},
		{"with a beginning far beyond time", p.Sign(t, p.Claims(map[string]any{"nbf": 1e300})), 401, "token_invalid"},
		{"not yet valid", p.Sign(t, p.Claims(map[string]any{"nbf": now.Add(2 * time.Minute).Unix()})), 401, "token_not_yet_valid"},
		{"valid within the clocks' difference", p.Sign(t, p.Claims(map[string]any{"nbf": now.Add(30 * time.Second).Unix()})), 200, ""},
		{"for another audience", p.Sign(t, p.Claims(map[string]any{"aud": "other"})), 401, "token_wrong_audience"},
		{"for one audience, as text", p.Sign(t, p.Claims(map[string]any{"aud": audience})), 200, ""},
		{"without audience", p.Sign(t, p.Claims(map[string]any{"aud": nil})), 401, "token_wrong_audience"},
		{"with an audience of another form", p.Sign(t, p.Claims(map[string]any{"aud": 7})), 401, "token_wrong_audience"},
		{"from another issuer", p.Sign(t, p.Claims(map[string]any{"iss": "https://elsewhere.example"})), 401, "token_wrong_issuer"},
		{"without subject", p.Sign(t, p.Claims(map[string]any{"sub": nil})), 401, "token_invalid"},
		{"with claims of other types", p.Sign(t, p.Claims(map[string]any{"sub": 7})), 401, "token_invalid"},
		{"signed by a stranger with our key's name", authtest.SignWith(t, jose.SigningKey{Algorithm: jose.ES256, Key: jose.JSONWebKey{Key: foreign, KeyID: "first"}}, p.Claims(nil)), 401, "token_invalid"},
		{"signed by a stranger", authtest.SignWith(t, jose.SigningKey{Algorithm: jose.ES256, Key: foreign}, p.Claims(nil)), 401, "token_invalid"},
		{"signed with a shared secret", authtest.SignWith(t, jose.SigningKey{Algorithm: jose.HS256, Key: []byte(strings.Repeat("k", 32))}, p.Claims(nil)), 401, "token_invalid"},
		{"with algorithm none", header(`{"alg":"none"}`) + "." + parts[1] + ".", 401, "token_invalid"},
		{"with its signature cut off", parts[0] + "." + parts[1] + ".", 401, "token_invalid"},
		{"with another's claims", parts[0] + "." + header(`{"sub":"somebody else"}`) + "." + parts[2], 401, "token_invalid"},
		{"garbage", "garbage", 401, "token_invalid"},
		{"dots", "..", 401, "token_invalid"},
		{"endless", strings.Repeat("a", 20_000), 401, "token_invalid"},
		{"empty", "", 401, "token_invalid"},
		{"of nobody we know", p.Sign(t, p.Claims(map[string]any{"sub": "stranger", "email": "stranger@demo.example"})), 401, "unauthenticated"},
		{"with an unverified email", p.Sign(t, p.Claims(map[string]any{"sub": "new", "email": nurse, "email_verified": false})), 401, "unauthenticated"},
		{"with a verified email in another form", p.Sign(t, p.Claims(map[string]any{"sub": "nurse", "email": nurse, "email_verified": "true"})), 200, ""},
		{"of one linked before, without email", p.Sign(t, p.Claims(map[string]any{"email": nil, "email_verified": nil})), 200, ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			w := b.bearer(row.token)
			if row.status == http.StatusOK {
				require.Equal(t, http.StatusOK, w.Code, "%s", w.Body)
				return
			}
			requireProblem(t, w, row.status, row.code)
			require.Contains(t, w.Header().Get("WWW-Authenticate"), "Bearer")
		})
	}
	requireProblem(t, b.do("", http.MethodGet, "/api/me", nil), 401, "unauthenticated")
	requireProblem(t, b.do("", http.MethodGet, "/api/me", nil, "Authorization", "Basic eDp5"), 401, "unauthenticated")
	require.NotContains(t, b.log.String(), parts[2], "no token in a log")
}

func TestAuth_FollowsTheIssuersNewKeys(t *testing.T) {
	t.Parallel()
	p := authtest.NewProvider(t, doctor, audience)
	b := setup(t, withProvider(t, p))
	require.Equal(t, http.StatusOK, b.bearer(p.Sign(t, p.Claims(nil))).Code)
	old := p.Sign(t, p.Claims(map[string]any{"jti": "unseen"}))
	p.Rotate(t, "second")
	require.Equal(t, http.StatusOK, b.bearer(p.Sign(t, p.Claims(nil))).Code)
	requireProblem(t, b.bearer(old), 401, "token_invalid")
}

func TestAuth_IsUnavailableWhileTheIssuerIsAndWorksOnceItAnswers(t *testing.T) {
	t.Parallel()
	p := authtest.NewProvider(t, doctor, audience)
	p.Down.Store(true)
	b := setup(t, withProvider(t, p))
	token := p.Sign(t, p.Claims(nil))
	w := b.bearer(token)
	requireProblem(t, w, 503, "unavailable")
	require.NotEmpty(t, w.Header().Get("Retry-After"))
	require.Contains(t, b.log.String(), "identity provider cannot be reached")
	p.Down.Store(false)
	p.KeysDown.Store(true)
	require.Eventually(t, func() bool {
		w := b.bearer(token)
		return w.Code == http.StatusServiceUnavailable && p.Fetches.Load() > 0
	}, 10*time.Second, 20*time.Millisecond, "discovery is tried again; now the keys are missing")
	p.KeysDown.Store(false)
	require.Equal(t, http.StatusOK, b.bearer(token).Code)
}

func TestAuth_CountsDisabledAndRevokedAtTheNextRequest(t *testing.T) {
	t.Parallel()
	b := setup(t)
	require.Equal(t, http.StatusOK, b.do(doctor, http.MethodGet, "/api/me", nil).Code)
	_, err := b.db.Owner.Exec(t.Context(), `UPDATE memberships SET revoked_at = now() WHERE user_id = $1`, b.ids[doctor])
	require.NoError(t, err)
	me := decode(t, b.do(doctor, http.MethodGet, "/api/me", nil))
	require.Empty(t, me["memberships"])
	require.NotNil(t, me["memberships"])
	_, err = b.db.Owner.Exec(t.Context(), `UPDATE users SET status = 'disabled' WHERE id = $1`, b.ids[doctor])
	require.NoError(t, err)
	requireProblem(t, b.do(doctor, http.MethodGet, "/api/me", nil), 403, "forbidden")
}

func TestAuth_LimitsEachSubjectByItself(t *testing.T) {
	t.Parallel()
	b := setup(t, func(c *config) { c.RateLimit = 3 })
	for range 6 {
		require.Equal(t, http.StatusOK, b.do(doctor, http.MethodGet, "/api/me", nil).Code)
	}
	requireProblem(t, b.do(doctor, http.MethodGet, "/api/me", nil), 429, "rate_limited")
	require.Equal(t, http.StatusOK, b.do(nurse, http.MethodGet, "/api/me", nil).Code)
}

func TestAuth_RefusesRoutesByRoleAndCommitsTheRefusal(t *testing.T) {
	t.Parallel()
	b := setup(t)
	requireProblem(t, b.do(doctor, http.MethodGet, "/api/audit?subject=lab_report/x", nil), 403, "forbidden")
	var subject, actor, role, data string
	row := b.db.Owner.QueryRow(t.Context(), `SELECT subject, actor_id, actor_role, data::text FROM outbox WHERE type = 'access.denied'`)
	require.NoError(t, row.Scan(&subject, &actor, &role, &data))
	require.Equal(t, "route/audit.read", subject)
	require.Equal(t, b.ids[doctor].String(), actor)
	require.JSONEq(t, `{"userId": null, "clinicId": null, "action": "audit.read", "code": "forbidden"}`, data)
	require.Equal(t, http.StatusOK, b.do(auditor, http.MethodGet, "/api/audit?subject=lab_report/x", nil).Code)

	_, err := b.db.Owner.Exec(t.Context(), `REVOKE INSERT ON outbox FROM carewire_app`)
	require.NoError(t, err)
	require.GreaterOrEqual(t, b.do(doctor, http.MethodGet, "/api/audit?subject=lab_report/x", nil).Code, 500, "what cannot be audited is not answered")
}
