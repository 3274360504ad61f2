package rule

import (
	"slices"
	"time"

	"github.com/google/uuid"

	"carewire/internal/care"
	"carewire/internal/event"
)

// Priority is the urgency of a message. It orders rules for the same person on the same channel,
// and the jobs of a queue. No preference suppresses Critical.
type Priority string

// The priorities, most urgent first.
const (
	Critical Priority = "critical"
	High     Priority = "high"
	Normal   Priority = "normal"
	Bulk     Priority = "bulk"
)

// Priorities lists the priorities, most urgent first.
var Priorities = []Priority{Critical, High, Normal, Bulk}

// Rank returns 1 for the most urgent priority, 4 for the least, and 0 for an unknown one.
func (p Priority) Rank() int { return slices.Index(Priorities, p) + 1 }

// Rule is one checked rule.
type Rule struct {
	Name     string
	On       event.Pattern
	Channels []string
	// Fallback is tried in order for each channel that cannot be used.
	Fallback []string
	Priority Priority
	// Imported reports that the rule also matches events imported from other systems.
	Imported bool
	// Unverified reports that the rule may also use an address that is not verified yet.
	Unverified bool
	// TTL is the age of an event from which the rule sends no more messages about it; 0 means that it
	// sends them at any age.
	TTL time.Duration
	// Digest and Throttle are nil if the rule has none.
	Digest   *Digest
	Throttle *Throttle
	// Escalate are the steps that follow if nobody reacts, in the order of the file.
	Escalate []Escalation

	// schedule are the times at which the rule sends; empty means at once.
	schedule []Schedule
	// category and template are empty if the event type decides.
	category   event.Category
	template   string
	when       *condition
	recipients []recipientSpec
}

type recipientSpec struct {
	user     string // The field of the data, without "data.".
	roles    []care.Role
	careTeam []care.Role
	actor    bool
	unless   *condition
}

// Set is a checked rule set. It is immutable and safe for concurrent use.
type Set struct {
	// Rules is in the order of the file; not to be changed.
	Rules []*Rule

	byType map[string][]*Rule
}

// Match is a rule that applies to an event.
type Match struct {
	Rule     *Rule
	Category event.Category
	Template string
	// Recipients is in the order of the rule. A list of roles is one Recipient a role, also of a
	// care team.
	Recipients []Recipient
	// Cause is the reason why the rule's when could not be evaluated for this event, or empty.
	Cause Cause
	// Failed reports that the rule notifies no one, because its when could not be evaluated. A rule
	// of the priority critical notifies then all the same.
	Failed bool

	vars *variables
}

// Recipient is a recipient in a rule: a person, everybody who holds a role at the event's clinic,
// or those of them who are on the care team of the event's person.
type Recipient struct {
	// UserID is the person; zero for a role, and if the event's field is empty.
	UserID uuid.UUID
	// Role is set for a list of roles.
	Role care.Role
	// CareTeam restricts a role to its holders on the care team.
	CareTeam bool
	unless   *condition
}

// Excludes reports whether the recipient's unless leaves out the person found for it. If it could
// not be evaluated, it leaves out nobody, and the cause is returned.
func (m *Match) Excludes(r Recipient, personID uuid.UUID) (bool, Cause) {
	if r.unless == nil {
		return false, ""
	}
	excludes, err := r.unless.holds(m.vars.about(personID, r.Role))
	return excludes && err == nil, causeOf(err)
}

// Held reports whether the event's record was held from the patient at the time of the event.
func (m *Match) Held() bool {
	held, _ := m.vars.decode()["held"].(bool)
	return held
}

// Match returns the rules that apply to the event, in the order of the file. It returns none for a
// type that is hidden from rules, and for an imported event only rules with Imported.
func (s *Set) Match(e event.Event) []Match {
	rules := s.byType[e.Type]
	if len(rules) == 0 {
		return nil
	}
	vars := &variables{event: &e}
	var matches []Match
	for _, r := range rules {
		if e.Imported && !r.Imported {
			continue
		}
		m, ok := r.match(vars)
		if ok {
			matches = append(matches, m)
		}
	}
	return matches
}

func (r *Rule) match(vars *variables) (Match, bool) {
	m := Match{Rule: r, vars: vars}
	m.Category, m.Template = r.resolve(vars.event.Type)
	if r.when != nil {
		holds, err := r.when.holds(vars)
		switch m.Cause = causeOf(err); {
		case err == nil && !holds:
			return m, false
		case err != nil && r.Priority != Critical:
			m.Failed = true
			return m, true
		}
	}
	m.Recipients = make([]Recipient, 0, len(r.recipients))
	for _, spec := range r.recipients {
		m.Recipients = append(m.Recipients, spec.find(vars)...)
	}
	return m, true
}

// Named returns the match of the rule of a name with an event, whether or not its condition holds,
// with the given recipients. It returns false for an unknown rule.
func (s *Set) Named(e *event.Event, name string, recipients ...uuid.UUID) (Match, bool) {
	i := slices.IndexFunc(s.Rules, func(r *Rule) bool { return r.Name == name })
	if i < 0 {
		return Match{}, false
	}
	m := Match{Rule: s.Rules[i], vars: &variables{event: e}}
	m.Category, m.Template = m.Rule.resolve(e.Type)
	for _, id := range recipients {
		m.Recipients = append(m.Recipients, Recipient{UserID: id})
	}
	return m, true
}

// resolve returns the category and the template of the rule for an event type.
func (r *Rule) resolve(typ string) (event.Category, string) {
	category, template := r.category, r.template
	if category == "" {
		d, _ := event.Lookup(typ)
		category = d.Category
	}
	if template == "" {
		template = string(category)
	}
	return category, template
}

// parseID returns the zero id for an invalid one.
func parseID(s string) uuid.UUID {
	id, err := uuid.Parse(s)
	if err != nil {
		return uuid.Nil
	}
	return id
}
