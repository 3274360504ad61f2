package rule_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"carewire/internal/care"
	"carewire/internal/event"
	"carewire/internal/rule"
)

// at returns a time in a zone.
func at(t *testing.T, zone, text string) time.Time {
	t.Helper()
	location, err := time.LoadLocation(zone)
	require.NoError(t, err)
	parsed, err := time.ParseInLocation("2006-01-02 15:04", text, location)
	require.NoError(t, err)
	return parsed
}

// planned returns the notifications of the patient by plan key, with their due times in the zone.
func planned(t *testing.T, src string, e event.Event, people *rule.People, zone string) map[string]string {
	t.Helper()
	location, err := time.LoadLocation(zone)
	require.NoError(t, err)
	all := map[string]string{}
	plan := rule.Resolve(&e, parse(t, src).Match(e), people, care.BuiltinChannels)
	for _, n := range plan.Notifications {
		all[n.PlanKey] = n.DueAt.In(location).Format("2006-01-02 15:04")
	}
	for _, d := range plan.Decisions {
		all[d.Rule] = d.Reason
	}
	return all
}

func booked(startsAt time.Time) event.Event {
	cmd := care.Command{Actor: care.SystemActor("test")}
	data := event.Appointment{AppointmentID: uuid.New(), UserID: patient, ClinicID: clinic, DoctorID: doctor, Status: "booked", StartsAt: startsAt.UTC().Format(time.RFC3339)}
	return event.New(cmd, "appointment.booked", care.Ref{Kind: "appointment", ID: data.AppointmentID}, data).About(cmd, patient, &clinic).AtVersion(1)
}

func issued(dueOn string) event.Event {
	cmd := care.Command{Actor: care.SystemActor("test")}
	data := event.Billing{InvoiceID: uuid.New(), UserID: patient, ClinicID: clinic, Status: "issued"}.Due(dueOn)
	return event.New(cmd, "billing.invoice_issued", care.Ref{Kind: "invoice", ID: data.InvoiceID}, data).About(cmd, patient, &clinic).AtVersion(1)
}

func TestSchedule_TimesFollowTheZoneAndThePartOfTheDay(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, schedule   string
		event            event.Event
		clinic, person   string
		want, wantReason string
	}{
		{"hours are exact across a daylight-saving change", "{at: data.startsAt, before: 24h}", booked(at(t, "Europe/Berlin", "2026-03-29 12:00")), "Europe/Berlin", "", "2026-03-28 11:00", ""},
		{"days keep the time of day across it", "{at: data.startsAt, before: 1d}", booked(at(t, "Europe/Berlin", "2026-03-29 12:00")), "Europe/Berlin", "", "2026-03-28 12:00", ""},
		{"and in autumn", "{at: data.startsAt, before: 1d}", booked(at(t, "Europe/Berlin", "2026-10-25 12:00")), "Europe/Berlin", "", "2026-10-24 12:00", ""},
		{"after", "{at: data.startsAt, after: 90m}", booked(at(t, "Europe/Berlin", "2026-06-01 12:00")), "Europe/Berlin", "", "2026-06-01 13:30", ""},
		{"at the time", "{at: data.startsAt}", booked(at(t, "Europe/Berlin", "2026-06-01 12:00")), "Europe/Berlin", "", "2026-06-01 12:00", ""},
		{"too early moves to the evening before", "{at: data.startsAt, before: 1h, between: 08:00-20:00}", booked(at(t, "Europe/Berlin", "2026-06-01 08:30")), "Europe/Berlin", "", "2026-05-31 20:00", ""},
		{"too late moves to the end of the part", "{at: data.startsAt, before: 1h, between: 08:00-20:00}", booked(at(t, "Europe/Berlin", "2026-06-01 22:30")), "Europe/Berlin", "", "2026-06-01 20:00", ""},
		{"the end belongs to the part", "{at: data.startsAt, before: 1h, between: 08:00-20:00}", booked(at(t, "Europe/Berlin", "2026-06-01 21:00")), "Europe/Berlin", "", "2026-06-01 20:00", ""},
		{"in the person's zone", "{at: data.startsAt, before: 1h, zone: person, between: 08:00-20:00}", booked(at(t, "Europe/Berlin", "2026-06-01 12:00")), "Europe/Berlin", "America/New_York", "2026-06-01 02:00", ""},
		{"the clinic's where the person has none", "{at: data.startsAt, before: 1h, zone: person, between: 08:00-20:00}", booked(at(t, "Europe/Berlin", "2026-06-01 08:30")), "Europe/Berlin", "", "2026-05-31 20:00", ""},
		{"a day begins at nine", "{at: data.dueOn, before: 3d}", issued("2026-06-10"), "Europe/Berlin", "", "2026-06-07 09:00", ""},
		{"a day in the zone of the clinic", "{at: data.dueOn, after: 7d}", issued("2026-03-25"), "America/New_York", "", "2026-04-01 15:00", ""},
		{"an event without a due day", "{at: data.dueOn, before: 3d}", issued(""), "Europe/Berlin", "", "", "no_time"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			person := &rule.Person{TimeZone: c.person, Active: true, EmailVerified: true, RoleKeys: []string{string(rule.RoleKeyOf(clinic, care.Patient))}}
			people := &rule.People{ByID: map[uuid.UUID]*rule.Person{patient: person}, Zones: map[uuid.UUID]string{clinic: c.clinic}}
			src := "rules: [{name: r, on: " + c.event.Type + ", recipients: [{user: data.userId}], channels: [email], schedule: " + c.schedule + "}]"
			all := planned(t, src, c.event, people, "Europe/Berlin")
			require.Len(t, all, 1)
			for key, got := range all {
				require.True(t, strings.HasPrefix(key, "r/"), key)
				require.Equal(t, c.want+c.wantReason, got)
			}
		})
	}
}

