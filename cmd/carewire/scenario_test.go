package main

import (
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"carewire/internal/postgres/postgrestest"
)

// The scenario is run as it is printed, in one shell.
func TestServe_ThePrintedScenarioEndsInAMessageAboutTheReading(t *testing.T) {
	t.Parallel()
	s := serve(t, postgrestest.DataDir(t))
	banner := s.out.String()
	_, tokens, ok := strings.Cut(banner, "prints a new one):\n")
	require.True(t, ok)
	tokens, scenario, ok := strings.Cut(tokens, "The first scenario, for a second terminal (paste the tokens above first):\n")
	require.True(t, ok)
	var script strings.Builder
	for line := range strings.Lines(tokens + scenario) {
		// The test does not require psql.
		if !strings.HasPrefix(line, "psql ") && !strings.HasPrefix(line, "'psql") {
			script.WriteString(line)
		}
	}
	shell := exec.CommandContext(t.Context(), "bash", "-e")
	shell.Dir = filepath.Join("..", "..")
	shell.Stdin = strings.NewReader(script.String())
	out, err := shell.CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.Equal(t, 2, strings.Count(string(out), "HTTP/1.1 404"), "%s", out)
	require.Contains(t, string(out), "HTTP/1.1 202")
	require.Contains(t, banner, "# the care team is notified by the rule urgent-reading: an email and a push message each")
	for _, channel := range []string{"email", "push"} {
		require.Eventually(t, func() bool {
			status, sent := s.get("operator@demo.example", "/sandbox/messages?channel="+channel)
			return status == http.StatusOK && strings.Count(sent, "reading that needs attention") >= 2
		}, 20*time.Second, 20*time.Millisecond, channel)
	}
}

func TestToken_NamesTheSettingOfTheDataDirectory(t *testing.T) {
	t.Parallel()
	s := &service{t: t, env: append(exec.Command("true").Environ(), "CAREWIRE_DATA_DIR="+t.TempDir())}
	require.Contains(t, s.refused("token", "--as", "doctor@demo.example"), "set CAREWIRE_DATA_DIR to the directory of the one that runs")
}
