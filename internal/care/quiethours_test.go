package care_test

import (
	"encoding/json"
	"errors"
	"slices"
	"testing"
	"time"
	_ "time/tzdata"

	"github.com/stretchr/testify/require"

	"carewire/internal/care"
)

func daily(from, to string) care.QuietHours { return care.QuietHours{{From: from, To: to}} }

func on(from, to string, days ...string) care.QuietWindow {
	return care.QuietWindow{Days: days, From: from, To: to}
}

func TestQuietHours_EndAtTheEndOfTheWindowInThePersonsZone(t *testing.T) {
	t.Parallel()
	const berlin, newYork, lordHowe, kolkata, saoPaulo, apia = "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata", "America/Sao_Paulo", "Pacific/Apia"
	weekend := care.QuietHours{on("00:00", "24:00", "sat", "sun")}
	for _, c := range []struct {
		name, zone string
		hours      care.QuietHours
		at, end    string // RFC 3339; an empty end means that it is not quiet.
	}{
		{"not set", berlin, nil, "2026-03-10T23:00:00+01:00", ""},
		{"none", berlin, care.QuietHours{}, "2026-03-10T23:00:00+01:00", ""},
		{"before midnight", berlin, daily("22:00", "07:00"), "2026-03-10T23:00:00+01:00", "2026-03-11T07:00:00+01:00"},
		{"after midnight", berlin, daily("22:00", "07:00"), "2026-03-11T06:59:59+01:00", "2026-03-11T07:00:00+01:00"},
		{"the beginning is in the window", berlin, daily("22:00", "07:00"), "2026-03-10T22:00:00+01:00", "2026-03-11T07:00:00+01:00"},
		{"the end is not", berlin, daily("22:00", "07:00"), "2026-03-11T07:00:00+01:00", ""},
		{"just before", berlin, daily("22:00", "07:00"), "2026-03-10T21:59:59.999+01:00", ""},
		{"within one day", berlin, daily("12:30", "14:00"), "2026-03-10T13:00:00+01:00", "2026-03-10T14:00:00+01:00"},
		{"the zone decides", kolkata, daily("22:00", "07:00"), "2026-03-10T18:00:00Z", "2026-03-11T07:00:00+05:30"},
		{"the same instant elsewhere", newYork, daily("22:00", "07:00"), "2026-03-10T18:00:00Z", ""},
		{"a weekday begins it", berlin, care.QuietHours{on("22:00", "07:00", "fri")}, "2026-03-14T03:00:00+01:00", "2026-03-14T07:00:00+01:00"},
		{"another weekday does not", berlin, care.QuietHours{on("22:00", "07:00", "fri")}, "2026-03-13T03:00:00+01:00", ""},
		{"across the week's end", berlin, care.QuietHours{on("22:00", "07:00", "sun")}, "2026-03-16T03:00:00+01:00", "2026-03-16T07:00:00+01:00"},
		{"adjacent windows", berlin, care.QuietHours{on("22:00", "00:00"), on("00:00", "06:30")}, "2026-03-10T22:30:00+01:00", "2026-03-11T06:30:00+01:00"},
		{"a whole weekend", berlin, weekend, "2026-03-14T10:00:00+01:00", "2026-03-16T00:00:00+01:00"},
		{"a weekend of 47 hours", berlin, weekend, "2026-03-28T00:00:00+01:00", "2026-03-30T00:00:00+02:00"},

		{"spring: across the change", berlin, daily("22:00", "07:00"), "2026-03-28T23:00:00+01:00", "2026-03-29T07:00:00+02:00"},
		{"spring: it begins in the gap", berlin, daily("02:30", "05:00"), "2026-03-29T01:00:00Z", "2026-03-29T05:00:00+02:00"},
		{"spring: before the gap", berlin, daily("02:30", "05:00"), "2026-03-29T00:59:59Z", ""},
		{"spring: it ends in the gap", berlin, daily("22:00", "02:30"), "2026-03-28T23:30:00+01:00", "2026-03-29T01:00:00Z"},
		{"spring: after the gap", berlin, daily("22:00", "02:30"), "2026-03-29T01:00:00Z", ""},
		{"spring: a window that does not exist", berlin, daily("02:15", "02:45"), "2026-03-29T01:00:00Z", ""},
		{"spring: just before it", berlin, daily("02:15", "02:45"), "2026-03-29T00:59:59Z", ""},
		{"the day after it exists", berlin, daily("02:15", "02:45"), "2026-03-30T02:20:00+02:00", "2026-03-30T02:45:00+02:00"},
		{"autumn: across the change", berlin, daily("22:00", "07:00"), "2026-10-24T23:00:00+02:00", "2026-10-25T07:00:00+01:00"},
		{"autumn: it begins at the first", berlin, daily("02:30", "05:00"), "2026-10-25T02:30:00+02:00", "2026-10-25T05:00:00+01:00"},
		{"autumn: it ends at the last", berlin, daily("22:00", "02:30"), "2026-10-25T02:30:00+02:00", "2026-10-25T02:30:00+01:00"},
		{"autumn: between the two", berlin, daily("02:15", "02:45"), "2026-10-25T02:50:00+02:00", "2026-10-25T02:45:00+01:00"},
		{"autumn: after the last", berlin, daily("02:15", "02:45"), "2026-10-25T02:45:00+01:00", ""},

		{"New York in spring", newYork, daily("02:15", "02:45"), "2026-03-08T07:00:00Z", ""},
		{"New York in autumn", newYork, daily("23:00", "01:30"), "2026-11-01T01:29:00-04:00", "2026-11-01T01:30:00-05:00"},
		{"half an hour in spring", lordHowe, daily("02:10", "02:20"), "2026-10-03T15:30:00Z", ""},
		{"half an hour: it begins in the gap", lordHowe, daily("02:10", "04:00"), "2026-10-03T15:30:00Z", "2026-10-04T04:00:00+11:00"},
		{"half an hour in autumn", lordHowe, daily("22:00", "01:45"), "2026-04-05T01:45:00+11:00", "2026-04-05T01:45:00+10:30"},
		{"a midnight that does not exist", saoPaulo, daily("00:00", "06:00"), "2018-11-04T03:00:00Z", "2018-11-04T06:00:00-02:00"},
		{"before that midnight", saoPaulo, daily("00:00", "06:00"), "2018-11-04T02:59:59Z", ""},
		{"an hour before midnight twice", saoPaulo, daily("23:30", "06:00"), "2019-02-16T23:10:00-03:00", "2019-02-17T06:00:00-03:00"},
		{"a zone without change now", saoPaulo, daily("22:00", "07:00"), "2026-11-01T23:00:00-03:00", "2026-11-02T07:00:00-03:00"},
		{"a day that does not exist", apia, daily("22:00", "07:00"), "2011-12-29T23:00:00-10:00", "2011-12-31T07:00:00+14:00"},
		{"a window of that day", apia, care.QuietHours{on("10:00", "12:00", "fri")}, "2011-12-30T10:00:00Z", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			zone, err := time.LoadLocation(c.zone)
			require.NoError(t, err)
			at, err := time.Parse(time.RFC3339Nano, c.at)
			require.NoError(t, err)
			require.NoError(t, c.hours.Validate())
			end, quiet := c.hours.Until(at, zone)
			require.Equal(t, c.end != "", quiet)
			want := at
			if quiet {
				want, err = time.Parse(time.RFC3339Nano, c.end)
				require.NoError(t, err)
			}
			require.Truef(t, end.Equal(want), "want %s, got %s", want, end)
		})
	}
}

