package dispatch

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"carewire/internal/care"
	"carewire/internal/event"
	"carewire/internal/ledger"
	"carewire/internal/postgres/db"
	"carewire/internal/rule"
)

// Due are the notifications that were planned for later, or that wait for the end of quiet hours. It
// implements scheduler.Source: at their time it decides them again, because the person's addresses,
// preferences, quiet hours and rights may have changed, and queues their messages in the same
// transaction.
type Due struct{ planner *Planner }

// Due returns the source of the planner's due notifications.
func (p *Planner) Due() Due { return Due{p} }

// Name implements scheduler.Source.
func (Due) Name() string { return "notifications" }

// Next implements scheduler.Source.
func (Due) Next(ctx context.Context, q db.DBTX) (time.Duration, bool, error) {
	return untilDue(db.New(q).NotificationNextDue(ctx))
}

// untilDue converts the answer of a query for the first due row.
func untilDue(seconds float64, err error) (time.Duration, bool, error) {
	if errors.Is(err, pgx.ErrNoRows) {
		return 0, false, nil
	}
	if err != nil {
		return 0, false, fmt.Errorf("read the next due time: %w", err)
	}
	return time.Duration(seconds * float64(time.Second)), true, nil
}

// Postpone implements scheduler.Source.
func (Due) Postpone(ctx context.Context, tx pgx.Tx, by time.Duration) error {
	return db.New(tx).NotificationPostpone(ctx, by.Seconds())
}

// waiting is a due notification with what is needed to decide it.
type waiting struct {
	db.NotificationTakeDueRow
	deliveries []db.DeliveryWaitingRow
	event      *event.Event
	rules      loadedSet
	matched    matched
}

// Work implements scheduler.Source.
func (d Due) Work(ctx context.Context, tx pgx.Tx, limit int) (int, error) {
	queries := db.New(tx)
	rows, err := queries.NotificationTakeDue(ctx, int32(limit))
	if err != nil || len(rows) == 0 {
		return 0, err
	}
	all, err := d.load(ctx, tx, rows)
	if err != nil {
		return 0, err
	}
	var asked []matched
	for i := range all {
		if len(all[i].matched.matches) > 0 {
			asked = append(asked, all[i].matched)
		}
	}
	people, err := loadDuePeople(ctx, queries, asked, d.planner.now())
	if err != nil {
		return 0, err
	}
	var plan duePlan
	for i := range all {
		plan.add(&all[i], people, d.planner.configured)
	}
	return len(rows), d.planner.writeDue(ctx, tx, &plan)
}

// loadDuePeople is loadPeople with the time by which it is decided what is due, also for nobody.
func loadDuePeople(ctx context.Context, queries *db.Queries, all []matched, now time.Time) (*rule.People, error) {
	people, err := loadPeople(ctx, queries, all, now)
	if err != nil || !people.Due.IsZero() {
		return people, err
	}
	if people.Due, err = queries.DueNow(ctx); err != nil {
		return nil, fmt.Errorf("read the time: %w", err)
	}
	return people, nil
}

// load returns the notifications with their waiting deliveries, events and rules.
func (d Due) load(ctx context.Context, tx pgx.Tx, rows []db.NotificationTakeDueRow) ([]waiting, error) {
	queries := db.New(tx)
	all := make([]waiting, len(rows))
	byID := make(map[uuid.UUID]*waiting, len(rows))
	versions := map[int32]bool{}
	var ask db.DeliveryWaitingParams
	for i, row := range rows {
		all[i].NotificationTakeDueRow = row
		byID[row.ID] = &all[i]
		versions[row.RuleVersion] = true
		ask.NotificationIds = append(ask.NotificationIds, row.ID)
		ask.EventPositions = append(ask.EventPositions, row.EventPosition)
		ask.RecipientIds = append(ask.RecipientIds, row.RecipientID)
		ask.PlanKeys = append(ask.PlanKeys, row.PlanKey)
	}
	deliveries, err := queries.DeliveryWaiting(ctx, ask)
	if err != nil {
		return nil, fmt.Errorf("read waiting deliveries: %w", err)
	}
	for _, r := range deliveries {
		w := byID[r.NotificationID]
		w.deliveries = append(w.deliveries, r)
	}
	events, err := eventsAt(ctx, tx, ask.EventPositions)
	if err != nil {
		return nil, err
	}
	sets, err := d.planner.sets.load(ctx, queries, versions)
	if err != nil {
		return nil, err
	}
	for i := range all {
		w := &all[i]
		w.event = events[w.EventPosition]
		w.rules = sets[w.RuleVersion]
		w.match()
	}
	return all, nil
}

