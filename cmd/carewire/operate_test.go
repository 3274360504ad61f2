package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"carewire/internal/postgres/postgrestest"
)

// ok runs a command that must succeed, and returns its output.
func (s *service) ok(args ...string) string {
	s.t.Helper()
	out, stderr, err := s.run(args...)
	require.NoError(s.t, err, "%v: %s", args, stderr)
	require.Empty(s.t, stderr)
	return out
}

// refused runs a command that must exit with status 1, and returns its one line of error output.
func (s *service) refused(args ...string) string {
	s.t.Helper()
	return s.exits(1, args...)
}

// exits runs a command that must exit with a status, and returns its one line of error output.
func (s *service) exits(status int, args ...string) string {
	s.t.Helper()
	out, stderr, err := s.run(args...)
	var exit *exec.ExitError
	require.ErrorAs(s.t, err, &exit, "%v", args)
	require.Equal(s.t, status, exit.ExitCode(), "%v: %s", args, stderr)
	require.Empty(s.t, out)
	require.Equal(s.t, 1, strings.Count(stderr, "\n"), stderr)
	return stderr
}

func TestOperators_FindExplainAndRedriveAFailedMessage(t *testing.T) {
	t.Parallel()
	s := serve(t, postgrestest.DataDir(t))
	status, body, err := s.do("operator@demo.example", http.MethodPost, "/sandbox/faults", `{"channel": "email", "to": "patient@demo.example", "status": 400, "probability": 1}`)
	require.NoError(t, err)
	require.Less(t, status, 300, body)
	_, err = s.writeReport()
	require.NoError(t, err)

	var failed []struct{ ID, EventID, ErrorCode string }
	list := func() {
		failed = nil
		require.NoError(t, json.Unmarshal([]byte(s.ok("deliveries", "list", "--state", "failed", "--channel", "email", "--json")), &failed))
	}
	require.Eventually(t, func() bool { list(); return len(failed) == 1 }, 20*time.Second, 50*time.Millisecond)
	table := s.ok("deliveries", "list", "--state", "failed")
	require.Regexp(t, `^ID +CHANNEL +STATE`, table)
	require.Contains(t, table, failed[0].ID)
	require.Contains(t, table, failed[0].ErrorCode)
	require.NotContains(t, table, "@", "no addresses")

	for line := range strings.SplitSeq(table, "\n") {
		require.LessOrEqual(t, len([]rune(line)), 120, line)
	}
	require.Contains(t, s.ok("deliveries", "list", "--state", "failed", "--wide"), failed[0].EventID)
	why := s.ok("rules", "explain", failed[0].EventID)
	for _, line := range strings.Split(why, "\n")[1:] {
		require.LessOrEqual(t, len([]rune(line)), 120, line)
	}
	require.Contains(t, s.ok("rules", "explain", failed[0].EventID, "--wide"), failed[0].ID)
	require.Contains(t, why, "rules version 1: decided")
	require.Equal(t, 6, strings.Count(why, "\nrecord-created "), why)
	require.Contains(t, why, "failed")
	var explained struct {
		Verdict  string
		Position int64
	}
	require.NoError(t, json.Unmarshal([]byte(s.ok("rules", "explain", "--json", failed[0].EventID)), &explained))
	require.Equal(t, "decided", explained.Verdict)
	require.Equal(t, why, s.ok("rules", "explain", strconv.FormatInt(explained.Position, 10)), "by its position")
	draft := filepath.Join(t.TempDir(), "draft.yaml")
	require.NoError(t, os.WriteFile(draft, []byte("rules:\n  - {name: quiet, on: ehr.*.created, recipients: [user: data.doctorId], channels: [email]}\n"), 0o600))
	require.Contains(t, s.ok("rules", "dry-run", draft, strconv.FormatInt(explained.Position, 10)), "rule quiet")
	require.Contains(t, s.ok("rules", "dry-run", draft, "--type", "ehr.lab_report.created", "--data", `{"doctorId": "0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b"}`), "unknown_user")
	require.Contains(t, s.ok("rules", "dry-run", draft, "--type", "user.created"), "no rule matches")
	s.comparesPastEvents(draft, failed[0].EventID)
	require.Contains(t, s.refused("rules", "explain", "99999999"), "no event at position 99999999")

	_, _, err = s.do("operator@demo.example", http.MethodDelete, "/sandbox/faults", "")
	require.NoError(t, err)
	require.Equal(t, "delivery "+failed[0].ID+" is queued\n", s.ok("deliveries", "redrive", failed[0].ID))
	require.Eventually(t, func() bool {
		return strings.Contains(s.ok("deliveries", "list", "--state", "sent", "--channel", "email"), failed[0].ID)
	}, 20*time.Second, 50*time.Millisecond)
	require.Contains(t, s.refused("deliveries", "redrive", failed[0].ID), "only a failed, cancelled or unknown one")

	require.Regexp(t, `^FOLLOWER +POSITION[^\n]*\n$`, s.ok("follower", "failures"), "there are none")
	require.Equal(t, "[]\n", s.ok("follower", "failures", "--name", "analytics", "--json"))
	require.Contains(t, s.refused("follower", "redrive", "--name", "dispatch", "1"), "no failure at position 1")
	require.Contains(t, s.refused("rules", "explain", failed[0].ID), "no event")
	require.Regexp(t, `(?s)^FOLLOWER +POSITION +LAG +FAILURES.*\nanalytics .*\ndispatch `, s.ok("follower", "list"))
	require.Regexp(t, `^ID +EVENT[^\n]*\n$`, s.ok("ledger", "rejected"), "there are none")
	require.Equal(t, "[]\n", s.ok("ledger", "rejected", "--json"))
	require.Contains(t, s.refused("ledger", "redrive", "7"), "unknown rejected outbox row 7")
	var all, page []struct{ ID string }
	require.NoError(t, json.Unmarshal([]byte(s.ok("deliveries", "list", "--channel", "push", "--json")), &all))
	require.NoError(t, json.Unmarshal([]byte(s.ok("deliveries", "list", "--channel", "push", "--after", all[0].ID, "--limit", "1", "--json")), &page))
	require.Equal(t, all[1:2], page, "the page after")
	require.Equal(t, "[]\n", s.ok("deliveries", "list", "--json", "--to", "2026-01-01T00:00:00Z"))
	require.Equal(t, "[]\n", s.ok("deliveries", "list", "--json", "--rule", "none"))
	require.Contains(t, s.refused("deliveries", "list", "--after", failed[0].EventID), "no delivery")
	require.Contains(t, s.refused("deliveries", "list", "--state", "lost"), "want one of planned")
}

