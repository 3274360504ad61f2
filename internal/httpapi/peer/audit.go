package peer

import (
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"carewire/internal/care"
)

// AddressDetail is how much of a client's address the audit trail stores.
type AddressDetail string

// The details of an address: all of it, the network of a provider or an organization, or nothing.
const (
	AddressFull   AddressDetail = "full"
	AddressPrefix AddressDetail = "prefix"
	AddressOff    AddressDetail = "off"
)

var addressDetails = []AddressDetail{"", AddressFull, AddressPrefix, AddressOff}

// ipv4Prefix and ipv6Prefix are the bits of AddressPrefix. A customer with IPv6 usually has a
// network of 48 to 64 bits (RFC 6177).
const (
	ipv4Prefix = 24
	ipv6Prefix = 48
)

// Validate reports an unknown detail.
func (d AddressDetail) Validate() error {
	if !slices.Contains(addressDetails, d) {
		return fmt.Errorf("unknown detail of addresses %q", string(d))
	}
	return nil
}

// Of returns the part of the address that is stored: "" for none.
func (d AddressDetail) Of(addr netip.Addr) string {
	switch {
	case !addr.IsValid() || d == AddressOff:
		return ""
	case d != AddressPrefix:
		return addr.String()
	}
	bits := ipv6Prefix
	if addr.Is4() {
		bits = ipv4Prefix
	}
	prefix, _ := addr.Prefix(bits) // The bits fit the address.
	return prefix.String()
}

// agents are the beginnings of User-Agent values with their classes, in lower case. The first match
// counts: native apps of phones may also name a browser's engine.
var agents = []struct {
	prefix string
	class  care.Agent
}{
	{"okhttp/", care.AgentMobile},
	{"dart/", care.AgentMobile},
	{"dalvik/", care.AgentMobile},
	{"expo/", care.AgentMobile},
	{"mozilla/", care.AgentBrowser},
	{"opera/", care.AgentBrowser},
	{"curl/", care.AgentCLI},
	{"wget/", care.AgentCLI},
	{"httpie/", care.AgentCLI},
	{"xh/", care.AgentCLI},
	{"carewire/", care.AgentCLI},
}

// mobileParts are parts of the User-Agent values of native apps, which begin with the app's name.
var mobileParts = []string{"cfnetwork/", "alamofire/", "okhttp/"}

// AgentOf returns the class of the program that sent the request.
func AgentOf(r *http.Request) care.Agent {
	text := strings.ToLower(r.UserAgent())
	for _, a := range agents {
		if strings.HasPrefix(text, a.prefix) {
			return a.class
		}
	}
	if slices.ContainsFunc(mobileParts, func(part string) bool { return strings.Contains(text, part) }) {
		return care.AgentMobile
	}
	return care.AgentOther
}
