package dispatch

import (
	"cmp"
	"slices"

	"github.com/google/uuid"

	"carewire/internal/postgres/db"
	"carewire/internal/rule"
)

// resolver decides one event: pure, given the matches and what the directory said.
type resolver struct {
	matched
	configured map[string]bool
	people     *people
	plan       *plan
}

// candidate is a person with the rules that name them, in the order of the file.
type candidate struct {
	id      uuid.UUID
	matches []*rule.Match
}

func (r *resolver) resolve() {
	for _, c := range r.candidates() {
		row := r.people.byID[c.id]
		switch {
		case row == nil:
			r.refuseAll(c, ReasonUnknownUser)
		case !row.Active:
			r.refuseAll(c, ReasonUserDisabled)
		default:
			r.tell(c, row)
		}
	}
}

func (r *resolver) decide(m *rule.Match, recipient uuid.UUID, channel, reason string) {
	r.plan.decisions = append(r.plan.decisions, decision{
		event: r.event, version: r.version, rule: m.Rule.Name, recipient: recipient, channel: channel, reason: reason,
	})
}

func (r *resolver) refuseAll(c *candidate, reason string) {
	for _, m := range c.matches {
		r.decide(m, c.id, "", reason)
	}
}

// candidates gives everybody whom a rule names, in the order in which they are named first.
func (r *resolver) candidates() []*candidate {
	var all []*candidate
	byID := map[uuid.UUID]*candidate{}
	for i := range r.matches {
		m := &r.matches[i]
		if m.Failed {
			r.decide(m, uuid.Nil, "", ReasonConditionFailed)
			continue
		}
		for _, id := range r.named(m) {
			c := byID[id]
			if c == nil {
				c = &candidate{id: id}
				byID[id] = c
				all = append(all, c)
			}
			c.matches = append(c.matches, m)
		}
	}
	return all
}

// named gives whom one rule names, each once. Who is left out of one of its recipients may still be named by another.
func (r *resolver) named(m *rule.Match) []uuid.UUID {
	var ids []uuid.UUID
	var left []decision
	var empty string
	var roles, held bool
	for _, recipient := range m.Recipients {
		found, reason := r.find(recipient)
		empty = cmp.Or(empty, reason)
		roles = roles || recipient.Role != ""
		held = held || (recipient.Role != "" && len(found) > 0)
		for _, id := range found {
			if slices.Contains(ids, id) {
				continue
			}
			out, err := m.Excludes(recipient, id)
			switch {
			case err != nil:
				left = append(left, decision{recipient: id, reason: ReasonConditionFailed})
			case out:
				left = append(left, decision{recipient: id, reason: ReasonUnless})
			default:
				ids = append(ids, id)
			}
		}
	}
	if roles && !held {
		empty = cmp.Or(empty, ReasonNobodyInRole)
	}
	if empty != "" {
		r.decide(m, uuid.Nil, "", empty)
	}
	r.leaveOut(m, left, ids)
	return ids
}

// leaveOut writes down who was left out and is not named otherwise, each once.
func (r *resolver) leaveOut(m *rule.Match, left []decision, named []uuid.UUID) {
	for i, d := range left {
		again := slices.ContainsFunc(left[:i], func(o decision) bool { return o.recipient == d.recipient })
		if !again && !slices.Contains(named, d.recipient) {
			r.decide(m, d.recipient, "", d.reason)
		}
	}
}

// find gives the persons behind a recipient, or why there can be none. That a role has no holders says nothing yet: the
// rule may name others besides.
func (r *resolver) find(recipient rule.Recipient) ([]uuid.UUID, string) {
	switch {
	case recipient.Role == "" && recipient.UserID == uuid.Nil:
		return nil, ReasonNobodyNamed
	case recipient.Role == "":
		return []uuid.UUID{recipient.UserID}, ""
	case r.event.ClinicID == nil:
		return nil, ReasonNoClinic
	default:
		return r.people.holders[post(*r.event.ClinicID, recipient.Role)], ""
	}
}

