package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const providerFile = `email:
  - {name: mail, kind: smtp, from: clinic@example.org, host: mail.example.org, order: 2, username: {env: TEST_USER}, password: {file: PASSWORD}}
  - {name: ses, kind: ses, from: clinic@example.org, region: eu-central-1, order: 1, weight: 3, maxRate: 14}
  - {name: ses-us, kind: ses, from: clinic@example.org, region: us-east-1, order: 1}
`

func TestProvidersCheck_PrintsTheProvidersInTheirOrderWithoutCredentials(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file, password := filepath.Join(dir, "providers.yaml"), filepath.Join(dir, "password")
	require.NoError(t, os.WriteFile(password, []byte("secret-password\n"), 0o600))
	require.NoError(t, os.WriteFile(file, []byte(strings.Replace(providerFile, "PASSWORD", password, 1)), 0o600))
	s := alone(t, "TEST_USER=secret-user", "CAREWIRE_WHATSAPP_PHONE_NUMBER_ID=106540352242922", "CAREWIRE_WHATSAPP_TOKEN=secret-token", "AWS_EC2_METADATA_DISABLED=true")
	out := s.ok("providers", "check", "--wide", file)
	require.Regexp(t, `(?s)^CHANNEL +ORDER +NAME +KIND +SHARE +MAX RATE +CREDENTIALS\n`+
		`email +1 +ses +ses +75% +14/s +default\n`+
		`email +1 +ses-us +ses +25% +- +default\n`+
		`email +2 +mail +smtp +100% +- +password: file `+password+`, username: env TEST_USER\n`+
		`whatsapp +1 +whatsapp +whatsapp +100% +- +of the settings\n$`, out)
	require.NotContains(t, out, "secret-")

	s.env = append(s.env, "CAREWIRE_PROVIDERS="+file)
	require.Equal(t, out, s.ok("providers", "check", "--wide"), "the file of the settings")
	var result struct {
		File             string
		Providers        []struct{ Channel, Name string }
		Warnings, Errors []any
	}
	require.NoError(t, json.Unmarshal([]byte(s.ok("providers", "check", "--json")), &result))
	require.Equal(t, file, result.File)
	require.Len(t, result.Providers, 4)
	require.Empty(t, result.Errors)
	require.Regexp(t, `^CHANNEL[^\n]*\n$`, alone(t).ok("providers", "check"), "no provider")
}

func TestProvidersCheck_ExitsWithStatus2AndEveryError(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "providers.yaml")
	require.NoError(t, os.WriteFile(file, []byte(providerFile+"fax: []\n"), 0o600))
	s := alone(t, "TEST_USER=secret-user", "CAREWIRE_EMAIL_MAX_RATE=7", "AWS_EC2_METADATA_DISABLED=true")
	check := func(args ...string) (out, stderr string) {
		out, stderr, err := s.run(append([]string{"providers", "check"}, args...)...)
		var exit *exec.ExitError
		require.ErrorAs(t, err, &exit)
		require.Equal(t, 2, exit.ExitCode(), stderr)
		return out, stderr
	}
	out, stderr := check(file)
	require.Empty(t, out)
	require.Equal(t, "carewire: "+file+":\nline 5: fax: unknown channel; want one of email, push, sms, whatsapp\n", stderr)

	require.NoError(t, os.WriteFile(file, []byte(providerFile), 0o600))
	_, stderr = check(file)
	require.Contains(t, stderr, "line 2: email: CAREWIRE_EMAIL_MAX_RATE is set too; remove it, or the channel from the file\n")

	s.env = append(s.env, "CAREWIRE_EMAIL_MAX_RATE=", "CAREWIRE_PROVIDERS="+file)
	out, stderr = check("--json")
	var result struct {
		Providers []struct{}
		Errors    []struct {
			Line           int
			Field, Message string
		}
	}
	require.NoError(t, json.Unmarshal([]byte(out), &result))
	require.Len(t, result.Errors, 1)
	require.Equal(t, 2, result.Errors[0].Line)
	require.Equal(t, "email[0].password", result.Errors[0].Field)
	require.Contains(t, result.Errors[0].Message, `cannot read the file "PASSWORD"`)
	require.Equal(t, "carewire: "+file+": 1 errors\n", stderr)

	require.NoError(t, os.WriteFile(file, nil, 0o600))
	_, stderr = check(file)
	require.Contains(t, stderr, "line 1: the source is empty")
	require.Contains(t, s.exits(2, "providers", "check", "/nonexistent.yaml"), "no such file")
	require.Contains(t, s.exits(2, "providers", "check", "a", "b"), "want at most one argument FILE, got 2")
	require.Regexp(t, `(?s)exit status is 2 if there are errors.*Usage:.*Examples:\n  carewire `, s.ok("providers", "check", "--help"))
}
