package providerfile_test

import (
	"os"
	"path/filepath"
	"strings"
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
  - {name: twilio, kind: twilio, accountSid: AC0123456789abcdef0123456789abcdef, from: +15550100001, secret: {env: TWILIO_SECRET}}
`))
	require.NoError(t, err)
	require.Len(t, all, 2)
	ses := all["email"][0]
	require.Equal(t, []any{"email", "ses", "ses", 3, "email[0]", 0, 14.0}, []any{ses.Channel, ses.Name, ses.Kind, ses.Line, ses.Field, ses.Order, ses.MaxRate})
	require.Equal(t, map[string]string{"from": "clinic@example.org", "region": "eu-central-1"}, ses.Settings)
	require.Empty(t, ses.Secrets)
	mail := all["email"][1]
	require.Equal(t, "587", mail.Settings["port"])
	require.Equal(t, 2, mail.Order)
	require.InDelta(t, 0.5, mail.Weight, 1e-9)
	require.Equal(t, providerfile.Secret{File: "/run/secrets/mail"}, mail.Secrets["password"])
	require.Equal(t, "+15550100001", all["sms"][0].Settings["from"])
}

func TestParse_ReportsEveryErrorWithItsLineFieldAndRemedy(t *testing.T) {
	t.Parallel()
	_, err := providerfile.Parse([]byte(`email:
  - {name: ses, kind: ses, form: a@b.example}
  - {name: ses, kind: twilio}
  - {name: mail, kind: smtp, from: a@b.example, host: h, password: hunter2}
  - name: Mail 2
    kind: smtp
    from: Clinic <a@b.example>
    host: mail/example
    port: 70000
    tls: ssl
    weight: 0
    order: 1.5
  - {name: ses, kind: ses, from: a@b.example, region: Frankfurt, endpoint: "http://ses.example", accessKeyId: {env: KEY}}
  - {name: local, kind: smtp, from: a@b.example, host: mail.example, tls: none, username: {env: A-B}, password: {file: ""}}
  - {name: twice, kind: ses, from: a@b.example, from: b@b.example, weight: }
  - ses
fax:
  - {name: x}
push: {}
sms:
  - {name: twilio, kind: twilio, accountSid: AC0, keySid: x, from: "+0", maxRate: -1, endpoint: "https://user@api.twilio.example", secret: {env: A, file: b}}
  - {name: aws, kind: aws-sms, origination: "a b", maxPrice: 1, configurationSet: "a b"}
whatsapp:
  - {name: meta, kind: whatsapp, phoneNumberId: "+15550100001", version: 23}
`))
	want := []string{
		"line 2: email[0].form: unknown field; want one of name, kind, order, weight, maxRate, configurationSet",
		"line 2: email[0].from: required for the kind ses; want the sender's address",
		`line 3: email[1].kind: unknown kind "twilio" of channel email; want one of ses, smtp`,
		"line 4: email[2].password: credentials are references; write {env: NAME} or {file: PATH}",
		"line 4: email[2].password: username and password must be set together; add username",
		"line 5: email[3].name: want a short name",
		"line 7: email[3].from: invalid value; want the sender's address",
		"line 8: email[3].host: invalid value; want the name",
		"line 9: email[3].port: invalid value; want a port from 1 to 65535",
		"line 10: email[3].tls: invalid value; want starttls",
		"line 11: email[3].weight: want a number from 0.001 to 1000",
		"line 12: email[3].order: want a whole number from 1 to 100",
		"line 13: email[4].accessKeyId: accessKeyId and secretAccessKey must be set together; add secretAccessKey",
		"line 13: email[4].endpoint: invalid value; want an https URL",
		`line 13: email[4].name: duplicate provider name "ses"; names must differ within a channel`,
		"line 13: email[4].region: invalid value; want a region",
		"line 14: email[5].password.file: want the path",
		"line 14: email[5].tls: none is only for a server on this host",
		"line 14: email[5].username: credentials need TLS",
		"line 14: email[5].username.env: want the name of an environment variable",
		"line 15: email[6].from: duplicate field",
		"line 15: email[6].weight: want a number",
		"line 16: email[7]: want fields",
		"line 17: fax: unknown channel; want one of email, push, sms, whatsapp",
		"line 19: push: want a list",
		"line 21: sms[0].accountSid: invalid value", "line 21: sms[0].endpoint: invalid value", "line 21: sms[0].from: invalid value",
		"line 21: sms[0].keySid: invalid value", "line 21: sms[0].maxRate: want a number", "line 21: sms[0].secret: credentials are references",
		"line 22: sms[1].configurationSet: invalid value", "line 22: sms[1].maxPrice: invalid value", "line 22: sms[1].origination: invalid value",
		"line 24: whatsapp[0].phoneNumberId: invalid value", "line 24: whatsapp[0].token: required for the kind whatsapp; write {env: NAME}",
		"line 24: whatsapp[0].version: invalid value",
	}
	require.Error(t, err)
	got := strings.Split(err.Error(), "\n")
	require.Len(t, got, len(want), err.Error())
	for i := range want {
		require.True(t, strings.HasPrefix(got[i], want[i]), "%s\nwant %s", got[i], want[i])
	}
	require.NotContains(t, err.Error(), "hunter2")
}

func TestParse_RejectsASourceThatIsNoListOfProviders(t *testing.T) {
	t.Parallel()
	for _, bad := range []string{
		"", "[", "a: b: c", "- x", "email: [3]", "email: [{name: ses, name: ses}]", "email:\n  - null", "email: []", "email: null", "42", "{}\n---\n{}",
		"email: &a [{name: ses, kind: ses, from: a@b.example}]\nsms: *a", "? [a]\n: b", "email: [{<<: {name: ses}}]", "email: [" + strings.Repeat("{name: ses, kind: ses, from: a@b.example},", 17) + "]",
		strings.Repeat("[", 10_000), "#" + strings.Repeat("x", providerfile.MaxSize),
	} {
		_, err := providerfile.Parse([]byte(bad))
		require.ErrorContains(t, err, "line ", "%.40s", bad)
	}
}

// The second project would report every device of the first as unknown.
func TestParse_RejectsPushProvidersOfTwoProjects(t *testing.T) {
	t.Parallel()
	const one = "push:\n  - {name: fcm, kind: fcm, project: clinic-1a2b3}\n  - {name: fcm-2, kind: fcm, project: clinic-1a2b3, endpoint: \"https://fcm.example\"}\n"
	_, err := providerfile.Parse([]byte(one))
	require.NoError(t, err)
	_, err = providerfile.Parse([]byte(one + "  - {name: other, kind: fcm, project: clinic-9z8y7}\n"))
	require.ErrorContains(t, err, `line 4: push[2].project: another project than "clinic-1a2b3"; want one for all providers`)
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