// tell decides each channel of one person.
func (r *resolver) tell(c *candidate, row *db.PlanningDirectoryRow) {
	slices.SortStableFunc(c.matches, func(a, b *rule.Match) int {
		return cmp.Compare(a.Rule.Priority.Rank(), b.Rule.Priority.Rank())
	})
	n := notification{id: newID(), event: r.event, version: r.version, recipient: c.id, match: c.matches[0]}
	for _, m := range c.matches {
		for _, channel := range m.Rule.Channels {
			if taken := n.on(channel); taken != nil {
				r.decide(m, c.id, channel, ReasonDuplicateOf+taken.match.Rule.Name)
				continue
			}
			r.add(&n, row, m, channel, "rule "+m.Rule.Name)
		}
	}
	for i := range len(n.deliveries) {
		if n.deliveries[i].suppressed {
			r.fallBack(&n, row, n.deliveries[i])
		}
	}
	for i := range n.deliveries {
		n.deliveries[i].fallback = n.remaining(&n.deliveries[i])
	}
	r.plan.notifications = append(r.plan.notifications, n)
}

// fallBack tries the rule's fallback channels, in their order, until the person is told on one of them.
func (r *resolver) fallBack(n *notification, row *db.PlanningDirectoryRow, failed delivery) {
	for _, channel := range failed.match.Rule.Fallback {
		d := n.on(channel)
		if d == nil {
			d = r.add(n, row, failed.match, channel, "fallback for "+failed.channel+", rule "+failed.match.Rule.Name)
		}
		if !d.suppressed {
			return
		}
	}
}

// add plans one channel, suppressed when it cannot be used.
func (r *resolver) add(n *notification, row *db.PlanningDirectoryRow, m *rule.Match, channel, reason string) *delivery {
	d := delivery{id: newID(), channel: channel, reason: reason, match: m}
	if obstacle := r.obstacle(row, m, channel); obstacle != "" {
		d.suppressed, d.reason = true, obstacle
	}
	n.deliveries = append(n.deliveries, d)
	return &n.deliveries[len(n.deliveries)-1]
}

// obstacle says why the person cannot or may not be told on the channel, or nothing.
func (r *resolver) obstacle(row *db.PlanningDirectoryRow, m *rule.Match, channel string) string {
	if m.Rule.Priority != rule.Critical && slices.Contains(row.Off, string(m.Category)+"/"+channel) {
		return ReasonPreferenceOff
	}
	if !r.configured[channel] {
		return ReasonChannelNotConfigured
	}
	has, verified := address(row, channel)
	switch {
	case !has:
		return ReasonNoAddress
	case !verified && !m.Rule.Unverified:
		return ReasonAddressUnverified
	}
	return ""
}

// address tells whether the person can be reached on the channel, and whether the address is known to be theirs. A device
// was registered by the person, signed in.
func address(row *db.PlanningDirectoryRow, channel string) (has, verified bool) {
	switch channel {
	case "email":
		return true, row.EmailVerified
	case "push":
		return row.HasDevice, true
	case "sms", "whatsapp":
		return row.HasPhone, row.PhoneVerified
	case "inapp":
		return true, true
	}
	return false, false
}

// on gives the delivery on the channel, or nil.
func (n *notification) on(channel string) *delivery {
	for i := range n.deliveries {
		if n.deliveries[i].channel == channel {
			return &n.deliveries[i]
		}
	}
	return nil
}

// remaining lists the fallback channels that are left, should a queued delivery fail when it is sent.
func (n *notification) remaining(d *delivery) []string {
	if d.suppressed {
		return nil
	}
	var left []string
	for _, channel := range d.match.Rule.Fallback {
		if n.on(channel) == nil {
			left = append(left, channel)
		}
	}
	return left
}

func newID() uuid.UUID { return uuid.Must(uuid.NewV7()) }
