package main

import (
	"bytes"
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"carewire/internal/config"
	"carewire/internal/postgres/postgrestest"
)

// onDatabase returns commands on a migrated database, without a service. stderr of ok must be
// empty, so the commands under test print their hints on it only if they are expected.
func onDatabase(t *testing.T) (*service, *postgrestest.DB) {
	t.Helper()
	db := postgrestest.New(t)
	return &service{t: t, env: append(os.Environ(), "DATABASE_URL="+db.URL, "CAREWIRE_OIDC_ISSUER=", "CAREWIRE_OIDC_CLIENT_ID=")}, db
}

// printed runs a command that must succeed, and returns its output. It ignores the hints on
// standard error.
func (s *service) printed(args ...string) string {
	s.t.Helper()
	out, stderr, err := s.run(args...)
	require.NoError(s.t, err, "%v: %s", args, stderr)
	return strings.TrimSpace(out)
}

func TestSetup_RegistersTheFirstClinicAndItsAdministratorOnce(t *testing.T) {
	t.Parallel()
	s, db := onDatabase(t)
	s.env = append(s.env, "CAREWIRE_OIDC_ISSUER=https://id.example", "CAREWIRE_OIDC_CLIENT_ID=carewire", "CAREWIRE_BASE_URL=https://clinic.example/")
	args := []string{"setup", "--clinic-name", "Harbour Clinic", "--time-zone", "Europe/Berlin", "--admin-email", "ada@clinic.example", "--admin-name", "Ada Maria Byron", "--operator", "--yes"}
	out := s.ok(args...)
	require.Equal(t, 2, strings.Count(out, "  registered\n"), out)
	require.Contains(t, out, "Sign in as ada@clinic.example at https://clinic.example/login\n")
	again := s.ok(args...)
	require.Equal(t, strings.ReplaceAll(out, "registered", "exists"), again)

	var result struct {
		Clinic              struct{ ID, Name string }
		AdminID             string
		NewClinic, NewAdmin bool
	}
	require.NoError(t, json.Unmarshal([]byte(s.ok(append(args, "--json")...)), &result))
	require.False(t, result.NewClinic || result.NewAdmin)
	require.Equal(t, "Harbour Clinic", result.Clinic.Name)
	var accounts []struct {
		ID, GivenName, FamilyName string
		Memberships               []struct {
			ClinicID *string
			Role     string
		}
	}
	require.NoError(t, json.Unmarshal([]byte(s.ok("user", "list", "--email", "ADA@clinic.example", "--json")), &accounts))
	require.Len(t, accounts, 1)
	require.Equal(t, []string{result.AdminID, "Ada Maria", "Byron"}, []string{accounts[0].ID, accounts[0].GivenName, accounts[0].FamilyName})
	require.Equal(t, result.Clinic.ID, *accounts[0].Memberships[0].ClinicID)
	require.Equal(t, "admin", accounts[0].Memberships[0].Role)
	require.Equal(t, "operator", accounts[0].Memberships[1].Role)

	var actors, users int
	row := db.Owner.QueryRow(t.Context(), `SELECT count(DISTINCT actor_id), count(*) FILTER (WHERE correlation_id ~ '^cli:[^:]+:[0-9a-f-]{36}$' AND actor_id = 'system:cli')
		FROM outbox WHERE type IN ('clinic.created', 'user.created', 'membership.granted')`)
	require.NoError(t, row.Scan(&actors, &users))
	require.Equal(t, []int{1, 4}, []int{actors, users}, "each event once, with the operating-system user")
}

func TestSetup_NeedsOnlyTheLoginForRequests(t *testing.T) {
	t.Parallel()
	s, db := onDatabase(t)
	s.env = append(s.env, "DATABASE_URL=", "CAREWIRE_APP_DATABASE_URL="+db.AppURL)
	s.ok("setup", "--clinic-name", "Harbour Clinic", "--time-zone", "UTC", "--admin-email", "ada@clinic.example", "--admin-name", "Ada Byron", "--yes")
	require.Contains(t, s.ok("user", "list"), "ada@clinic.example")
	require.Contains(t, s.ok("role", "list"), "admin")
	require.Contains(t, s.ok("clinic", "list"), "Harbour Clinic")
}

func TestSetup_NamesEveryMissingFlagWithoutATerminal(t *testing.T) {
	t.Parallel()
	s, _ := onDatabase(t)
	require.Equal(t, "carewire: missing --clinic-name, --time-zone, --admin-email, --admin-name, --yes; see carewire setup --help\n", s.exits(2, "setup"))
	args := []string{"setup", "--clinic-name", "X", "--admin-email", "ada@clinic.example", "--yes"}
	require.Contains(t, s.exits(2, append(args, "--time-zone", "UTC", "--admin-name", "Ada")...), "--admin-name: want a given name and a family name")
	require.Contains(t, s.refused(append(args, "--time-zone", "Mars", "--admin-name", "Ada Byron")...), "--time-zone: must be an IANA time zone")
	require.Regexp(t, `^ID[^\n]*\n$`, s.ok("clinic", "list"), "nothing was registered")
}