func TestQuietHours_EndAtAnotherTimeInAnotherZone(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 6, 1, 22, 0, 0, 0, time.UTC) // Midnight in Berlin.
	hours := daily("22:00", "07:00")
	end, quiet := hours.Until(at, care.FirstZone("Europe/Berlin"))
	require.True(t, quiet)
	require.True(t, end.Equal(time.Date(2026, 6, 2, 5, 0, 0, 0, time.UTC)))
	_, quiet = hours.Until(at, care.FirstZone("America/New_York"))
	require.False(t, quiet, "it is six in the evening there")
	end, quiet = hours.Until(at, care.FirstZone("Mars/Base", "", "Local"))
	require.True(t, quiet)
	require.True(t, end.Equal(time.Date(2026, 6, 2, 7, 0, 0, 0, time.UTC)), "UTC is the last resort")
}

// Compares Until with a slow model, minute by minute, where the clock of the zone does not change.
func TestQuietHours_AgreeWithTheClockOnTheWall(t *testing.T) {
	t.Parallel()
	hours := care.QuietHours{on("22:00", "06:15", "mon", "tue", "sun"), on("06:15", "07:00", "wed"), on("13:00", "13:01"), on("20:00", "12:00", "fri")}
	require.NoError(t, hours.Validate())
	zone := care.FirstZone("Asia/Kolkata")
	quietAt := func(at time.Time) bool {
		local := at.In(zone)
		minute := func(text string) int {
			clock, err := time.Parse("15:04", text)
			require.NoError(t, err)
			return 60*clock.Hour() + clock.Minute()
		}
		now := 60*local.Hour() + local.Minute()
		begins := func(w care.QuietWindow, day time.Weekday) bool {
			return len(w.Days) == 0 || slices.Contains(w.Days, care.Weekdays[(int(day)+6)%7])
		}
		for _, w := range hours {
			from, to := minute(w.From), minute(w.To)
			today, before := begins(w, local.Weekday()), begins(w, local.AddDate(0, 0, -1).Weekday())
			if (from < to && today && from <= now && now < to) || (from > to && ((today && from <= now) || (before && now < to))) {
				return true
			}
		}
		return false
	}
	begin := time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC)
	for m := range 7 * 24 * 60 {
		at := begin.Add(time.Duration(m) * time.Minute)
		end, quiet := hours.Until(at, zone)
		require.Equal(t, quietAt(at), quiet, at)
		if quiet {
			require.False(t, quietAt(end), at)
			require.True(t, quietAt(end.Add(-time.Minute)), at)
		}
	}
}

