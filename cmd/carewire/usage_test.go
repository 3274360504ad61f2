package main

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// alone is a program without a database.
func alone(t *testing.T, env ...string) *service {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "data")
	return &service{t: t, env: append(append(os.Environ(), "DATABASE_URL=", "CAREWIRE_DATA_DIR="+dir), env...)}
}

func TestUsageErrors_ExitWithStatus2InOurOwnWords(t *testing.T) {
	t.Parallel()
	s := alone(t)
	for _, c := range []struct {
		says string
		args []string
	}{
		{`unknown command "nonsense" for "carewire"; see carewire --help`, []string{"nonsense"}},
		{`unknown command "ruels" for "carewire"; did you mean rules?`, []string{"ruels"}},
		{`unknown command "lst" for "carewire rules"; did you mean list?`, []string{"rules", "lst"}},
		{`unknown flag --frobnicate; see carewire rules list --help`, []string{"rules", "list", "--frobnicate"}},
		{`unknown flag -x; see carewire rules list --help`, []string{"rules", "list", "-x"}},
		{`--note needs a value; see carewire rules publish --help`, []string{"rules", "publish", "x", "--note"}},
		{`--limit: invalid value "many"; want a whole number`, []string{"rules", "list", "--limit", "many"}},
		{`--ttl: invalid value "soon"; want a duration such as 90s or 1h`, []string{"token", "--as", "x", "--ttl", "soon"}},
		{`--ttl must be at least 1s and at most 24h0m0s, not -1h0m0s`, []string{"token", "--as", "x", "--ttl", "-1h"}},
		{`--ttl must be at least 1s`, []string{"token", "--as", "x", "--ttl", "0"}},
		{`--ttl must be at least 1s and at most 24h0m0s, not 8760h0m0s`, []string{"token", "--as", "x", "--ttl", "8760h"}},
		{`want one of --as, --service; see carewire token --help`, []string{"token"}},
		{`only one of --as, --service can be used`, []string{"token", "--as", "x", "--service", "y"}},
		{`missing --reason; see carewire ledger new-epoch --help`, []string{"ledger", "new-epoch"}},
		{`unexpected argument "x"; see carewire version --help`, []string{"version", "x"}},
		{`unexpected argument "x"; see carewire serve --help`, []string{"serve", "x"}},
		{`want one argument FILE, got 0`, []string{"rules", "check"}},
		{`want one argument FILE, got 2`, []string{"rules", "check", "a", "b"}},
	} {
		out := s.exits(2, c.args...)
		require.Contains(t, out, c.says, c.args)
		for _, word := range []string{"required flag(s)", "flags in the group", "arg(s)", "strconv", "shorthand"} {
			require.NotContains(t, out, word, c.args)
		}
	}
}

func TestGroups_WithoutACommandPrintTheirHelpAndExitWithStatus2(t *testing.T) {
	t.Parallel()
	s := alone(t)
	for _, args := range [][]string{nil, {"rules"}, {"deliveries"}, {"ledger"}, {"follower"}, {"import"}} {
		out, stderr, err := s.run(args...)
		var exit *exec.ExitError
		require.ErrorAs(t, err, &exit, args)
		require.Equal(t, 2, exit.ExitCode(), args)
		require.Empty(t, out)
		require.Contains(t, stderr, "Available Commands:")
		require.Contains(t, stderr, "missing command after")
		require.Contains(t, s.ok(append(args, "--help")...), "Available Commands:")
	}
}

