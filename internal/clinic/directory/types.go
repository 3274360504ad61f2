package directory

import (
	"time"

	"github.com/google/uuid"

	"carewire/internal/care"
)

// Identity is the identity in a token of an identity provider.
type Identity struct {
	Issuer        string
	Subject       string
	Email         string
	EmailVerified bool
}

// addresses returns the spellings of the address if the provider has verified it.
func (i Identity) addresses() []string {
	if !i.EmailVerified || i.Email == "" {
		return []string{}
	}
	return care.EmailSpellings(i.Email)
}

// Me is a person as shown to themselves.
type Me struct {
	ID          uuid.UUID         `json:"id" format:"uuid"`
	Version     int64             `json:"version"`
	Email       string            `json:"email,omitempty" doc:"Omitted if there is none."`
	GivenName   string            `json:"givenName"`
	FamilyName  string            `json:"familyName"`
	Phone       *string           `json:"phone,omitempty" example:"+12015550123"`
	WhatsApp    *string           `json:"whatsApp,omitempty" example:"+12015550123"`
	Locale      string            `json:"locale"`
	TimeZone    string            `json:"timeZone"`
	BirthDate   string            `json:"birthDate,omitempty" format:"date" example:"1984-03-14"`
	Sex         string            `json:"sex,omitempty" enum:"male,female,other,unknown"`
	Memberships []care.Membership `json:"memberships"`
}

// SelfInput replaces the details that people change themselves.
type SelfInput struct {
	Phone    *string `json:"phone,omitempty" maxLength:"32" doc:"With + and the country code; stored in E.164 form. Omit it to remove it." example:"+12015550123"`
	WhatsApp *string `json:"whatsApp,omitempty" maxLength:"32" doc:"The WhatsApp number, which may differ. Omit it to remove it." example:"+12015550123"`
	Locale   string  `json:"locale" minLength:"2" maxLength:"35" doc:"A BCP 47 language tag." example:"en-GB"`
	TimeZone string  `json:"timeZone" minLength:"1" maxLength:"64" doc:"An IANA time zone." example:"Europe/Berlin"`
}

// User is a person as shown to those who manage people. Memberships are only those at clinics
// visible to the reader.
type User struct {
	ID          uuid.UUID         `json:"id" format:"uuid"`
	Version     int64             `json:"version"`
	Email       string            `json:"email,omitempty" doc:"Omitted if there is none."`
	GivenName   string            `json:"givenName"`
	FamilyName  string            `json:"familyName"`
	Phone       *string           `json:"phone,omitempty" example:"+12015550123"`
	WhatsApp    *string           `json:"whatsApp,omitempty" example:"+12015550123"`
	Locale      string            `json:"locale"`
	TimeZone    string            `json:"timeZone"`
	BirthDate   string            `json:"birthDate,omitempty" format:"date" example:"1984-03-14"`
	Sex         string            `json:"sex,omitempty" enum:"male,female,other,unknown"`
	Status      string            `json:"status" enum:"active,disabled"`
	DeceasedOn  string            `json:"deceasedOn,omitempty" format:"date" doc:"The day on which the person died. They cannot sign in and receive no messages, regardless of the status." example:"2026-02-28"`
	Memberships []care.Membership `json:"memberships"`
	// MedicalRecordNumbers are those at clinics visible to the reader.
	MedicalRecordNumbers []MedicalRecordNumber `json:"medicalRecordNumbers,omitempty" doc:"The numbers of the patient's files, at clinics that the caller may see."`
	CreatedAt            time.Time             `json:"createdAt" format:"date-time"`
	UpdatedAt            time.Time             `json:"updatedAt" format:"date-time"`
}

// MedicalRecordNumber is the number of a patient's file at a clinic.
type MedicalRecordNumber struct {
	ClinicID uuid.UUID `json:"clinicId" format:"uuid" example:"0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b"`
	Number   string    `json:"number" text:"line" minLength:"1" maxLength:"64" example:"A-10042"`
}

// UserSummary is a person in a list. It has no contacts, because each read of those is audited.
// Birth date and number are only in the result of a search, which is audited.
type UserSummary struct {
	ID                  uuid.UUID         `json:"id" format:"uuid"`
	GivenName           string            `json:"givenName"`
	FamilyName          string            `json:"familyName"`
	Status              string            `json:"status" enum:"active,disabled"`
	DeceasedOn          string            `json:"deceasedOn,omitempty" format:"date" example:"2026-02-28"`
	BirthDate           string            `json:"birthDate,omitempty" format:"date" doc:"Only in the response to a search." example:"1984-03-14"`
	MedicalRecordNumber string            `json:"medicalRecordNumber,omitempty" doc:"The number at the clinic that was searched." example:"A-10042"`
	Memberships         []care.Membership `json:"memberships"`
}

// UserPage is one page of a list.
type UserPage care.Page[UserSummary]

// UserFilter narrows a list of people. The zero value is the first page of all people that the
// caller may see.
type UserFilter struct {
	// ClinicID is zero for all clinics of the caller.
	ClinicID uuid.UUID
	// Role is empty for all.
	Role care.Role
	// Name, BirthDate and Number search within one clinic; empty for any. Each word of Name matches
	// the start of a word of the person's name, ignoring case and accents. BirthDate is a day
	// (2006-01-02). Number is the number of the patient at the clinic.
	Name, BirthDate, Number string
	// Cursor is the Next of the previous page.
	Cursor string
	// Limit is 1 to 200; 0 means 50.
	Limit int
}

