package dispatch

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"carewire/internal/care"
	"carewire/internal/event"
	"carewire/internal/ledger"
	"carewire/internal/postgres/db"
	"carewire/internal/rule"
)

// DryRunRequest is a draft of the rules, and an event: one of the ledger, or a made-up one.
type DryRunRequest struct {
	Source  string       `json:"source" minLength:"1" doc:"The rule set, in YAML." example:"rules: []"`
	EventID uuid.UUID    `json:"eventId,omitzero" format:"uuid" doc:"An event in the ledger."`
	Event   *MadeUpEvent `json:"event,omitempty" doc:"A made-up event, instead of one in the ledger."`
}

// MadeUpEvent is an event that did not happen.
type MadeUpEvent struct {
	Type string `json:"type" minLength:"1" maxLength:"100" example:"ehr.lab_report.created"`
	// Data has fields of the type's payload.
	Data    map[string]any `json:"data,omitempty" doc:"Fields of the event's data. A field that is left out has the value of the catalog's example. The fields clinicId and userId are also the event's clinic and person."`
	ActorID uuid.UUID      `json:"actorId,omitzero" format:"uuid" doc:"The person who caused the event."`
}

// DryRun is what a rule set decides about an event. It contains ids and codes.
type DryRun struct {
	EventID  uuid.UUID `json:"eventId,omitzero" format:"uuid" doc:"Left out for a made-up event."`
	Position int64     `json:"position,omitempty" doc:"The event's place in the ledger."`
	Type     string    `json:"type" example:"ehr.lab_report.created"`
	// Decisions are in the order of the planner; never nil.
	Decisions []DryRunDecision `json:"decisions" doc:"Empty if no rule matches."`
}

// DryRunDecision is the decision for one person on one channel.
type DryRunDecision struct {
	Rule        string     `json:"rule"`
	RecipientID *uuid.UUID `json:"recipientId,omitempty" format:"uuid" doc:"Left out where the rule finds nobody."`
	Channel     string     `json:"channel,omitempty" doc:"Left out where the decision is about every channel."`
	State       string     `json:"state" enum:"queued,planned,digest,delivered,suppressed,not_sent" doc:"The first state of the delivery; delivered for a message in the inbox, and not_sent where there is none."`
	Reason      string     `json:"reason" example:"rule record-created"`
	Priority    string     `json:"priority,omitempty" enum:"critical,high,normal,bulk"`
	Template    string     `json:"template,omitempty" example:"clinical"`
	DueAt       *time.Time `json:"dueAt,omitempty" format:"date-time" doc:"When the message is sent, if it is sent later."`
}

// DryRun checks a draft of the rules and returns what it decides about an event, with the addresses,
// preferences and roles that people have now. An event of the ledger is planned at its own time, so
// that none is too late. It writes nothing. The queries run as carewire_worker.
//
// The error for an invalid draft or event is of code care.Invalid, and care.NotFound for an event
// that is not in the ledger.
func (p *Planner) DryRun(ctx context.Context, conn db.DBTX, in DryRunRequest, known Known) (DryRun, error) {
	set, err := parseWithTemplates(ctx, conn, []byte(in.Source), known)
	if err != nil {
		return DryRun{}, err
	}
	e, err := in.event(ctx, conn)
	if err != nil {
		return DryRun{}, err
	}
	run := DryRun{Type: e.Type, Decisions: []DryRunDecision{}}
	if in.Event == nil {
		run.EventID, run.Position = e.ID, e.Position
	}
	m := matched{event: &e, matches: set.Match(e)}
	if len(m.matches) == 0 {
		return run, nil
	}
	people, err := loadPeople(ctx, db.New(conn), []matched{m}, e.Time)
	if err != nil {
		return DryRun{}, err
	}
	if in.Event == nil {
		people.Due = e.Time
	}
	run.add(rule.Resolve(&e, m.matches, people, p.configured))
	return run, nil
}

