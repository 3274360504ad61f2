package care

// Client describes the program that sent a request, for the audit trail. The zero value means that
// there was none: carewire acted on its own initiative.
type Client struct {
	// Address is the network address as far as the settings allow it to be stored: "203.0.113.7",
	// the network "203.0.113.0/24" that contains it, or empty.
	Address string
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