// eventsAt returns the events at the positions, by position. Those that were archived are missing.
func eventsAt(ctx context.Context, tx pgx.Tx, positions []int64) (map[int64]*event.Event, error) {
	found, err := ledger.Events(tx, func(q *db.Queries) ([]db.Event, error) { return q.EventsAt(ctx, positions) })
	if err != nil {
		return nil, err
	}
	events := make(map[int64]*event.Event, len(found))
	for i := range found {
		events[found[i].Position] = &found[i]
	}
	return events, nil
}

// match finds the rules of the waiting messages. Their conditions held when the event was planned.
func (w *waiting) match() {
	if w.event == nil || w.rules.set == nil {
		return
	}
	w.matched = matched{event: w.event, version: w.RuleVersion}
	names := []string{w.Rule}
	for _, d := range w.deliveries {
		if !slices.Contains(names, d.Rule) {
			names = append(names, d.Rule)
		}
	}
	for _, name := range names {
		m, ok := w.rules.set.Named(w.event, name, w.RecipientID)
		if step, escalated := rule.StepOf(name, w.PlanKey); ok && escalated {
			to := m.Recipients
			m, ok = m.Step(step)
			m.Recipients = to
		}
		if ok {
			w.matched.matches = append(w.matched.matches, m)
		}
	}
}

// waits returns the messages to decide, for rule.Reconsider.
func (w *waiting) waits() rule.Waiting {
	all := rule.Waiting{Recipient: w.RecipientID, PlanKey: w.PlanKey}
	matches := w.matched.matches
	for _, d := range w.deliveries {
		i := slices.IndexFunc(matches, func(m rule.Match) bool { return m.Rule.Name == d.Rule })
		if i < 0 {
			continue
		}
		reason := d.Reason
		switch step, escalated := rule.StepOf(w.Rule, w.PlanKey); {
		case reason == rule.ReasonAwaitingReview:
			reason = "rule " + d.Rule
		case reason == rule.ReasonQuietHours && escalated:
			reason = rule.StepReason(step) + d.Rule
		case reason == rule.ReasonQuietHours:
			reason = "rule " + d.Rule + ", after quiet hours"
		}
		all.Messages = append(all.Messages, rule.Message{Channel: d.Channel, Match: &matches[i], Reason: reason})
	}
	if w.Hidden && slices.Contains(matches[0].Rule.Channels, care.ChannelInApp) {
		all.Messages = append(all.Messages, rule.Message{Channel: care.ChannelInApp, Match: &matches[0], Reason: "rule " + w.PlanKey})
	}
	return all
}

// The reasons for ending a notification that cannot be decided.
const (
	// reasonNoEvent: the event's partition was archived.
	reasonNoEvent = "no_event"
	// reasonNoRule: the stored rule set has no such rule, which only a change of its source explains.
	reasonNoRule = "no_rule"
)

// duePlan is what becomes of due notifications.
type duePlan struct {
	notifications []notification // Those that are decided.
	decide        db.NotificationDecideParams
	plan          plan // Its decisions are those about the inbox.
}

// add decides a notification.
func (p *duePlan) add(w *waiting, people *rule.People, configured care.Channels) {
	switch {
	case w.CutOff != "":
		p.end(w, w.CutOff)
		return
	case w.event == nil:
		p.end(w, reasonNoEvent)
		return
	case w.rules.set == nil:
		// Another binary understands the set: it is tried again later.
		p.note(w, people.Due.Add(undecided), false, false)
		return
	case len(w.matched.matches) == 0:
		p.end(w, reasonNoRule)
		return
	case len(w.deliveries) == 0 && !w.Hidden: // Read in the app meanwhile.
		p.note(w, time.Time{}, false, false)
		return
	}
	asked := w.waits()
	if len(asked.Messages) == 0 {
		p.end(w, reasonNoRule)
		return
	}
	found, reason := rule.Reconsider(w.event, asked, people, configured)
	switch {
	case found == nil:
		p.end(w, reason)
		return
	case !found.DueAt.IsZero():
		p.note(w, found.DueAt, false, false)
		return
	}
	n := notification{id: w.ID, event: w.event, version: w.RuleVersion, waited: w.deliveries}
	if len(w.deliveries) > 0 {
		n.templates = w.deliveries[0].TemplateVersion
	}
	n = p.plan.decided(n, *found)
	p.note(w, n.dueAt, w.Hidden, n.archived)
	p.notifications = append(p.notifications, n)
}

