package dispatch

import (
	"context"
	"fmt"

	"carewire/internal/care"
	"carewire/internal/event"
	"carewire/internal/ledger"
	"carewire/internal/postgres/db"
	"carewire/internal/rule"
)

const (
	// maxTxRows bounds the rows of one transaction: notifications, deliveries, their jobs, and
	// decisions. The rest waits for the next one, so that a transaction takes about a second
	// regardless of the events.
	maxTxRows = 5000
	// maxRoleKeys bounds the roles at clinics that are loaded at once, because everybody who holds
	// one is in memory.
	maxRoleKeys = 32
)

// matched is an event with the rules that apply to it.
type matched struct {
	event     *event.Event
	index     int   // In the batch.
	version   int32 // Of the rules.
	templates int32 // The version of the templates.
	matches   []rule.Match
}

// plan decides event by event, for as many events of the batch as one transaction should write.
func (p *Planner) plan(ctx context.Context, queries *db.Queries, batch []event.Event, inForce []versioned) (all plan, to ledger.Progress, err error) {
	for to.Events < len(batch) {
		found, end, err := match(batch, inForce, to.Events)
		if err != nil {
			if to.Events > 0 { // The events before it are planned first.
				return all, to, nil
			}
			return plan{}, to, err
		}
		people, err := loadPeople(ctx, queries, found, p.now())
		if err != nil {
			return plan{}, to, err
		}
		for _, m := range found {
			var one plan
			one.add(m, rule.Resolve(m.event, m.matches, people, p.configured))
			to.Events = m.index
			switch {
			case all.rows()+one.rows() <= maxTxRows:
				all.take(one)
			case all.rows() > 0:
				return all, to, nil
			default:
				return part(ctx, queries, m, one)
			}
		}
		to.Events = end
	}
	return all, to, nil
}

// match returns the rules for the events of the batch from an index on, and the index at which it
// stopped: at an event that must wait or cannot be planned, or before too many roles would have to
// be loaded at once. It returns an error if the first event must wait or cannot be planned.
func match(batch []event.Event, inForce []versioned, from int) (found []matched, end int, err error) {
	roleKeys := map[rule.RoleKey]bool{}
	for i := from; i < len(batch); i++ {
		if cause := inForce[i].err; cause != nil {
			if i > from {
				return found, i, nil
			}
			if cause.Code == care.Unavailable {
				return nil, i, &ledger.BlockedError{Position: batch[i].Position, Cause: cause}
			}
			return nil, i, cause
		}
		if inForce[i].set == nil {
			continue
		}
		m := matched{event: &batch[i], index: i, version: inForce[i].version, templates: inForce[i].templates, matches: inForce[i].set.Match(batch[i])}
		if len(m.matches) == 0 {
			continue
		}
		for _, key := range m.roleKeys() {
			roleKeys[key] = true
		}
		if len(roleKeys) > maxRoleKeys && len(found) > 0 {
			return found, i, nil
		}
		found = append(found, m)
	}
	return found, len(batch), nil
}

// roleKeys returns the roles at the event's clinic whose holders may be notified: those in the
// matching rules, and the doctors, to which a critical event escalates.
func (m *matched) roleKeys() (roleKeys []rule.RoleKey) {
	if m.event.ClinicID == nil {
		return nil
	}
	for _, match := range m.matches {
		for _, r := range match.Recipients {
			if r.Role != "" && !r.CareTeam {
				roleKeys = append(roleKeys, rule.RoleKeyOf(*m.event.ClinicID, r.Role))
			}
		}
	}
	if d, ok := event.Lookup(m.event.Type); ok && d.Critical() {
		roleKeys = append(roleKeys, rule.RoleKeyOf(*m.event.ClinicID, care.Doctor))
	}
	return roleKeys
}

// part returns the part of an event's plan that one transaction should write, if the plan is too
// large for one: the next rows after those of earlier transactions, in the order of the
// notifications.
func part(ctx context.Context, queries *db.Queries, m matched, whole plan) (plan, ledger.Progress, error) {
	rest, written, err := unwritten(ctx, queries, m.event, whole)
	if err != nil {
		return plan{}, ledger.Progress{}, err
	}
	first := rest.first(maxTxRows)
	if first.size() == rest.size() {
		first.failures = whole.failures // Once, with the last part.
		return first, ledger.Progress{Events: m.index + 1}, nil
	}
	return first, ledger.Progress{Events: m.index, Part: int64(written + 1)}, nil
}

