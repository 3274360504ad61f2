package rest_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/stretchr/testify/require"

	"carewire/internal/httpapi"
)

// Claims are matched by their exact names, and a token in which one is given twice says nothing that can be relied on.
func TestAuth_ReadsClaimsByTheirExactNamesOnce(t *testing.T) {
	t.Parallel()
	p := newProvider(t)
	b := setup(t, withProvider(t, p))
	good, err := json.Marshal(p.claims(map[string]any{"sub": "doctors-subject"}))
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, b.bearer(signText(t, p.key(), "JWT", string(good))).Code)
	with := func(more string) string { return strings.TrimSuffix(string(good), "}") + "," + more + "}" }
	later := strings.Replace(string(good), `"sub":"doctors-subject"`, `"Sub":"doctors-subject"`, 1)
	for name, payload := range map[string]string{
		"a subject in capitals":              with(`"SUB":"operators-subject"`),
		"a subject with a long s":            with(`"ſub":"operators-subject"`),
		"an email in capitals":               with(`"EMAIL":"` + operator + `","Email_Verified":true`),
		"an issuer in capitals":              with(`"ISS":"https://elsewhere.example"`),
		"an audience and an end in capitals": with(`"AUD":"other","EXP":1`),
	} {
		w := b.bearer(signText(t, p.key(), "JWT", payload))
		require.Equal(t, http.StatusOK, w.Code, "%s: %s", name, w.Body)
		require.Equal(t, doctor, decode(t, w)["email"], name)
	}
	for _, payload := range map[string]string{
		"a subject twice":             with(`"sub":"operators-subject"`),
		"the same subject twice":      with(`"sub":"doctors-subject"`),
		"a subject twice, escaped":    with(`"s\u0075b":"operators-subject"`),
		"an audience twice":           with(`"aud":"carewire"`),
		"a name twice in a claim":     with(`"act":{"sub":"a","sub":"b"}`),
		"no subject but in capitals":  later,
		"claims that are a list":      "[" + string(good) + "]",
		"claims nested without end":   with(`"x":` + strings.Repeat("[", 1000) + strings.Repeat("]", 1000)),
		"something behind the claims": string(good) + "{}",
	} {
		requireProblem(t, b.bearer(signText(t, p.key(), "JWT", payload)), 401, "token_invalid")
	}
}

func TestAuth_TakesNoTokenForAnotherPurpose(t *testing.T) {
	t.Parallel()
	p := newProvider(t)
	b := setup(t, withProvider(t, p))
	payload, err := json.Marshal(p.claims(nil))
	require.NoError(t, err)
	for typ, status := range map[jose.ContentType]int{
		"JWT": 200, "jwt": 200, "at+jwt": 200, "application/at+jwt": 200, "AT+JWT": 200, "": 200,
		"logout+jwt": 401, "application/logout+jwt": 401, "secevent+jwt": 401, "dpop+jwt": 401, "JOSE": 401, "oauth-authz-req+jwt": 401,
	} {
		require.Equal(t, status, b.bearer(signText(t, p.key(), typ, string(payload))).Code, typ)
	}
}

// clocked is a verifier of the provider's tokens with a clock that a test moves.
func clocked(t *testing.T, p *provider, change func(*httpapi.VerifierConfig)) (v *httpapi.Verifier, pass func(time.Duration)) {
	t.Helper()
	var passed atomic.Int64
	begun := time.Now()
	cfg := httpapi.VerifierConfig{Issuer: p.URL, Audience: audience, Now: func() time.Time { return begun.Add(time.Duration(passed.Load())) }}
	if change != nil {
		change(&cfg)
	}
	v, err := httpapi.NewVerifier(cfg)
	require.NoError(t, err)
	return v, func(d time.Duration) { passed.Add(int64(d)) }
}

func TestVerifier_AsksForUnknownKeysOnceInAFewSeconds(t *testing.T) {
	t.Parallel()
	p := newProvider(t)
	v, pass := clocked(t, p, nil)
	madeUp := func() string {
		key := p.key()
		own, _ := key.Key.(jose.JSONWebKey)
		own.KeyID = "made-up-" + time.Now().String()
		key.Key = own
		return signWith(t, key, p.claims(nil))
	}
	for range 50 {
		_, err := v.Verify(t.Context(), madeUp())
		require.Error(t, err)
	}
	require.LessOrEqual(t, p.fetches.Load(), int32(2))
	for range 3 {
		pass(5 * time.Second)
		before := p.fetches.Load()
		for range 20 {
			_, err := v.Verify(t.Context(), madeUp())
			require.Error(t, err)
		}
		require.Equal(t, before+1, p.fetches.Load())
	}
	pass(5 * time.Second)
	p.rotate(t, "second")
	_, err := v.Verify(t.Context(), p.sign(t, p.claims(nil)))
	require.NoError(t, err, "a new key is learnt in between")
}

// A key that the issuer withdrew counts for five minutes at most, also for tokens that were verified before.
func TestVerifier_ForgetsAWithdrawnKeyAtASetAge(t *testing.T) {
	t.Parallel()
	p := newProvider(t)
	v, pass := clocked(t, p, nil)
	seen := p.sign(t, p.claims(map[string]any{"jti": "seen"}))
	unseen := p.sign(t, p.claims(map[string]any{"jti": "unseen"}))
	_, err := v.Verify(t.Context(), p.sign(t, p.claims(map[string]any{"jti": "first"})))
	require.NoError(t, err)
	pass(3 * time.Minute)
	_, err = v.Verify(t.Context(), seen)
	require.NoError(t, err)
	p.rotate(t, "second")
	pass(time.Minute)
	_, err = v.Verify(t.Context(), seen)
	require.NoError(t, err, "the keys are not old yet")
	pass(time.Minute) // The keys are, but what was verified two minutes ago would not be.
	for _, token := range []string{seen, unseen} {
		_, err = v.Verify(t.Context(), token)
		require.Error(t, err)
	}
	_, err = v.Verify(t.Context(), p.sign(t, p.claims(nil)))
	require.NoError(t, err)
}

// While the issuer cannot be reached the keys that are known go on counting, for an hour and no longer.
func TestVerifier_KeepsItsKeysThroughAnOutageOfAnHour(t *testing.T) {
	t.Parallel()
	p := newProvider(t)
	v, pass := clocked(t, p, nil)
	token := p.sign(t, p.claims(map[string]any{"exp": time.Now().Add(5 * time.Hour).Unix()}))
	_, err := v.Verify(t.Context(), token)
	require.NoError(t, err)
	p.keysDown.Store(true)
	pass(59 * time.Minute)
	_, err = v.Verify(t.Context(), token)
	require.NoError(t, err)
	pass(2 * time.Minute)
	_, err = v.Verify(t.Context(), token)
	require.ErrorContains(t, err, "the identity provider cannot be reached")
	p.keysDown.Store(false)
	pass(5 * time.Second)
	_, err = v.Verify(t.Context(), token)
	require.NoError(t, err)
}
