package e2e_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"github.com/stretchr/testify/require"

	"carewire/internal/postgres/postgrestest"
	"carewire/internal/sandbox"
)

// openProduction starts three processes outside demo mode with the demo's people. They log in at an
// identity provider. The emails of each instance go to a fake provider in this process, which
// outlives the instance. All fake providers store messages in one sandbox.
func openProduction(t *testing.T, env ...string) (*clinic, []*provider, *sandbox.Sandbox) {
	t.Helper()
	db := postgrestest.New(t)
	c := newClinic(t, testConfig(t, db))
	c.db = db
	c.start()
	c.service.Stop()

	idp := newIdentityProvider(t)
	c.tokens, c.mint, c.api.urls, c.sockets.urls = map[string]string{}, idp.mint, nil, nil
	s := sandbox.New()
	var providers []*provider
	for range 3 {
		p := &provider{takes: s.Providers()}
		server := httptest.NewServer(p)
		t.Cleanup(server.Close)
		providers = append(providers, p)
		c.addInstance(append([]string{
			"DATABASE_URL=", "CAREWIRE_APP_DATABASE_URL=" + db.AppURL, "CAREWIRE_WORKER_DATABASE_URL=" + db.WorkerURL, "CAREWIRE_DB_MAX_CONNS=8", "CAREWIRE_RATE_LIMIT=100000", "CAREWIRE_DRAIN_DELAY=0s", "CAREWIRE_BASE_URL=https://clinic.example",
			"CAREWIRE_OIDC_ISSUER=" + idp.URL, "CAREWIRE_EMAIL_FROM=carewire@clinic.example", "AWS_ENDPOINT_URL_SESV2=" + server.URL,
			"AWS_REGION=eu-central-1", "AWS_ACCESS_KEY_ID=test", "AWS_SECRET_ACCESS_KEY=test", "AWS_EC2_METADATA_DISABLED=true",
		}, env...), "serve")
	}
	c.ready()
	return c, providers, s
}

// provider is the fake provider of one instance.
type provider struct {
	takes http.Handler
	// kill is called once, between accepting a message and the response, which is then never sent.
	kill atomic.Pointer[func()]
}

// ServeHTTP accepts a message.
func (p *provider) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	answer := httptest.NewRecorder()
	p.takes.ServeHTTP(answer, r)
	if kill := p.kill.Swap(nil); kill != nil {
		(*kill)()
		<-r.Context().Done()
		return
	}
	maps.Copy(w.Header(), answer.Header())
	w.WriteHeader(answer.Code)
	_, _ = w.Write(answer.Body.Bytes())
}

// identityProvider is an OpenID provider that issues tokens for anyone.
type identityProvider struct {
	*httptest.Server
	key *ecdsa.PrivateKey
}

func newIdentityProvider(t *testing.T) *identityProvider {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	p := &identityProvider{key: key}
	answer := func(v func() any) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { _ = json.NewEncoder(w).Encode(v()) }
	}
	mux := http.NewServeMux()
	mux.Handle("GET /.well-known/openid-configuration", answer(func() any {
		return map[string]any{
			"issuer": p.URL, "jwks_uri": p.URL + "/keys", "authorization_endpoint": p.URL + "/authorize", "token_endpoint": p.URL + "/token",
			"id_token_signing_alg_values_supported": []string{"ES256"},
		}
	}))
	mux.Handle("GET /keys", answer(func() any {
		return jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: key.Public(), KeyID: "one", Algorithm: "ES256", Use: "sig"}}}
	}))
	p.Server = httptest.NewServer(mux)
	t.Cleanup(p.Close)
	return p
}

func (p *identityProvider) mint(email string) (string, error) {
	key := jose.SigningKey{Algorithm: jose.ES256, Key: jose.JSONWebKey{Key: p.key, KeyID: "one"}}
	signer, err := jose.NewSigner(key, (&jose.SignerOptions{}).WithType("JWT"))
	if err != nil {
		return "", err
	}
	now := time.Now()
	return jwt.Signed(signer).Claims(jwt.Claims{
		Issuer: p.URL, Subject: email, Audience: jwt.Audience{"carewire"}, IssuedAt: jwt.NewNumericDate(now), Expiry: jwt.NewNumericDate(now.Add(time.Hour)),
	}).Claims(map[string]any{"email": email, "email_verified": true}).Serialize()
}
