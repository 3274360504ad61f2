package mapping

import (
	"errors"
	"strconv"

	"golang.org/x/text/language"

	"carewire/internal/care"
	"carewire/internal/clinic/directory"
	"carewire/internal/fhirimport/fhir"
	"carewire/internal/fhirimport/meaning"
	"carewire/internal/fhirimport/people"
)

func readOrganization(m *Options, r *fhir.Resource) (*Draft, error) {
	var o struct {
		Identifier []people.Identifier    `json:"identifier"`
		Active     *bool                  `json:"active"`
		Type       []fhir.CodeableConcept `json:"type"`
		Name       string                 `json:"name"`
		Alias      []string               `json:"alias"`
	}
	if err := fhir.Decode(r.Type, r.Raw, &o); err != nil {
		return nil, err
	}
	if o.Active != nil && !*o.Active {
		return nil, &meaning.SkipError{Reason: "is closed (active is false); import its records with --clinic"}
	}
	if what := people.NotCareType(o.Type); what != "" {
		return nil, &meaning.SkipError{Reason: "is " + what + " and no clinic; the type is that of a clinic only if it cares for patients"}
	}
	name := o.Name
	for _, alias := range o.Alias {
		if care.CleanLine(name) == "" {
			name = alias
		}
	}
	return &Draft{
		Kind: "clinic", Clinic: &directory.ClinicInput{Name: name, TimeZone: m.TimeZone}, Aliases: people.Aliases(o.Identifier, m.now()),
		Paths: map[string]string{"name": "name"},
	}, nil
}

func readPractitioner(m *Options, r *fhir.Resource) (*Draft, error) {
	var p struct {
		person
		Active *bool `json:"active"`
	}
	if err := fhir.Decode(r.Type, r.Raw, &p); err != nil {
		return nil, err
	}
	d := p.draft(m, r.Type, "")
	if p.Active != nil && !*p.Active {
		d.User.Inactive = true
		d.Note(r.Type+".active", "is false: imported with a disabled account")
	}
	return d, nil
}

func readPatient(m *Options, r *fhir.Resource) (*Draft, error) {
	var p struct {
		person
		patientState
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
	if survivor := p.survivor(); survivor != nil {
		return ReplacedBy(survivor.Keys(r.Type)...), nil
	}
	d := p.draft(m, r.Type, locale)
	d.demographics(p.BirthDate, p.Gender)
	p.apply(d)
	d.Clinics = d.Refer("managingOrganization", p.ManagingOrganization, "Organization")
	for i := range p.GeneralPractitioner {
		d.ReferDoctor("generalPractitioner["+strconv.Itoa(i)+"]", &p.GeneralPractitioner[i])
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

// person are the fields that Practitioner and Patient share.
type person struct {
	Identifier []people.Identifier   `json:"identifier"`
	Name       []people.HumanName    `json:"name"`
	Telecom    []people.ContactPoint `json:"telecom"`
	Address    []people.Address      `json:"address"`
}

func (p *person) draft(m *Options, typ, locale string) *Draft {
	now := m.now()
	given, family, found := people.ChooseName(p.Name, now)
	if tag, err := language.Parse(locale); err != nil || locale == "" {
		locale = ""
	} else {
		locale = tag.String()
	}
	u := &directory.ImportedUser{UserInput: directory.UserInput{
		GivenName: given, FamilyName: family, Locale: locale, TimeZone: m.TimeZone,
	}}
	d := &Draft{
		Kind: "user", User: u, Aliases: people.Aliases(p.Identifier, now),
		Paths: map[string]string{"givenName": "name.given", "familyName": "name.family", "email": "telecom", "phone": "telecom", "deceasedOn": "deceasedDateTime"},
	}
	if !found {
		d.Note(typ+".name", "has no current name (official, usual or temp); imported as "+unknownName)
	}
	var err error
	if u.Email, err = people.Email(p.Telecom, now); err != nil {
		d.Note(typ+".telecom", "was left out: "+err.Error())
	}
	var refused []error
	u.Phone, refused = people.Phone(p.Telecom, now, people.Region(p.Address, m.PhoneRegion))
	for _, err := range refused {
		d.Note(typ+".telecom", "was left out: "+err.Error())
	}
	return d
}

func readPractitionerRole(m *Options, r *fhir.Resource) (*Draft, error) {
	var p struct {
		Active       *bool                  `json:"active"`
		Practitioner *fhir.Reference        `json:"practitioner"`
		Organization *fhir.Reference        `json:"organization"`
		Code         []fhir.CodeableConcept `json:"code"`
		Period       *fhir.Period           `json:"period"`
	}
	if err := fhir.Decode(r.Type, r.Raw, &p); err != nil {
		return nil, err
	}
	d := &Draft{
		Kind: "membership", Role: people.PractitionerRole(p.Code), Doctors: p.Practitioner.Keys("Practitioner"), Clinics: p.Organization.Keys("Organization"),
		Paths: map[string]string{"clinicId": "organization"},
	}
	switch {
	case p.Active != nil && !*p.Active:
		d.Former = true
		d.Note(r.Type+".active", "is false: imported as a former role")
	case !p.Period.Includes(m.now()):
		d.Former = true
		d.Note(r.Type+".period", "has ended or not begun: imported as a former role")
	}
	if d.Role == "" {
		d.Note(r.Type+".code", "is neither that of a doctor nor that of a nurse: the person gets no role; grant one in carewire")
	}
	return d, nil
}
