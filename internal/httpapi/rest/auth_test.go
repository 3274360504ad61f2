package rest_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/stretchr/testify/require"

	"carewire/internal/httpapi"
	"carewire/internal/httpapi/web"
)

// provider is an identity provider that a test runs: discovery, keys, and the code flow.
type provider struct {
	*httptest.Server
	down     atomic.Bool
	keysDown atomic.Bool
	fetches  atomic.Int32

	mu   sync.Mutex
	keys map[string]*ecdsa.PrivateKey
	// kid signs new tokens. codes are what the code flow gave out, with the PKCE challenge of each.
	kid   string
	codes map[string]map[string]any
}

func newProvider(t *testing.T) *provider {
	t.Helper()
	p := &provider{keys: map[string]*ecdsa.PrivateKey{}, codes: map[string]map[string]any{}}
	p.rotate(t, "first")
	mux := http.NewServeMux()
	mux.HandleFunc("GET /.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		if p.down.Load() {
			http.Error(w, "down", http.StatusBadGateway)
			return
		}
		_ = json.NewEncoder(w).Encode(map[string]any{
			"issuer": p.URL, "jwks_uri": p.URL + "/keys", "authorization_endpoint": p.URL + "/authorize", "token_endpoint": p.URL + "/token",
			"id_token_signing_alg_values_supported": []string{"ES256"},
		})
	})
	mux.HandleFunc("GET /keys", func(w http.ResponseWriter, _ *http.Request) {
		p.fetches.Add(1)
		if p.keysDown.Load() {
			http.Error(w, "down", http.StatusBadGateway)
			return
		}
		p.mu.Lock()
		defer p.mu.Unlock()
		var set jose.JSONWebKeySet
		for kid, key := range p.keys {
			set.Keys = append(set.Keys, jose.JSONWebKey{Key: key.Public(), KeyID: kid, Algorithm: "ES256", Use: "sig"})
		}
		_ = json.NewEncoder(w).Encode(set)
	})
	mux.HandleFunc("POST /token", p.token)
	p.Server = httptest.NewServer(mux)
	t.Cleanup(p.Close)
	return p
}

// rotate replaces the provider's keys by a new one.
func (p *provider) rotate(t *testing.T, kid string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.keys, p.kid = map[string]*ecdsa.PrivateKey{kid: key}, kid
}

func (p *provider) key() jose.SigningKey {
	p.mu.Lock()
	defer p.mu.Unlock()
	return jose.SigningKey{Algorithm: jose.ES256, Key: jose.JSONWebKey{Key: p.keys[p.kid], KeyID: p.kid}}
}

// sign signs the claims with the provider's current key.
func (p *provider) sign(t *testing.T, claims map[string]any) string {
	t.Helper()
	return signWith(t, p.key(), claims)
}

func signWith(t *testing.T, key jose.SigningKey, claims map[string]any) string {
	t.Helper()
	payload, err := json.Marshal(claims)
	require.NoError(t, err)
	return signText(t, key, "JWT", string(payload))
}

// signText signs a text as it is. An empty typ is left out.
func signText(t *testing.T, key jose.SigningKey, typ jose.ContentType, payload string) string {
	t.Helper()
	options := &jose.SignerOptions{}
	if typ != "" {
		options = options.WithType(typ)
	}
	signer, err := jose.NewSigner(key, options)
	require.NoError(t, err)
	signed, err := signer.Sign([]byte(payload))
	require.NoError(t, err)
	token, err := signed.CompactSerialize()
	require.NoError(t, err)
	return token
}

// claims are those of a good token for the doctor, with changes; a nil removes one.
func (p *provider) claims(changes map[string]any) map[string]any {
	now := time.Now()
	c := map[string]any{
		"iss": p.URL, "sub": "subject-1", "aud": []string{"other", audience}, "iat": now.Unix(), "exp": now.Add(time.Hour).Unix(),
		"email": doctor, "email_verified": true,
	}
	maps.Copy(c, changes)
	maps.DeleteFunc(c, func(_ string, v any) bool { return v == nil })
	return c
}