func TestRules_AreListedShownComparedAndRolledBack(t *testing.T) {
	t.Parallel()
	s := serve(t, postgrestest.DataDir(t))
	file := filepath.Join(t.TempDir(), "rules.yaml")
	require.NoError(t, os.WriteFile(file, []byte("rules: []\n"), 0o600))
	require.Equal(t, "version 2 is in force\n", s.ok("rules", "publish", file, "--note", "too many\nmessages"))
	require.Equal(t, s.ok("rules", "default"), s.ok("rules", "show", "1"))
	require.Equal(t, "rules: []\n", s.ok("rules", "show"))
	table := s.ok("rules", "list")
	require.Regexp(t, `(?s)^VERSION +POSITION +FAILURES +PUBLISHED AT +PUBLISHED BY +NOTE\n2 .*system:cli +too many messages\n1 .*system:setup`, table)
	require.NotRegexp(t, `(?m)^2 `, s.ok("rules", "list", "--before", "2"))
	diff := s.ok("rules", "diff", "2")
	require.Regexp(t, `(?s)^# removed: .*record-created.*\n--- version 1\n\+\+\+ version 2\n@@ `, diff)
	require.Equal(t, diff, s.ok("rules", "diff", "1", "2"))
	require.Equal(t, diff, s.ok("rules", "diff"), "the newest version with the one before")
	require.Empty(t, s.ok("rules", "diff", "2", "2"))
	require.Regexp(t, `(?s)^# added: .*record-created.*\n--- version 0\n\+\+\+ version 1\n@@ `, s.ok("rules", "diff", "1"))
	require.Regexp(t, `^RULE +CONDITION +CAUSE[^\n]*\n$`, s.ok("rules", "failures"), "there are none")
	require.Equal(t, "[]\n", s.ok("rules", "failures", "1", "--json"))
	var d struct{ Added []string }
	require.NoError(t, json.Unmarshal([]byte(s.ok("rules", "diff", "2", "1", "--json")), &d))
	require.Contains(t, d.Added, "record-created")

	require.Equal(t, "version 3 is in force, with the rules of version 1\n", s.ok("rules", "rollback", "1", "--note", "they were missed"))
	var set struct {
		Version int
		Note    string
	}
	require.NoError(t, json.Unmarshal([]byte(s.ok("rules", "show", "--json")), &set))
	require.Equal(t, 3, set.Version)
	require.Equal(t, "they were missed", set.Note)
	require.Contains(t, s.refused("rules", "rollback", "9"), "there is no rule set version 9")
	require.Contains(t, s.refused("rules", "show", "9"), "there is no rule set version 9")
	require.Contains(t, s.refused("rules", "diff", "1", "9"), "there is no rule set version 9")
}

