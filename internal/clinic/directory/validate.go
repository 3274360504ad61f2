package directory

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/nyaruka/phonenumbers"
	"golang.org/x/text/language"

	"carewire/internal/care"
	"carewire/internal/event"
)

var (
	platforms = []string{"android", "ios", "web"}
	// sexes are the codes of FHIR R4's administrative gender (http://hl7.org/fhir/administrative-gender).
	sexes = []string{"male", "female", "other", "unknown"}
	// phoneForm is E.164: a plus sign, at most 15 digits, no leading zero (ITU-T E.164, section 6).
	phoneForm = regexp.MustCompile(`^\+[1-9][0-9]{6,14}$`)
	// tokenForm is what push providers' tokens are made of: printable ASCII without spaces.
	tokenForm = regexp.MustCompile(`^[!-~]+$`)
)

// Validate says all that is wrong with a person to register, or nil.
func (n NewUser) Validate() error {
	var p care.FieldErrors
	person(&p, n.Email, n.GivenName, n.FamilyName, n.Phone, n.WhatsApp, n.Locale, n.TimeZone)
	demographics(&p, n.BirthDate, n.Sex)
	rolesOf(&p, n.Roles)
	if n.Email == "" && (len(n.Roles) == 0 || slices.ContainsFunc(n.Roles, isStaff)) {
		p.Add("email", "must be given: only a patient may have none, as those who work at a clinic sign in by it")
	}
	if n.MedicalRecordNumber != "" {
		p.Line("medicalRecordNumber", n.MedicalRecordNumber, 1, 64)
		if !slices.Contains(n.Roles, care.Patient) {
			p.Add("medicalRecordNumber", "must be left out for a person who is not registered as a patient")
		}
	}
	return p.Err()
}

func rolesOf(p *care.FieldErrors, roles []care.Role) {
	if len(roles) > len(care.ClinicRoles) {
		p.Add("roles", "must be at most %d", len(care.ClinicRoles))
		return
	}
	for i, role := range roles {
		field := fmt.Sprintf("roles[%d]", i)
		if !slices.Contains(care.ClinicRoles, role) {
			p.Add(field, "must be one of %s", join(care.ClinicRoles))
		}
		if slices.Contains(roles[:i], role) {
			p.Add(field, "is named twice")
		}
	}
}

// Validate says all that is wrong with a person's details, or nil.
func (u UserInput) Validate() error { return u.problems().Err() }

// validateChanged says what is wrong with those details that change: what was stored under older rules may stay. held are the
// person's roles where the actor may change them.
func (u UserInput) validateChanged(changed []string, held []care.Membership) error {
	p := slices.DeleteFunc(u.problems(), func(f care.FieldError) bool { return !slices.Contains(changed, f.Field) })
	if slices.Contains(changed, "email") && u.Email == "" && slices.ContainsFunc(held, func(m care.Membership) bool { return isStaff(m.Role) }) {
		p.Add("email", "must be given: only a patient may have none, as those who work at a clinic sign in by it")
	}
	if slices.Contains(changed, numbersField) {
		checkNumbers(&p, u.MedicalRecordNumbers, patientAt(held))
	}
	return p.Err()
}

func (u UserInput) problems() care.FieldErrors {
	var p care.FieldErrors
	person(&p, u.Email, u.GivenName, u.FamilyName, u.Phone, u.WhatsApp, u.Locale, u.TimeZone)
	demographics(&p, u.BirthDate, u.Sex)
	if u.Status != Active && u.Status != Disabled {
		p.Add("status", "must be %s or %s", Active, Disabled)
	}
	return p
}

// Validate says all that is wrong with a device to register, or nil.
func (d NewDevice) Validate() error {
	var p care.FieldErrors
	if !slices.Contains(platforms, d.Platform) {
		p.Add("platform", "must be one of %s", join(platforms))
	}
	if len(d.Token) > 4096 || !tokenForm.MatchString(d.Token) {
		p.Add("token", "must be 1 to 4096 printable ASCII characters without spaces")
	}
	return p.Err()
}

