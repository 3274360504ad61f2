package care_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"carewire/internal/care"
)

func TestParsePhone_ReturnsE164(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ text, region, want string }{
		{"+49 (0)30 90 18 20", "", "+4930901820"},
		{"+49 (0) 30/901820", "US", "+4930901820"},
		{"0049-30-901820", "", "+4930901820"},
		{"tel:+49-30-901820", "", "+4930901820"},
		{" +44 (0)20 7946 0018 ", "", "+442079460018"},
		{"+39 06 6982", "", "+39066982"},
		{"030 901820", "DE", "+4930901820"},
		{"(415) 555-2671", "US", "+14155552671"},
		{"１-415-555-2671", "US", "+14155552671"},
	} {
		got, err := care.ParsePhone(c.text, c.region)
		require.NoError(t, err, c.text)
		require.Equal(t, c.want, got)
	}
}

func TestParsePhone_RefusesOtherNumbersWithoutRepeatingThem(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ text, region, want string }{
		{"+999999999", "DE", "must be an existing phone number"},
		{"+4930", "", "must be an existing phone number"},
		{"030 901820", "", "its country is not known"},
		{"901820", "XX", "of its country"},
		{"110", "DE", "of its country"},
		{"+1 415 555 2671 ext. 5", "", "without an extension"},
		{"+49 30 901820 / +49 30 901821", "", "must be an existing phone number"},
		{"call me", "DE", "must be an existing phone number"},
		{"", "DE", "must be an existing phone number"},
	} {
		_, err := care.ParsePhone(c.text, c.region)
		require.ErrorContains(t, err, c.want, c.text)
	}
}

func TestRegionOfZone_IsOnlyACountryThatTheZoneImplies(t *testing.T) {
	t.Parallel()
	for zone, want := range map[string]string{
		"Europe/Berlin": "DE", "Europe/Zurich": "CH", "Europe/Vienna": "AT", "Europe/London": "GB", "America/Los_Angeles": "US",
		"America/Toronto": "US", "America/New_York": "US", "Asia/Tokyo": "JP", "Europe/Warsaw": "PL", "UTC": "", "Etc/Unknown": "", "Etc/GMT+3": "", "": "",
	} {
		require.Equal(t, want, care.RegionOfZone(zone), zone)
	}
}
