package rule

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/google/uuid"

	"carewire/internal/care"
	"carewire/internal/event"
)

// Told are the people that a rule has notified of an event, each with the channels on which there is
// a message that was not suppressed. The channel inapp is among them if the person has a notification.
type Told map[uuid.UUID][]string

// AwaitsAcknowledgement reports whether a step of the rule's escalation follows unless somebody
// acknowledges the notification.
func (r *Rule) AwaitsAcknowledgement() bool {
	return slices.ContainsFunc(r.Escalate, func(e Escalation) bool { return e.Unless == Acknowledged })
}

// Satisfies reports whether a reaction makes a step unnecessary that waits for another.
func (r Reaction) Satisfies(other Reaction) bool { return r.rank() >= other.rank() }

// rank returns 1 for the weakest reaction, and 0 for an unknown one.
func (r Reaction) rank() int {
	return slices.Index([]Reaction{Delivered, Read, Acknowledged}, r) + 1
}

// StepKey returns the plan key of the notifications of a step, which is counted from 0.
func StepKey(rule string, step int) string { return stepPrefix(rule) + strconv.Itoa(step) }

func stepPrefix(rule string) string { return "escalation/" + rule + "/" }

// StepReason precedes the rule's name in the reasons of a step's messages.
func StepReason(step int) string { return fmt.Sprintf("escalation of step %d, rule ", step) }

// StepOf returns the step that a plan key of the rule names, or false if it is no such key.
func StepOf(rule, planKey string) (int, bool) {
	rest, ok := strings.CutPrefix(planKey, stepPrefix(rule))
	if !ok {
		return 0, false
	}
	step, err := strconv.Atoi(rest)
	return step, err == nil
}

// Escalate returns the plan of a step of a rule's escalation, counted from 0, and whether it reaches
// anybody. The match is the rule's, as Set.Named returns it; people contains everybody that the step
// and the event refer to. The plan's decisions are under the rule's name and the step's, such as
// "critical-result/escalation/0".
//
// Whoever was told is notified on the channels of the step that they had no message on. People who
// may not read the event's subject are not notified; if the rule has the priority critical and the
// event is critical, doctors among them are, as by Resolve. The actor of the event is only notified if
// the step names them, and not by a role. The event's age does not matter.
func Escalate(e *event.Event, m *Match, step int, told Told, people *People, configured care.Channels) (Plan, bool) {
	next, ok := m.Step(step)
	if !ok {
		return Plan{}, false
	}
	r := resolver{event: e, matches: []Match{next}, people: people, configured: configured, reconsidered: true}
	all := candidates{byID: map[uuid.UUID]*candidate{}}
	r.named(&r.matches[0], &all)
	byRole := slices.ContainsFunc(next.Recipients, func(to Recipient) bool { return to.Role != "" })
	d, known := event.Lookup(e.Type)
	critical := known && d.Critical() && next.Rule.Priority == Critical
	for _, c := range all.ordered {
		if byRole && c.id.String() == e.ActorID {
			r.skipAll(c, ReasonCausedEvent)
			continue
		}
		r.escalateTo(c, step, told, critical)
	}
	reached := r.reached()
	if !critical {
		reached = slices.ContainsFunc(r.plan.Notifications, func(n Notification) bool {
			return slices.ContainsFunc(n.Messages, func(m Message) bool { return !m.Suppressed })
		})
	}
	for i := range r.plan.Decisions {
		d := &r.plan.Decisions[i]
		d.Rule = fmt.Sprintf("%s/escalation/%d%s", m.Rule.Name, step, strings.TrimPrefix(d.Rule, m.Rule.Name))
	}
	return r.plan, reached
}

// escalateTo notifies one person of a step.
func (r *resolver) escalateTo(c *candidate, step int, told Told, critical bool) {
	person, match := r.people.ByID[c.id], *c.matches[0]
	if reason := person.unavailable(); reason != "" {
		r.skipAll(c, reason)
		return
	}
	if reason := r.mayNotRead(c.id, person); reason != "" {
		if !critical || !r.isDoctor(c.id) {
			r.skipAll(c, reason)
			return
		}
		match.Template = TemplateUnattended
	}
	had, again := told[c.id]
	if again {
		of := *match.Rule
		of.Channels = slices.DeleteFunc(slices.Clone(of.Channels), func(channel string) bool { return slices.Contains(had, channel) })
		if len(of.Channels) == 0 {
			r.skipAll(c, ReasonAlreadyNotified)
			return
		}
		match.Rule = &of
	}
	c.matches, c.why = []*Match{&match}, StepReason(step)
	r.notify(c, person)
	r.plan.Notifications[len(r.plan.Notifications)-1].PlanKey = StepKey(match.Rule.Name, step)
}

// isDoctor reports whether the person is a doctor of the event's clinic.
func (r *resolver) isDoctor(id uuid.UUID) bool {
	return r.event.ClinicID != nil && slices.Contains(r.people.Holders[RoleKeyOf(*r.event.ClinicID, care.Doctor)], id)
}
