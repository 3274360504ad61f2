package directory

import (
	"time"

	"github.com/google/uuid"

	"carewire/internal/care"
)

// Identity is who an identity provider says is signing in.
type Identity struct {
	Issuer        string
	Subject       string
	Email         string
	EmailVerified bool
}

// addresses are the spellings of the address that the provider has verified; none where it has not.
func (i Identity) addresses() []string {
	if !i.EmailVerified || i.Email == "" {
		return []string{}
	}
	return care.EmailSpellings(i.Email)
}

// Me is a person as they see themselves.
type Me struct {
	ID          uuid.UUID         `json:"id" format:"uuid"`
	Email       string            `json:"email"`
	GivenName   string            `json:"givenName"`
	FamilyName  string            `json:"familyName"`
	Phone       *string           `json:"phone,omitempty" example:"+12015550123"`
	WhatsApp    *string           `json:"whatsApp,omitempty" example:"+12015550123"`
	Locale      string            `json:"locale"`
	TimeZone    string            `json:"timeZone"`
	Memberships []care.Membership `json:"memberships"`
}

// User is a person as those who handle people see them. Memberships are only those at clinics that the reader may see.
type User struct {
	ID          uuid.UUID         `json:"id" format:"uuid"`
	Version     int64             `json:"version"`
	Email       string            `json:"email"`
	GivenName   string            `json:"givenName"`
	FamilyName  string            `json:"familyName"`
	Phone       *string           `json:"phone,omitempty" example:"+12015550123"`
	WhatsApp    *string           `json:"whatsApp,omitempty" example:"+12015550123"`
	Locale      string            `json:"locale"`
	TimeZone    string            `json:"timeZone"`
	Status      string            `json:"status" enum:"active,disabled"`
	Memberships []care.Membership `json:"memberships"`
	CreatedAt   time.Time         `json:"createdAt" format:"date-time"`
	UpdatedAt   time.Time         `json:"updatedAt" format:"date-time"`
}

// UserSummary is a person in a list: enough to find them, without the contacts, whose reading is audited one by one.
type UserSummary struct {
	ID          uuid.UUID         `json:"id" format:"uuid"`
	GivenName   string            `json:"givenName"`
	FamilyName  string            `json:"familyName"`
	Status      string            `json:"status" enum:"active,disabled"`
	Memberships []care.Membership `json:"memberships"`
}

// UserPage is one page of a list; Next is the cursor of the page after it, or empty.
type UserPage struct {
	Items []UserSummary `json:"items"`
	Next  string        `json:"next,omitempty"`
}

// UserFilter narrows a list of people. The zero value is the first page of everybody whom the caller may see.
type UserFilter struct {
	// ClinicID is zero for all clinics of the caller's.
	ClinicID uuid.UUID
	// Role is empty for all.
	Role care.Role
	// Cursor is the Next of the page before.
	Cursor string
	// Limit is 1 to 200; 0 means 50.
	Limit int
}

// NewUser is a person to register. Without a ClinicID they hold no role yet, which only carewire's own seed may do.
type NewUser struct {
	// ID is chosen by the service when it is zero; EmailVerified says that the address was proved. Seed and import set them.
	ID            uuid.UUID   `json:"-"`
	EmailVerified bool        `json:"-"`
	Email         string      `json:"email" minLength:"3" maxLength:"254" format:"email" doc:"Where the person receives email and by what they sign in." example:"ada@clinic.example"`
	GivenName     string      `json:"givenName" text:"line" minLength:"1" maxLength:"200" example:"Ada"`
	FamilyName    string      `json:"familyName" text:"line" minLength:"1" maxLength:"200" example:"Byron"`
	Phone         *string     `json:"phone,omitempty" maxLength:"32" doc:"With + and the country code; kept in E.164 form." example:"+12015550123"`
	WhatsApp      *string     `json:"whatsApp,omitempty" maxLength:"32" doc:"The number of the person's WhatsApp, which may be another." example:"+12015550123"`
	Locale        string      `json:"locale,omitempty" maxLength:"35" default:"en" doc:"A BCP 47 language tag." example:"en-GB"`
	TimeZone      string      `json:"timeZone,omitempty" maxLength:"64" default:"UTC" doc:"An IANA time zone." example:"Europe/Berlin"`
	ClinicID      uuid.UUID   `json:"clinicId" format:"uuid" doc:"The clinic at which the roles are held."`
	Roles         []care.Role `json:"roles" minItems:"1" maxItems:"5" enum:"patient,doctor,nurse,receptionist,admin"`
}

// UserInput replaces a person's details.
type UserInput struct {
	Email      string  `json:"email" minLength:"3" maxLength:"254" format:"email" example:"ada@clinic.example"`
	GivenName  string  `json:"givenName" text:"line" minLength:"1" maxLength:"200" example:"Ada"`
	FamilyName string  `json:"familyName" text:"line" minLength:"1" maxLength:"200" example:"Byron"`
	Phone      *string `json:"phone,omitempty" maxLength:"32" doc:"With + and the country code; kept in E.164 form. Left out: none." example:"+12015550123"`
	WhatsApp   *string `json:"whatsApp,omitempty" maxLength:"32" doc:"The number of the person's WhatsApp, which may be another. Left out: none." example:"+12015550123"`
	Locale     string  `json:"locale" minLength:"2" maxLength:"35" doc:"A BCP 47 language tag." example:"en-GB"`
	TimeZone   string  `json:"timeZone" minLength:"1" maxLength:"64" doc:"An IANA time zone." example:"Europe/Berlin"`
	Status     string  `json:"status" enum:"active,disabled" doc:"A disabled person cannot sign in; their sessions end at once."`
}

// The statuses of a person.
const (
	Active   = "active"
	Disabled = "disabled"
)

// Device is one that receives a person's push messages. Its token is a secret between it and the provider: it is never
// given back.
type Device struct {
	ID         uuid.UUID `json:"id" format:"uuid"`
	Platform   string    `json:"platform" enum:"android,ios,web"`
	CreatedAt  time.Time `json:"createdAt" format:"date-time"`
	LastSeenAt time.Time `json:"lastSeenAt" format:"date-time"`
	// Created says that the registration was a new one: 201 rather than 200.
	Created bool `json:"-"`
}

// NewDevice is a device to register.
type NewDevice struct {
	Platform string `json:"platform" enum:"android,ios,web"`
	Token    string `json:"token" minLength:"1" maxLength:"4096" doc:"The registration token that the push provider gave the device."`
}

// Preference says whether a person wants to be told of a category on a channel. What was never set is wanted.
type Preference struct {
	Category string `json:"category" enum:"clinical,appointment,billing,account,chat,system"`
	Channel  string `json:"channel" enum:"email,push,sms,whatsapp,inapp"`
	Enabled  bool   `json:"enabled"`
}

// Channels are the ways to reach a person, in the order in which preferences are listed.
var Channels = []string{"email", "push", "sms", "whatsapp", "inapp"}

// MembershipInput is a role to grant or revoke. ClinicID is nil for a platform role, which only carewire's own seed
// gives.
type MembershipInput struct {
	UserID   uuid.UUID  `json:"userId" format:"uuid"`
	ClinicID *uuid.UUID `json:"clinicId" format:"uuid"`
	Role     care.Role  `json:"role"`
}
