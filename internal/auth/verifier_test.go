package auth_test

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/stretchr/testify/require"

	"carewire/internal/auth"
	"carewire/internal/auth/authtest"
)

const (
	doctor   = "doctor@demo.example"
	audience = "carewire"
)

// clocked is a verifier of the provider's tokens with a clock that a test moves.
func clocked(t *testing.T, p *authtest.Provider, change func(*auth.VerifierConfig)) (v *auth.Verifier, pass func(time.Duration)) {
	t.Helper()
	var passed atomic.Int64
	begun := time.Now()
	cfg := auth.VerifierConfig{Issuer: p.URL, Audience: audience, Now: func() time.Time { return begun.Add(time.Duration(passed.Load())) }}
	if change != nil {
		change(&cfg)
	}
	v, err := auth.NewVerifier(cfg)
	require.NoError(t, err)
	return v, func(d time.Duration) { passed.Add(int64(d)) }
}

func TestVerifier_AsksForUnknownKeysOnceInAFewSeconds(t *testing.T) {
	t.Parallel()
	p := authtest.NewProvider(t, doctor, audience)
	v, pass := clocked(t, p, nil)
	madeUp := func() string {
		key := p.Key()
		own, _ := key.Key.(jose.JSONWebKey)
		own.KeyID = "made-up-" + time.Now().String()
		key.Key = own
		return authtest.SignWith(t, key, p.Claims(nil))
	}
	for range 50 {
		_, err := v.Verify(t.Context(), madeUp())
		require.Error(t, err)
	}
	require.LessOrEqual(t, p.Fetches.Load(), int32(2))
	for range 3 {
		pass(5 * time.Second)
		before := p.Fetches.Load()
		for range 20 {
			_, err := v.Verify(t.Context(), madeUp())
			require.Error(t, err)
		}
		require.Equal(t, before+1, p.Fetches.Load())
	}
	pass(5 * time.Second)
	p.Rotate(t, "second")
	_, err := v.Verify(t.Context(), p.Sign(t, p.Claims(nil)))
	require.NoError(t, err, "a new key is learnt in between")
}

// A key that the issuer withdrew counts for five minutes at most, also for tokens that were verified before.
func TestVerifier_ForgetsAWithdrawnKeyAtASetAge(t *testing.T) {
	t.Parallel()
	p := authtest.NewProvider(t, doctor, audience)
	v, pass := clocked(t, p, nil)
	seen := p.Sign(t, p.Claims(map[string]any{"jti": "seen"}))
	unseen := p.Sign(t, p.Claims(map[string]any{"jti": "unseen"}))
	_, err := v.Verify(t.Context(), p.Sign(t, p.Claims(map[string]any{"jti": "first"})))
	require.NoError(t, err)
	pass(3 * time.Minute)
	_, err = v.Verify(t.Context(), seen)
	require.NoError(t, err)
	p.Rotate(t, "second")
	pass(time.Minute)
	_, err = v.Verify(t.Context(), seen)
	require.NoError(t, err, "the keys are not old yet")
	pass(time.Minute) // The keys are, but what was verified two minutes ago would not be.
	for _, token := range []string{seen, unseen} {
		_, err = v.Verify(t.Context(), token)
		require.Error(t, err)
	}
	_, err = v.Verify(t.Context(), p.Sign(t, p.Claims(nil)))
	require.NoError(t, err)
}

// While the issuer cannot be reached the keys that are known go on counting, for an hour and no longer.
func TestVerifier_KeepsItsKeysThroughAnOutageOfAnHour(t *testing.T) {
	t.Parallel()
	p := authtest.NewProvider(t, doctor, audience)
	v, pass := clocked(t, p, nil)
	token := p.Sign(t, p.Claims(map[string]any{"exp": time.Now().Add(5 * time.Hour).Unix()}))
	_, err := v.Verify(t.Context(), token)
	require.NoError(t, err)
	p.KeysDown.Store(true)
	pass(59 * time.Minute)
	_, err = v.Verify(t.Context(), token)
	require.NoError(t, err)
	pass(2 * time.Minute)
	_, err = v.Verify(t.Context(), token)
	require.ErrorContains(t, err, "the identity provider cannot be reached")
	p.KeysDown.Store(false)
	pass(5 * time.Second)
	_, err = v.Verify(t.Context(), token)
	require.NoError(t, err)
}
