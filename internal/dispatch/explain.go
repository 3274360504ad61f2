package dispatch

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"carewire/internal/care"
	"carewire/internal/event"
	"carewire/internal/postgres"
	"carewire/internal/postgres/db"
)

// Follower is the name under which the planner follows the ledger.
const Follower = "dispatch"

// Verdict is the overall result of the rules for an event.
type Verdict string

// The verdicts.
const (
	VerdictDecided  Verdict = "decided"         // Rules matched; Explanation.Rules has their decisions.
	VerdictNoMatch  Verdict = "no_rule_matched" // None of the rules in force matched.
	VerdictNoRules  Verdict = "no_rules"        // No rule set was in force yet.
	VerdictNotRuled Verdict = "not_for_rules"   // Its type is hidden from rules.
	VerdictPending  Verdict = "not_planned_yet" // The planner has not reached it yet.
	VerdictFailed   Verdict = "planning_failed" // The planner failed and dead-lettered it; redrive it.
)

// NotSent is the state of a Decision without a delivery. A message in an open digest has the state
// digest; every other state is the delivery's.
const NotSent = "not_sent"

// Explanation explains why each person was notified of an event or not. It contains ids and codes.
type Explanation struct {
	EventID  uuid.UUID `json:"eventId" format:"uuid"`
	Position int64     `json:"position" doc:"The event's place in the ledger."`
	Type     string    `json:"type" example:"ehr.lab_report.created"`
	Subject  string    `json:"subject"`
	Time     time.Time `json:"time" format:"date-time"`
	Imported bool      `json:"imported,omitempty" doc:"Rules see it only where they ask for imported events."`
	Verdict  Verdict   `json:"verdict" enum:"decided,no_rule_matched,no_rules,not_for_rules,not_planned_yet,planning_failed"`
	// RuleVersion is 0 if none was in force.
	RuleVersion int32 `json:"ruleVersion" doc:"The rule set in force at the event; 0 for none."`
	// TemplateVersion is 0 for the binary's own set.
	TemplateVersion int32           `json:"templateVersion" doc:"The template set in force at the event; 0 for the one in the binary."`
	Rules           []ExplainedRule `json:"rules" doc:"The rules that matched."`
	// Escalations are in the order of the rules' names and of the steps.
	Escalations []ExplainedStep `json:"escalations,omitempty" doc:"The steps that follow if nobody reacts. Their messages are among those of the rules."`
	// Person is nil unless the explanation is about one person.
	Person *PersonExplanation `json:"person,omitempty" doc:"With the parameter person: why that person was or was not notified."`
}

// ExplainedStep is a step of a rule's escalation.
type ExplainedStep struct {
	Rule    string     `json:"rule"`
	Step    int32      `json:"step" doc:"Counted from 0."`
	Unless  string     `json:"unless" enum:"acknowledged,read,delivered" doc:"The reaction that makes it unnecessary."`
	DueAt   *time.Time `json:"dueAt,omitempty" format:"date-time" doc:"When it is decided next; left out while it waits for the step before it."`
	DoneAt  *time.Time `json:"doneAt,omitempty" format:"date-time" doc:"When it ended."`
	Outcome string     `json:"outcome,omitempty" enum:"escalated,acknowledged,read,delivered,cut_off,nobody" doc:"How it ended: the reaction that came, cut_off if the event is not true any more, or nobody if it reached no one."`
	DoneBy  *uuid.UUID `json:"doneBy,omitempty" format:"uuid" doc:"Who ended it by acknowledging."`
}

// ExplainedRule is a rule that matched, with its decisions.
type ExplainedRule struct {
	Rule      string     `json:"rule"`
	Decisions []Decision `json:"decisions"`
}

// Decision is the result for one person on one channel.
type Decision struct {
	RecipientID    *uuid.UUID `json:"recipientId,omitempty" format:"uuid" doc:"Left out where the rule found nobody."`
	Channel        string     `json:"channel,omitempty" doc:"Left out where the decision is about every channel."`
	State          string     `json:"state" enum:"not_sent,digest,planned,queued,uncertain,sent,delivered,read,suppressed,cancelled,failed,unknown" doc:"That of the delivery, digest while the message waits in an open digest, or not_sent where there is none."`
	Reason         string     `json:"reason" example:"duplicate_of:critical-result"`
	NotificationID *uuid.UUID `json:"notificationId,omitempty" format:"uuid"`
	DeliveryID     *uuid.UUID `json:"deliveryId,omitempty" format:"uuid"`
	Attempt        int32      `json:"attempt,omitempty" doc:"How often a provider was called."`
	ErrorCode      string     `json:"errorCode,omitempty"`
	At             time.Time  `json:"at" format:"date-time" doc:"When it was decided, or the delivery changed last."`
}

