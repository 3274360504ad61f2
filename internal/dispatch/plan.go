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
	// maxTxRows is how many rows one transaction plans at most: notifications, deliveries, their jobs, and decisions. What is
	// more waits for the next one, so that a transaction lasts for about a second whatever the events come to.
	maxTxRows = 5000
	// maxPosts is how many roles at clinics are looked up at once at most: everybody who holds one of them is in memory.
	maxPosts = 32
)

// matched is an event with the rules that apply to it.
type matched struct {
	event   *event.Event
	index   int // Its place in the batch.
	version int32
	matches []rule.Match
}

// plan decides event by event, for as many of the batch as one transaction should write.
func (p *Planner) plan(ctx context.Context, queries *db.Queries, batch []event.Event, inForce []versioned) (all plan, to ledger.Progress, err error) {
	for to.Events < len(batch) {
		found, end, err := match(batch, inForce, to.Events)
		if err != nil {
			if to.Events > 0 { // What comes before it is done first.
				return all, to, nil
			}
			return plan{}, to, err
		}
		people, err := lookUp(ctx, queries, found)
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

// match finds the rules for the events of the batch from one place on, and gives the place where it stopped: where an event
// must wait or be refused, or where too many roles would have to be looked up at once. It is an error when that is the first.
func match(batch []event.Event, inForce []versioned, from int) (found []matched, end int, err error) {
	posts := map[rule.RoleKey]bool{}
	for i := from; i < len(batch); i++ {
		if refused := inForce[i].err; refused != nil {
			if i > from {
				return found, i, nil
			}
			if refused.Code == care.Unavailable {
				return nil, i, &ledger.BlockedError{Position: batch[i].Position, Cause: refused}
			}
			return nil, i, refused
		}
		if inForce[i].set == nil {
			continue
		}
		m := matched{event: &batch[i], index: i, version: inForce[i].version, matches: inForce[i].set.Match(batch[i])}
		if len(m.matches) == 0 {
			continue
		}
		for _, post := range m.posts() {
			posts[post] = true
		}
		if len(posts) > maxPosts && len(found) > 0 {
			return found, i, nil
		}
		found = append(found, m)
	}
	return found, len(batch), nil
}

// posts are the roles whose holders at the event's clinic the matching rules may tell: those that they name, and the doctors,
// whom a critical event falls back to.
func (m *matched) posts() (posts []rule.RoleKey) {
	if m.event.ClinicID == nil {
		return nil
	}
	for _, match := range m.matches {
		for _, r := range match.Recipients {
			if r.Role != "" && !r.CareTeam {
				posts = append(posts, rule.PostOf(*m.event.ClinicID, r.Role))
			}
		}
	}
	if d, ok := event.Lookup(m.event.Type); ok && d.Critical() {
		posts = append(posts, rule.PostOf(*m.event.ClinicID, care.Doctor))
	}
	return posts
}

// part gives what one transaction should write of an event that comes to more: the first of what no earlier transaction
// wrote, in the order in which people are told.
func part(ctx context.Context, queries *db.Queries, m matched, whole plan) (plan, ledger.Progress, error) {
	rest, written, err := unwritten(ctx, queries, m.event, whole)
	if err != nil {
		return plan{}, ledger.Progress{}, err
	}
	first := rest.first(maxTxRows)
	if first.size() == rest.size() {
		return first, ledger.Progress{Events: m.index + 1}, nil
	}
	return first, ledger.Progress{Events: m.index, Part: int64(written + 1)}, nil
}

// unwritten leaves out what the database holds already of the event's plan, and gives how many rows that are.
func unwritten(ctx context.Context, queries *db.Queries, e *event.Event, whole plan) (rest plan, written int, err error) {
	told, err := queries.PlannedRecipients(ctx, db.PlannedRecipientsParams{EventPosition: e.Position, EventID: e.ID})
	if err != nil {
		return rest, 0, fmt.Errorf("read who is told already: %w", err)
	}
	decided, err := queries.PlannedDecisions(ctx, db.PlannedDecisionsParams{EventPosition: e.Position, EventID: e.ID})
	if err != nil {
		return rest, 0, fmt.Errorf("read what is decided already: %w", err)
	}
	isTold, isDecided := set(told), make(map[db.PlannedDecisionsRow]bool, len(decided))
	for _, d := range decided {
		isDecided[d] = true
	}
	for _, n := range whole.notifications {
		if !isTold[n.recipient] {
			rest.notifications = append(rest.notifications, n)
		}
	}
	for _, d := range whole.decisions {
		if !isDecided[db.PlannedDecisionsRow{Rule: d.rule, RecipientID: d.recipient, Channel: d.channel}] {
			rest.decisions = append(rest.decisions, d)
		}
	}
	return rest, len(told) + len(decided), nil
}

// plan is what events come to, in their order.
type plan struct {
	notifications []notification
	decisions     []decision
	messages      int // How many rows the deliveries and their jobs are.
}

// add takes in what the rules come to for one event. Ids are given in its order.
func (p *plan) add(m matched, o rule.Plan) {
	for _, t := range o.Notifications {
		n := notification{id: newID(), event: m.event, version: m.version, recipient: t.Recipient, match: t.Match, heldUntil: t.HeldUntil}
		for _, d := range t.Messages {
			n.deliveries = append(n.deliveries, delivery{
				id: newID(), channel: d.Channel, suppressed: d.Suppressed, held: !t.HeldUntil.IsZero(), reason: d.Reason, match: d.Match, fallback: d.Fallback,
			})
		}
		p.tell(n)
	}
	for _, d := range o.Decisions {
		p.decisions = append(p.decisions, decision{
			event: m.event, version: m.version, rule: d.Rule, recipient: d.Recipient, channel: d.Channel, reason: d.Reason,
		})
	}
}

func (p *plan) tell(n notification) {
	p.notifications = append(p.notifications, n)
	p.messages += n.messages()
}

// take adds another plan behind this one.
func (p *plan) take(o plan) {
	p.notifications = append(p.notifications, o.notifications...)
	p.decisions = append(p.decisions, o.decisions...)
	p.messages += o.messages
}

// rows is how many rows the plan comes to, the jobs among them.
func (p *plan) rows() int { return len(p.notifications) + p.messages + len(p.decisions) }

// size counts notifications and decisions: each is written whole or not at all.
func (p *plan) size() int { return len(p.notifications) + len(p.decisions) }

// first is the beginning of the plan that comes to so many rows at most: at least one notification or decision.
func (p *plan) first(rows int) (first plan) {
	for _, n := range p.notifications {
		if first.size() > 0 && first.rows()+1+n.messages() > rows {
			return first
		}
		first.tell(n)
	}
	room := max(0, rows-first.rows())
	first.decisions = p.decisions[:min(room, len(p.decisions))]
	return first
}

// messages is how many rows the deliveries of a notification and their jobs are.
func (n *notification) messages() int {
	rows := len(n.deliveries)
	for i := range n.deliveries {
		if !n.deliveries[i].suppressed {
			rows++
		}
	}
	return rows
}
