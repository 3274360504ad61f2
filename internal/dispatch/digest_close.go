package dispatch

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"carewire/internal/event"
	"carewire/internal/notify"
	"carewire/internal/postgres/db"
	"carewire/internal/rule"
)

const (
	// maxClosed bounds the digests that one transaction closes, and maxClosedItems their items. A
	// larger digest is sent in parts of maxClosedItems.
	maxClosed      = 500
	maxClosedItems = 20_000
)

// Digests are the open digests that are due. It implements scheduler.Source: it closes each, leaves
// out the items that must not be sent any more, and plans one message for the others, in one
// transaction. The message has a notification of its own, about the event of its last item, which is
// not in the inbox: the items are.
type Digests struct {
	planner *Planner
	// maxItems bounds the items of one transaction.
	maxItems int
}

// Digests returns the source of the planner's due digests.
func (p *Planner) Digests() Digests { return Digests{p, maxClosedItems} }

// Name implements scheduler.Source.
func (Digests) Name() string { return "digests" }

// Next implements scheduler.Source.
func (Digests) Next(ctx context.Context, q db.DBTX) (time.Duration, bool, error) {
	return untilDue(db.New(q).DigestNextDue(ctx))
}

// Postpone implements scheduler.Source.
func (Digests) Postpone(ctx context.Context, tx pgx.Tx, by time.Duration) error {
	return db.New(tx).DigestPostponeFirst(ctx, by.Seconds())
}

// Work implements scheduler.Source.
func (d Digests) Work(ctx context.Context, tx pgx.Tx, limit int) (int, error) {
	queries := db.New(tx)
	rows, err := d.take(ctx, queries, min(limit, maxClosed))
	if err != nil || len(rows) == 0 {
		return 0, err
	}
	all, err := d.load(ctx, tx, rows)
	if err != nil {
		return 0, err
	}
	var asked []matched
	for i := range all {
		for _, it := range all[i].items {
			if it.match != nil {
				asked = append(asked, matched{event: it.event, version: it.RuleVersion, matches: []rule.Match{*it.match}})
			}
		}
	}
	people, err := loadDuePeople(ctx, queries, asked, d.planner.now())
	if err != nil {
		return 0, err
	}
	var plan closePlan
	for i := range all {
		plan.add(&all[i], people, d.planner)
	}
	return len(rows), d.planner.writeClosed(ctx, tx, &plan)
}

// take locks the digests that are due, with at most maxItems items. The others stay locked until the
// transaction ends, and are due in the next one.
func (d Digests) take(ctx context.Context, queries *db.Queries, limit int) ([]db.DigestTakeDueRow, error) {
	rows, err := queries.DigestTakeDue(ctx, int32(limit))
	if err != nil {
		return nil, fmt.Errorf("take due digests: %w", err)
	}
	if len(rows) > 0 && int(rows[0].Items) > d.maxItems {
		part := rows[0]
		part.ID, part.Items = newID(), int32(d.maxItems)
		if err := queries.DigestSplit(ctx, db.DigestSplitParams{ID: rows[0].ID, PartID: part.ID, Items: part.Items}); err != nil {
			return nil, fmt.Errorf("split a digest: %w", err)
		}
		return []db.DigestTakeDueRow{part}, nil
	}
	items := 0
	for i := range rows {
		if items += int(rows[i].Items); items > d.maxItems {
			return rows[:i], nil
		}
	}
	return rows, nil
}

// closing is a due digest with its items, in the order of their events.
type closing struct {
	db.DigestTakeDueRow
	items []closingItem
}

// closingItem is an item with what is needed to decide about it. match is nil if it must not be sent
// any more.
type closingItem struct {
	db.DigestItemListRow
	event *event.Event
	match *rule.Match
	// waits reports that this binary does not understand the rule set.
	waits bool
}

// load returns the digests with their items, events and rules.
func (d Digests) load(ctx context.Context, tx pgx.Tx, rows []db.DigestTakeDueRow) ([]closing, error) {
	queries := db.New(tx)
	all := make([]closing, len(rows))
	ids := make([]uuid.UUID, len(rows))
	index := make(map[uuid.UUID]int, len(rows))
	for i, row := range rows {
		all[i].DigestTakeDueRow, ids[i], index[row.ID] = row, row.ID, i
	}
	items, err := queries.DigestItemList(ctx, ids)
	if err != nil {
		return nil, fmt.Errorf("read the items of digests: %w", err)
	}
	versions := map[int32]bool{}
	var positions []int64
	for _, it := range items {
		if it.LeftOut == "" {
			versions[it.RuleVersion] = true
			positions = append(positions, it.EventPosition)
		}
	}
	events, err := eventsAt(ctx, tx, positions)
	if err != nil {
		return nil, err
	}
	sets, err := d.planner.sets.load(ctx, queries, versions)
	if err != nil {
		return nil, err
	}
	for _, row := range items {
		c := &all[index[row.DigestID]]
		it := closingItem{DigestItemListRow: row}
		it.find(events[row.EventPosition], sets[row.RuleVersion].set, c.RecipientID)
		c.items = append(c.items, it)
	}
	return all, nil
}