func TestSetup_AsksForWhatTheFlagsDoNotState(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		given  setupAnswers
		typed  string
		want   setupAnswers
		failed string
		// printed are parts of the output, in their order.
		printed []string
	}{
		"all": {
			typed: "Harbour Clinic\nEurope/Lisbon\nAda Byron\nada@clinic.example\ny\nyes\n",
			want:  setupAnswers{"Harbour Clinic", "Europe/Lisbon", "ada@clinic.example", "Ada Byron", true, true},
		},
		"some": {
			given: setupAnswers{clinicName: "Harbour Clinic", timeZone: "UTC", adminEmail: "ada@clinic.example"},
			typed: "Ada Byron\n\nyes\n",
			want:  setupAnswers{"Harbour Clinic", "UTC", "ada@clinic.example", "Ada Byron", false, true},
		},
		"again": {
			typed:   "Harbour Clinic\nMars\nUTC\nAda\nAda Byron\nAda Byron\nada@clinic.example\n\nyes\n",
			want:    setupAnswers{"Harbour Clinic", "UTC", "ada@clinic.example", "Ada Byron", false, true},
			printed: []string{"want an IANA time zone", "want a given name and a family name", "must be an email address"},
		},
		"end of input": {
			typed:  "Harbour Clinic\n",
			want:   setupAnswers{clinicName: "Harbour Clinic", timeZone: localZone()},
			failed: "nothing was registered",
		},
		"no": {
			given:  setupAnswers{clinicName: "X", timeZone: "UTC", adminEmail: "ada@clinic.example", adminName: "Ada Byron"},
			typed:  "no\nno\n",
			want:   setupAnswers{"X", "UTC", "ada@clinic.example", "Ada Byron", false, false},
			failed: "nothing was registered",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var out bytes.Buffer
			answers := test.given
			err := answers.ask(t.Context(), strings.NewReader(test.typed), &out, config.Config{OIDCIssuer: "https://id.example"}, false)
			if test.failed == "" {
				require.NoError(t, err)
			} else {
				require.EqualError(t, err, test.failed)
			}
			require.Equal(t, test.want, answers)
			require.Equal(t, name != "end of input", strings.Contains(out.String(), "https://id.example"), "the summary")
			require.Regexp(t, "(?s)"+strings.Join(test.printed, ".*"), out.String())
		})
	}
}

func TestBootstrap_CommandsRegisterClinicsPeopleAndRoles(t *testing.T) {
	t.Parallel()
	s, db := onDatabase(t)
	clinic := s.ok("clinic", "create", "--name", "Harbour Clinic", "--time-zone", "Europe/Berlin")
	clinic = strings.TrimSpace(clinic)
	require.Contains(t, s.refused("clinic", "create", "--name", "harbour clinic", "--time-zone", "UTC"), "the clinic "+clinic+" has this name")
	require.Equal(t, "clinic "+clinic+" is at version 2\n", s.ok("clinic", "update", clinic, "--name", "North"))
	require.Regexp(t, `(?s)^ID +VERSION +TIME ZONE +NAME\n`+clinic+` +2 +Europe/Berlin +North\n$`, s.ok("clinic", "list"))
	require.Contains(t, s.refused("clinic", "update", "0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b", "--name", "X"), "see carewire clinic list")

	nurse := s.printed("user", "create", "--email", "nora@clinic.example", "--given-name", "Nora", "--family-name", "Lind", "--clinic", clinic, "--role", "nurse,doctor")
	require.Contains(t, s.refused("user", "create", "--email", "nora@clinic.example", "--given-name", "N", "--family-name", "L", "--clinic", clinic, "--role", "admin"), "use carewire role grant")
	require.Contains(t, s.refused("user", "create", "--email", "nora@clinic.example", "--given-name", "N", "--family-name", "L", "--role", "operator"), "use carewire role grant")
	auditor := s.printed("user", "create", "--email", "anton@clinic.example", "--given-name", "Anton", "--family-name", "Weiss", "--role", "auditor")
	table := s.ok("user", "list")
	require.Regexp(t, `(?s)^ID +STATUS +SIGN-INS +EMAIL +ROLES\n`+nurse+` +active +0 +nora@clinic.example +nurse doctor\n`+auditor+` `, table)
	require.Equal(t, "account "+nurse+" now holds the role operator on the platform\n", s.ok("role", "grant", "nora@clinic.example", "--role", "operator"))
	require.Equal(t, "account "+nurse+" already holds the role operator on the platform\n", s.ok("role", "grant", nurse, "--role", "operator"))
	require.Regexp(t, `(?m) operator +- +nora@clinic.example$`, s.ok("role", "list", "--user", "nora@clinic.example"))
	require.Equal(t, "account "+nurse+" no longer holds the role doctor at clinic "+clinic+"\n", s.ok("role", "revoke", nurse, "--role", "doctor", "--clinic", clinic))
	require.Contains(t, s.refused("role", "revoke", nurse, "--role", "doctor", "--clinic", clinic), "does not hold this role")

	require.Equal(t, "the sign-in is linked to account "+nurse+"\n", s.ok("user", "link", nurse, "--issuer", "https://id.example", "--subject", "s-1"))
	require.Equal(t, "the sign-in is already linked to account "+nurse+"\n", s.ok("user", "link", nurse, "--issuer", "https://id.example", "--subject", "s-1"))
	require.Contains(t, s.refused("user", "link", auditor, "--issuer", "https://id.example", "--subject", "s-1"), "linked to another person")
	require.Equal(t, "account "+nurse+" is disabled\n", s.ok("user", "disable", "nora@clinic.example"))
	require.Equal(t, "account "+nurse+" is already disabled\n", s.ok("user", "disable", nurse))
	require.Contains(t, s.ok("user", "list", "--status", "disabled"), nurse)
	require.Equal(t, "account "+nurse+" is active\n", s.ok("user", "enable", nurse))

	var others int
	require.NoError(t, db.Owner.QueryRow(t.Context(), `SELECT count(*) FROM outbox WHERE actor_id <> 'system:cli' OR correlation_id NOT LIKE 'cli:_%:_%'`).Scan(&others))
	require.Zero(t, others)
}

