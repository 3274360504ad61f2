package mapping

import (
	"strings"
	"time"

	"golang.org/x/text/language"

	"carewire/internal/care"
)

// address is the part of FHIR R4's Address that is read.
type address struct {
	Country string `json:"country"`
}

// region returns the country of phone numbers without a country code: the one of the person's
// addresses, else the one of the options. It returns "" if the addresses are in several countries,
// or in one that is not an ISO 3166 code.
func (p *person) region(m *Options) string {
	region := ""
	for _, a := range p.Address {
		country := strings.TrimSpace(a.Country)
		if country == "" {
			continue
		}
		known, err := language.ParseRegion(country)
		if code := known.String(); err != nil || !care.IsPhoneRegion(code) || (region != "" && region != code) {
			return ""
		}
		region = known.String()
	}
	if region == "" {
		return m.PhoneRegion
	}
	return region
}

// setPhone sets the preferred number that is valid, and notes those that would be preferred and are
// not.
func (d *Draft) setPhone(typ string, telecom []contactPoint, now time.Time, region string) {
	for _, t := range chooseContacts(telecom, now, "phone", "sms") {
		number, err := care.ParsePhone(t.Value, region)
		if err == nil {
			d.User.Phone = &number
			return
		}
		d.Note(typ+".telecom", "was left out: "+err.Error())
	}
}
