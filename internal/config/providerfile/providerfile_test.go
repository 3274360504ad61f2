package providerfile_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"carewire/internal/config/providerfile"
)

func TestParse_ReturnsTheProvidersInTheirOrder(t *testing.T) {
	t.Parallel()
	all, err := providerfile.Parse([]byte(`
email:
  - name: ses
    kind: ses
    from: clinic@example.org
    region: eu-central-1
    maxRate: 14
  - {name: mail, kind: smtp, from: clinic@example.org, host: mail.example.org, port: 587, username: {env: MAIL_USER}, password: {file: /run/secrets/mail}, order: 2, weight: 0.5}
sms:
  - {name: twilio, kind: twilio, accountSid: AC0, from: "+15550100001", secret: {env: TWILIO_SECRET}}
`))
	require.NoError(t, err)
	require.Len(t, all, 2)
	require.Equal(t, providerfile.Provider{
		Channel: "email", Name: "ses", Kind: "ses", Line: 3, MaxRate: 14,
		Settings: map[string]string{"from": "clinic@example.org", "region": "eu-central-1"}, Secrets: map[string]providerfile.Secret{},
	}, withLine(all["email"][0], 3))
	mail := all["email"][1]
	require.Equal(t, "587", mail.Settings["port"])
	require.Equal(t, 2, mail.Order)
	require.InDelta(t, 0.5, mail.Weight, 1e-9)
	require.Equal(t, providerfile.Secret{File: "/run/secrets/mail"}, mail.Secrets["password"])
	require.Equal(t, "+15550100001", all["sms"][0].Settings["from"])
}

func withLine(p providerfile.Provider, line int) providerfile.Provider {
	p.Line = line
	return p
}

func TestParse_ReportsEveryErrorWithItsLineFieldAndRemedy(t *testing.T) {
	t.Parallel()
	_, err := providerfile.Parse([]byte(`email:
  - {name: ses, kind: ses, form: a@b.example}
  - {name: ses, kind: twilio}
  - {name: mail, kind: smtp, from: a@b.example, host: h, password: hunter2}
  - {name: mail2, kind: smtp, from: a@b.example, host: h, port: 70000, weight: 0, order: 1.5}
fax:
  - {name: x}
push: {}
`))
	for _, want := range []string{
		"line 2: email[0].form: unknown key; want one of name, kind", "email[0].from: required", `line 3: email[1].kind: unknown kind "twilio" of channel email; want one of ses, smtp`,
		`duplicate provider name "ses"`, "line 4: email[2].password: credentials are references; write {env: NAME} or {file: PATH}",
		"line 5: email[3].weight: want a number", "email[3].order: want a whole number", "email[3].port: must be 1 to 65535",
		"line 6: fax: unknown channel; want one of email, push, sms, whatsapp", "push: want a list",
	} {
		require.ErrorContains(t, err, want)
	}
	require.NotContains(t, err.Error(), "hunter2")
	for _, bad := range []string{"", "[", "a: b: c", "- x", "email: [3]", "email: [{name: ses, name: ses}]", "email:\n  - null"} {
		_, err := providerfile.Parse([]byte(bad))
		require.Error(t, err, bad)
	}
}

func TestSecret_ReadsItsReference(t *testing.T) {
	file := filepath.Join(t.TempDir(), "secret")
	require.NoError(t, os.WriteFile(file, []byte("value\n"), 0o600))
	t.Setenv("CAREWIRE_TEST_SECRET", "other")
	for want, s := range map[string]providerfile.Secret{"value": {File: file}, "other": {Env: "CAREWIRE_TEST_SECRET"}} {
		got, err := s.Read()
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
	_, err := providerfile.Secret{Env: "CAREWIRE_TEST_MISSING"}.Read()
	require.ErrorContains(t, err, "env CAREWIRE_TEST_MISSING is empty")
	_, err = providerfile.Secret{File: file + "x"}.Read()
	require.ErrorContains(t, err, "cannot read the file")
}
