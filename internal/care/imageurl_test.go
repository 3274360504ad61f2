package care_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"carewire/internal/care"
)

func TestCheckImageURL_AcceptsOnlyHTTPSOnAnAllowedHost(t *testing.T) {
	t.Parallel()
	hosts := []string{"img.example.org", "cdn.example.org"}
	for _, url := range []string{"https://img.example.org/logo.png", "https://cdn.example.org/a/b%20c.svg"} {
		require.NoError(t, care.CheckImageURL(url, hosts), url)
		require.ErrorContains(t, care.CheckImageURL(url, nil), "CAREWIRE_IMAGE_HOSTS")
	}
	for _, url := range []string{
		"", "logo.png", "//img.example.org/logo.png", "http://img.example.org/logo.png", "https:img.example.org/x", "javascript:alert(1)",
		"https://evil.example/logo.png", "https://img.example.org.evil.example/x", "https://evil.example/img.example.org", "https://img.example.org:8443/x",
		"https://IMG.example.org@evil.example/x", "https://a:b@img.example.org/x", "https://img.example.org/x?sig=abc", "https://img.example.org/x?",
		"https://img.example.org/x#y", "https://img.example.org/a b", "https://img.example.org/\n", "https://sub.img.example.org/x",
		"https://img.example.org/" + strings.Repeat("x", 500),
	} {
		require.Error(t, care.CheckImageURL(url, hosts), url)
	}
}
