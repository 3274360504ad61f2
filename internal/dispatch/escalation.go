package dispatch

import (
	"context"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"

	"carewire/internal/care"
	"carewire/internal/event"
	"carewire/internal/postgres/db"
	"carewire/internal/rule"
)

// insertEscalations writes the steps that follow if nobody reacts to the notifications, once for
// each event and rule.
func insertEscalations(ctx context.Context, tx pgx.Tx, fresh []notification) error {
	type key struct {
		position int64
		rule     string
	}
	done := map[key]bool{}
	var rows db.EscalationInsertManyParams
	for i := range fresh {
		n := &fresh[i]
		for _, r := range n.escalating() {
			k := key{n.event.Position, r.Name}
			if done[k] {
				continue
			}
			done[k] = true
			for step, e := range r.Escalate {
				rows.EventPositions = append(rows.EventPositions, n.event.Position)
				rows.EventIds = append(rows.EventIds, n.event.ID)
				rows.Rules = append(rows.Rules, r.Name)
				rows.RuleVersions = append(rows.RuleVersions, n.version)
				rows.Steps = append(rows.Steps, int32(step))
				rows.Unlesses = append(rows.Unlesses, string(e.Unless))
				rows.AfterSeconds = append(rows.AfterSeconds, e.After.Seconds())
				rows.Subjects = append(rows.Subjects, n.event.Subject)
				rows.SubjectVersions = append(rows.SubjectVersions, n.event.AboutVersion())
				rows.ClinicIds = append(rows.ClinicIds, care.OrZero(n.event.ClinicID))
			}
		}
	}
	if len(rows.Rules) == 0 {
		return nil
	}
	if err := db.New(tx).EscalationInsertMany(ctx, rows); err != nil {
		return fmt.Errorf("insert escalations: %w", err)
	}
	return nil
}

// escalating returns the rules of the notification's messages that escalate. One that was too late
// for its messages does not.
func (n *notification) escalating() (rules []*rule.Rule) {
	add := func(r *rule.Rule) {
		if len(r.Escalate) > 0 && !slices.Contains(rules, r) {
			rules = append(rules, r)
		}
	}
	add(n.match.Rule)
	for i := range n.deliveries {
		add(n.deliveries[i].match.Rule)
	}
	for i := range n.items {
		add(n.items[i].match.Rule)
	}
	return slices.DeleteFunc(rules, func(r *rule.Rule) bool {
		return slices.ContainsFunc(n.deliveries, func(d delivery) bool { return d.match.Rule == r && d.reason == rule.ReasonTooLate })
	})
}

// needsAcknowledgement reports whether a rule of the notification escalates unless it is acknowledged.
// The acknowledgement of the person that the event is about counts only if the rule notifies nobody
// else: all are the notifications of the event.
func needsAcknowledgement(e *event.Event, n *rule.Notification, all []rule.Notification) bool {
	own := e.PersonID != nil && n.Recipient == *e.PersonID
	for i := -1; i < len(n.Messages); i++ {
		r := n.Match.Rule
		if i >= 0 {
			r = n.Messages[i].Match.Rule
		}
		if r.AwaitsAcknowledgement() && (!own || !slices.ContainsFunc(all, func(o rule.Notification) bool { return o.Recipient != n.Recipient && uses(&o, r) })) {
			return true
		}
	}
	return false
}

// uses reports whether the notification is the rule's, or one of its messages is.
func uses(n *rule.Notification, r *rule.Rule) bool {
	return n.Match.Rule == r || slices.ContainsFunc(n.Messages, func(m rule.Message) bool { return m.Match.Rule == r })
}
