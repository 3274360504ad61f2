package appointment

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"carewire/internal/care"
)

// texts returns each span as "start end" in RFC 3339.
func texts(spans []care.Span) []string {
	list := []string{}
	for _, s := range spans {
		list = append(list, s.StartsAt.Format(time.RFC3339)+" "+s.EndsAt.Format(time.RFC3339))
	}
	return list
}

func dayOf(t *testing.T, text string) time.Time {
	t.Helper()
	day, err := time.Parse(time.DateOnly, text)
	require.NoError(t, err)
	return day
}

func zoneOf(t *testing.T, name string) *time.Location {
	t.Helper()
	zone, err := time.LoadLocation(name)
	require.NoError(t, err)
	return zone
}

// The days of this table are those on which the zones' clocks change.
func TestClockSpans_AreCorrectWhenClocksChange(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, zone, day, opens, closes string
		want                           []string
	}{
		{"an ordinary day", "Europe/Berlin", "2027-03-15", "09:00", "17:00", []string{"2027-03-15T09:00:00+01:00 2027-03-15T17:00:00+01:00"}},
		{"a day of 23 hours", "Europe/Berlin", "2027-03-28", "00:00", "24:00", []string{"2027-03-28T00:00:00+01:00 2027-03-29T00:00:00+02:00"}},
		{"after the change", "Europe/Berlin", "2027-03-28", "09:00", "17:00", []string{"2027-03-28T09:00:00+02:00 2027-03-28T17:00:00+02:00"}},
		{"opens at a time left out", "Europe/Berlin", "2027-03-28", "02:30", "06:00", []string{"2027-03-28T03:00:00+02:00 2027-03-28T06:00:00+02:00"}},
		{"closes at a time left out", "Europe/Berlin", "2027-03-28", "01:00", "02:30", []string{"2027-03-28T01:00:00+01:00 2027-03-28T03:00:00+02:00"}},
		{"is all left out", "Europe/Berlin", "2027-03-28", "02:00", "03:00", []string{}},
		{"a day of 25 hours", "Europe/Berlin", "2027-10-31", "00:00", "24:00", []string{"2027-10-31T00:00:00+02:00 2027-11-01T00:00:00+01:00"}},
		{"closes at a time shown twice", "Europe/Berlin", "2027-10-31", "01:00", "02:30", []string{
			"2027-10-31T01:00:00+02:00 2027-10-31T02:30:00+02:00", "2027-10-31T02:00:00+01:00 2027-10-31T02:30:00+01:00",
		}},
		{"opens at a time shown twice", "Europe/Berlin", "2027-10-31", "02:30", "04:00", []string{
			"2027-10-31T02:30:00+02:00 2027-10-31T02:00:00+01:00", "2027-10-31T02:30:00+01:00 2027-10-31T04:00:00+01:00",
		}},
		{"is all shown twice", "Europe/Berlin", "2027-10-31", "02:00", "03:00", []string{"2027-10-31T02:00:00+02:00 2027-10-31T03:00:00+01:00"}},
		{"west of Greenwich in spring", "America/New_York", "2027-03-14", "01:30", "03:30", []string{"2027-03-14T01:30:00-05:00 2027-03-14T03:30:00-04:00"}},
		{"west of Greenwich in autumn", "America/New_York", "2027-11-07", "00:30", "02:00", []string{"2027-11-07T00:30:00-04:00 2027-11-07T02:00:00-05:00"}},
		{"half an hour left out", "Australia/Lord_Howe", "2027-10-03", "00:00", "24:00", []string{"2027-10-03T00:00:00+10:30 2027-10-04T00:00:00+11:00"}},
		{"opens in that half hour", "Australia/Lord_Howe", "2027-10-03", "02:15", "03:00", []string{"2027-10-03T02:30:00+11:00 2027-10-03T03:00:00+11:00"}},
		{"half an hour shown twice", "Australia/Lord_Howe", "2027-04-04", "01:00", "01:45", []string{
			"2027-04-04T01:00:00+11:00 2027-04-04T01:45:00+11:00", "2027-04-04T01:30:00+10:30 2027-04-04T01:45:00+10:30",
		}},
		{"an offset of five and three quarters", "Asia/Kathmandu", "2027-03-28", "09:00", "17:00", []string{"2027-03-28T09:00:00+05:45 2027-03-28T17:00:00+05:45"}},
		{"a midnight left out", "Asia/Beirut", "2027-03-28", "00:00", "02:00", []string{"2027-03-28T01:00:00+03:00 2027-03-28T02:00:00+03:00"}},
		{"a day left out", "Pacific/Apia", "2011-12-30", "00:00", "24:00", []string{}},
		{"no zone to speak of", "UTC", "2027-03-28", "00:00", "24:00", []string{"2027-03-28T00:00:00Z 2027-03-29T00:00:00Z"}},
	} {
		opens, closes := Opening{OpensAt: c.opens, ClosesAt: c.closes}.minutes()
		day := dayOf(t, c.day)
		require.Equal(t, c.want, texts(clockSpans(zoneOf(t, c.zone), day.Add(opens), day.Add(closes))), "%s: %s %s %s-%s", c.name, c.zone, c.day, c.opens, c.closes)
	}
}