// withProvider makes a server accept the provider's tokens.
func withProvider(t *testing.T, p *provider) func(*config) {
	t.Helper()
	return func(c *config) {
		v, err := httpapi.NewVerifier(httpapi.VerifierConfig{Issuer: p.URL, Audience: audience, Logger: c.Logger})
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
	p := newProvider(t)
	b := setup(t, withProvider(t, p))
	good := p.sign(t, p.claims(nil))
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
		{"expired", p.sign(t, p.claims(map[string]any{"exp": now.Add(-2 * time.Minute).Unix()})), 401, "token_expired"},
		{"expired within the clocks' difference", p.sign(t, p.claims(map[string]any{"exp": now.Add(-30 * time.Second).Unix()})), 200, ""},
		{"without end", p.sign(t, p.claims(map[string]any{"exp": nil})), 401, "token_invalid"},
		{"with an end far beyond time", p.sign(t, p.claims(map[string]any{"exp": 1e300})), 401, "token_invalid"},
		{"with an end before time", p.sign(t, p.claims(map[string]any{"exp": -1})), 401, "token_invalid"},
		{"with an end as text", p.sign(t, p.claims(map[string]any{"exp": fmt.Sprint(now.Add(time.Hour).Unix())})), 401, "token_invalid"},
		{"with an end between two seconds", p.sign(t, p.claims(map[string]any{"exp": float64(now.Add(time.Hour).Unix()) + 0.5})), 200, ""},
		{"with a beginning far beyond time", p.sign(t, p.claims(map[string]any{"nbf": 1e300})), 401, "token_invalid"},
		{"not yet valid", p.sign(t, p.claims(map[string]any{"nbf": now.Add(2 * time.Minute).Unix()})), 401, "token_not_yet_valid"},
		{"valid within the clocks' difference", p.sign(t, p.claims(map[string]any{"nbf": now.Add(30 * time.Second).Unix()})), 200, ""},
		{"for another audience", p.sign(t, p.claims(map[string]any{"aud": "other"})), 401, "token_wrong_audience"},
		{"for one audience, as text", p.sign(t, p.claims(map[string]any{"aud": audience})), 200, ""},
		{"without audience", p.sign(t, p.claims(map[string]any{"aud": nil})), 401, "token_wrong_audience"},
		{"with an audience of another form", p.sign(t, p.claims(map[string]any{"aud": 7})), 401, "token_wrong_audience"},
		{"from another issuer", p.sign(t, p.claims(map[string]any{"iss": "https://elsewhere.example"})), 401, "token_wrong_issuer"},
		{"without subject", p.sign(t, p.claims(map[string]any{"sub": nil})), 401, "token_invalid"},
		{"with claims of other types", p.sign(t, p.claims(map[string]any{"sub": 7})), 401, "token_invalid"},
		{"signed by a stranger with our key's name", signWith(t, jose.SigningKey{Algorithm: jose.ES256, Key: jose.JSONWebKey{Key: foreign, KeyID: "first"}}, p.claims(nil)), 401, "token_invalid"},
		{"signed by a stranger", signWith(t, jose.SigningKey{Algorithm: jose.ES256, Key: foreign}, p.claims(nil)), 401, "token_invalid"},
		{"signed with a shared secret", signWith(t, jose.SigningKey{Algorithm: jose.HS256, Key: []byte(strings.Repeat("k", 32))}, p.claims(nil)), 401, "token_invalid"},
		{"with algorithm none", header(`{"alg":"none"}`) + "." + parts[1] + ".", 401, "token_invalid"},
		{"with its signature cut off", parts[0] + "." + parts[1] + ".", 401, "token_invalid"},
		{"with another's claims", parts[0] + "." + header(`{"sub":"somebody else"}`) + "." + parts[2], 401, "token_invalid"},
		{"garbage", "garbage", 401, "token_invalid"},
		{"dots", "..", 401, "token_invalid"},
		{"endless", strings.Repeat("a", 20_000), 401, "token_invalid"},
		{"empty", "", 401, "token_invalid"},
		{"of nobody we know", p.sign(t, p.claims(map[string]any{"sub": "stranger", "email": "stranger@demo.example"})), 401, "unauthenticated"},
		{"with an unverified email", p.sign(t, p.claims(map[string]any{"sub": "new", "email": nurse, "email_verified": false})), 401, "unauthenticated"},
		{"with a verified email in another form", p.sign(t, p.claims(map[string]any{"sub": "nurse", "email": nurse, "email_verified": "true"})), 200, ""},
		{"of one linked before, without email", p.sign(t, p.claims(map[string]any{"email": nil, "email_verified": nil})), 200, ""},
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
	p := newProvider(t)
	b := setup(t, withProvider(t, p))
	require.Equal(t, http.StatusOK, b.bearer(p.sign(t, p.claims(nil))).Code)
	old := p.sign(t, p.claims(map[string]any{"jti": "unseen"}))
	p.rotate(t, "second")
	require.Equal(t, http.StatusOK, b.bearer(p.sign(t, p.claims(nil))).Code)
	requireProblem(t, b.bearer(old), 401, "token_invalid")
}

func TestAuth_IsUnavailableWhileTheIssuerIsAndWorksOnceItAnswers(t *testing.T) {
	t.Parallel()
	p := newProvider(t)
	p.down.Store(true)
	b := setup(t, withProvider(t, p))
	token := p.sign(t, p.claims(nil))
	w := b.bearer(token)
	requireProblem(t, w, 503, "unavailable")
	require.NotEmpty(t, w.Header().Get("Retry-After"))
	require.Contains(t, b.log.String(), "identity provider cannot be reached")
	p.down.Store(false)
	p.keysDown.Store(true)
	require.Eventually(t, func() bool {
		w := b.bearer(token)
		return w.Code == http.StatusServiceUnavailable && p.fetches.Load() > 0
	}, 10*time.Second, 20*time.Millisecond, "discovery is tried again; now the keys are missing")
	p.keysDown.Store(false)
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

func TestLocalIssuer_HasOneKeyForItsOwnersEyesOnly(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "data", "key.pem")
	_, err := httpapi.LoadLocalIssuer(path, audience)
	require.Error(t, err, "the token command does not make one")
	tokens := make([]string, 8)
	var all sync.WaitGroup
	for i := range tokens {
		all.Go(func() {
			issuer, err := httpapi.NewLocalIssuer(path, audience)
			if err == nil {
				tokens[i], _ = issuer.Mint(doctor, httpapi.LocalSubject(doctor), time.Minute)
			}
		})
	}
	all.Wait()
	stat, err := os.Stat(path)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), stat.Mode().Perm())
	issuer, err := httpapi.LoadLocalIssuer(path, audience)
	require.NoError(t, err)
	v, err := httpapi.NewVerifier(httpapi.VerifierConfig{Local: issuer, Audience: audience})
	require.NoError(t, err)
	for i, token := range tokens {
		claims, err := v.Verify(t.Context(), token)
		require.NoError(t, err, fmt.Sprint(i))
		require.Equal(t, doctor, claims.Email)
	}
}