func TestSchedule_APastTimeIsTooLateUnlessItIsSentLate(t *testing.T) {
	t.Parallel()
	now := at(t, "UTC", "2026-06-01 12:00")
	people := &rule.People{Due: now, Now: now, ByID: map[uuid.UUID]*rule.Person{patient: {Active: true, EmailVerified: true, RoleKeys: []string{string(rule.RoleKeyOf(clinic, care.Patient))}}}}
	e := booked(now.Add(2 * time.Hour))
	e.Time = now
	src := `rules: [{name: r, on: appointment.booked, recipients: [{user: data.userId}], channels: [email], schedule: [
		{at: data.startsAt, before: 24h}, {at: data.startsAt, before: 3h, late: send}, {at: data.startsAt, before: 1h}]}]`
	require.Equal(t, map[string]string{
		"r/24h-before-startsAt": "too_late", "r/3h-before-startsAt": "2026-06-01 11:00", "r/1h-before-startsAt": "2026-06-01 13:00",
	}, planned(t, src, e, people, "UTC"))
}

func TestParse_RefusesSchedulesThatMakeNoSense(t *testing.T) {
	t.Parallel()
	one := func(rest string) string {
		return "rules:\n  - name: one\n    on: appointment.booked\n    recipients: [{user: data.userId}]\n    channels: [email]\n" + rest
	}
	for rest, want := range map[string]string{
		"    schedule: {before: 24h}\n":                                                       "schedule[0].at: is missing",
		"    schedule: {at: startsAt}\n":                                                      `schedule[0].at: invalid field "startsAt"`,
		"    schedule: {at: data.status, before: 24h}\n":                                      "data.status is not a time in the data of appointment.booked, which has data.startsAt",
		"    schedule: {at: data.startsAt, before: 24}\n":                                     `schedule[0].before: "24" is not a duration; want days, hours or minutes`,
		"    schedule: {at: data.startsAt, before: -24h}\n":                                   "schedule[0].before: want between 1m and 400d",
		"    schedule: {at: data.startsAt, before: 900d}\n":                                   "schedule[0].before: want between 1m and 400d",
		"    schedule: {at: data.startsAt, before: 1h, after: 1h}\n":                          "before and after exclude each other",
		"    schedule: {at: data.startsAt, zone: moon}\n":                                     `unknown zone "moon"; want clinic or person`,
		"    schedule: {at: data.startsAt, between: 20:00-08:00}\n":                           "is empty or passes midnight",
		"    schedule: {at: data.startsAt, between: morning}\n":                               `invalid part of the day "morning"`,
		"    schedule: {at: data.startsAt, late: yes}\n":                                      "want send or drop",
		"    schedule: [{at: data.startsAt, before: 1h}, {at: data.startsAt, before: 60m}]\n": "line 6: rule one: schedule[1]: duplicate time, also on line 6",
		"    digest: {window: 10m}\n":                                                         "digest.key: is missing",
		"    digest: {window: 10, key: [recipient]}\n":                                        `digest.window: "10" is not a duration`,
		"    digest: {window: 10m, key: [category]}\n":                                        "want recipient among the parts",
		"    digest: {window: 10m, key: [recipient, colour]}\n":                               `unknown part "colour"`,
		"    digest: {window: 10m, key: [recipient], max: 0}\n":                               "digest.max: want a whole number from 1 to 500",
		"    digest: {window: 10m, key: [recipient], channels: [push]}\n":                     "the rule does not use the channel push",
		"    priority: critical\n    digest: {window: 10m, key: [recipient]}\n":               "a rule of the priority critical cannot wait for a digest",
		"    throttle: {max: -1, per: 1h}\n":                                                  "throttle.max: want a whole number from 1 to 1000",
		"    throttle: {max: 5}\n":                                                            "throttle.per: is missing",
		"    throttle: {max: 5, per: 1h, key: person}\n":                                      `unknown key "person"; want rule or category`,
		"    escalate: {after: 5m, unless: acknowledged, channels: [email]}\n":                "escalate[0].to: is missing: an escalation needs somebody to notify",
		"    escalate: {after: 5, unless: read, to: {role: [doctor]}, channels: [email]}\n":   `escalate[0].after: "5" is not a duration`,
		"    escalate: {after: 5m, unless: seen, to: {role: [doctor]}, channels: [email]}\n":  `unknown state "seen"; want acknowledged, read or delivered`,
		"    escalate: {after: 5m, unless: read, to: {role: [king]}, channels: [email]}\n":    `escalate[0].to.role: unknown clinic role "king"`,
		"    escalate: {after: 5m, unless: read, to: {role: [doctor]}, channels: [fax]}\n":    `unknown channel "fax"`,
	} {
		require.ErrorContains(t, refused(t, one(rest)), want, rest)
	}
}

