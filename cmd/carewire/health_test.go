package main

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestHealth_SucceedsOnlyIfTheServiceIsReady(t *testing.T) {
	t.Parallel()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/readyz" {
			w.WriteHeader(http.StatusServiceUnavailable)
			_, _ = w.Write([]byte(`{"status": 503, "detail": "not ready: database"}`))
			return
		}
		_, _ = w.Write([]byte("alive\n"))
	}))
	defer s.Close()
	addr := strings.TrimPrefix(s.URL, "http://")
	answer, err := checkHealth(t.Context(), addr, "/livez")
	require.NoError(t, err)
	require.Equal(t, "alive\n", answer)
	_, err = checkHealth(t.Context(), addr, "/readyz")
	require.EqualError(t, err, "/readyz returns 503: not ready: database")
	_, err = checkHealth(t.Context(), strings.Replace(addr, "127.0.0.1", "0.0.0.0", 1), "/livez")
	require.NoError(t, err, "an address for all interfaces is reached on this machine")
	_, err = checkHealth(t.Context(), "8080", "/livez")
	require.ErrorContains(t, err, "CAREWIRE_ADDR")
	_, err = checkHealth(t.Context(), "127.0.0.1:1", "/livez")
	require.ErrorContains(t, err, "refused")
}
