package care

import (
	"errors"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/nyaruka/phonenumbers"
)

// The errors of ParsePhone.
var (
	errPhone          = errors.New("must be an existing phone number with + and the country code, such as +4930123456")
	errPhoneRegion    = errors.New("must be an existing phone number of its country, or one with + and the country code")
	errPhoneExtension = errors.New("must be a phone number without an extension")
	errPhoneCountry   = errors.New("must be a phone number with + and the country code, such as +4930123456: its country is not known")
)

// ParsePhone returns a phone number in E.164 form, such as "+4930901820" for "+49 (0)30 90 18 20".
// region is the country of a number without a country code, in ISO 3166-1 alpha-2, or "" if it is
// not known. The number must exist by the numbering plan of its country.
func ParsePhone(text, region string) (string, error) {
	text = strings.TrimSpace(text)
	if abroad, ok := strings.CutPrefix(text, "00"); ok {
		text = "+" + abroad
	}
	n, err := phonenumbers.Parse(text, region)
	valid, hasCountry := err == nil && phonenumbers.IsValidNumber(n), strings.Contains(text, "+")
	switch {
	case valid && n.GetExtension() != "":
		return "", errPhoneExtension
	case valid:
	case !hasCountry && region != "":
		return "", errPhoneRegion
	case errors.Is(err, phonenumbers.ErrInvalidCountryCode) && !hasCountry:
		return "", errPhoneCountry
	default:
		return "", errPhone
	}
	return phonenumbers.Format(n, phonenumbers.E164), nil
}

// mobileTypes are the types of numbers that can receive text messages. The numbering plans of some
// countries, such as the United States and Canada, do not distinguish mobile from fixed lines.
var mobileTypes = []phonenumbers.PhoneNumberType{phonenumbers.MOBILE, phonenumbers.FIXED_LINE_OR_MOBILE}

// IsMobile reports whether a phone number in E.164 form can be a mobile phone's by the numbering plan
// of its country.
func IsMobile(number string) bool {
	n, err := phonenumbers.Parse(number, "")
	return err == nil && slices.Contains(mobileTypes, phonenumbers.GetNumberType(n))
}

// zoneRegions are the regions of time zones that the numbering plans of several countries name.
var zoneRegions = map[string]string{
	"America/Chicago": "US", "America/New_York": "US", "Asia/Seoul": "KR", "Asia/Shanghai": "CN", "Atlantic/Reykjavik": "IS",
	"Africa/Nairobi": "KE", "Europe/Belgrade": "RS", "Europe/Bucharest": "RO", "Europe/London": "GB", "Europe/Moscow": "RU", "Europe/Paris": "FR",
}

// callingCodes returns the country calling codes by time zone.
var callingCodes = sync.OnceValue(func() map[string][]int {
	codes := map[string][]int{}
	for code := range phonenumbers.GetSupportedCallingCodes() {
		zones, err := phonenumbers.GetTimezonesForPrefix(strconv.Itoa(code))
		if err != nil {
			continue
		}
		for _, zone := range zones {
			codes[zone] = append(codes[zone], code)
		}
	}
	return codes
})

// RegionOfZone returns the country of an IANA time zone for ParsePhone, or "" if it is not known or
// if several countries use the zone. Countries with one calling code, such as the United States and
// Canada, are one region.
func RegionOfZone(zone string) string {
	if region, ok := zoneRegions[zone]; ok {
		return region
	}
	codes := callingCodes()[zone]
	if len(codes) != 1 || zone == phonenumbers.UNKNOWN_TIMEZONE {
		return ""
	}
	if region := phonenumbers.GetRegionCodeForCountryCode(codes[0]); IsPhoneRegion(region) {
		return region
	}
	return ""
}

// phoneRegions are the regions with a numbering plan.
var phoneRegions = sync.OnceValue(func() []string {
	var all []string
	for region := range phonenumbers.GetSupportedRegions() {
		all = append(all, region)
	}
	slices.Sort(all)
	return all
})

// IsPhoneRegion reports whether ParsePhone knows the region.
func IsPhoneRegion(region string) bool {
	_, known := slices.BinarySearch(phoneRegions(), region)
	return known
}