// Every quarter of an hour of two years is in exactly one day, and its clock shows a time in the
// span.
func TestClockSpans_CoverAllTimeOnce(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Beirut", "Pacific/Chatham", "America/St_Johns"} {
		zone := zoneOf(t, name)
		var days []care.Span
		lengths := map[time.Duration]int{}
		for day := dayOf(t, "2027-01-01"); day.Year() < 2029; day = day.AddDate(0, 0, 1) {
			whole := clockSpans(zone, day, day.AddDate(0, 0, 1))
			require.Len(t, whole, 1, "%s %s", name, day)
			lengths[whole[0].EndsAt.Sub(whole[0].StartsAt)]++
			days = appendSpan(days, whole[0])
			noon := clockSpans(zone, day.Add(12*time.Hour), day.Add(13*time.Hour))
			require.Len(t, noon, 1)
			require.Equal(t, day.Format(time.DateOnly)+" 12:00", noon[0].StartsAt.Format("2006-01-02 15:04"))
		}
		require.Len(t, days, 1, "%s: one day begins where the one before ends", name)
		require.Len(t, lengths, 3, "%s: ordinary days, shorter and longer ones: %v", name, lengths)
	}
}

func TestSlots_AreConsecutiveWhenClocksChange(t *testing.T) {
	t.Parallel()
	always := []Opening{{Weekday: "sunday", OpensAt: "00:00", ClosesAt: "24:00"}}
	for _, c := range []struct {
		zone, day string
		want      int
	}{
		{"Europe/Berlin", "2027-03-21", 48},
		{"Europe/Berlin", "2027-03-28", 46},
		{"Europe/Berlin", "2027-10-31", 50},
		{"America/New_York", "2027-03-14", 46},
		{"America/New_York", "2027-11-07", 50},
		{"Australia/Lord_Howe", "2027-10-03", 47},
		{"Australia/Lord_Howe", "2027-04-04", 49},
	} {
		day := dayOf(t, c.day)
		free := freeSlots(openSpans(zoneOf(t, c.zone), day, always), nil, 30*time.Minute, time.Time{})
		require.Len(t, free, c.want, "%s %s", c.zone, c.day)
		seen := map[string]bool{}
		for i, slot := range free {
			require.Equal(t, 30*time.Minute, slot.EndsAt.Sub(slot.StartsAt))
			text := slot.StartsAt.Format(time.RFC3339)
			require.False(t, seen[text], "%s: with its offset each is another time", text)
			seen[text] = true
			if i > 0 {
				require.True(t, free[i-1].EndsAt.Equal(slot.StartsAt))
			}
		}
	}
}

func TestSlots_ExcludeBusyPastAndTooShortTimes(t *testing.T) {
	t.Parallel()
	at := func(clock string) time.Time {
		v, err := time.Parse("15:04", clock)
		require.NoError(t, err)
		return v
	}
	span := func(from, to string) care.Span { return care.Span{StartsAt: at(from), EndsAt: at(to)} }
	starts := func(spans []care.Span) (list []string) {
		for _, s := range spans {
			list = append(list, s.StartsAt.Format("15:04"))
		}
		return list
	}
	hours := []care.Span{span("09:00", "10:45"), span("14:00", "15:00")}
	require.Equal(t, []string{"09:00", "09:30", "10:00", "14:00", "14:30"}, starts(freeSlots(hours, nil, 30*time.Minute, at("00:00"))))
	require.Equal(t, []string{"09:00", "10:00", "14:30"}, starts(freeSlots(hours, []care.Span{span("09:30", "10:00"), span("13:00", "14:01")}, 30*time.Minute, at("00:00"))))
	require.Equal(t, []string{"10:00", "14:00", "14:30"}, starts(freeSlots(hours, nil, 30*time.Minute, at("09:31"))))
	require.Equal(t, []string{"09:00"}, starts(freeSlots(hours, nil, 105*time.Minute, at("00:00"))))
	require.Empty(t, freeSlots(hours, nil, 106*time.Minute, at("00:00")))
}
