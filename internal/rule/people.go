package rule

import (
	"strings"
	"time"

	"github.com/google/uuid"

	"carewire/internal/care"
)

// Person holds what Resolve needs about a person: which addresses they have, but not the addresses,
// and which records they may read.
type Person struct {
	// Active reports that the account is not disabled.
	Active bool
	// Deceased reports that the person has died.
	Deceased bool
	// HasNoEmail reports that the person has no email address.
	HasNoEmail       bool
	EmailVerified    bool
	HasPhone         bool
	PhoneVerified    bool
	HasWhatsApp      bool
	WhatsAppVerified bool
	HasDevice        bool
	// Suppressed are the reasons why addresses of the person get no more messages: hard_bounce,
	// complaint or opted_out, by the kind of address.
	Suppressed map[care.AddressKind]string
	// Settings are what the person chose for all clinics, and for those of the events.
	Settings care.PersonSettings
	// QuietHours are the person's own; nil if they set none.
	QuietHours care.QuietHours
	// TimeZone is the IANA name of the person's time zone, or empty.
	TimeZone string
	// DigestHour is the hour of the person's daily digest, in their time zone.
	DigestHour int
	// RoleKeys are the roles that the person holds now at the clinics of the events, in the form of
	// RoleKeyOf.
	RoleKeys []string
	// Teams are the person's care teams, among those of the events.
	Teams []string
	// Conversations are the person's conversations, among those of the events, in the form of
	// ConversationOf.
	Conversations []string
}

// unavailable returns the reason why the person receives no messages at all, or "".
func (p *Person) unavailable() string {
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

// rolesAt returns the roles that the person holds at the clinic; clinic is the prefix of its role
// keys.
func (p *Person) rolesAt(clinic string) (roles []care.Role) {
	if clinic == "" {
		return nil
	}
	for _, key := range p.RoleKeys {
		if role, ok := strings.CutPrefix(key, clinic); ok {
			roles = append(roles, care.Role(role))
		}
	}
	return roles
}

// RoleKey identifies a role at a clinic.
type RoleKey string

// RoleKeyOf returns the key of a role at a clinic: the clinic's id, a slash and the role.
func RoleKeyOf(clinicID uuid.UUID, role care.Role) RoleKey {
	return RoleKey(clinicID.String() + "/" + string(role))
}

// Team identifies the care team of a patient at a clinic.
type Team string

// TeamOf returns the key of a care team: the clinic's id, a slash and the patient's id.
func TeamOf(clinicID, patientID uuid.UUID) Team {
	return Team(clinicID.String() + "/" + patientID.String())
}

// ConversationOf returns the key of a person's part in a conversation: as the patient that it is
// about, or as staff on that patient's care team.
func ConversationOf(id uuid.UUID, patient bool) string {
	if patient {
		return "patient/" + id.String()
	}
	return "staff/" + id.String()
}

// People holds the directory's data about every possible recipient of the events.
type People struct {
	ByID map[uuid.UUID]*Person
	// Holders are the people who hold a role at a clinic, in the order of their notifications.
	Holders map[RoleKey][]uuid.UUID
	// Members are the people on a care team, in the order of their notifications, regardless of
	// their current roles.
	Members map[Team][]uuid.UUID
	// Held is the time until which a record is held from its patient, by the event's subject, for
	// held records only.
	Held map[string]time.Time
	// Defaults are those of the installation, and of the clinics of the events.
	Defaults care.DefaultsByClinic
	// Zones are the IANA names of the time zones of the clinics of the events.
	Zones map[uuid.UUID]string
	// Now is the time of the plan, with which the age of the event is compared; with the zero time no
	// event is too late.
	Now time.Time
	// Due is the time of the clock by which it is decided what is due. Only the sandbox of a demo
	// moves it ahead of Now.
	Due time.Time
}
