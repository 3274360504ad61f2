package dispatch

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"carewire/internal/care"
	"carewire/internal/postgres/db"
	"carewire/internal/rule"
)

// storedPage is what was planned for the events of a page, in the order of the ledger.
type storedPage struct {
	notifications []db.BacktestNotificationsRow
	deliveries    []db.BacktestDeliveriesRow
	end           int64 // The position after the last one.
}

// load reads what was planned for the events from a position on to before another, or to an
// earlier one if there are very many notifications.
func (s *storedPage) load(ctx context.Context, queries *db.Queries, first, end int64) (err error) {
	rows := db.BacktestNotificationsParams{FirstPosition: first, EndPosition: end, MaxRows: backtestRows + 1}
	if s.notifications, err = queries.BacktestNotifications(ctx, rows); err != nil {
		return fmt.Errorf("read planned notifications: %w", err)
	}
	if n := len(s.notifications); n > backtestRows {
		if end = s.notifications[n-1].EventPosition; end == s.notifications[0].EventPosition {
			end++
			rows.EndPosition, rows.MaxRows = end, math.MaxInt32
			if s.notifications, err = queries.BacktestNotifications(ctx, rows); err != nil {
				return fmt.Errorf("read planned notifications: %w", err)
			}
		}
		s.notifications = slices.DeleteFunc(s.notifications, func(n db.BacktestNotificationsRow) bool { return n.EventPosition >= end })
	}
	s.end = end
	s.deliveries, err = queries.BacktestDeliveries(ctx, db.BacktestDeliveriesParams{FirstPosition: first, EndPosition: end})
	if err != nil {
		return fmt.Errorf("read planned deliveries: %w", err)
	}
	return nil
}

// take removes and returns what was planned for an event. Earlier events have been taken.
func (s *storedPage) take(position int64) (one storedEventPlan) {
	n, d := 0, 0
	for n < len(s.notifications) && s.notifications[n].EventPosition == position {
		n++
	}
	for d < len(s.deliveries) && s.deliveries[d].EventPosition == position {
		d++
	}
	one.notifications, s.notifications = s.notifications[:n], s.notifications[n:]
	one.deliveries, s.deliveries = s.deliveries[:d], s.deliveries[d:]
	return one
}

// storedEventPlan is what was planned for one event.
type storedEventPlan struct {
	notifications []db.BacktestNotificationsRow
	deliveries    []db.BacktestDeliveriesRow
}

// plannedAt returns when the event was planned, or the given time if it led to no notification.
func (s *storedEventPlan) plannedAt(otherwise time.Time) time.Time {
	for _, n := range s.notifications {
		if n.PlanKey == "" { // One that was planned for later came into the inbox later.
			return n.CreatedAt
		}
	}
	return otherwise
}

// messageKey identifies a message about an event.
type messageKey struct {
	recipient uuid.UUID
	planKey   string
	channel   string
}

// planKey returns the key of a notification among those of one event and person, as it is stored.
func planKey(n *rule.Notification) string { return n.PlanKey }

// about identifies an event.
type about struct {
	position int64
	id       uuid.UUID
	typ      string
}

// comparison compares the events of a page, in the order of the ledger.
type comparison struct {
	stored storedPage
	limit  int
	before map[messageKey]BacktestMessage
	result pageResult
}

// skipTo compares the events before a position to which no rule of the draft applies.
func (c *comparison) skipTo(position int64) {
	for len(c.stored.notifications) > 0 && c.stored.notifications[0].EventPosition < position {
		n := c.stored.notifications[0]
		c.compare(about{n.EventPosition, n.EventID, n.EventType}, c.stored.take(n.EventPosition), &rule.Plan{})
	}
}