// Explain returns the rules' decisions about an event, with the state of its deliveries. The error
// for an event that is not in the ledger is care.NotFound.
func Explain(ctx context.Context, q db.DBTX, eventID uuid.UUID) (Explanation, error) {
	queries := db.New(q)
	e, err := findEvent(ctx, queries, eventID)
	if err != nil {
		return Explanation{}, err
	}
	rows, err := queries.ExplainDecisions(ctx, e.Position)
	if err != nil {
		return Explanation{}, fmt.Errorf("read decisions: %w", postgres.Translate(err))
	}
	x := Explanation{
		EventID: e.EventID, Position: e.Position, Type: e.Type, Subject: e.Subject, Time: e.Time.UTC(), Imported: e.Imported,
		RuleVersion: e.RuleVersion, TemplateVersion: e.TemplateVersion, Verdict: verdict(e, len(rows)), Rules: []ExplainedRule{},
	}
	for _, row := range rows {
		if n := len(x.Rules); n == 0 || x.Rules[n-1].Rule != row.Rule {
			x.Rules = append(x.Rules, ExplainedRule{Rule: row.Rule})
		}
		last := &x.Rules[len(x.Rules)-1]
		last.Decisions = append(last.Decisions, Decision{
			RecipientID: pointer(row.RecipientID), Channel: row.Channel, State: row.State, Reason: row.Reason,
			NotificationID: pointer(row.NotificationID), DeliveryID: pointer(row.DeliveryID),
			Attempt: row.Attempt, ErrorCode: row.ErrorCode, At: row.At.UTC(),
		})
	}
	x.Escalations, err = explainSteps(ctx, queries, e.Position)
	return x, err
}

func explainSteps(ctx context.Context, queries *db.Queries, position int64) ([]ExplainedStep, error) {
	rows, err := queries.EscalationList(ctx, position)
	if err != nil {
		return nil, fmt.Errorf("read escalations: %w", postgres.Translate(err))
	}
	var all []ExplainedStep
	for _, row := range rows {
		s := ExplainedStep{Rule: row.Rule, Step: row.Step, Unless: row.Unless, DoneAt: row.DoneAt, Outcome: care.OrZero(row.Outcome), DoneBy: row.DoneBy}
		if !row.DueAt.IsZero() {
			s.DueAt = &row.DueAt
		}
		all = append(all, s)
	}
	return all, nil
}

// findEvent returns the event's place in the ledger. The error for an event that is not in the ledger
// is care.NotFound.
func findEvent(ctx context.Context, queries *db.Queries, id uuid.UUID) (db.ExplainEventRow, error) {
	e, err := queries.ExplainEvent(ctx, db.ExplainEventParams{Follower: Follower, EventID: id})
	if errors.Is(err, pgx.ErrNoRows) {
		return e, care.Errorf(care.NotFound, "there is no event %s in the ledger", id)
	}
	if err != nil {
		return e, fmt.Errorf("read the event: %w", postgres.Translate(err))
	}
	return e, nil
}

// ExplainPosition is Explain for the event at a position of the ledger.
func ExplainPosition(ctx context.Context, q db.DBTX, position int64) (Explanation, error) {
	id, err := db.New(q).EventIDAt(ctx, position)
	if errors.Is(err, pgx.ErrNoRows) {
		return Explanation{}, care.Errorf(care.NotFound, "there is no event at position %d of the ledger", position)
	}
	if err != nil {
		return Explanation{}, fmt.Errorf("read the event: %w", postgres.Translate(err))
	}
	return Explain(ctx, q, id)
}

func verdict(e db.ExplainEventRow, decisions int) Verdict {
	declaration, known := event.Lookup(e.Type)
	switch {
	case decisions > 0:
		return VerdictDecided
	case known && !declaration.RuleVisible:
		return VerdictNotRuled
	case e.Failed:
		return VerdictFailed
	case e.PlannedTo < e.Position:
		return VerdictPending
	case e.RuleVersion == 0:
		return VerdictNoRules
	}
	return VerdictNoMatch
}

// pointer returns nil for the zero id.
func pointer(id uuid.UUID) *uuid.UUID {
	if id == uuid.Nil {
		return nil
	}
	return &id
}
