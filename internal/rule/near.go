package rule

import (
	"fmt"
	"slices"
	"strings"

	"github.com/google/uuid"

	"carewire/internal/care"
	"carewire/internal/event"
)

// Near is a rule for the type of an event, with the reason why it did not name a person.
type Near struct {
	Rule string
	// Reason is condition_failed, condition_false, imported, unless or other_recipients.
	Reason string
	// Recipients describes whom the rule names instead, such as "user data.doctorId" or "role doctor".
	Recipients []string
}

// The reasons of a Near rule, in addition to ReasonConditionFailed and ReasonUnless.
const (
	// ReasonConditionFalse: the rule's when does not hold for the event.
	ReasonConditionFalse = "condition_false"
	// ReasonImported: the event was imported, and the rule is not for imported events.
	ReasonImported = "imported"
	// ReasonOtherRecipients: the rule applies, and names other people.
	ReasonOtherRecipients = "other_recipients"
)

// Nearest returns the rules for the event's type that did not name the person, in the order of the
// file.
func (s *Set) Nearest(e event.Event, personID uuid.UUID) []Near {
	var all []Near
	vars := &variables{event: &e}
	for _, r := range s.byType[e.Type] {
		near := Near{Rule: r.Name, Reason: ReasonOtherRecipients}
		for _, spec := range r.recipients {
			near.Recipients = append(near.Recipients, spec.describe())
		}
		m, ok := r.match(vars)
		switch {
		case e.Imported && !r.Imported:
			near.Reason = ReasonImported
		case !ok:
			near.Reason = ReasonConditionFalse
		case m.Failed:
			near.Reason = ReasonConditionFailed
		case slices.ContainsFunc(m.Recipients, func(to Recipient) bool {
			out, _ := m.Excludes(to, personID)
			return to.UserID == personID && out
		}):
			near.Reason = ReasonUnless
		}
		all = append(all, near)
	}
	return all
}

// describe returns the recipients of a spec as they are written in a rule.
func (spec recipientSpec) describe() string {
	switch {
	case spec.actor:
		return "actor"
	case spec.user != "":
		return "user data." + spec.user
	case len(spec.careTeam) > 0:
		return "careTeam " + joinRoles(spec.careTeam)
	}
	return "role " + joinRoles(spec.roles)
}

func joinRoles(roles []care.Role) string {
	return strings.Trim(fmt.Sprint(roles), "[]")
}
