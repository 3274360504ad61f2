package people

import (
	"strings"
	"time"

	"golang.org/x/text/language"

	"carewire/internal/care"
)

// Address is the part of FHIR R4's Address that is read.
type Address struct {
	Country string `json:"country"`
}

// Region returns the country of phone numbers without a country code: the one of the person's
// addresses, else the other one. It returns "" if the addresses are in several countries,
// or in one that is not an ISO 3166 code.
func Region(addresses []Address, other string) string {
	region := ""
	for _, a := range addresses {
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
		return other
	}
	return region
}

// Phone returns the preferred number that is valid, or nil, and the reasons why those that would be
// preferred are not.
func Phone(telecom []ContactPoint, now time.Time, region string) (phone *string, refused []error) {
	for _, t := range chooseContacts(telecom, now, "phone", "sms") {
		number, err := care.ParsePhone(t.Value, region)
		if err == nil {
			return &number, refused
		}
		refused = append(refused, err)
	}
	return nil, refused
}

// Email returns the preferred address, or an error if it is invalid.
func Email(telecom []ContactPoint, now time.Time) (string, error) {
	for _, t := range chooseContacts(telecom, now, "email") {
		return care.ParseEmail(strings.TrimSpace(t.Value))
	}
	return "", nil
}