func TestQuietHours_AreRefusedWithTheFieldAndTheRemedy(t *testing.T) {
	t.Parallel()
	fifteen := make(care.QuietHours, 15)
	for i := range fifteen {
		fifteen[i] = on("10:00", "10:30", "mon")
	}
	for _, c := range []struct {
		name   string
		hours  care.QuietHours
		fields []string
		words  string
	}{
		{"an unknown weekday", care.QuietHours{on("22:00", "07:00", "mon", "monday")}, []string{"quietHours[0].days[1]"}, "must be one of mon, tue"},
		{"a weekday twice", care.QuietHours{on("22:00", "07:00", "mon", "mon")}, []string{"quietHours[0].days[1]"}, "duplicate"},
		{"bad times", care.QuietHours{on("22", "7:00"), on("24:00", "24:01"), on("-1:00", "12:60")}, []string{"quietHours[0].from", "quietHours[0].to", "quietHours[1].from", "quietHours[1].to", "quietHours[2].from", "quietHours[2].to"}, "such as 22:00"},
		{"an empty window", daily("22:00", "22:00"), []string{"quietHours[0].to"}, "empty"},
		{"an overlap", care.QuietHours{on("08:00", "10:00"), on("09:59", "11:00")}, []string{"quietHours[1]"}, "overlaps quietHours[0]"},
		{"an overlap across midnight", care.QuietHours{on("22:00", "07:00", "mon"), on("06:00", "08:00", "tue")}, []string{"quietHours[1]"}, "overlaps"},
		{"an overlap across the week's end", care.QuietHours{on("06:00", "08:00", "mon"), on("22:00", "07:00", "sun")}, []string{"quietHours[1]"}, "overlaps"},
		{"too many", fifteen, []string{"quietHours"}, "at most 14"},
		{"always", care.QuietHours{on("00:00", "24:00")}, []string{"quietHours"}, "wait forever"},
	} {
		err := c.hours.Validate()
		require.Equal(t, care.Invalid, care.CodeOf(err), c.name)
		e, _ := errors.AsType[*care.Error](err)
		var fields []string
		for _, f := range e.Fields {
			fields = append(fields, f.Field)
		}
		require.Equal(t, c.fields, fields, c.name)
		require.ErrorContains(t, err, c.words, c.name)
	}
	require.NoError(t, care.QuietHours{on("22:00", "07:00", "mon"), on("07:00", "08:00", "tue"), on("21:00", "22:00", "mon")}.Validate(), "adjacent windows")
}

