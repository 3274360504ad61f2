package mapping

import (
	"errors"
	"regexp"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/language"

	"carewire/internal/care"
	"carewire/internal/clinic/directory"
	"carewire/internal/fhirimport/fhir"
)

func readOrganization(m *Options, r *fhir.Resource) (*Draft, error) {
	var o struct {
		Identifier []fhir.Identifier `json:"identifier"`
		Name       string            `json:"name"`
		Alias      []string          `json:"alias"`
	}
	if err := fhir.Decode(r.Type, r.Raw, &o); err != nil {
		return nil, err
	}
	name := o.Name
	for _, alias := range o.Alias {
		if care.CleanLine(name) == "" {
			name = alias
		}
	}
	return &Draft{
		Kind: "clinic", Clinic: &directory.Clinic{Name: name, TimeZone: m.TimeZone}, Aliases: aliases(o.Identifier),
		Paths: map[string]string{"name": "name"},
	}, nil
}

func readPractitioner(m *Options, r *fhir.Resource) (*Draft, error) {
	var p struct {
		Identifier []fhir.Identifier   `json:"identifier"`
		Name       []fhir.HumanName    `json:"name"`
		Telecom    []fhir.ContactPoint `json:"telecom"`
	}
	if err := fhir.Decode(r.Type, r.Raw, &p); err != nil {
		return nil, err
	}
	return personDraft(m, r.Type, p.Identifier, p.Name, p.Telecom, ""), nil
}

func readPatient(m *Options, r *fhir.Resource) (*Draft, error) {
	var p struct {
		Identifier    []fhir.Identifier   `json:"identifier"`
		Name          []fhir.HumanName    `json:"name"`
		Telecom       []fhir.ContactPoint `json:"telecom"`
		Communication []struct {
			Language  fhir.CodeableConcept `json:"language"`
			Preferred bool                 `json:"preferred"`
		} `json:"communication"`
		ManagingOrganization *fhir.Reference  `json:"managingOrganization"`
		GeneralPractitioner  []fhir.Reference `json:"generalPractitioner"`
		BirthDate            string           `json:"birthDate"`
		Gender               string           `json:"gender"`
	}
	if err := fhir.Decode(r.Type, r.Raw, &p); err != nil {
		return nil, err
	}
	locale := ""
	for _, c := range p.Communication {
		if locale == "" || c.Preferred {
			locale = c.Language.FirstCode()
		}
	}
	d := personDraft(m, r.Type, p.Identifier, p.Name, p.Telecom, locale)
	d.demographics(p.BirthDate, p.Gender)
	d.Clinics = p.ManagingOrganization.Keys("Organization")
	for i := range p.GeneralPractitioner {
		d.Doctors = append(d.Doctors, p.GeneralPractitioner[i].Keys("Practitioner", "PractitionerRole")...)
	}
	return d, nil
}

// demographics sets a birth date that is a full day and a code of administrative gender. Other
// values are left out.
func (d *Draft) demographics(birthDate, gender string) {
	for _, f := range []struct {
		path, value string
		field       *string
		input       directory.Demographics
	}{
		{"Patient.birthDate", birthDate, &d.User.BirthDate, directory.Demographics{BirthDate: birthDate}},
		{"Patient.gender", gender, &d.User.Sex, directory.Demographics{Sex: gender}},
	} {
		if f.value == "" {
			continue
		}
		if refused, ok := errors.AsType[*care.Error](f.input.Validate()); ok {
			d.LeftOut = append(d.LeftOut, fhir.Error{Path: f.path, Reason: "was left out: " + refused.Fields[0].Message})
			continue
		}
		*f.field = f.value
	}
}

// unknownName replaces an absent part of a name.
const unknownName = "Unknown"

func personDraft(m *Options, typ string, ids []fhir.Identifier, names []fhir.HumanName, telecom []fhir.ContactPoint, locale string) *Draft {
	given, family := chooseName(names)
	if tag, err := language.Parse(locale); err != nil || locale == "" {
		locale = ""
	} else {
		locale = tag.String()
	}
	u := &directory.ImportedUser{UserInput: directory.UserInput{
		GivenName: given, FamilyName: family, Phone: phone(telecom), Locale: locale, TimeZone: m.TimeZone,
	}}
	d := &Draft{
		Kind: "user", User: u, Aliases: aliases(ids),
		Paths: map[string]string{"givenName": "name.given", "familyName": "name.family", "email": "telecom", "phone": "telecom"},
	}
	var err error
	if u.Email, err = email(telecom); err != nil {
		d.LeftOut = append(d.LeftOut, fhir.Error{Path: typ + ".telecom", Reason: "was left out: " + err.Error()})
	}
	return d
}

// chooseName returns the official name, else the first one.
func chooseName(names []fhir.HumanName) (given, family string) {
	var chosen fhir.HumanName
	for i, n := range names {
		if i == 0 || n.Use == "official" {
			chosen = n
		}
	}
	given, family = strings.TrimSpace(strings.Join(chosen.Given, " ")), strings.TrimSpace(chosen.Family)
	if given == "" && family == "" {
		words := strings.Fields(chosen.Text)
		if n := len(words); n > 0 {
			given, family = strings.Join(words[:n-1], " "), words[n-1]
		}
	}
	return truncateName(given), truncateName(family)
}

// truncateName truncates a name to the directory's maximum of 200 characters.
func truncateName(name string) string {
	for utf8.RuneCountInString(name) > 200 {
		_, size := utf8.DecodeLastRuneInString(name)
		name = name[:len(name)-size]
	}
	return name
}

// email returns the first current address, or an error if it is invalid.
func email(telecom []fhir.ContactPoint) (string, error) {
	for _, t := range telecom {
		if value := strings.TrimSpace(t.Value); t.System == "email" && t.Use != "old" && value != "" {
			return care.ParseEmail(value)
		}
	}
	return "", nil
}

var (
	phonePunctuation = regexp.MustCompile(`[\s().\-/]`)
	phonePattern     = regexp.MustCompile(`^\+[1-9][0-9]{6,14}$`)
)

// phone returns the first number with a country code. The country of other numbers is unknown.
func phone(telecom []fhir.ContactPoint) *string {
	for _, t := range telecom {
		number := phonePunctuation.ReplaceAllString(t.Value, "")
		if (t.System == "phone" || t.System == "sms") && t.Use != "old" && phonePattern.MatchString(number) {
			return &number
		}
	}
	return nil
}

func aliases(ids []fhir.Identifier) []string {
	var all []string
	for _, id := range ids {
		all = append(all, id.Aliases()...)
	}
	return all
}

func readPractitionerRole(_ *Options, r *fhir.Resource) (*Draft, error) {
	var p struct {
		Active       *bool                  `json:"active"`
		Practitioner *fhir.Reference        `json:"practitioner"`
		Organization *fhir.Reference        `json:"organization"`
		Code         []fhir.CodeableConcept `json:"code"`
	}
	if err := fhir.Decode(r.Type, r.Raw, &p); err != nil {
		return nil, err
	}
	if p.Active != nil && !*p.Active {
		return nil, &SkipError{"the role is inactive"}
	}
	d := &Draft{Kind: "membership", Role: care.Doctor, Doctors: p.Practitioner.Keys("Practitioner"), Clinics: p.Organization.Keys("Organization")}
	for i := range p.Code {
		if p.Code[i].HasCode("nurse") {
			d.Role = care.Nurse
		}
	}
	return d, nil
}