// compare adds the comparison of one event. Its differences are listed person by person.
func (c *comparison) compare(e about, stored storedEventPlan, plan *rule.Plan) {
	c.result.summary.ConditionFailures += int64(len(plan.Failures))
	c.load(stored)
	for i := range plan.Notifications {
		n := &plan.Notifications[i]
		key := messageKey{n.Recipient, planKey(n), care.ChannelInApp}
		c.pair(e, key, BacktestMessage{Sent: true, Rule: n.Match.Rule.Name, Priority: string(n.Match.Rule.Priority), Template: n.Match.Template}, plan)
		for j := range n.Messages {
			m := &n.Messages[j]
			if key.channel = m.Channel; key.channel == care.ChannelInApp { // The notification itself.
				continue
			}
			c.pair(e, key, BacktestMessage{
				Sent: !m.Suppressed, Rule: m.Match.Rule.Name, Reason: m.Reason, Priority: string(m.Match.Rule.Priority), Template: m.Match.Template,
			}, plan)
		}
	}
	deliveries := stored.deliveries // Both are in the order of the recipients.
	for _, n := range stored.notifications {
		c.gone(e, messageKey{n.RecipientID, n.PlanKey, care.ChannelInApp}, plan)
		for len(deliveries) > 0 && deliveries[0].RecipientID == n.RecipientID && deliveries[0].PlanKey == n.PlanKey {
			c.gone(e, messageKey{n.RecipientID, n.PlanKey, deliveries[0].Channel}, plan)
			deliveries = deliveries[1:]
		}
	}
}

// load sets the messages that were planned for an event.
func (c *comparison) load(stored storedEventPlan) {
	if c.before == nil {
		c.before = map[messageKey]BacktestMessage{}
	}
	clear(c.before)
	for _, n := range stored.notifications {
		c.before[messageKey{n.RecipientID, n.PlanKey, care.ChannelInApp}] = BacktestMessage{Sent: true, Rule: n.Rule, Priority: n.Priority, Template: n.Template}
	}
	for _, d := range stored.deliveries {
		// A retraction ends the wait of a message that was planned.
		sent := d.State != "suppressed" || d.Reason == rule.ReasonRetractedBeforeReview
		c.before[messageKey{d.RecipientID, d.PlanKey, d.Channel}] = BacktestMessage{Sent: sent, Rule: d.Rule, Reason: d.Reason, Priority: d.Priority, Template: d.Template}
	}
}

// gone compares a message that was planned, unless it was compared with one of the draft.
func (c *comparison) gone(e about, key messageKey, plan *rule.Plan) {
	if _, left := c.before[key]; left {
		c.pair(e, key, BacktestMessage{}, plan)
	}
}

// pair compares a message of the draft with the one that was planned.
func (c *comparison) pair(e about, key messageKey, after BacktestMessage, plan *rule.Plan) {
	before := c.before[key]
	delete(c.before, key)
	s := &c.result.summary
	if before.Sent {
		s.MessagesBefore++
	}
	if after.Sent {
		s.MessagesAfter++
	}
	var change Change
	switch {
	case before.Sent && after.Sent && before.sameAs(after):
		s.Same++
		return
	case before.Sent && after.Sent:
		change = Changed
		s.Changed++
	case after.Sent:
		change = Added
		s.Added++
	case before.Sent:
		change = Removed
		s.Removed++
	default:
		return
	}
	d := BacktestDifference{Change: change, Position: e.position, EventID: e.id, Type: e.typ, RecipientID: key.recipient, PlanKey: key.planKey, Channel: key.channel, Before: before, After: after}
	c.result.groups[BacktestGroup{Change: change, Rule: d.Rule(), Type: e.typ, Channel: key.channel}]++
	c.list(d, plan)
}

// sameAs reports whether two messages that are sent have the same priority, template and class of
// reason.
func (m BacktestMessage) sameAs(o BacktestMessage) bool {
	a, b := reasonClass(m.Reason), reasonClass(o.Reason)
	return m.Priority == o.Priority && m.Template == o.Template && (a == b || a == "" || b == "")
}

