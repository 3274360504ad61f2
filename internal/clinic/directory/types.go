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
	Version     int64             `json:"version"`
	Email       string            `json:"email,omitempty" doc:"Left out where there is none."`
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

// SelfInput replaces what people change about themselves.
type SelfInput struct {
	Phone    *string `json:"phone,omitempty" maxLength:"32" doc:"With + and the country code; kept in E.164 form. Left out: none." example:"+12015550123"`
	WhatsApp *string `json:"whatsApp,omitempty" maxLength:"32" doc:"The number of one's WhatsApp, which may be another. Left out: none." example:"+12015550123"`
	Locale   string  `json:"locale" minLength:"2" maxLength:"35" doc:"A BCP 47 language tag." example:"en-GB"`
	TimeZone string  `json:"timeZone" minLength:"1" maxLength:"64" doc:"An IANA time zone." example:"Europe/Berlin"`
}

// User is a person as those who handle people see them. Memberships are only those at clinics that the reader may see.
type User struct {
	ID          uuid.UUID         `json:"id" format:"uuid"`
	Version     int64             `json:"version"`
	Email       string            `json:"email,omitempty" doc:"Left out where there is none."`
	GivenName   string            `json:"givenName"`
	FamilyName  string            `json:"familyName"`
	Phone       *string           `json:"phone,omitempty" example:"+12015550123"`
	WhatsApp    *string           `json:"whatsApp,omitempty" example:"+12015550123"`
	Locale      string            `json:"locale"`
	TimeZone    string            `json:"timeZone"`
	BirthDate   string            `json:"birthDate,omitempty" format:"date" example:"1984-03-14"`
	Sex         string            `json:"sex,omitempty" enum:"male,female,other,unknown"`
	Status      string            `json:"status" enum:"active,disabled"`
	DeceasedOn  string            `json:"deceasedOn,omitempty" format:"date" doc:"The day on which the person died. They cannot sign in and are sent nothing, whatever the status is." example:"2026-02-28"`
	Memberships []care.Membership `json:"memberships"`
	// MedicalRecordNumbers are those at clinics that the reader may see.
	MedicalRecordNumbers []MedicalRecordNumber `json:"medicalRecordNumbers,omitempty" doc:"The numbers of the patient's files, at clinics that the caller may see."`
	CreatedAt            time.Time             `json:"createdAt" format:"date-time"`
	UpdatedAt            time.Time             `json:"updatedAt" format:"date-time"`
}

// MedicalRecordNumber is the number of a patient's file at a clinic.
type MedicalRecordNumber struct {
	ClinicID uuid.UUID `json:"clinicId" format:"uuid" example:"0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b"`
	Number   string    `json:"number" text:"line" minLength:"1" maxLength:"64" example:"A-10042"`
}

