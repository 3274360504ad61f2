package rule

import (
	"slices"

	"github.com/google/uuid"

	"carewire/internal/care"
	"carewire/internal/event"
)

// TemplateUnattended is the template for doctors who are notified of a critical finding without
// being on the patient's care team.
const TemplateUnattended = "critical_unattended"

// escalate notifies others if a critical event would reach no clinician: the care team, then the
// clinic's doctors. Each step adds a decision under the rule's name and the step's, such as
// "critical-result/care_team".
func (r *resolver) escalate() {
	d, ok := event.Lookup(r.event.Type)
	if !ok || !d.Critical() || r.event.ClinicID == nil || r.reached() {
		return
	}
	i := slices.IndexFunc(r.matches, func(m Match) bool { return !m.Failed && m.Rule.Priority == Critical })
	if i < 0 {
		return
	}
	rule := r.matches[i].Rule.Name
	step := func(name, reason string) {
		r.plan.Decisions = append(r.plan.Decisions, Decision{Rule: rule + "/" + name, Reason: reason})
	}
	step("care_team", ReasonFallbackCareTeam)
	for _, role := range careTeamRoles {
		r.tryEach(r.careTeam(role), &r.matches[i], ReasonFallbackCareTeam, false)
	}
	if r.reached() {
		return
	}
	step("clinic_doctors", ReasonFallbackClinicDoctors)
	unattended := r.matches[i]
	unattended.Template = TemplateUnattended
	r.tryEach(r.people.Holders[RoleKeyOf(*r.event.ClinicID, care.Doctor)], &unattended, ReasonFallbackClinicDoctors, true)
	if !r.reached() {
		step("operators", ReasonReachedNobody)
	}
}

// reached reports whether a message to a person other than the event's is to be sent. The inbox of
// the app alone reaches nobody who does not look at it.
func (r *resolver) reached() bool {
	return slices.ContainsFunc(r.plan.Notifications, func(n Notification) bool {
		return (r.event.PersonID == nil || n.Recipient != *r.event.PersonID) &&
			slices.ContainsFunc(n.Messages, func(m Message) bool { return !m.Suppressed && m.Channel != care.ChannelInApp })
	})
}

// tryEach notifies the people who have no notification yet and who did not cause the event
// themselves.
func (r *resolver) tryEach(ids []uuid.UUID, m *Match, reason string, unread bool) {
	for _, id := range ids {
		person := r.people.ByID[id]
		tried := slices.ContainsFunc(r.plan.Notifications, func(n Notification) bool { return n.Recipient == id })
		if tried || person.unavailable() != "" || id.String() == r.event.ActorID {
			continue
		}
		if !unread && r.mayNotRead(id, person) != "" {
			continue
		}
		r.notify(&candidate{id: id, matches: []*Match{m}, why: reason + ", rule "}, person)
	}
}