// reasonClass returns how a rule led to a message. It is empty if the reason no longer shows it, as
// after a review.
func reasonClass(reason string) string {
	for _, class := range []string{"rule ", "digest:", "fallback for ", rule.ReasonFallbackCareTeam, rule.ReasonFallbackClinicDoctors} {
		if strings.HasPrefix(reason, class) {
			return class
		}
	}
	return ""
}

// list lists a difference, unless the limit is reached.
func (c *comparison) list(d BacktestDifference, plan *rule.Plan) {
	if len(c.result.listed) >= c.limit {
		return
	}
	if d.Change == Removed && d.After.Reason == "" {
		for _, no := range plan.Decisions {
			if no.Recipient == d.RecipientID && (no.Channel == "" || no.Channel == d.Channel) {
				d.After.Rule, d.After.Reason = no.Rule, no.Reason
				break
			}
		}
	}
	c.result.listed = append(c.result.listed, d)
}

// explain adds to the listed differences why nothing was sent before.
func (c *comparison) explain(ctx context.Context, queries *db.Queries) error {
	var positions []int64
	var unexplained []*BacktestDifference
	for i := range c.result.listed {
		d := &c.result.listed[i]
		if d.Change != Added || d.Before.Reason != "" {
			continue
		}
		unexplained = append(unexplained, d)
		if n := len(positions); n == 0 || positions[n-1] != d.Position {
			positions = append(positions, d.Position)
		}
	}
	if len(unexplained) == 0 {
		return nil
	}
	rows, err := queries.BacktestDecisions(ctx, positions)
	if err != nil {
		return fmt.Errorf("read decisions: %w", err)
	}
	type decisionKey struct {
		position  int64
		recipient uuid.UUID
		channel   string
	}
	first := make(map[decisionKey]BacktestMessage, len(rows))
	for _, row := range rows {
		key := decisionKey{row.EventPosition, row.RecipientID, row.Channel}
		if _, ok := first[key]; !ok {
			first[key] = BacktestMessage{Rule: row.Rule, Reason: row.Reason}
		}
	}
	for _, d := range unexplained {
		before, ok := first[decisionKey{d.Position, d.RecipientID, d.Channel}]
		if !ok {
			before = first[decisionKey{d.Position, d.RecipientID, ""}]
		}
		d.Before = before
	}
	return nil
}

// pageResult is the comparison of a part of the ledger.
type pageResult struct {
	listed  []BacktestDifference
	groups  map[BacktestGroup]int64 // By the group without its count.
	summary BacktestSummary
}

func newPageResult() pageResult {
	return pageResult{listed: []BacktestDifference{}, groups: map[BacktestGroup]int64{}}
}

// add adds the comparison of the next part, and lists at most limit differences.
func (r *pageResult) add(next pageResult, limit int) {
	r.listed = append(r.listed, next.listed[:min(len(next.listed), max(0, limit-len(r.listed)))]...)
	for group, count := range next.groups {
		r.groups[group] += count
	}
	s, n := &r.summary, &next.summary
	s.Events += n.Events
	s.Matched += n.Matched
	s.Unreadable += n.Unreadable
	s.MessagesBefore += n.MessagesBefore
	s.MessagesAfter += n.MessagesAfter
	s.Same += n.Same
	s.Added += n.Added
	s.Removed += n.Removed
	s.Changed += n.Changed
	s.ConditionFailures += n.ConditionFailures
}

// groupList returns the groups with their counts, the most frequent ones first.
func (r *pageResult) groupList() []BacktestGroup {
	all := make([]BacktestGroup, 0, len(r.groups))
	for group, count := range r.groups {
		group.Count = count
		all = append(all, group)
	}
	slices.SortFunc(all, func(a, b BacktestGroup) int {
		return cmp.Or(-cmp.Compare(a.Count, b.Count), cmp.Compare(a.Rule, b.Rule), cmp.Compare(a.Type, b.Type), cmp.Compare(a.Channel, b.Channel), cmp.Compare(a.Change, b.Change))
	})
	return all
}