// undecided is how long a notification waits whose rule set this binary does not understand.
const undecided = time.Minute

// end ends a notification: nothing of it is sent.
func (p *duePlan) end(w *waiting, reason string) {
	p.note(w, time.Time{}, false, false)
	n := notification{id: w.ID, event: w.event, version: w.RuleVersion, recipient: w.RecipientID, rule: w.Rule, waited: w.deliveries}
	if w.event == nil {
		n.event = &event.Event{Position: w.EventPosition, ID: w.EventID, ClinicID: w.ClinicID}
	}
	for _, row := range w.deliveries {
		n.deliveries = append(n.deliveries, delivery{id: row.ID, channel: row.Channel, suppressed: w.CutOff == "", cancelled: w.CutOff != "", reason: reason})
	}
	n.cutOff = w.CutOff
	p.notifications = append(p.notifications, n)
}

// note stores when the notification is due again, and whether it goes into the inbox now.
func (p *duePlan) note(w *waiting, dueAt time.Time, released, archived bool) {
	p.decide.Ids = append(p.decide.Ids, w.ID)
	p.decide.EventPositions = append(p.decide.EventPositions, w.EventPosition)
	p.decide.DueAts = append(p.decide.DueAts, dueAt)
	p.decide.Released = append(p.decide.Released, released)
	p.decide.Archived = append(p.decide.Archived, archived)
}

// writeDue stores the decisions, and inserts jobs and appends events for them.
func (p *Planner) writeDue(ctx context.Context, tx pgx.Tx, plan *duePlan) error {
	queries := db.New(tx)
	if err := queries.NotificationDecide(ctx, plan.decide); err != nil {
		return fmt.Errorf("decide notifications: %w", err)
	}
	if len(plan.notifications) == 0 {
		return nil
	}
	if err := throttle(ctx, tx, plan.notifications); err != nil {
		return err
	}
	if err := insertItems(ctx, tx, plan.notifications); err != nil {
		return err
	}
	queued, err := decideDeliveries(ctx, tx, plan.notifications)
	if err != nil {
		return err
	}
	if err := p.insertJobs(ctx, tx, queued); err != nil {
		return err
	}
	if len(plan.plan.decisions) > 0 {
		if err := insertDecisions(ctx, tx, plan.plan.decisions); err != nil {
			return err
		}
	}
	return announce(ctx, tx, plan.notifications)
}

// decideDeliveries updates the deliveries that waited and inserts those of fallback channels. It
// returns those that are to be sent. A delivery whose message went into a digest is cancelled.
func decideDeliveries(ctx context.Context, tx pgx.Tx, all []notification) ([]delivery, error) {
	var rows db.DeliveryDecideParams
	var queued []delivery
	var added []notification
	for i := range all {
		n := &all[i]
		fresh := *n
		fresh.deliveries = nil
		for j := range n.deliveries {
			d := &n.deliveries[j]
			k := slices.IndexFunc(n.waited, func(row db.DeliveryWaitingRow) bool { return row.Channel == d.channel })
			if k < 0 {
				fresh.deliveries = append(fresh.deliveries, *d)
				continue
			}
			d.id = n.waited[k].ID
			appendDecided(&rows, n, d, d.state())
			if d.state() == "queued" {
				queued = append(queued, *d)
			}
		}
		for _, it := range n.items {
			k := slices.IndexFunc(n.waited, func(row db.DeliveryWaitingRow) bool { return row.Channel == it.channel })
			if k >= 0 {
				appendDecided(&rows, n, &delivery{id: n.waited[k].ID, reason: it.reason}, "cancelled")
			}
		}
		if len(fresh.deliveries) > 0 {
			added = append(added, fresh)
		}
	}
	if len(rows.Ids) > 0 {
		if _, err := db.New(tx).DeliveryDecide(ctx, rows); err != nil {
			return nil, fmt.Errorf("decide deliveries: %w", err)
		}
	}
	if len(added) == 0 {
		return queued, nil
	}
	more, err := insertDeliveries(ctx, tx, added)
	return append(queued, more...), err
}

func appendDecided(rows *db.DeliveryDecideParams, n *notification, d *delivery, state string) {
	rows.Ids = append(rows.Ids, d.id)
	rows.EventPositions = append(rows.EventPositions, n.event.Position)
	rows.States = append(rows.States, state)
	rows.Reasons = append(rows.Reasons, d.reason)
	rows.Fallbacks = append(rows.Fallbacks, strings.Join(d.fallback, ","))
	rows.NotBefores = append(rows.NotBefores, d.notBefore)
}