func TestRulesCheck_ReadsStandardInputAndPrintsJSON(t *testing.T) {
	t.Parallel()
	s := alone(t)
	check := func(rules string, args ...string) (stdout, stderr string, status int) {
		cmd := exec.Command(binary, append([]string{"rules", "check"}, args...)...)
		var out, errs bytes.Buffer
		cmd.Env, cmd.Stdin, cmd.Stdout, cmd.Stderr = s.env, strings.NewReader(rules), &out, &errs
		_ = cmd.Run()
		return out.String(), errs.String(), cmd.ProcessState.ExitCode()
	}
	out, stderr, status := check("rules: []\n", "-")
	require.Equal(t, "<stdin>: 0 rules, no errors\n", out)
	require.Empty(t, stderr)
	require.Zero(t, status)
	out, _, status = check("rules: []\n", "-", "--json")
	require.JSONEq(t, `{"file": "<stdin>", "rules": 0, "errors": []}`, out)
	require.Zero(t, status)

	wrong := "rules:\n  - name: one\n    on: ehr.lab_reprot.created\n    when: data.status = 'final'\n    recipients: [{role: [doctor]}]\n    channels: [email]\n    template: clincal\n"
	out, stderr, status = check(wrong, "--json", "-")
	require.Equal(t, 1, status)
	require.Equal(t, "carewire: <stdin>: 3 errors\n", stderr)
	var result struct {
		Errors []struct {
			Line                 int
			Rule, Field, Message string
		}
	}
	require.NoError(t, json.Unmarshal([]byte(out), &result))
	require.Len(t, result.Errors, 3, "the unknown event hides neither the syntax error nor the unknown template")
	for i, field := range []string{"on", "when", "template"} {
		require.Equal(t, field, result.Errors[i].Field)
		require.Equal(t, "one", result.Errors[i].Rule)
		require.NotEmpty(t, result.Errors[i].Message)
	}
	require.Equal(t, []int{3, 4, 7}, []int{result.Errors[0].Line, result.Errors[1].Line, result.Errors[2].Line})
	_, stderr, status = check(wrong, "-")
	require.Equal(t, 1, status)
	require.Contains(t, stderr, "<stdin>:3: rule one: on: ")
	require.Contains(t, stderr, "<stdin>:4: rule one: when: ")
	require.Contains(t, stderr, "<stdin>:7: rule one: template: ")
}

func TestRulesCheck_FindsTheTemplatesOfAFile(t *testing.T) {
	t.Parallel()
	s := alone(t)
	dir := t.TempDir()
	rules, templates := filepath.Join(dir, "rules.yaml"), filepath.Join(dir, "templates.yaml")
	require.NoError(t, os.WriteFile(rules, []byte("rules:\n  - {name: one, on: ehr.lab_report.created, recipients: [user: data.userId], channels: [sms], template: report_ready}\n"), 0o600))
	require.NoError(t, os.WriteFile(templates, []byte(s.ok("templates", "default")+"  report_ready:\n    sms: A report is ready.\n"), 0o600))
	_, stderr, err := s.run("rules", "check", rules)
	require.Error(t, err)
	require.Contains(t, stderr, `no template "report_ready" for the channel sms`)
	require.Contains(t, s.ok("rules", "check", rules, "--templates", templates), "1 rules, no errors")
	_, stderr, err = s.run("rules", "check", rules, "--templates", rules)
	require.Error(t, err)
	require.Contains(t, stderr, rules+":1: rules: unknown field", "a file of another kind")
}

func TestServe_ReportsEveryBadSettingAtOnce(t *testing.T) {
	t.Parallel()
	s := alone(t, "CAREWIRE_SHUTDOWN_TIMEOUT=x", "CAREWIRE_LOG_LEVEL=loud", "CAREWIRE_ORIGIN=https://app.example", "CAREWIRE_ADDR=8080")
	_, stderr, err := s.run("serve", "--demo", "--roles", "everything")
	var exit *exec.ExitError
	require.ErrorAs(t, err, &exit)
	require.Equal(t, 1, exit.ExitCode())
	for _, text := range []string{
		"CAREWIRE_SHUTDOWN_TIMEOUT: invalid", "CAREWIRE_LOG_LEVEL: unknown level", "CAREWIRE_ORIGIN: unknown setting; did you mean CAREWIRE_ORIGINS?", "CAREWIRE_ADDR: invalid",
		"--roles: unknown role",
	} {
		require.Contains(t, stderr, text)
	}
	s = alone(t, "CAREWIRE_SOMETHING=1")
	_, stderr, _ = s.run("token", "--as", "doctor@demo.example")
	require.Contains(t, stderr, "carewire: warning: unknown setting CAREWIRE_SOMETHING is ignored")
}