func TestQuietHours_HaveACode(t *testing.T) {
	t.Parallel()
	require.Equal(t, "mon-sun 22:00-07:00", daily("22:00", "07:00").String())
	require.Equal(t, "mon-wed,sat 22:00-07:00; thu,fri 21:00-24:00", care.QuietHours{on("22:00", "07:00", "sat", "mon", "tue", "wed"), on("21:00", "24:00", "fri", "thu")}.String())
	require.Equal(t, "none", care.QuietHours{}.String())
	require.Equal(t, "default", care.QuietHours(nil).String())
}

func TestQuietHours_TellNoneFromNotSet(t *testing.T) {
	t.Parallel()
	var set, unset care.QuietHours
	require.NoError(t, json.Unmarshal([]byte(`[]`), &set))
	require.NoError(t, json.Unmarshal([]byte(`null`), &unset))
	require.False(t, set.Equal(unset))
	require.True(t, set.Equal(care.QuietHours{}))
	require.True(t, daily("22:00", "07:00").Equal(care.QuietHours{on("22:00", "07:00", "sun", "mon", "tue", "wed", "thu", "fri", "sat")}))
}

// Windows that pass Validate have an end that is not quiet, at most 8 days later.
func FuzzQuietHours(f *testing.F) {
	f.Add(`[{"days": ["mon", "sun"], "from": "22:00", "to": "07:00"}]`, int64(1774746000), uint8(0))
	f.Add(`[{"from": "02:15", "to": "02:45"}, {"days": ["sat"], "from": "03:00", "to": "24:00"}]`, int64(1792890000), uint8(1))
	f.Add(`[{"from": "00:00", "to": "00:00"}]`, int64(0), uint8(2))
	f.Add(`[{"days": [""], "from": "0:000", "to": "99:99"}]`, int64(-1), uint8(3))
	f.Add(`null`, int64(1<<40), uint8(4))
	names := []string{"Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata", "America/Sao_Paulo", "Pacific/Apia", "Africa/Casablanca"}
	f.Fuzz(func(t *testing.T, text string, seconds int64, zone uint8) {
		var hours care.QuietHours
		if json.Unmarshal([]byte(text), &hours) != nil {
			return
		}
		if err := hours.Validate(); err != nil {
			require.Equal(t, care.Invalid, care.CodeOf(err))
			return
		}
		loc := care.FirstZone(names[int(zone)%len(names)])
		at := time.Unix(seconds%(1<<33), 0)
		end, quiet := hours.Until(at, loc)
		if !quiet {
			require.True(t, end.Equal(at))
			return
		}
		require.True(t, end.After(at))
		require.Less(t, end.Sub(at), 9*24*time.Hour)
		_, again := hours.Until(end, loc)
		require.False(t, again && end.Sub(at) < 7*24*time.Hour)
	})
}
