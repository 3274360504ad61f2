package httpapi

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

func (d AddressDetail) validate() error {
	if !slices.Contains(addressDetails, d) {
		return fmt.Errorf("httpapi: unknown ClientAddress %q", string(d))
	}
	return nil
}

// of returns the part of the address that is stored: "" for none.
func (d AddressDetail) of(addr netip.Addr) string {
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

// agentOf returns the class of the program that sent the request.
func agentOf(r *http.Request) care.Agent {
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

// clientOf returns the client of a request for the audit trail. Requests of service accounts are of
// the class AgentService, whatever their User-Agent.
func (i *requestInfo) clientOf() care.Client {
	client := i.client
	if _, ok := i.actor.ServiceAccount(); ok {
		client.Agent = care.AgentService
	}
	return client
}
