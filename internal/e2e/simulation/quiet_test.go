package simulation

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestQuietUntil_FollowsTheClockOfTheZone(t *testing.T) {
	t.Parallel()
	night := []Window{{From: 22 * 60, To: 7 * 60}}
	short := []Window{{From: 20 * 60, To: 2*60 + 30}}
	hour := []Window{{From: 2 * 60, To: 3 * 60}}
	for _, c := range []struct {
		name, zone, at, want string
		windows              []Window
	}{
		{"a night", "Europe/Berlin", "2027-03-10T22:00:00+01:00", "2027-03-11T07:00:00+01:00", night},
		{"its end", "Europe/Berlin", "2027-03-11T07:00:00+01:00", "", night},
		{"before it", "Europe/Berlin", "2027-03-10T21:59:59+01:00", "", night},
		{"a short night, as the clock is set forward", "Europe/Berlin", "2027-03-27T23:00:00+01:00", "2027-03-28T07:00:00+02:00", night},
		{"it ends when the clock skips its end", "Europe/Berlin", "2027-03-27T23:00:00+01:00", "2027-03-28T03:00:00+02:00", short},
		{"the hour that the clock skips does not exist", "Europe/Berlin", "2027-03-28T03:00:00+02:00", "", hour},
		{"it ends at the second of two times", "Australia/Sydney", "2027-04-03T22:00:00+11:00", "2027-04-04T02:30:00+10:00", short},
		{"an hour that comes twice", "Australia/Sydney", "2027-04-04T02:10:00+11:00", "2027-04-04T03:00:00+10:00", hour},
		{"one window follows another", "UTC", "2027-03-10T12:30:00Z", "2027-03-10T15:00:00Z", []Window{{From: 12 * 60, To: 13 * 60}, {From: 13 * 60, To: 15 * 60}}},
		{"on another weekday", "UTC", "2027-03-10T12:30:00Z", "", []Window{{From: 12 * 60, To: 13 * 60, Days: []time.Weekday{time.Sunday}}}},
		{"after the night of a weekday", "UTC", "2027-03-15T03:00:00Z", "2027-03-15T07:00:00Z", []Window{{From: 22 * 60, To: 7 * 60, Days: []time.Weekday{time.Sunday}}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			zone, err := time.LoadLocation(c.zone)
			require.NoError(t, err)
			at, err := time.Parse(time.RFC3339, c.at)
			require.NoError(t, err)
			until, ok := quietUntil(c.windows, zone, at)
			require.Equal(t, c.want != "", ok, "%s", until)
			if ok {
				want, err := time.Parse(time.RFC3339, c.want)
				require.NoError(t, err)
				require.True(t, want.Equal(until), "%s", until)
			}
		})
	}
}
