package peer_test

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"

	"carewire/internal/care"
	"carewire/internal/httpapi/peer"
)

func TestAddressDetail_StoresWhatTheSettingAllows(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		detail     peer.AddressDetail
		addr, want string
	}{
		{peer.AddressFull, "203.0.113.77", "203.0.113.77"},
		{"", "203.0.113.77", "203.0.113.77"},
		{peer.AddressFull, "2001:db8:1:2::7", "2001:db8:1:2::7"},
		{peer.AddressPrefix, "203.0.113.77", "203.0.113.0/24"},
		{peer.AddressPrefix, "2001:db8:1:2::7", "2001:db8:1::/48"},
		{peer.AddressOff, "203.0.113.77", ""},
	} {
		require.Equal(t, c.want, c.detail.Of(netip.MustParseAddr(c.addr)), c)
	}
	require.Empty(t, peer.AddressFull.Of(netip.Addr{}))
	require.Error(t, peer.AddressDetail("half").Validate())
}

func TestAgentOf_ReturnsAClassAndNeverTheText(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]care.Agent{
		"Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X) AppleWebKit/605.1.15 Mobile/15E148 Safari/604.1": care.AgentBrowser,
		"Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0":                                 care.AgentBrowser,
		"okhttp/5.1.0": care.AgentMobile,
		"ClinicApp/42 CFNetwork/3826 Darwin/25.0": care.AgentMobile,
		"Dart/3.9 (dart:io)":                      care.AgentMobile,
		"curl/8.15.0":                             care.AgentCLI,
		"Go-http-client/1.1":                      care.AgentOther,
		"":                                        care.AgentOther,
	} {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Header.Set("User-Agent", text)
		require.Equal(t, want, peer.AgentOf(r), text)
	}
}
