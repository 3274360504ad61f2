// Package authtest runs an OpenID provider for tests: discovery, keys, and the authorization code flow.
package authtest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/stretchr/testify/require"
)

// Provider is an identity provider that a test runs: discovery, keys, and the code flow.
type Provider struct {
	*httptest.Server
	Down     atomic.Bool
	KeysDown atomic.Bool
	Fetches  atomic.Int32

	email, audience string

	mu   sync.Mutex
	keys map[string]*ecdsa.PrivateKey
	// kid signs new tokens. codes are what the code flow gave out, with the PKCE challenge of each.
	kid   string
	codes map[string]map[string]any
}

// NewProvider starts a provider. The claims of its tokens are for the audience and the person with the email.
func NewProvider(t *testing.T, email, audience string) *Provider {
	t.Helper()
	p := &Provider{email: email, audience: audience, keys: map[string]*ecdsa.PrivateKey{}, codes: map[string]map[string]any{}}
	p.Rotate(t, "first")
	mux := http.NewServeMux()
	mux.HandleFunc("GET /.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		if p.Down.Load() {
			http.Error(w, "down", http.StatusBadGateway)
			return
		}
		_ = json.NewEncoder(w).Encode(map[string]any{
			"issuer": p.URL, "jwks_uri": p.URL + "/keys", "authorization_endpoint": p.URL + "/authorize", "token_endpoint": p.URL + "/token",
			"id_token_signing_alg_values_supported": []string{"ES256"},
		})
	})
	mux.HandleFunc("GET /keys", func(w http.ResponseWriter, _ *http.Request) {
		p.Fetches.Add(1)
		if p.KeysDown.Load() {
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

// Rotate replaces the provider's keys by a new one.
func (p *Provider) Rotate(t *testing.T, kid string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.keys, p.kid = map[string]*ecdsa.PrivateKey{kid: key}, kid
}

// Key returns the current signing key.
func (p *Provider) Key() jose.SigningKey {
	p.mu.Lock()
	defer p.mu.Unlock()
	return jose.SigningKey{Algorithm: jose.ES256, Key: jose.JSONWebKey{Key: p.keys[p.kid], KeyID: p.kid}}
}

// Sign signs the claims with the provider's current key.
func (p *Provider) Sign(t *testing.T, claims map[string]any) string {
	t.Helper()
	return SignWith(t, p.Key(), claims)
}

// SignWith returns a token with the claims, signed with the key.
func SignWith(t *testing.T, key jose.SigningKey, claims map[string]any) string {
	t.Helper()
	payload, err := json.Marshal(claims)
	require.NoError(t, err)
	return SignText(t, key, "JWT", string(payload))
}

// SignText signs a text as it is. An empty typ is left out.
func SignText(t *testing.T, key jose.SigningKey, typ jose.ContentType, payload string) string {
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

// Claims are those of a good token for the doctor, with changes; a nil removes one.
func (p *Provider) Claims(changes map[string]any) map[string]any {
	now := time.Now()
	c := map[string]any{
		"iss": p.URL, "sub": "subject-1", "aud": []string{"other", p.audience}, "iat": now.Unix(), "exp": now.Add(time.Hour).Unix(),
		"email": p.email, "email_verified": true,
	}
	maps.Copy(c, changes)
	maps.DeleteFunc(c, func(_ string, v any) bool { return v == nil })
	return c
}

// token answers the code flow's second step: it wants the client's secret and the verifier that fits the challenge.
func (p *Provider) token(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	claims, ok := p.codes[r.PostFormValue("code")]
	delete(p.codes, r.PostFormValue("code"))
	p.mu.Unlock()
	id, secret, _ := r.BasicAuth()
	sum := sha256.Sum256([]byte(r.PostFormValue("code_verifier")))
	if !ok || id != "client" || secret != "s3cret" || claims["challenge"] != base64.RawURLEncoding.EncodeToString(sum[:]) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusBadRequest)
		_, _ = w.Write([]byte(`{"error":"invalid_grant"}`))
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(map[string]any{"access_token": "x", "token_type": "Bearer", "id_token": claims["id_token"]})
}

// Approve acts as the person at the provider: it gives a code for the address to which the service sent the browser.
func (p *Provider) Approve(t *testing.T, to string, changes map[string]any) (callback string) {
	t.Helper()
	u, err := url.Parse(to)
	require.NoError(t, err)
	q := u.Query()
	require.Equal(t, "S256", q.Get("code_challenge_method"))
	require.Equal(t, "http://carewire.test/login/callback", q.Get("redirect_uri"))
	claims := map[string]any{"aud": "client", "nonce": q.Get("nonce")}
	maps.Copy(claims, changes)
	idToken := p.Sign(t, p.Claims(claims))
	p.mu.Lock()
	defer p.mu.Unlock()
	p.codes["code-1"] = map[string]any{"challenge": q.Get("code_challenge"), "id_token": idToken}
	return "/login/callback?code=code-1&state=" + url.QueryEscape(q.Get("state"))
}
