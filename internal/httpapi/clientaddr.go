package httpapi

import (
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// proxies are the addresses of the proxies that are trusted to say whom they speak for.
type proxies []netip.Prefix

func (p proxies) trust(addr netip.Addr) bool {
	for _, prefix := range p {
		if prefix.Contains(addr) {
			return true
		}
	}
	return false
}

// client returns the address of the client: whoever holds the connection or, where that is a trusted proxy, the right-most address
// that is not one's in the header that the proxy sets: X-Forwarded-For, or Forwarded (RFC 7239) where there is no X-Forwarded-For. To
// the left of it stands what the client says, which is not believed. An entry that is no address ends the search: the proxy that
// wrote it counts. The zero Addr means that the address is not known.
func (p proxies) client(r *http.Request) netip.Addr {
	from, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	addr := from.Addr().Unmap().WithZone("")
	if len(p) == 0 || !p.trust(addr) {
		return addr
	}
	lines, forwarded := r.Header["X-Forwarded-For"], false
	if len(lines) == 0 {
		lines, forwarded = r.Header["Forwarded"], true
	}
	for _, line := range slices.Backward(lines) {
		for rest := line; rest != ""; {
			comma := strings.LastIndexByte(rest, ',')
			hop := rest[comma+1:]
			rest = rest[:max(comma, 0)]
			if forwarded {
				hop = forParameter(hop)
			}
			before, ok := parseHop(hop)
			if !ok {
				return addr
			}
			if addr = before; !p.trust(addr) {
				return addr
			}
		}
	}
	return addr
}

// forParameter returns the value of for= in one element of a Forwarded header. A comma inside a quoted value is no address.
func forParameter(element string) string {
	for pair := range strings.SplitSeq(element, ";") {
		name, value, _ := strings.Cut(strings.TrimSpace(pair), "=")
		if strings.EqualFold(name, "for") {
			return strings.Trim(value, `"`)
		}
	}
	return ""
}

// parseHop reads an address, with a port or without.
func parseHop(text string) (netip.Addr, bool) {
	text = strings.TrimSpace(text)
	if withPort, err := netip.ParseAddrPort(text); err == nil {
		return withPort.Addr().Unmap().WithZone(""), true
	}
	addr, err := netip.ParseAddr(strings.TrimSuffix(strings.TrimPrefix(text, "["), "]"))
	return addr.Unmap().WithZone(""), err == nil
}

// network returns what an address counts as in a limit: an IPv6 network of 64 bits, which one customer has all to themselves
// (RFC 6177), or a single IPv4 address.
func network(addr netip.Addr) netip.Prefix {
	bits := 32
	if addr.Is6() {
		bits = 64
	}
	prefix, _ := addr.Prefix(bits) // The zero Prefix for the zero Addr.
	return prefix
}
