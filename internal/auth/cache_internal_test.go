package auth

import (
	"context"
	"errors"
	"path/filepath"
	"testing"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/stretchr/testify/require"

	"carewire/internal/care"
)

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
	issuer, err := NewDemoIssuer(filepath.Join(t.TempDir(), "key.pem"), "carewire")
	require.NoError(t, err)
	now := time.Now()
	v, err := NewVerifier(VerifierConfig{Demo: issuer, Audience: "carewire", Now: func() time.Time { return now }})
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
	refused, ok := errors.AsType[*care.Error](err)
	require.True(t, ok)
	require.Equal(t, ReasonTokenExpired, refused.Reason)
	require.Equal(t, care.Unauthenticated, refused.Code)
}
