package main

import (
	"encoding/json"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// ok runs a command that must succeed, and gives what it printed.
func (s *service) ok(args ...string) string {
	s.t.Helper()
	out, stderr, err := s.run(args...)
	require.NoError(s.t, err, "%v: %s", args, stderr)
	require.Empty(s.t, stderr)
	return out
}

// refused runs a command that must exit with 1, and gives the one line that it says.
func (s *service) refused(args ...string) string {
	s.t.Helper()
	out, stderr, err := s.run(args...)
	var exit *exec.ExitError
	require.ErrorAs(s.t, err, &exit, "%v", args)
	require.Equal(s.t, 1, exit.ExitCode())
	require.Empty(s.t, out)
	require.Equal(s.t, 1, strings.Count(stderr, "\n"), stderr)
	return stderr
}

func TestOperators_FindExplainAndRedriveAFailedMessage(t *testing.T) {
	t.Parallel()
	s := serve(t, dataDir(t))
	status, body, err := s.do("operator@demo.example", http.MethodPost, "/sandbox/faults", `{"channel": "email", "to": "patient@demo.example", "status": 400, "probability": 1}`)
	require.NoError(t, err)
	require.Less(t, status, 300, body)
	_, ok := s.writeReport()
	require.True(t, ok)

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

	why := s.ok("rules", "explain", failed[0].EventID)
	require.Contains(t, why, "rules version 1: decided")
	require.Equal(t, 6, strings.Count(why, "\nrecord-created "), why)
	require.Contains(t, why, "failed")
	var explained struct{ Verdict string }
	require.NoError(t, json.Unmarshal([]byte(s.ok("rules", "explain", "--json", failed[0].EventID)), &explained))
	require.Equal(t, "decided", explained.Verdict)

	_, _, err = s.do("operator@demo.example", http.MethodDelete, "/sandbox/faults", "")
	require.NoError(t, err)
	require.Equal(t, "delivery "+failed[0].ID+" is queued\n", s.ok("deliveries", "redrive", failed[0].ID))
	require.Eventually(t, func() bool {
		return strings.Contains(s.ok("deliveries", "list", "--state", "sent", "--channel", "email"), failed[0].ID)
	}, 20*time.Second, 50*time.Millisecond)
	require.Contains(t, s.refused("deliveries", "redrive", failed[0].ID), "only one that failed")

	require.Regexp(t, `^FOLLOWER +POSITION[^\n]*\n$`, s.ok("follower", "failures"), "there are none")
	require.Equal(t, "[]\n", s.ok("follower", "failures", "--name", "analytics", "--json"))
	require.Contains(t, s.refused("follower", "redrive", "--name", "dispatch", "1"), "no failure at position 1")
	require.Contains(t, s.refused("rules", "explain", failed[0].ID), "no event")
	require.Contains(t, s.refused("deliveries", "list", "--state", "lost"), "name one of planned")
}

func TestOperatorsCommands_SayWhatToDoAndShowExamples(t *testing.T) {
	t.Parallel()
	s := &service{t: t, env: append(os.Environ(), "DATABASE_URL=", "CAREWIRE_DATA_DIR="+filepath.Join(t.TempDir(), "data"))}
	for says, args := range map[string][]string{
		"CAREWIRE_DATA_DIR":                   {"deliveries", "list"},
		"name one of dispatch, analytics":     {"follower", "failures", "--name", "x"},
		`"name" not set`:                      {"follower", "redrive", "7"},
		"give one POSITION":                   {"follower", "redrive", "--name", "dispatch"},
		`"zero" is not a position`:            {"follower", "redrive", "--name", "dispatch", "zero"},
		"give one ID":                         {"deliveries", "redrive"},
		`"x" is not a delivery's id`:          {"deliveries", "redrive", "x"},
		"give one EVENT-ID":                   {"rules", "explain"},
		`"x" is not an event's id`:            {"rules", "explain", "x"},
		"--limit: 0 is not possible":          {"deliveries", "list", "--limit", "0"},
		"--limit: -1 is not possible; give a": {"follower", "failures", "--limit", "-1"},
	} {
		require.Contains(t, s.refused(args...), says, args)
	}
	for _, args := range [][]string{{"follower", "failures"}, {"follower", "redrive"}, {"deliveries", "list"}, {"deliveries", "redrive"}, {"rules", "explain"}} {
		require.Regexp(t, `(?s)Usage:.*Examples:\n  carewire `, s.ok(append(args, "--help")...))
	}
}
