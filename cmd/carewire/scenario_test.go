package main

import (
	"context"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
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

// The README's tour is run as it is printed, in one shell. Only its pauses are replaced: the test
// waits for the message that each of them waits for.
func TestREADME_TheTourReachesAPersonOnEveryChannel(t *testing.T) {
	t.Parallel()
	s := serve(t, postgrestest.DataDir(t))
	page, err := os.ReadFile(filepath.Join("..", "..", "README.md"))
	require.NoError(t, err)
	_, tour, ok := strings.Cut(string(page), "## Tour\n")
	require.True(t, ok)
	tour, _, ok = strings.Cut(tour, "## Production\n")
	require.True(t, ok)
	var script strings.Builder
	for _, block := range regexp.MustCompile("(?ms)^```sh\n(.*?)^```$").FindAllStringSubmatch(tour, -1) {
		script.WriteString(block[1])
	}
	text := strings.NewReplacer("http://127.0.0.1:8080", s.url, "bin/carewire", binary).Replace(script.String())
	const mine = `curl -s -H "Authorization: Bearer $PATIENT" "$URL/api/notifications`
	const doctors = `curl -s -H "Authorization: Bearer $DOCTOR" "$URL/api/notifications`
	pauses := []string{ // In the order of the page.
		`curl -s "$URL/sandbox/messages?channel=email" | grep -q '"id"'`,
		`curl -s "$URL/sandbox/messages?channel=sms" | grep -q 'es [0-9]\{6\}\.'`,
		`curl -s "$URL/sandbox/messages?channel=whatsapp" | grep -q '"template":"report_ready"' && curl -s "$URL/sandbox/messages?channel=sms" | grep -q 'Tiene un documento nuevo'`,
		`curl -s "$URL/sandbox/messages?channel=email" | grep -q ses-eu`,
		mine + `?state=planned" | grep -q 1h-before`,
		mine + `?state=planned" | grep -q T10:00:00Z`,
		`[ $(curl -s "$URL/sandbox/messages?channel=sms" | grep -o 'Tiene un documento nuevo' | wc -l) -ge 7 ]`,
		`curl -s "$URL/sandbox/messages?channel=email" | grep -q '5 mensajes nuevos'`,
		mine + `?state=planned" | grep -q quiet_hours`,
		doctors + `?unacknowledged=true" | grep -q '"channel":"push","state":"sent"'`,
		doctors + `?unacknowledged=true" | grep -q '"channel":"push","state":"sent"'`,
		`curl -s "$URL/sandbox/messages?channel=sms" | grep -q 'needs your attention now'`,
		`[ $(curl -s "$URL/sandbox/messages?channel=sms" | grep -o 'Tiene un documento nuevo' | wc -l) -ge 8 ]`,
	}
	require.Equal(t, len(pauses), strings.Count(text, "sleep 2\n"))
	for _, until := range pauses {
		text = strings.Replace(text, "sleep 2\n", "until "+until+"; do sleep 0.05; done\n", 1)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	shell := exec.CommandContext(ctx, "bash", "-e")
	shell.Env, shell.Stdin = s.env, strings.NewReader(text)
	out, err := shell.CombinedOutput()
	require.NoError(t, err, "%s", out)

	require.Contains(t, string(out), `"address":"+491713920042","verified":true`)
	_, sms := s.get("operator@demo.example", "/sandbox/messages?channel=sms&limit=1")
	require.Contains(t, sms, `"to":"+491713920042"`, "in the morning")
	require.Contains(t, sms, "Tiene un documento nuevo", "es-MX falls back to es")
	_, whatsApp := s.get("operator@demo.example", "/sandbox/messages?channel=whatsapp&limit=1")
	require.Contains(t, whatsApp, `"language":"es"`)
	require.Contains(t, whatsApp, `"button":"l/`)
	_, inbox := s.get("patient@demo.example", "/api/inbox?unread=true&limit=1")
	require.Contains(t, inbox, `"eventType":"ehr.lab_report.created"`)
	_, emails := s.get("operator@demo.example", "/sandbox/messages?channel=email")
	require.Contains(t, emails, `"provider":"ses-eu"`)
	require.Equal(t, 1, strings.Count(emails, "5 mensajes nuevos"))
	requireTimeOfTour(t, string(out))
	require.Eventually(t, func() bool {
		_, stats := s.get("operator@demo.example", "/api/stats/deliveries?rule=report-ready")
		return strings.Contains(stats, `"channel":"sms","provider":"aws-sms","outcome":"delivered","count":1`) &&
			strings.Contains(stats, `"channel":"whatsapp","provider":"whatsapp","outcome":"read","count":1`)
	}, 20*time.Second, 50*time.Millisecond)
}

// requireTimeOfTour asserts what the tour's part about time printed.
func requireTimeOfTour(t *testing.T, out string) {
	t.Helper()
	_, out, ok := strings.Cut(out, `"planKey":"appointment-reminder`)
	require.True(t, ok)
	lists := strings.Split(out, `{"items":[`)
	require.GreaterOrEqual(t, len(lists), 4, out)
	planned, moved, none, cancelled := lists[0], lists[1], lists[2], lists[3]
	for _, hour := range []string{"08", "09"} {
		require.Regexp(t, `"dueAt":"[0-9-]+T`+hour+`:00:00Z"`, planned, "an hour and a day before nine")
	}
	for _, hour := range []string{"10", "11"} {
		require.Regexp(t, `"dueAt":"[0-9-]+T`+hour+`:00:00Z"`, moved, "they moved with the appointment")
	}
	require.True(t, strings.HasPrefix(none, "]}"), none)
	require.Equal(t, 4, strings.Count(cancelled, "cut_off:appointment.cancelled"), "two reminders on two channels")
	require.Contains(t, out, `"reason":"quiet_hours"`)
	require.Contains(t, out, `"escalationsEnded":2`)
	require.Regexp(t, `critical-result +0 +acknowledged +\S+ +nobody`, out)
	require.Regexp(t, `critical-result +1 +acknowledged +\S+ +escalated`, out)
}

func TestToken_NamesTheSettingOfTheDataDirectory(t *testing.T) {
	t.Parallel()
	s := &service{t: t, env: append(exec.Command("true").Environ(), "CAREWIRE_DATA_DIR="+t.TempDir())}
	require.Contains(t, s.refused("token", "--as", "doctor@demo.example"), "set CAREWIRE_DATA_DIR to the directory of the one that runs")
}