// Validate says all that is wrong with a preference, or nil.
func (p Preference) Validate(channels []string) error {
	var problems care.FieldErrors
	if !slices.Contains(categories, event.Category(p.Category)) {
		problems.Add("category", "must be one of %s", join(categories))
	}
	if !slices.Contains(channels, p.Channel) {
		problems.Add("channel", "must be one of %s", join(channels))
	}
	return problems.Err()
}

// Validate says all that is wrong with a clinic, or nil.
func (c Clinic) Validate() error {
	var p care.FieldErrors
	p.Line("name", c.Name, 1, 200)
	timeZone(&p, c.TimeZone)
	return p.Err()
}

// normalPhone gives a valid number in E.164 form, and anything else as it is, for Validate to refuse.
func normalPhone(text *string) *string {
	if text == nil {
		return nil
	}
	n, err := phonenumbers.Parse(*text, "")
	if err != nil || !phonenumbers.IsValidNumber(n) {
		return text
	}
	return new(phonenumbers.Format(n, phonenumbers.E164))
}

func phone(p *care.FieldErrors, field string, text *string) {
	if text == nil {
		return
	}
	n, err := phonenumbers.Parse(*text, "")
	if err != nil || !phonenumbers.IsValidNumber(n) || !phoneForm.MatchString(*text) {
		p.Add(field, "must be a phone number that exists, with + and the country code, such as +4930123456")
	}
}

func person(p *care.FieldErrors, email, given, family string, phoneNumber, whatsApp *string, locale, zone string) {
	if email != "" {
		p.Email("email", email)
	}
	p.Line("givenName", given, 1, 200)
	p.Line("familyName", family, 1, 200)
	phone(p, "phone", phoneNumber)
	phone(p, "whatsApp", whatsApp)
	if _, err := language.Parse(locale); err != nil || len(locale) > 35 {
		p.Add("locale", "must be a BCP 47 language tag such as en or de-CH")
	}
	timeZone(p, zone)
}

// earliestBirth is before the birth of anybody whose file a clinic keeps.
var earliestBirth = time.Date(1850, 1, 1, 0, 0, 0, 0, time.UTC)

// Demographics are what tells patients of one name apart; each is empty where it is not known.
type Demographics struct{ BirthDate, Sex string }

// Validate returns an error that names every field at fault, or nil.
func (d Demographics) Validate() error {
	var p care.FieldErrors
	demographics(&p, d.BirthDate, d.Sex)
	return p.Err()
}

func demographics(p *care.FieldErrors, birthDate, sex string) {
	if birthDate != "" {
		day(p, "birthDate", birthDate)
	}
	if sex != "" && !slices.Contains(sexes, sex) {
		p.Add("sex", "must be one of %s", join(sexes))
	}
}

// day notes a problem unless the text is a day from 1850 on that has begun somewhere on Earth.
func day(p *care.FieldErrors, field, text string) {
	d, err := time.Parse(time.DateOnly, text)
	switch {
	case err != nil:
		p.Add(field, "must be a day such as 1984-03-14")
	case d.Before(earliestBirth):
		p.Add(field, "must be a day from 1850 on")
	case d.After(time.Now().UTC().Add(14 * time.Hour)): // The first time zone is 14 hours ahead of UTC.
		p.Add(field, "must not be in the future")
	}
}

func timeZone(p *care.FieldErrors, zone string) {
	// "" and "Local" load too, but mean the server's zone.
	if _, err := time.LoadLocation(zone); err != nil || zone == "" || zone == "Local" || len(zone) > 64 {
		p.Add("timeZone", "must be an IANA time zone such as Europe/Berlin")
	}
}

func join[T ~string](list []T) string {
	words := make([]string, len(list))
	for i, w := range list {
		words[i] = string(w)
	}
	return strings.Join(words, ", ")
}