func TestTemplates_AreListedShownComparedPreviewedAndRolledBack(t *testing.T) {
	t.Parallel()
	s := serve(t, postgrestest.DataDir(t))
	require.Equal(t, s.ok("templates", "default"), s.ok("templates", "show", "1"), "the set in the binary is version 1")
	file := filepath.Join(t.TempDir(), "templates.yaml")
	reworded := strings.Replace(s.ok("templates", "default"), "Your account was changed", "Something changed", 1)
	require.NoError(t, os.WriteFile(file, []byte(reworded), 0o600))
	require.Regexp(t, `templates\.yaml: \d+ templates, no errors\n`, s.ok("templates", "check", file))
	require.Contains(t, s.ok("templates", "preview", "account", "--file", file, "--type", "user.created"), "# email\nSomething changed\n")
	require.Contains(t, s.ok("templates", "preview", "account", "--type", "user.created", "--html"), "Your account was changed</title>")
	require.Equal(t, "version 2 is in force\n", s.ok("templates", "publish", file, "--note", "plainer\nwords"))
	require.Equal(t, reworded, s.ok("templates", "show"))
	require.Regexp(t, `(?s)^VERSION +POSITION +PUBLISHED AT +PUBLISHED BY +NOTE\n2 .*system:cli +plainer words\n1 .*system:setup`, s.ok("templates", "list"))
	diff := s.ok("templates", "diff")
	require.Regexp(t, `(?s)^# changed: account\n--- version 1\n\+\+\+ version 2\n@@ `, diff)
	require.Equal(t, diff, s.ok("templates", "diff", "1", "2"))
	require.Equal(t, "version 3 is in force, with the templates of version 1\n", s.ok("templates", "rollback", "1"))

	broken := filepath.Join(t.TempDir(), "broken.yaml")
	require.NoError(t, os.WriteFile(broken, []byte(strings.Replace(reworded, "Something changed", "{{.PatientName}}", 1)), 0o600))
	require.Contains(t, s.refused("templates", "check", broken), broken+":")
	require.Contains(t, s.refused("templates", "publish", broken), broken+":")
	require.NoError(t, os.WriteFile(broken, []byte(strings.Replace(reworded, "  clinical:\n", "  other:\n", 1)), 0o600))
	require.Contains(t, s.refused("templates", "publish", broken), "needs what this set does not have (rule set version 1, line ")
	require.Contains(t, s.refused("templates", "rollback", "9"), "there is no template set version 9")
	require.Contains(t, s.refused("templates", "preview", "none", "--type", "user.created"), "unknown template")
}

// comparesPastEvents compares the rules in force, and a draft that drops all but one of their messages, with what was planned.
func (s *service) comparesPastEvents(draft, eventID string) {
	s.t.Helper()
	inForce := filepath.Join(s.t.TempDir(), "rules.yaml")
	require.NoError(s.t, os.WriteFile(inForce, []byte(s.ok("rules", "show")), 0o600))
	same := s.ok("rules", "backtest", inForce, "--fail-on-difference")
	require.Regexp(s.t, `^no differences\n\nTOTAL +COUNT\nevents +\d+\n`, same)
	require.Regexp(s.t, `positions 1 to \d+; with the addresses, preferences and roles that people have now\n$`, same)

	out := s.ok("rules", "backtest", draft)
	require.Regexp(s.t, `^CHANGE +RULE +TYPE +CHANNEL +COUNT\n`, out)
	require.Regexp(s.t, `\nremoved +record-created +ehr.lab_report.created +push +\d+\n`, out)
	require.Regexp(s.t, `\nremoved +\d+ +ehr.lab_\S+ +record-created +[-0-9a-f]{36} +push +normal clinical +-\n`, out)
	for line := range strings.SplitSeq(out, "\n") {
		require.LessOrEqual(s.t, len([]rune(line)), 120, line)
	}
	require.Contains(s.t, s.ok("rules", "backtest", draft, "--wide"), eventID)
	require.Contains(s.t, s.ok("rules", "backtest", draft, "--limit", "1"), "more differences; --limit lists more")
	require.Contains(s.t, s.ok("rules", "backtest", draft, "--to", "24h"), "no events to compare")

	out, stderr, err := s.run("rules", "backtest", draft, "--json", "--fail-on-difference")
	require.Error(s.t, err)
	var result struct {
		Differences []struct{ Change, Channel string }
		Groups      []struct{ Count int64 }
		Summary     struct{ Removed, Unlisted int64 }
	}
	require.NoError(s.t, json.Unmarshal([]byte(out), &result))
	require.NotZero(s.t, result.Summary.Removed)
	require.NotEmpty(s.t, result.Groups)
	require.Equal(s.t, fmt.Sprintf("carewire: %d differences\n", len(result.Differences)), stderr)

	broken := filepath.Join(s.t.TempDir(), "broken.yaml")
	require.NoError(s.t, os.WriteFile(broken, []byte("rules:\n  - {name: one, on: nothing.at.all, recipients: [user: data.userId], channels: [email]}\n"), 0o600))
	require.Contains(s.t, s.refused("rules", "backtest", broken), broken+":2:")
	require.Contains(s.t, s.refused("rules", "dry-run", broken, "1"), broken+":2:")
}

