package care

import "net/netip"

// Client describes the program that sent a request, for the audit trail. The zero value means that
// there was none: carewire acted on its own initiative.
type Client struct {
	// Address is the network address as far as the settings allow it to be stored: a single
	// address, a network that contains it, or the zero Prefix.
	Address netip.Prefix
	Agent   Agent
}

// Agent is a class of programs. The name and version of a program are not stored, because together
// they can identify a person.
type Agent string

// The classes of programs. Browser includes browsers on phones, and Mobile is a native app. CLI is
// carewire's own command line or a command-line HTTP client, and Service another system with a
// service account.
const (
	AgentBrowser Agent = "browser"
	AgentMobile  Agent = "mobile"
	AgentCLI     Agent = "cli"
	AgentService Agent = "service"
	AgentOther   Agent = "other"
)

// AddressText returns the address as text: "203.0.113.7", "203.0.113.0/24", or "" for none.
func (c Client) AddressText() string {
	switch {
	case !c.Address.IsValid():
		return ""
	case c.Address.IsSingleIP():
		return c.Address.Addr().String()
	default:
		return c.Address.String()
	}
}