// unwritten returns the event's plan without the rows that are in the database already, and how
// many these are.
func unwritten(ctx context.Context, queries *db.Queries, e *event.Event, whole plan) (rest plan, written int, err error) {
	recipients, err := queries.PlannedRecipients(ctx, db.PlannedRecipientsParams{EventPosition: e.Position, EventID: e.ID})
	if err != nil {
		return rest, 0, fmt.Errorf("read planned recipients: %w", err)
	}
	decided, err := queries.PlannedDecisions(ctx, db.PlannedDecisionsParams{EventPosition: e.Position, EventID: e.ID})
	if err != nil {
		return rest, 0, fmt.Errorf("read planned decisions: %w", err)
	}
	isPlanned, isDecided := make(map[db.PlannedRecipientsRow]bool, len(recipients)), make(map[db.PlannedDecisionsRow]bool, len(decided))
	for _, r := range recipients {
		isPlanned[r] = true
	}
	for _, d := range decided {
		isDecided[d] = true
	}
	for _, n := range whole.notifications {
		if !isPlanned[db.PlannedRecipientsRow{RecipientID: n.recipient, PlanKey: n.planKey}] {
			rest.notifications = append(rest.notifications, n)
		}
	}
	for _, d := range whole.decisions {
		if !isDecided[db.PlannedDecisionsRow{Rule: d.rule, RecipientID: d.recipient, Channel: d.channel}] {
			rest.decisions = append(rest.decisions, d)
		}
	}
	return rest, len(recipients) + len(decided), nil
}

// plan is the plan for events, in their order.
type plan struct {
	notifications []notification
	decisions     []decision
	failures      []failure
	messages      int // The number of rows of the deliveries and their jobs.
}

// add adds the result of the rules for one event. It assigns ids in the same order.
func (p *plan) add(m matched, o rule.Plan) {
	for _, from := range o.Notifications {
		n := notification{id: newID(), event: m.event, version: m.version, templates: m.templates}
		n.needsAck = needsAcknowledgement(m.event, &from, o.Notifications)
		p.addNotification(p.decided(n, from))
	}
	for _, f := range o.Failures {
		p.failures = append(p.failures, failure{f, m.event, m.version})
	}
	for _, d := range o.Decisions {
		p.decisions = append(p.decisions, decision{
			event: m.event, version: m.version, rule: d.Rule, recipient: d.Recipient, channel: d.Channel, reason: d.Reason,
		})
	}
}

// decided returns the notification with the decisions of the rules.
func (p *plan) decided(n notification, from rule.Notification) notification {
	n.recipient, n.match, n.heldUntil, n.archived = from.Recipient, from.Match, from.HeldUntil, from.InAppOff
	n.planKey, n.dueAt = from.PlanKey, from.DueAt
	for _, d := range from.Messages {
		switch {
		case d.Channel == care.ChannelInApp:
			p.addInApp(&n, d)
		case d.Digest != nil:
			n.items = append(n.items, item{channel: d.Channel, reason: d.Reason, match: d.Match, digest: *d.Digest})
		default:
			n.deliveries = append(n.deliveries, delivery{
				id: newID(), channel: d.Channel, suppressed: d.Suppressed, held: !from.HeldUntil.IsZero(), scheduled: !from.DueAt.IsZero(),
				notBefore: d.NotBefore, overflow: d.Overflow, reason: d.Reason, match: d.Match, fallback: d.Fallback,
			})
			if !d.NotBefore.IsZero() && (n.dueAt.IsZero() || d.NotBefore.Before(n.dueAt)) {
				n.dueAt = d.NotBefore
			}
		}
	}
	return n
}

// addInApp adds the channel that has no delivery: the notification is the message.
func (p *plan) addInApp(n *notification, d rule.Message) {
	if d.Suppressed {
		p.decisions = append(p.decisions, decision{
			event: n.event, version: n.version, rule: d.Match.Rule.Name, recipient: n.recipient, channel: d.Channel, reason: d.Reason,
		})
		return
	}
	n.inApp = d.Reason
}

func (p *plan) addNotification(n notification) {
	p.notifications = append(p.notifications, n)
	p.messages += n.messages()
}

// take appends another plan.
func (p *plan) take(o plan) {
	p.notifications = append(p.notifications, o.notifications...)
	p.decisions = append(p.decisions, o.decisions...)
	p.failures = append(p.failures, o.failures...)
	p.messages += o.messages
}

// rows returns the number of rows of the plan, including the jobs.
func (p *plan) rows() int { return len(p.notifications) + p.messages + len(p.decisions) }

// size returns the number of notifications and decisions: each is written completely or not at all.
func (p *plan) size() int { return len(p.notifications) + len(p.decisions) }

// first returns the beginning of the plan with at most so many rows, but at least one notification
// or decision.
func (p *plan) first(rows int) (first plan) {
	for _, n := range p.notifications {
		if first.size() > 0 && first.rows()+1+n.messages() > rows {
			return first
		}
		first.addNotification(n)
	}
	room := max(0, rows-first.rows())
	first.decisions = p.decisions[:min(room, len(p.decisions))]
	return first
}

// messages returns the number of rows of a notification's deliveries and their jobs.
func (n *notification) messages() int {
	rows := len(n.deliveries) + len(n.items)
	for i := range n.deliveries {
		if !n.deliveries[i].suppressed {
			rows++
		}
	}
	return rows
}