func (run *DryRun) add(plan rule.Plan) {
	for _, n := range plan.Notifications {
		for _, message := range n.Messages {
			d := delivery{suppressed: message.Suppressed, held: !n.HeldUntil.IsZero(), scheduled: !n.DueAt.IsZero(), notBefore: message.NotBefore}
			state := d.state()
			if message.Digest != nil {
				state = stateDigest
			}
			if message.Channel == care.ChannelInApp { // It has no delivery.
				state = "delivered"
				if message.Suppressed {
					state = NotSent
				}
			}
			run.Decisions = append(run.Decisions, DryRunDecision{
				Rule: message.Match.Rule.Name, RecipientID: &n.Recipient, Channel: message.Channel, State: state, Reason: message.Reason,
				Priority: string(message.Match.Rule.Priority), Template: message.Match.Template, DueAt: dueAt(&n, &message),
			})
		}
	}
	for _, no := range plan.Decisions {
		run.Decisions = append(run.Decisions, DryRunDecision{Rule: no.Rule, RecipientID: pointer(no.Recipient), Channel: no.Channel, State: NotSent, Reason: no.Reason})
	}
}

// dueAt returns when a message is sent: at the time of a schedule or a digest, or at the end of quiet
// hours; nil for at once.
func dueAt(n *rule.Notification, m *rule.Message) *time.Time {
	at := n.DueAt
	switch {
	case m.Suppressed:
		return nil
	case m.Digest != nil:
		at = m.Digest.DueAt
	case !m.NotBefore.IsZero():
		at = m.NotBefore
	}
	if at.IsZero() {
		return nil
	}
	at = at.UTC()
	return &at
}

// event returns the request's event.
func (in DryRunRequest) event(ctx context.Context, conn db.DBTX) (e event.Event, err error) {
	switch {
	case (in.EventID == uuid.Nil) == (in.Event == nil):
		return e, care.InvalidField("eventId", "or event is required, not both")
	case in.Event != nil:
		e, err = in.Event.event()
	default:
		e, err = storedEvent(ctx, conn, in.EventID)
	}
	if err != nil {
		return e, err
	}
	if d, ok := event.Lookup(e.Type); !ok || !d.RuleVisible {
		return e, care.InvalidField("event.type", "rules never see events of the type %s", e.Type)
	}
	return e, nil
}

// storedEvent returns an event of the ledger.
func storedEvent(ctx context.Context, conn db.DBTX, id uuid.UUID) (event.Event, error) {
	row, err := findEvent(ctx, db.New(conn), id)
	if err != nil {
		return event.Event{}, err
	}
	found, err := ledger.Read(ctx, conn, row.Position-1, 1)
	if err != nil {
		return event.Event{}, err
	}
	if len(found) != 1 || found[0].ID != id || found[0].Unreadable != "" {
		return event.Event{}, care.Errorf(care.Conflict, "event %s cannot be read", id)
	}
	return found[0], nil
}

// event returns the catalog's example with the given fields.
func (m MadeUpEvent) event() (event.Event, error) {
	d, ok := event.Lookup(m.Type)
	if !ok {
		return event.Event{}, care.InvalidField("event.type", "unknown event type %q; see the event reference", m.Type)
	}
	e := event.Example(m.Type)
	e.ID, e.Position, e.Time = newID(), 0, time.Now()
	e.ActorID, e.ActorRole = "", ""
	if m.ActorID != uuid.Nil {
		e.ActorID = m.ActorID.String()
	}
	var names []string
	for _, f := range d.Fields() {
		if !strings.Contains(f.Name, ".") {
			names = append(names, f.Name)
		}
	}
	data := map[string]any{}
	if err := json.Unmarshal(e.Data, &data); err != nil {
		return event.Event{}, fmt.Errorf("read the example of %s: %w", m.Type, err)
	}
	for name, value := range m.Data {
		if !slices.Contains(names, name) {
			return event.Event{}, care.InvalidField("event.data", "unknown field %q; want some of %s", name, strings.Join(names, ", "))
		}
		data[name] = value
	}
	for name, id := range map[string]**uuid.UUID{"userId": &e.PersonID, "clinicId": &e.ClinicID} {
		text, given := data[name].(string)
		if !given {
			continue
		}
		parsed, err := uuid.Parse(text)
		if err != nil {
			return event.Event{}, care.InvalidField("event.data."+name, "must be a UUID")
		}
		*id = &parsed
	}
	var err error
	e.Data, err = json.Marshal(data)
	return e, err
}