// NewUser is a person to register. Only carewire's own seed and command line may register a person
// without a ClinicID.
type NewUser struct {
	// ID is chosen by the service if it is zero. EmailVerified, PhoneVerified and WhatsAppVerified
	// report whether the address is verified. Seed and import set them.
	ID               uuid.UUID `json:"-"`
	EmailVerified    bool      `json:"-"`
	PhoneVerified    bool      `json:"-"`
	WhatsAppVerified bool      `json:"-"`

	Email      string      `json:"email,omitempty" minLength:"3" maxLength:"254" format:"email" doc:"The address for email and for signing in. A patient may have none and then receives no email and no invitation." example:"ada@clinic.example"`
	GivenName  string      `json:"givenName" text:"line" minLength:"1" maxLength:"200" example:"Ada"`
	FamilyName string      `json:"familyName" text:"line" minLength:"1" maxLength:"200" example:"Byron"`
	Phone      *string     `json:"phone,omitempty" maxLength:"32" doc:"With + and the country code; stored in E.164 form." example:"+12015550123"`
	WhatsApp   *string     `json:"whatsApp,omitempty" maxLength:"32" doc:"The WhatsApp number, which may differ." example:"+12015550123"`
	Locale     string      `json:"locale,omitempty" maxLength:"35" default:"en" doc:"A BCP 47 language tag." example:"en-GB"`
	TimeZone   string      `json:"timeZone,omitempty" maxLength:"64" default:"UTC" doc:"An IANA time zone." example:"Europe/Berlin"`
	BirthDate  string      `json:"birthDate,omitempty" format:"date" example:"1984-03-14"`
	Sex        string      `json:"sex,omitempty" enum:"male,female,other,unknown" doc:"The administrative gender of FHIR R4."`
	ClinicID   uuid.UUID   `json:"clinicId" format:"uuid" doc:"The clinic of the roles."`
	Roles      []care.Role `json:"roles" minItems:"1" maxItems:"5" enum:"patient,doctor,nurse,receptionist,admin"`
	// PlatformRoles are roles on the platform, which only the command line grants.
	PlatformRoles []care.Role `json:"-"`
	// MedicalRecordNumber is the number at ClinicID.
	MedicalRecordNumber string `json:"medicalRecordNumber,omitempty" text:"line" minLength:"1" maxLength:"64" doc:"The number of the patient's file, which is unique at the clinic." example:"A-10042"`
	AllowDuplicate      bool   `json:"allowDuplicate,omitempty" doc:"Registers a patient despite possible duplicates at the clinic (409, possible_duplicate). It is audited."`
}

// UserInput replaces a person's details.
type UserInput struct {
	Email      string  `json:"email,omitempty" minLength:"3" maxLength:"254" format:"email" doc:"Omit it to remove it, which is allowed for patients only." example:"ada@clinic.example"`
	GivenName  string  `json:"givenName" text:"line" minLength:"1" maxLength:"200" example:"Ada"`
	FamilyName string  `json:"familyName" text:"line" minLength:"1" maxLength:"200" example:"Byron"`
	Phone      *string `json:"phone,omitempty" maxLength:"32" doc:"With + and the country code; stored in E.164 form. Omit it to remove it." example:"+12015550123"`
	WhatsApp   *string `json:"whatsApp,omitempty" maxLength:"32" doc:"The WhatsApp number, which may differ. Omit it to remove it." example:"+12015550123"`
	Locale     string  `json:"locale" minLength:"2" maxLength:"35" doc:"A BCP 47 language tag." example:"en-GB"`
	TimeZone   string  `json:"timeZone" minLength:"1" maxLength:"64" doc:"An IANA time zone." example:"Europe/Berlin"`
	BirthDate  string  `json:"birthDate,omitempty" format:"date" doc:"Omit it to remove it." example:"1984-03-14"`
	Sex        string  `json:"sex,omitempty" enum:"male,female,other,unknown" doc:"The administrative gender of FHIR R4. Omit it to remove it."`
	Status     string  `json:"status" enum:"active,disabled" doc:"A disabled person cannot sign in; their sessions end immediately."`
	// MedicalRecordNumbers are those at the clinics where the actor may change the person.
	MedicalRecordNumbers []MedicalRecordNumber `json:"medicalRecordNumbers,omitempty" maxItems:"50" doc:"The numbers of the patient's files at the caller's clinics. Omit them to remove them there."`
}

// The statuses of a person.
const (
	Active   = "active"
	Disabled = "disabled"
)

// Device is a device that receives a person's push messages. Its token is a secret between it and
// the provider, and never returned.
type Device struct {
	ID         uuid.UUID `json:"id" format:"uuid"`
	Platform   string    `json:"platform" enum:"android,ios,web"`
	CreatedAt  time.Time `json:"createdAt" format:"date-time"`
	LastSeenAt time.Time `json:"lastSeenAt" format:"date-time"`
	// Created reports whether the device is new: 201 rather than 200.
	Created bool `json:"-"`
}

// NewDevice is a device to register.
type NewDevice struct {
	Platform string `json:"platform" enum:"android,ios,web"`
	Token    string `json:"token" minLength:"1" maxLength:"4096" doc:"The registration token that the push provider gave the device."`
}

// MembershipInput is a role to grant or revoke. ClinicID is nil for a platform role, which only
// carewire's own seed and command line grant.
type MembershipInput struct {
	UserID   uuid.UUID  `json:"userId" format:"uuid"`
	ClinicID *uuid.UUID `json:"clinicId" format:"uuid"`
	Role     care.Role  `json:"role"`
}
