package rule_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"carewire/docs"
	"carewire/internal/care"
	"carewire/internal/rule"
)

// precedence returns the rows of the table of precedence in docs/notifications.md.
func precedence(t *testing.T) (rows [][]string) {
	t.Helper()
	page, err := docs.Files.ReadFile("notifications.md")
	require.NoError(t, err)
	_, table, found := strings.Cut(string(page), "| priority | essential |")
	require.True(t, found)
	table, _, _ = strings.Cut(table, "\n\n")
	for _, line := range strings.Split(table, "\n")[2:] {
		var cells []string
		for cell := range strings.SplitSeq(strings.Trim(line, "| "), "|") {
			cells = append(cells, strings.Trim(cell, " `"))
		}
		require.Len(t, cells, 8, line)
		rows = append(rows, cells)
	}
	return rows
}

// Runs every combination of values against the table: exactly one row is about each.
func TestPreference_IsDecidedAsTheDocumentedTableSays(t *testing.T) {
	t.Parallel()
	rows := precedence(t)
	used := make([]int, len(rows))
	settings := []string{"not set", "on", "off", "digest"}
	is := func(cell, value string) bool { return cell == "any" || cell == value }
	setting := func(word string) care.Setting { return care.Setting(strings.TrimPrefix(word, "not set")) }
	for n := range 2 * 2 * 4 * 4 * 4 * 4 {
		values := []string{[]string{"critical", "other"}[n%2], []string{"yes", "no"}[n/2%2], settings[n/4%4], settings[n/16%4], settings[n/64%4], settings[n/256%4]}
		levels := care.SettingLevels{
			Critical: values[0] == "critical", Essential: values[1] == "yes",
			PersonClinic: setting(values[2]), Person: setting(values[3]), Clinic: setting(values[4]), Installation: setting(values[5]),
		}
		matching := 0
		for i, row := range rows {
			matches := true
			for at, value := range values {
				matches = matches && is(row[at], value)
			}
			if !matches {
				continue
			}
			matching, used[i] = matching+1, used[i]+1
			decided, source := levels.Decide()
			require.Equal(t, row[6], string(decided), "%v", values)
			require.Equal(t, row[7], string(source), "%v", values)
			levels.NoDigest = true
			decided, source = levels.Decide()
			require.Equal(t, row[7], string(source), "%v", values)
			require.Equal(t, row[6] == "off", decided == care.SettingOff, "%v", values)
			require.NotEqual(t, care.SettingDigest, decided, "%v", values)
		}
		require.Equal(t, 1, matching, "%v", values)
	}
	for i, row := range rows {
		require.Positive(t, used[i], "%v", row)
	}
}

func TestPreference_OfTheEventsClinicDecides(t *testing.T) {
	t.Parallel()
	elsewhere := uuid.New()
	email := care.Channel{Name: "email", Address: care.AddressEmail}
	key := care.SettingKey{Category: "billing", Channel: "email"}
	person := care.PersonSettings{}
	person.Set(clinic, key, care.SettingDigest)
	defaults := care.DefaultsByClinic{
		clinic:    {Settings: map[care.SettingKey]care.Setting{key: care.SettingOff}, Essential: []string{"clinical"}},
		elsewhere: {Settings: map[care.SettingKey]care.Setting{key: care.SettingOff}},
	}
	for _, c := range []struct {
		clinic   uuid.UUID
		category string
		setting  care.Setting
		source   care.SettingSource
	}{
		{clinic, "billing", care.SettingDigest, care.SourcePersonClinic},
		{elsewhere, "billing", care.SettingOff, care.SourceClinic},
		{uuid.Nil, "billing", care.SettingOn, care.SourceBuiltIn},
		{clinic, "chat", care.SettingOn, care.SourceBuiltIn},
	} {
		setting, source := defaults.Levels(person, c.clinic, c.category, email).Decide()
		require.Equal(t, c.setting, setting, c)
		require.Equal(t, c.source, source, c)
	}
	require.True(t, defaults.Essential(clinic, "clinical"))
	require.False(t, defaults.Essential(elsewhere, "clinical"))
}

func TestPeople_HaveTheirOwnQuietHoursOrADefault(t *testing.T) {
	t.Parallel()
	hours := func(from string) care.QuietHours { return care.QuietHours{{From: from, To: "07:00"}} }
	elsewhere := uuid.New()
	people := rule.People{
		Defaults: care.DefaultsByClinic{uuid.Nil: {QuietHours: hours("20:00")}, clinic: {QuietHours: hours("21:00")}},
		Zones:    map[uuid.UUID]string{clinic: "Asia/Kolkata"},
	}
	for _, c := range []struct {
		person rule.Person
		clinic *uuid.UUID
		hours  care.QuietHours
		zone   string
	}{
		{rule.Person{QuietHours: hours("22:00"), TimeZone: "Europe/Berlin"}, &clinic, hours("22:00"), "Europe/Berlin"},
		{rule.Person{QuietHours: care.QuietHours{}}, &clinic, care.QuietHours{}, "Asia/Kolkata"},
		{rule.Person{}, &clinic, hours("21:00"), "Asia/Kolkata"},
		{rule.Person{}, &elsewhere, hours("20:00"), "UTC"},
		{rule.Person{TimeZone: "Nowhere/At_All"}, nil, hours("20:00"), "UTC"},
	} {
		got, zone := people.QuietHours(&c.person, c.clinic)
		require.Equal(t, c.hours, got)
		require.Equal(t, c.zone, zone.String())
		_, quiet := got.Until(time.Date(2026, 1, 1, 0, 0, 0, 0, zone), zone)
		require.Equal(t, len(got) > 0, quiet)
	}
}
