package rule

import (
	"strings"
	"time"

	"github.com/google/uuid"

	"carewire/internal/care"
)

// Person is what resolving must know of somebody: not where they can be reached, only whether, and what they may read.
type Person struct {
	// Active says that the account is not disabled.
	Active bool
	// Deceased says that the person has died.
	Deceased bool
	// HasNoEmail says that the person has no email address.
	HasNoEmail       bool
	EmailVerified    bool
	HasPhone         bool
	PhoneVerified    bool
	HasWhatsApp      bool
	WhatsAppVerified bool
	HasDevice        bool
	// Off are the category/channel pairs that the person switched off, such as "clinical/email".
	Off []string
	// Posts are the roles that the person holds now at the clinics of the events.
	Posts []string
	// Teams are those of the events' care teams that the person is on.
	Teams []string
	// Conversations are those of the events' conversations in which the person takes part, as ConversationOf names them.
	Conversations []string
}

// gone returns why nobody can be told as this person, whatever it is of; nothing where they can be.
func (p *Person) gone() string {
	switch {
	case p == nil:
		return ReasonUnknownUser
	case p.Deceased:
		return ReasonDeceased
	case !p.Active:
		return ReasonUserDisabled
	default:
		return ""
	}
}

// rolesAt returns the roles that the person holds at the clinic with whose prefix their posts begin.
func (p *Person) rolesAt(clinic string) (roles []care.Role) {
	if clinic == "" {
		return nil
	}
	for _, post := range p.Posts {
		if role, ok := strings.CutPrefix(post, clinic); ok {
			roles = append(roles, care.Role(role))
		}
	}
	return roles
}

// RoleKey names a role at a clinic.
type RoleKey string

// PostOf gives the name of a role at a clinic: the clinic's id, a slash and the role.
func PostOf(clinicID uuid.UUID, role care.Role) RoleKey {
	return RoleKey(clinicID.String() + "/" + string(role))
}

// Team names the care team of a patient at a clinic.
type Team string

// TeamOf returns the name of a care team: the clinic's id, a slash and the patient's id.
func TeamOf(clinicID, patientID uuid.UUID) Team {
	return Team(clinicID.String() + "/" + patientID.String())
}

// ConversationOf returns the name under which a person takes part in a conversation: as staff on the care team of the patient
// whom it is about, or as that patient.
func ConversationOf(id uuid.UUID, patient bool) string {
	if patient {
		return "patient/" + id.String()
	}
	return "staff/" + id.String()
}

// People is what the directory says about everybody whom an event may be told to.
type People struct {
	ByID map[uuid.UUID]*Person
	// Holders are who holds a role at a clinic, in the order in which they are told.
	Holders map[RoleKey][]uuid.UUID
	// Members are who is on a care team, in the order in which they are told, whatever role they hold by now.
	Members map[Team][]uuid.UUID
	// Held is until when a record's patient may not read it, by the event's subject. Records that are not held are not there.
	Held map[string]time.Time
}
