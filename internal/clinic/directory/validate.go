package directory

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"golang.org/x/text/language"

	"carewire/internal/care"
)

var (
	platforms = []string{"android", "ios", "web"}
	// sexes are the codes of FHIR R4's administrative gender
	// (http://hl7.org/fhir/administrative-gender).
	sexes = []string{"male", "female", "other", "unknown"}
	// tokenForm matches the tokens of push providers: printable ASCII without spaces.
	tokenForm = regexp.MustCompile(`^[!-~]+$`)
)

// Validate returns an error with every invalid field, or nil.
func (n NewUser) Validate() error {
	var errs care.FieldErrors
	person(&errs, n.Email, n.GivenName, n.FamilyName, n.Phone, n.WhatsApp, n.Locale, n.TimeZone)
	demographics(&errs, n.BirthDate, n.Sex)
	rolesOf(&errs, n.Roles)
	for _, role := range n.PlatformRoles {
		if !slices.Contains(care.PlatformRoles, role) {
			errs.Add("platformRoles", "must be one of %s", join(care.PlatformRoles))
		}
	}
	if n.Email == "" && (len(n.Roles) == 0 || slices.ContainsFunc(n.Roles, isStaff)) {
		errs.Add("email", "is required: only patients may have no email address, because staff sign in with it")
	}
	if n.MedicalRecordNumber != "" {
		errs.Line("medicalRecordNumber", n.MedicalRecordNumber, 1, 64)
		if !slices.Contains(n.Roles, care.Patient) {
			errs.Add("medicalRecordNumber", "must be omitted for a person who is not a patient")
		}
	}
	return errs.Err()
}

func rolesOf(errs *care.FieldErrors, roles []care.Role) {
	if len(roles) > len(care.ClinicRoles) {
		errs.Add("roles", "must have at most %d items", len(care.ClinicRoles))
		return
	}
	for i, role := range roles {
		field := fmt.Sprintf("roles[%d]", i)
		if !slices.Contains(care.ClinicRoles, role) {
			errs.Add(field, "must be one of %s", join(care.ClinicRoles))
		}
		if slices.Contains(roles[:i], role) {
			errs.Add(field, "is a duplicate")
		}
	}
}

// Validate returns an error with every invalid field, or nil.
func (u UserInput) Validate() error { return u.fieldErrors().Err() }

// validateChanged validates only the changed details: values stored under older rules may be kept.
// held are the person's roles at the clinics where the actor may change them.
func (u UserInput) validateChanged(changed []string, held []care.Membership) error {
	errs := slices.DeleteFunc(u.fieldErrors(), func(f care.FieldError) bool { return !slices.Contains(changed, f.Field) })
	if slices.Contains(changed, "email") && u.Email == "" && slices.ContainsFunc(held, func(m care.Membership) bool { return isStaff(m.Role) }) {
		errs.Add("email", "is required: only patients may have no email address, because staff sign in with it")
	}
	if slices.Contains(changed, numbersField) {
		checkNumbers(&errs, u.MedicalRecordNumbers, patientAt(held))
	}
	return errs.Err()
}

func (u UserInput) fieldErrors() care.FieldErrors {
	var errs care.FieldErrors
	person(&errs, u.Email, u.GivenName, u.FamilyName, u.Phone, u.WhatsApp, u.Locale, u.TimeZone)
	demographics(&errs, u.BirthDate, u.Sex)
	if u.Status != Active && u.Status != Disabled {
		errs.Add("status", "must be %s or %s", Active, Disabled)
	}
	return errs
}

// Validate returns an error with every invalid field, or nil.
func (d NewDevice) Validate() error {
	var errs care.FieldErrors
	if !slices.Contains(platforms, d.Platform) {
		errs.Add("platform", "must be one of %s", join(platforms))
	}
	if len(d.Token) > 4096 || !tokenForm.MatchString(d.Token) {
		errs.Add("token", "must be 1 to 4096 printable ASCII characters without spaces")
	}
	return errs.Err()
}

// Validate returns an error with every invalid field, or nil.
func (in ClinicInput) Validate() error {
	var errs care.FieldErrors
	errs.Line("name", in.Name, 1, 200)
	timeZone(&errs, in.TimeZone)
	return errs.Err()
}

// normalPhone returns a valid number in E.164 form, and any other text unchanged, for Validate to
// reject.
func normalPhone(text *string) *string {
	if text == nil {
		return nil
	}
	number, err := care.ParsePhone(*text, "")
	if err != nil {
		return text
	}
	return &number
}

func phone(errs *care.FieldErrors, field string, text *string) {
	if text == nil {
		return
	}
	switch number, err := care.ParsePhone(*text, ""); {
	case err != nil:
		errs.Add(field, "%s", err.Error())
	case number != *text:
		errs.Add(field, "must be in E.164 form: + and the country code, without spaces")
	}
}

func person(errs *care.FieldErrors, email, given, family string, phoneNumber, whatsApp *string, locale, zone string) {
	if email != "" {
		errs.Email("email", email)
	}
	errs.Line("givenName", given, 1, 200)
	errs.Line("familyName", family, 1, 200)
	phone(errs, "phone", phoneNumber)
	phone(errs, "whatsApp", whatsApp)
	languageTag(errs, locale)
	timeZone(errs, zone)
}

func languageTag(errs *care.FieldErrors, locale string) {
	if _, err := language.Parse(locale); err != nil || len(locale) > 35 {
		errs.Add("locale", "must be a BCP 47 language tag such as en or de-CH")
	}
}

// earliestBirth is before the birth of any patient of a clinic.
var earliestBirth = time.Date(1850, 1, 1, 0, 0, 0, 0, time.UTC)

// Demographics distinguish patients of the same name; each is empty if unknown.
type Demographics struct{ BirthDate, Sex string }

// Validate returns an error with every invalid field, or nil.
func (d Demographics) Validate() error {
	var errs care.FieldErrors
	demographics(&errs, d.BirthDate, d.Sex)
	return errs.Err()
}

func demographics(errs *care.FieldErrors, birthDate, sex string) {
	if birthDate != "" {
		day(errs, "birthDate", birthDate)
	}
	if sex != "" && !slices.Contains(sexes, sex) {
		errs.Add("sex", "must be one of %s", join(sexes))
	}
}

// day adds an error unless the text is a day from 1850 on that has begun somewhere on Earth.
func day(errs *care.FieldErrors, field, text string) {
	d, err := time.Parse(time.DateOnly, text)
	switch {
	case err != nil:
		errs.Add(field, "must be a day such as 1984-03-14")
	case d.Before(earliestBirth):
		errs.Add(field, "must be a day from 1850 on")
	case d.After(time.Now().UTC().Add(14 * time.Hour)): // The first time zone is 14 hours ahead of UTC.
		errs.Add(field, "must not be in the future")
	}
}

func timeZone(errs *care.FieldErrors, zone string) {
	if !care.IsTimeZone(zone) || len(zone) > 64 {
		errs.Add("timeZone", "must be an IANA time zone such as Europe/Berlin")
	}
}

func join[T ~string](list []T) string {
	words := make([]string, len(list))
	for i, w := range list {
		words[i] = string(w)
	}
	return strings.Join(words, ", ")
}
