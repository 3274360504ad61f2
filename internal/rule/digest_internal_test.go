package rule

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"carewire/internal/event"
)

func TestDailyDigest_IsSentAtThePersonsHourAlsoWhereTheClockChanges(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		zone, now string
		hour      int
		want      string
	}{
		"later today":                   {"Europe/Berlin", "2026-06-10T05:30:00Z", 8, "2026-06-10T08:00:00+02:00"},
		"tomorrow":                      {"Europe/Berlin", "2026-06-10T06:00:00Z", 8, "2026-06-11T08:00:00+02:00"},
		"another day in the zone":       {"Pacific/Auckland", "2026-06-10T20:30:00Z", 8, "2026-06-12T08:00:00+12:00"},
		"the day after the change":      {"Europe/Berlin", "2026-03-28T20:00:00Z", 8, "2026-03-29T08:00:00+02:00"},
		"the day after the change back": {"Europe/Berlin", "2026-10-24T20:00:00Z", 8, "2026-10-25T08:00:00+01:00"},
		"an hour that is left out":      {"Europe/Berlin", "2026-03-28T20:00:00Z", 2, "2026-03-29T03:00:00+02:00"},
		"an hour that comes twice":      {"Europe/Berlin", "2026-10-24T20:00:00Z", 2, "2026-10-25T02:00:00+02:00"},
		"between its two times":         {"Europe/Berlin", "2026-10-25T00:30:00Z", 2, "2026-10-26T02:00:00+01:00"},
		"midnight that is left out":     {"America/Santiago", "2026-09-05T20:00:00Z", 0, "2026-09-06T01:00:00-03:00"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			now, err := time.Parse(time.RFC3339, c.now)
			require.NoError(t, err)
			r := &resolver{event: &event.Event{}, people: &People{Due: now}}
			d := r.dailyDigest(&Match{Category: "clinical"}, &Person{TimeZone: c.zone, DigestHour: c.hour})
			require.Equal(t, c.want, d.DueAt.Format(time.RFC3339))
			require.Equal(t, "daily:clinical", d.Key)
			require.Equal(t, maxDigestMax, d.Max)
		})
	}
}

func TestDailyDigest_IsInTheClinicsZoneForAPersonWithoutOne(t *testing.T) {
	t.Parallel()
	clinic := uuid.New()
	r := &resolver{event: &event.Event{ClinicID: &clinic}, people: &People{
		Due: time.Date(2026, 6, 10, 5, 30, 0, 0, time.UTC), Zones: map[uuid.UUID]string{clinic: "America/New_York"},
	}}
	d := r.dailyDigest(&Match{}, &Person{DigestHour: 18})
	require.Equal(t, "2026-06-10T18:00:00-04:00", d.DueAt.Format(time.RFC3339))
}