// find sets the event and the rule of an item. Its conditions held when the event was planned.
func (it *closingItem) find(e *event.Event, set *rule.Set, recipient uuid.UUID) {
	if it.LeftOut != "" {
		return
	}
	if e == nil {
		it.LeftOut = reasonNoEvent
		return
	}
	it.event = e
	if set == nil {
		it.waits = true
		return
	}
	m, ok := set.Named(it.event, it.Rule, recipient)
	if !ok {
		it.LeftOut = reasonNoRule
		return
	}
	it.match = &m
}

// closePlan is what becomes of due digests.
type closePlan struct {
	closed    db.DigestCloseManyParams
	postponed db.DigestPostponeManyParams
	leftOut   db.DigestItemLeaveOutManyParams
	sent      []notification
}

// add decides a digest: it is closed, or postponed as it is.
func (p *closePlan) add(c *closing, people *rule.People, planner *Planner) {
	var items []rule.DigestItem
	var indexes []int
	for i, it := range c.items {
		if it.waits {
			p.postpone(c, people.Due.Add(undecided))
			return
		}
		if it.match != nil {
			items, indexes = append(items, rule.DigestItem{Event: it.event, Match: it.match}), append(indexes, i)
		}
	}
	decided := rule.CloseDigest(c.RecipientID, c.Channel, items, people, planner.configured)
	if !decided.NotBefore.IsZero() {
		p.postpone(c, decided.NotBefore)
		return
	}
	for i, at := range indexes {
		c.items[at].LeftOut = decided.LeftOut[i]
	}
	p.close(c, decided.Suppressed)
}

func (p *closePlan) postpone(c *closing, until time.Time) {
	p.postponed.Ids = append(p.postponed.Ids, c.ID)
	p.postponed.DueAts = append(p.postponed.DueAts, until)
}

// close closes a digest. Nothing is sent if every item is left out.
func (p *closePlan) close(c *closing, suppressed string) {
	var last *closingItem
	messages := 0
	for i := range c.items {
		it := &c.items[i]
		if it.LeftOut == "" {
			last = it
			messages++
			continue
		}
		p.leftOut.NotificationIds = append(p.leftOut.NotificationIds, it.NotificationID)
		p.leftOut.Channels = append(p.leftOut.Channels, c.Channel)
		p.leftOut.LeftOuts = append(p.leftOut.LeftOuts, it.LeftOut)
	}
	id := uuid.Nil
	if last != nil {
		n := c.notification(last, messages, suppressed)
		p.sent, id = append(p.sent, n), n.id
	}
	p.closed.Ids = append(p.closed.Ids, c.ID)
	p.closed.NotificationIds = append(p.closed.NotificationIds, id)
}

// notification returns the digest's own notification, with its message. It has the category and the
// priority of the digest, and otherwise what its last item has.
func (c *closing) notification(last *closingItem, messages int, suppressed string) notification {
	of, m, e := *last.match.Rule, *last.match, *last.event
	of.Priority = rule.Priority(c.Priority)
	m.Rule, m.Category, m.Template = &of, event.Category(c.Category), notify.DigestTemplate
	message := delivery{id: newID(), channel: c.Channel, reason: "digest of " + strconv.Itoa(messages), match: &m}
	if suppressed != "" {
		message.suppressed, message.reason = true, suppressed
	}
	return notification{
		id: newID(), event: &e, version: last.RuleVersion, templates: last.TemplateVersion, recipient: c.RecipientID, match: &m,
		planKey: "digest/" + c.ID.String(), digest: true, deliveries: []delivery{message},
	}
}

// writeClosed stores the decisions, and inserts jobs and appends events for what is sent.
func (p *Planner) writeClosed(ctx context.Context, tx pgx.Tx, plan *closePlan) error {
	queries := db.New(tx)
	if len(plan.postponed.Ids) > 0 {
		if err := queries.DigestPostponeMany(ctx, plan.postponed); err != nil {
			return fmt.Errorf("postpone digests: %w", err)
		}
	}
	if len(plan.closed.Ids) == 0 {
		return nil
	}
	if err := queries.DigestCloseMany(ctx, plan.closed); err != nil {
		return fmt.Errorf("close digests: %w", err)
	}
	if len(plan.leftOut.NotificationIds) > 0 {
		if err := queries.DigestItemLeaveOutMany(ctx, plan.leftOut); err != nil {
			return fmt.Errorf("leave items of digests out: %w", err)
		}
	}
	if len(plan.sent) == 0 {
		return nil
	}
	sent, err := insertNotifications(ctx, tx, plan.sent)
	if err != nil {
		return err
	}
	queued, err := insertDeliveries(ctx, tx, sent)
	if err != nil {
		return err
	}
	if err := p.insertJobs(ctx, tx, queued); err != nil {
		return err
	}
	return announce(ctx, tx, sent)
}
