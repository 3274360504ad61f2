package peer_test

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"

	"carewire/internal/httpapi/peer"
)

func TestClient_BelievesOnlyTrustedProxies(t *testing.T) {
	t.Parallel()
	proxies := peer.Proxies{netip.MustParsePrefix("192.0.2.0/24")}
	for _, c := range []struct{ from, header, value, want string }{
		{"192.0.2.1:80", "X-Forwarded-For", "198.51.100.9, 203.0.113.7, 192.0.2.2", "203.0.113.7"},
		{"192.0.2.1:80", "X-Forwarded-For", "203.0.113.7, nonsense, 192.0.2.2", "192.0.2.2"},
		{"192.0.2.1:80", "Forwarded", `for="[2001:db8::7]:4711";proto=https`, "2001:db8::7"},
		{"192.0.2.1:80", "X-Real-Ip", "203.0.113.7", "192.0.2.1"},
		{"198.51.100.1:80", "X-Forwarded-For", "203.0.113.7", "198.51.100.1"},
	} {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.RemoteAddr = c.from
		r.Header.Set(c.header, c.value)
		require.Equal(t, c.want, proxies.Client(r).String(), c.value)
	}
}

func TestNetwork_CountsAnIPv6CustomerOnce(t *testing.T) {
	t.Parallel()
	require.Equal(t, "2001:db8:1:2::/64", peer.Network(netip.MustParseAddr("2001:db8:1:2:3::7")).String())
	require.Equal(t, "203.0.113.7/32", peer.Network(netip.MustParseAddr("203.0.113.7")).String())
}