func TestBootstrap_CommandsNameTheFlagAndTheRemedy(t *testing.T) {
	t.Parallel()
	s, _ := onDatabase(t)
	const id = "0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b"
	person := []string{"user", "create", "--email", "nora@clinic.example", "--given-name", "Nora", "--family-name", "Lind"}
	for _, test := range []struct {
		says   string
		args   []string
		status int
	}{
		{"--name and --time-zone are required", []string{"clinic", "create", "--name", "X"}, 2},
		{"--time-zone: must be an IANA time zone", []string{"clinic", "create", "--name", "X", "--time-zone", "Mars"}, 1},
		{"--limit must be at least 1", []string{"clinic", "list", "--limit", "0"}, 2},
		{"--after: must be the value of next of the previous page", []string{"clinic", "list", "--after", "x"}, 1},
		{"want --name, --time-zone or both", []string{"clinic", "update", id}, 2},
		{`invalid clinic ID "x"`, []string{"clinic", "update", "x", "--name", "Y"}, 2},
		{"--email, --given-name and --family-name are required", []string{"user", "create"}, 2},
		{"--role is required: doctor", person, 2},
		{"the role nurse requires --clinic", append(person, "--role", "nurse"), 2},
		{"the role auditor is held on the platform", append(person, "--role", "auditor", "--clinic", id), 2},
		{"--clinic: unknown clinic", append(person, "--role", "nurse", "--clinic", id), 1},
		{"--role: must be one of patient, doctor", append(person, "--role", "king", "--clinic", id), 1},
		{"--role: must be one of doctor", []string{"user", "list", "--role", "king"}, 1},
		{"no person is registered with this email address", []string{"user", "disable", "nobody@clinic.example"}, 1},
		{"want the ID or the email address", []string{"user", "disable", "nobody"}, 1},
		{"no person " + id, []string{"user", "enable", id}, 1},
		{"--subject is required", []string{"user", "link", id}, 2},
		{"--role is required", []string{"role", "grant", id}, 2},
		{"the role nurse requires --clinic", []string{"role", "grant", id, "--role", "nurse"}, 2},
		{"the role operator is held on the platform", []string{"role", "revoke", id, "--role", "operator", "--clinic", id}, 2},
		{"no person " + id, []string{"role", "grant", id, "--role", "operator"}, 1},
		{`--clinic: invalid ID "x"`, []string{"role", "list", "--clinic", "x"}, 2},
	} {
		require.Contains(t, s.exits(test.status, test.args...), test.says, test.args)
	}
	for _, args := range [][]string{
		{"setup"},
		{"clinic", "create"},
		{"clinic", "list"},
		{"clinic", "update"},
		{"user", "create"},
		{"user", "list"},
		{"user", "disable"},
		{"user", "enable"},
		{"user", "link"},
		{"role", "grant"},
		{"role", "revoke"},
		{"role", "list"},
	} {
		require.Regexp(t, `(?s)Usage:.*Examples:\n  carewire `, s.ok(append(args, "--help")...))
	}
}
