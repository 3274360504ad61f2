package dispatch

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"

	"carewire/internal/care"
	"carewire/internal/event"
	"carewire/internal/notify"
	"carewire/internal/outbox"
	"carewire/internal/postgres/db"
)

// maxRows bounds one statement: a batch whose roles have very many holders is written in several.
const maxRows = 5000

// fewJobs is the number of jobs up to which an INSERT takes less time than a COPY.
const fewJobs = 50

var planner = care.SystemActor("dispatch")

// write stores the plan, and inserts jobs and appends events for its new rows.
func (p *Planner) write(ctx context.Context, tx pgx.Tx, plan *plan) error {
	for chunk := range slices.Chunk(plan.notifications, maxRows) {
		fresh, err := insertNotifications(ctx, tx, chunk)
		if err != nil {
			return err
		}
		if len(fresh) == 0 {
			continue
		}
		if err := throttle(ctx, tx, fresh); err != nil {
			return err
		}
		if err := insertItems(ctx, tx, fresh); err != nil {
			return err
		}
		if err := insertEscalations(ctx, tx, fresh); err != nil {
			return err
		}
		queued, err := insertDeliveries(ctx, tx, fresh)
		if err != nil {
			return err
		}
		if err := p.insertJobs(ctx, tx, queued); err != nil {
			return err
		}
		if err := announce(ctx, tx, fresh); err != nil {
			return err
		}
	}
	for chunk := range slices.Chunk(plan.decisions, maxRows) {
		if err := insertDecisions(ctx, tx, chunk); err != nil {
			return err
		}
	}
	return countFailures(ctx, tx, plan.failures)
}

// insertNotifications returns those that no earlier run planned.
func insertNotifications(ctx context.Context, tx pgx.Tx, all []notification) ([]notification, error) {
	var rows db.NotificationPlanParams
	for _, n := range all {
		rows.Ids = append(rows.Ids, n.id)
		rows.EventPositions = append(rows.EventPositions, n.event.Position)
		rows.EventIds = append(rows.EventIds, n.event.ID)
		rows.EventTypes = append(rows.EventTypes, n.event.Type)
		rows.Subjects = append(rows.Subjects, n.event.Subject)
		rows.RecipientIds = append(rows.RecipientIds, n.recipient)
		rows.ClinicIds = append(rows.ClinicIds, care.OrZero(n.event.ClinicID))
		rows.Categories = append(rows.Categories, string(n.match.Category))
		rows.Priorities = append(rows.Priorities, string(n.match.Rule.Priority))
		rows.Rules = append(rows.Rules, n.match.Rule.Name)
		rows.RuleVersions = append(rows.RuleVersions, n.version)
		rows.Templates = append(rows.Templates, n.match.Template)
		rows.HeldUntils = append(rows.HeldUntils, n.heldUntil)
		rows.ArchivedAts = append(rows.ArchivedAts, n.archivedAt())
		rows.PlanKeys = append(rows.PlanKeys, n.planKey)
		rows.Hidden = append(rows.Hidden, n.hidden() || n.digest)
		rows.SubjectVersions = append(rows.SubjectVersions, n.subjectVersion())
		rows.DueAts = append(rows.DueAts, n.dueAt)
		rows.NeedsAcknowledgements = append(rows.NeedsAcknowledgements, n.needsAck)
	}
	ids, err := db.New(tx).NotificationPlan(ctx, rows)
	if err != nil {
		return nil, fmt.Errorf("insert notifications: %w", err)
	}
	if len(ids) == len(all) {
		return all, nil
	}
	isNew := set(ids)
	return slices.DeleteFunc(slices.Clone(all), func(n notification) bool { return !isNew[n.id] }), nil
}

// insertDeliveries returns those that are to be sent.
func insertDeliveries(ctx context.Context, tx pgx.Tx, fresh []notification) ([]delivery, error) {
	var rows db.DeliveryPlanParams
	var queued []delivery
	for _, n := range fresh {
		for _, d := range n.deliveries {
			rows.Ids = append(rows.Ids, d.id)
			rows.EventPositions = append(rows.EventPositions, n.event.Position)
			rows.NotificationIds = append(rows.NotificationIds, n.id)
			rows.EventIds = append(rows.EventIds, n.event.ID)
			rows.RecipientIds = append(rows.RecipientIds, n.recipient)
			rows.Channels = append(rows.Channels, d.channel)
			rows.States = append(rows.States, d.state())
			rows.Reasons = append(rows.Reasons, d.reason)
			rows.Rules = append(rows.Rules, d.match.Rule.Name)
			rows.Templates = append(rows.Templates, d.match.Template)
			rows.TemplateVersions = append(rows.TemplateVersions, n.templates)
			rows.Priorities = append(rows.Priorities, string(d.match.Rule.Priority))
			rows.Fallbacks = append(rows.Fallbacks, strings.Join(d.fallback, ","))
			rows.Unverified = append(rows.Unverified, d.match.Rule.Unverified)
			rows.CorrelationIds = append(rows.CorrelationIds, care.OrZero(n.event.CorrelationID))
			rows.Traceparents = append(rows.Traceparents, care.OrZero(n.event.Traceparent))
			rows.PlanKeys = append(rows.PlanKeys, n.planKey)
			rows.NotBefores = append(rows.NotBefores, d.notBefore)
			if d.state() == "queued" {
				queued = append(queued, d)
			}
		}
	}
	ids, err := db.New(tx).DeliveryPlan(ctx, rows)
	if err != nil {
		return nil, fmt.Errorf("insert deliveries: %w", err)
	}
	if len(ids) == len(rows.Ids) {
		return queued, nil
	}
	isNew := set(ids)
	return slices.DeleteFunc(queued, func(d delivery) bool { return !isNew[d.id] }), nil
}

