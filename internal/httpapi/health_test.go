package httpapi_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"carewire/internal/httpapi"
)

func TestStarting_AnswersEveryRequestAndEndsItsConnection(t *testing.T) {
	t.Parallel()
	h := httpapi.Starting("v1.2.3", func() string { return "migrate: waiting for the database (SQLSTATE 57P03)" })
	for _, c := range []struct {
		method, path string
		status       int
		says         string
	}{
		{http.MethodGet, "/livez", http.StatusOK, "alive\nversion: v1.2.3\n"},
		{http.MethodHead, "/livez", http.StatusOK, ""},
		{http.MethodGet, "/readyz", http.StatusServiceUnavailable, "not ready: starting: migrate: waiting for the database (SQLSTATE 57P03)"},
		{http.MethodHead, "/readyz", http.StatusServiceUnavailable, ""},
		{http.MethodPost, "/livez", http.StatusServiceUnavailable, `"code":"unavailable"`},
		{http.MethodGet, "/", http.StatusServiceUnavailable, `"code":"unavailable"`},
		{http.MethodGet, "//readyz", http.StatusServiceUnavailable, "is starting"},
		{http.MethodPut, "/api/ehr/lab-reports/x", http.StatusServiceUnavailable, "try again"},
		{http.MethodGet, "/api/socket", http.StatusServiceUnavailable, "try again"},
		{"BREW", "/pot", http.StatusServiceUnavailable, "try again"},
	} {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), c.method, c.path, nil))
		require.Equal(t, c.status, w.Code, "%s %s", c.method, c.path)
		require.Contains(t, w.Body.String(), c.says, "%s %s", c.method, c.path)
		require.Equal(t, "close", w.Header().Get("Connection"))
		require.Equal(t, "nosniff", w.Header().Get("X-Content-Type-Options"))
		if c.status != http.StatusOK {
			require.NotEmpty(t, w.Header().Get("Retry-After"))
			require.Equal(t, "application/problem+json", w.Header().Get("Content-Type"))
		}
	}
}

func TestStarting_ShowsBrowsersAPage(t *testing.T) {
	t.Parallel()
	h := httpapi.Starting("1.2.3", func() string { return "migrate" })
	ask := func(path, accept string) *httptest.ResponseRecorder {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil)
		r.Header.Set("Accept", accept)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		return w
	}
	w := ask("/records?a=1", "text/html,*/*;q=0.8")
	require.Equal(t, http.StatusServiceUnavailable, w.Code)
	require.Equal(t, "text/html; charset=UTF-8", w.Header().Get("Content-Type"))
	require.Equal(t, "2", w.Header().Get("Retry-After"))
	require.Contains(t, w.Body.String(), `href="/records?a=1">Try again`)
	require.Equal(t, http.StatusOK, ask("/assets/style.css", "*/*").Code, "the page has its style")
	require.Equal(t, http.StatusServiceUnavailable, ask("/assets/nothing", "*/*").Code)
}
