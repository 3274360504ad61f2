package notifytest

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"carewire/internal/sandbox"
)

// SandboxProvider is a Provider backed by the sandbox.
type SandboxProvider struct {
	*sandbox.Sandbox

	channel string
	faults  map[Scenario]sandbox.Fault
}

var _ Provider = (*SandboxProvider)(nil)

// NewSandboxProvider returns the sandbox as the provider of a channel. faults are the provider's
// answers in the scenarios Rejects, Throttles and Fails.
func NewSandboxProvider(channel string, faults map[Scenario]sandbox.Fault) *SandboxProvider {
	return &SandboxProvider{Sandbox: sandbox.New(), channel: channel, faults: faults}
}

// Handler implements Provider.
func (p *SandboxProvider) Handler() http.Handler { return p.Providers() }

// Received implements Provider.
func (p *SandboxProvider) Received() int { return len(p.Messages(p.channel)) }

// Use implements Provider.
func (p *SandboxProvider) Use(s Scenario) {
	p.ClearFaults()
	fault, ok := p.faults[s]
	if s == AcceptsWithoutAnswer {
		fault, ok = sandbox.Fault{AcceptThenHang: true}, true
	}
	if !ok {
		return
	}
	if _, err := p.AddFault(fault); err != nil {
		panic(err)
	}
}

// ServeSandbox serves the sandbox's providers until the test ends, and returns their URL.
func ServeSandbox(t *testing.T, s *sandbox.Sandbox) string {
	t.Helper()
	return Serve(t, s.Providers())
}

// Serve serves the handler until the test ends, and returns its URL.
func Serve(t *testing.T, handler http.Handler) string {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return server.URL
}