func insertDecisions(ctx context.Context, tx pgx.Tx, all []decision) error {
	var rows db.DecisionInsertManyParams
	for _, d := range all {
		rows.EventPositions = append(rows.EventPositions, d.event.Position)
		rows.EventIds = append(rows.EventIds, d.event.ID)
		rows.Rules = append(rows.Rules, d.rule)
		rows.RuleVersions = append(rows.RuleVersions, d.version)
		rows.RecipientIds = append(rows.RecipientIds, d.recipient)
		rows.Channels = append(rows.Channels, d.channel)
		rows.Reasons = append(rows.Reasons, d.reason)
	}
	if err := db.New(tx).DecisionInsertMany(ctx, rows); err != nil {
		return fmt.Errorf("insert decisions: %w", err)
	}
	return nil
}

func (p *Planner) insertJobs(ctx context.Context, tx pgx.Tx, queued []delivery) error {
	if len(queued) == 0 {
		return nil
	}
	jobs := make([]river.InsertManyParams, len(queued))
	for i, d := range queued {
		jobs[i] = river.InsertManyParams{
			Args:       notify.DeliveryArgs{DeliveryID: d.id},
			InsertOpts: notify.JobOpts(d.channel, string(d.match.Rule.Priority)),
		}
	}
	var err error
	if len(jobs) <= fewJobs {
		_, err = p.river.InsertManyTx(ctx, tx, jobs)
	} else {
		_, err = p.river.InsertManyFastTx(ctx, tx, jobs)
	}
	if err != nil {
		return fmt.Errorf("insert jobs: %w", err)
	}
	return nil
}

// announce appends the events of planned notifications.
func announce(ctx context.Context, tx pgx.Tx, fresh []notification) error {
	events := make([]event.Event, len(fresh))
	for i := range fresh {
		events[i] = fresh[i].announcement()
	}
	if err := outbox.Append(ctx, tx, events...); err != nil {
		return fmt.Errorf("append notification events: %w", err)
	}
	return nil
}

func (n *notification) announcement() event.Event {
	data := event.Notification{NotificationID: n.id, UserID: n.recipient, Rule: n.ruleName(), RuleVersion: n.version}
	for _, d := range n.deliveries {
		data.Channels = append(data.Channels, event.ChannelDecision{Channel: d.channel, DeliveryID: d.id, State: d.state(), Reason: d.reason})
	}
	for i := range n.items {
		data.Channels = append(data.Channels, event.ChannelDecision{Channel: n.items[i].channel, DeliveryID: n.items[i].digestID, State: stateDigest, Reason: n.items[i].reason})
	}
	switch {
	case n.inApp != "" && n.cutOff != "":
		data.Channels = append(data.Channels, event.ChannelDecision{Channel: care.ChannelInApp, DeliveryID: n.id, State: "cancelled", Reason: n.cutOff})
	case n.inApp != "" && !n.hidden():
		data.Channels = append(data.Channels, event.ChannelDecision{Channel: care.ChannelInApp, DeliveryID: n.id, State: "delivered", Reason: n.inApp})
	}
	typ := "notification.suppressed"
	switch {
	case n.cancelled():
		typ = "notification.cancelled"
	case n.sends() && !n.heldUntil.IsZero():
		typ = "notification.held"
	case n.hidden():
		typ = "notification.scheduled"
	case n.sends():
		typ = "notification.planned"
	}
	cmd := care.Command{Actor: planner}
	e := event.New(cmd, typ, care.Ref{Kind: "notification", ID: n.id}, data).About(cmd, n.recipient, n.event.ClinicID)
	e.CauseID, e.CorrelationID, e.Traceparent = &n.event.ID, n.event.CorrelationID, n.event.Traceparent
	return e
}

func (n *notification) ruleName() string {
	if n.match == nil {
		return n.rule
	}
	return n.match.Rule.Name
}

func set(ids []uuid.UUID) map[uuid.UUID]bool {
	m := make(map[uuid.UUID]bool, len(ids))
	for _, id := range ids {
		m[id] = true
	}
	return m
}
