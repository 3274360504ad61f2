package auth_test

import (
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"carewire/internal/auth"
)

func TestDemoIssuer_HasOneKeyForItsOwnersEyesOnly(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "data", "key.pem")
	_, err := auth.LoadDemoIssuer(path, audience)
	require.Error(t, err, "the token command does not make one")
	tokens := make([]string, 8)
	var all sync.WaitGroup
	for i := range tokens {
		all.Go(func() {
			issuer, err := auth.NewDemoIssuer(path, audience)
			if err == nil {
				tokens[i], _ = issuer.Mint(doctor, auth.DemoSubject(doctor), time.Minute)
			}
		})
	}
	all.Wait()
	stat, err := os.Stat(path)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), stat.Mode().Perm())
	issuer, err := auth.LoadDemoIssuer(path, audience)
	require.NoError(t, err)
	v, err := auth.NewVerifier(auth.VerifierConfig{Demo: issuer, Audience: audience})
	require.NoError(t, err)
	for i, token := range tokens {
		claims, err := v.Verify(t.Context(), token)
		require.NoError(t, err, fmt.Sprint(i))
		require.Equal(t, doctor, claims.Email)
	}
}
