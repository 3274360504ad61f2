package rule

import "time"

// Escalation is a step that follows if a notification was not acknowledged, read or delivered in
// time.
type Escalation struct {
	// After is the time from the acceptance of the first message by a provider.
	After time.Duration
	// Unless is the state that makes the step unnecessary.
	Unless   Reaction
	Channels []string

	to recipientSpec
}

// Reaction is a state of a notification that ends an escalation.
type Reaction string

// The reactions. A notification that was acknowledged was read, and one that was read was delivered.
const (
	Acknowledged Reaction = "acknowledged"
	Read         Reaction = "read"
	Delivered    Reaction = "delivered"
)

const (
	minEscalation = time.Minute
	maxEscalation = 7 * 24 * time.Hour
)

// Step returns the rule of the match as it applies to a step of its escalation, counted from 0: its
// recipients and channels are the step's, and a person is notified again who was already. It returns
// false if the rule has no such step.
func (m *Match) Step(step int) (Match, bool) {
	if step < 0 || step >= len(m.Rule.Escalate) {
		return Match{}, false
	}
	e := &m.Rule.Escalate[step]
	of := *m.Rule
	of.Channels, of.Fallback, of.recipients, of.schedule, of.Digest, of.Throttle, of.Escalate = e.Channels, nil, nil, nil, nil, nil, nil
	next := *m
	next.Rule = &of
	next.Recipients = e.to.find(m.vars)
	return next, true
}

// find returns the recipients of a spec for an event.
func (spec recipientSpec) find(vars *variables) (all []Recipient) {
	switch {
	case spec.actor:
		return []Recipient{{UserID: parseID(vars.event.ActorID), unless: spec.unless}}
	case spec.user != "":
		return []Recipient{{UserID: vars.id(spec.user), unless: spec.unless}}
	}
	for _, role := range spec.roles {
		all = append(all, Recipient{Role: role, unless: spec.unless})
	}
	for _, role := range spec.careTeam {
		all = append(all, Recipient{Role: role, CareTeam: true, unless: spec.unless})
	}
	return all
}