// UserSummary is a person in a list: enough to find them, without the contacts, whose reading is audited one by one. Birth date
// and number are in the answer to a search only, which is audited.
type UserSummary struct {
	ID                  uuid.UUID         `json:"id" format:"uuid"`
	GivenName           string            `json:"givenName"`
	FamilyName          string            `json:"familyName"`
	Status              string            `json:"status" enum:"active,disabled"`
	DeceasedOn          string            `json:"deceasedOn,omitempty" format:"date" example:"2026-02-28"`
	BirthDate           string            `json:"birthDate,omitempty" format:"date" doc:"In the answer to a search." example:"1984-03-14"`
	MedicalRecordNumber string            `json:"medicalRecordNumber,omitempty" doc:"The number at the clinic that was searched." example:"A-10042"`
	Memberships         []care.Membership `json:"memberships"`
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
	// Name, BirthDate and Number search within one clinic; empty for any. Each word of Name begins a word of the person's
	// name, whatever the case and the accents; BirthDate is a day (2006-01-02); Number is the clinic's for the patient.
	Name, BirthDate, Number string
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
	Email         string      `json:"email,omitempty" minLength:"3" maxLength:"254" format:"email" doc:"Where the person receives email and by what they sign in. A patient may have none: they are sent no email and no invitation." example:"ada@clinic.example"`
	GivenName     string      `json:"givenName" text:"line" minLength:"1" maxLength:"200" example:"Ada"`
	FamilyName    string      `json:"familyName" text:"line" minLength:"1" maxLength:"200" example:"Byron"`
	Phone         *string     `json:"phone,omitempty" maxLength:"32" doc:"With + and the country code; kept in E.164 form." example:"+12015550123"`
	WhatsApp      *string     `json:"whatsApp,omitempty" maxLength:"32" doc:"The number of the person's WhatsApp, which may be another." example:"+12015550123"`
	Locale        string      `json:"locale,omitempty" maxLength:"35" default:"en" doc:"A BCP 47 language tag." example:"en-GB"`
	TimeZone      string      `json:"timeZone,omitempty" maxLength:"64" default:"UTC" doc:"An IANA time zone." example:"Europe/Berlin"`
	BirthDate     string      `json:"birthDate,omitempty" format:"date" example:"1984-03-14"`
	Sex           string      `json:"sex,omitempty" enum:"male,female,other,unknown" doc:"The administrative gender of FHIR R4."`
	ClinicID      uuid.UUID   `json:"clinicId" format:"uuid" doc:"The clinic at which the roles are held."`
	Roles         []care.Role `json:"roles" minItems:"1" maxItems:"5" enum:"patient,doctor,nurse,receptionist,admin"`
	// MedicalRecordNumber is the number at ClinicID.
	MedicalRecordNumber string `json:"medicalRecordNumber,omitempty" text:"line" minLength:"1" maxLength:"64" doc:"The number of the patient's file at the clinic, which nobody else's has." example:"A-10042"`
	AllowDuplicate      bool   `json:"allowDuplicate,omitempty" doc:"Registers a patient although there are some at the clinic who may be the same person (409, possible_duplicate). It is audited."`
}

// UserInput replaces a person's details.
type UserInput struct {
	Email      string  `json:"email,omitempty" minLength:"3" maxLength:"254" format:"email" doc:"Left out: none, which only a patient may have." example:"ada@clinic.example"`
	GivenName  string  `json:"givenName" text:"line" minLength:"1" maxLength:"200" example:"Ada"`
	FamilyName string  `json:"familyName" text:"line" minLength:"1" maxLength:"200" example:"Byron"`
	Phone      *string `json:"phone,omitempty" maxLength:"32" doc:"With + and the country code; kept in E.164 form. Left out: none." example:"+12015550123"`
	WhatsApp   *string `json:"whatsApp,omitempty" maxLength:"32" doc:"The number of the person's WhatsApp, which may be another. Left out: none." example:"+12015550123"`
	Locale     string  `json:"locale" minLength:"2" maxLength:"35" doc:"A BCP 47 language tag." example:"en-GB"`
	TimeZone   string  `json:"timeZone" minLength:"1" maxLength:"64" doc:"An IANA time zone." example:"Europe/Berlin"`
	BirthDate  string  `json:"birthDate,omitempty" format:"date" doc:"Left out: none." example:"1984-03-14"`
	Sex        string  `json:"sex,omitempty" enum:"male,female,other,unknown" doc:"The administrative gender of FHIR R4. Left out: none."`
	Status     string  `json:"status" enum:"active,disabled" doc:"A disabled person cannot sign in; their sessions end at once."`
	// MedicalRecordNumbers are those at the clinics where the actor may change the person.
	MedicalRecordNumbers []MedicalRecordNumber `json:"medicalRecordNumbers,omitempty" maxItems:"50" doc:"The numbers of the patient's files at the caller's clinics. Left out: none there."`
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
	Channel  string `json:"channel"` // One of Service.Channels; the OpenAPI document lists them.
	Enabled  bool   `json:"enabled"`
}

// MembershipInput is a role to grant or revoke. ClinicID is nil for a platform role, which only carewire's own seed
// gives.
type MembershipInput struct {
	UserID   uuid.UUID  `json:"userId" format:"uuid"`
	ClinicID *uuid.UUID `json:"clinicId" format:"uuid"`
	Role     care.Role  `json:"role"`
}