func TestParse_ReportsEveryMistakeOfADigestAndAThrottle(t *testing.T) {
	t.Parallel()
	one := func(rest string) string {
		return "rules:\n  - name: one\n    on: appointment.booked\n    recipients: [{user: data.userId}]\n    channels: [email]\n" + rest
	}
	for rest, want := range map[string][]string{
		"    digest:\n      window: 10\n      key: [colour, recipient, recipient]\n      max: many\n      every: 1h\n": {
			`7: rule one: digest.window: "10" is not a duration`, `8: rule one: digest.key: unknown part "colour"`, "8: rule one: digest.key: duplicate recipient",
			"9: rule one: digest.max: ", "10: rule one: digest.every: unknown field",
		},
		"    digest:\n      window: 10m\n      key: [recipient]\n      channels: [push, fax]\n    priority: critical\n": {
			"digest.channels: the rule does not use the channel push", `unknown channel "fax"`, "a rule of the priority critical cannot wait for a digest",
		},
		"    throttle:\n      max: 0\n      per: 1s\n      key: person\n      burst: 3\n": {
			"7: rule one: throttle.max: want a whole number from 1 to 1000", "8: rule one: throttle.per: want between 1m and 168h",
			`9: rule one: throttle.key: unknown key "person"`, "10: rule one: throttle.burst: unknown field",
		},
		"    throttle: {key: category}\n    priority: critical\n": {"throttle.max: is missing", "throttle.per: is missing", "cannot be throttled"},
	} {
		err := refused(t, one(rest))
		for _, text := range want {
			require.ErrorContains(t, err, text, rest)
		}
	}
}
