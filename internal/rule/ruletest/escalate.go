package ruletest

import (
	"slices"
	"testing"

	"carewire/internal/care"
	"carewire/internal/event"
	"carewire/internal/rule"
)

// Escalate returns the plan of a step of a rule's escalation, counted from 0, and whether it reaches
// anybody. told are the channels on which people have had messages by the rule, by name. A rule
// without the step fails the test.
func Escalate(tb testing.TB, rules []byte, e event.Event, name string, step int, told map[string][]string, options ...Option) (p *Planned, reached bool) {
	tb.Helper()
	p = Plan(tb, rules, e, options...)
	all := care.BuiltinChannels
	w := world{channels: all, configured: all.Named("email", "push", "sms", "whatsapp"), known: rule.Known{Channels: all.Names()}}
	for _, option := range options {
		option(&w)
	}
	set, err := rule.Parse(rules, w.known)
	if err != nil {
		tb.Fatalf("invalid rule set:\n%v", err)
	}
	m, ok := set.Named(&e, name)
	if !ok || len(m.Rule.Escalate) <= step {
		tb.Fatalf("rule %s has no step %d", name, step)
	}
	had := rule.Told{}
	for id, name := range p.names {
		if channels, ok := told[name]; ok {
			had[id] = slices.Clone(channels)
		}
	}
	p.Plan, reached = rule.Escalate(&e, &m, step, had, w.directory(&e), w.configured)
	return p, reached
}