func TestOperatorsCommands_HaveHelpfulErrorsAndExamples(t *testing.T) {
	t.Parallel()
	s := &service{t: t, env: append(os.Environ(), "DATABASE_URL=", "CAREWIRE_DATA_DIR="+filepath.Join(t.TempDir(), "data"))}
	require.Contains(t, s.refused("deliveries", "list"), "CAREWIRE_DATA_DIR")
	for says, args := range map[string][]string{
		"want one of dispatch, analytics":                          {"follower", "failures", "--name", "x"},
		"missing --name; see carewire follower redrive --help":     {"follower", "redrive", "7"},
		"want one argument POSITION":                               {"follower", "redrive", "--name", "dispatch"},
		`invalid position "zero"`:                                  {"follower", "redrive", "--name", "dispatch", "zero"},
		"want one argument ID":                                     {"deliveries", "redrive"},
		`invalid delivery ID "x"`:                                  {"deliveries", "redrive", "x"},
		"want one argument EVENT-ID or POSITION":                   {"rules", "explain"},
		`invalid event ID "x"`:                                     {"rules", "explain", "x"},
		"--limit must be at least 1, not 0":                        {"deliveries", "list", "--limit", "0"},
		`--recipient: invalid ID "x"`:                              {"deliveries", "list", "--recipient", "x"},
		`--after: invalid ID "x"`:                                  {"deliveries", "list", "--after", "x"},
		`--from: invalid value "yesterday"; want an RFC 3339 time`: {"deliveries", "list", "--from", "yesterday"},
		"--after requires --name":                                  {"follower", "failures", "--after", "7"},
		"want arguments [[A] B]":                                   {"rules", "diff", "1", "2", "3"},
		"want arguments VERSION":                                   {"rules", "rollback"},
		"want arguments [VERSION]":                                 {"rules", "show", "1", "2"},
		`invalid version "0"`:                                      {"rules", "show", "0"},
		`invalid version "4294967297"`:                             {"rules", "rollback", "4294967297"},
		`--from: invalid value "yesterday"; want a position`:       {"rules", "backtest", "x.yaml", "--from", "yesterday"},
		`--to: invalid value "0"; want a position`:                 {"rules", "backtest", "x.yaml", "--to", "0"},
		"--from must not be after --to":                            {"rules", "backtest", "x.yaml", "--from", "7", "--to", "6"},
		"--limit must be at least 0, not -1":                       {"rules", "backtest", "x.yaml", "--limit", "-1"},
		"want one argument FILE":                                   {"rules", "backtest"},
		`invalid ID "x"`:                                           {"ledger", "redrive", "x"},
		"--limit must be at least 1, not -1":                       {"follower", "failures", "--limit", "-1"},
	} {
		require.Contains(t, s.exits(2, args...), says, args)
	}
	for _, args := range [][]string{
		{"follower", "failures"},
		{"follower", "redrive"},
		{"deliveries", "list"},
		{"deliveries", "redrive"},
		{"rules", "explain"},
		{"follower", "list"},
		{"rules", "list"},
		{"rules", "show"},
		{"rules", "diff"},
		{"rules", "rollback"},
		{"ledger", "rejected"},
		{"ledger", "redrive"},
	} {
		require.Regexp(t, `(?s)Usage:.*Examples:\n  carewire `, s.ok(append(args, "--help")...))
	}
}
