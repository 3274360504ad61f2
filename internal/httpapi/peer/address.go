package peer

import (
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// Proxies are the addresses of trusted proxies.
type Proxies []netip.Prefix

func (p Proxies) trust(addr netip.Addr) bool {
	for _, prefix := range p {
		if prefix.Contains(addr) {
			return true
		}
	}
	return false
}

// Client returns the address of the client. It is the peer of the connection or, if that is a
// trusted proxy, the right-most address in the proxy's header that is not a trusted proxy. The
// header is X-Forwarded-For, or Forwarded (RFC 7239) if there is no X-Forwarded-For. Addresses to
// the left come from the client and are not trusted. An entry that is not an address ends the
// search at the proxy that wrote it. The zero Addr means that the address is unknown.
func (p Proxies) Client(r *http.Request) netip.Addr {
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

// forParameter returns the value of for= in one element of a Forwarded header. A quoted value with
// a comma is not an address.
func forParameter(element string) string {
	for pair := range strings.SplitSeq(element, ";") {
		name, value, _ := strings.Cut(strings.TrimSpace(pair), "=")
		if strings.EqualFold(name, "for") {
			return strings.Trim(value, `"`)
		}
	}
	return ""
}

// parseHop parses an address with or without a port.
func parseHop(text string) (netip.Addr, bool) {
	text = strings.TrimSpace(text)
	if withPort, err := netip.ParseAddrPort(text); err == nil {
		return withPort.Addr().Unmap().WithZone(""), true
	}
	addr, err := netip.ParseAddr(strings.TrimSuffix(strings.TrimPrefix(text, "["), "]"))
	return addr.Unmap().WithZone(""), err == nil
}

// Network returns the prefix that limits are counted by: an IPv6 network of 64 bits, which belongs
// to one customer (RFC 6177), or a single IPv4 address.
func Network(addr netip.Addr) netip.Prefix {
	bits := 32
	if addr.Is6() {
		bits = 64
	}
	prefix, _ := addr.Prefix(bits) // The zero Prefix for the zero Addr.
	return prefix
}
