package audit_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"carewire/internal/audit"
	"carewire/internal/care"
	"carewire/internal/event"
)

func newID() uuid.UUID { return uuid.Must(uuid.NewV7()) }

var variable = regexp.MustCompile(`:'(\w+)'`)

// run runs a ready query as the auditor, with its psql variables substituted as in psql, and
// returns each row as a map by column.
func (b *testBundle) run(t *testing.T, name string, vars map[string]string) []map[string]any {
	t.Helper()
	source, err := os.ReadFile(filepath.Join("..", "..", "sql", "audit", name+".sql"))
	require.NoError(t, err)
	sql := variable.ReplaceAllStringFunc(withoutCommands(string(source)), func(v string) string {
		value, ok := vars[variable.FindStringSubmatch(v)[1]]
		require.True(t, ok, "%s: no value for %s", name, v)
		return "'" + strings.ReplaceAll(value, "'", "''") + "'"
	})
	rows, err := b.db.Auditor.Query(t.Context(), sql)
	require.NoError(t, err, name)
	list, err := pgx.CollectRows(rows, pgx.RowToMap)
	require.NoError(t, err, name)
	return list
}

// withoutCommands returns a script without psql's own commands and what runs if a variable is not
// set.
func withoutCommands(script string) string {
	var kept []string
	unset := false
	for line := range strings.Lines(script) {
		switch command, ok := strings.CutPrefix(line, `\`); {
		case ok:
			unset = strings.HasPrefix(command, "else")
		case !unset:
			kept = append(kept, line)
		}
	}
	return strings.Join(kept, "")
}

func column(rows []map[string]any, name string) []string {
	var list []string
	for _, row := range rows {
		list = append(list, fmt.Sprint(row[name]))
	}
	return list
}

func TestReadyQueries_RunAsTheAuditorAndDocumentTheirUse(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for _, name := range readyQueries(t) {
		source, err := os.ReadFile(filepath.Join("..", "..", "sql", "audit", name+".sql"))
		require.NoError(t, err)
		require.True(t, strings.HasPrefix(string(source), "-- "), "%s has a header", name)
		require.Contains(t, string(source), "psql \"$DATABASE_URL\"", name)
		require.Contains(t, string(source), "\\set ON_ERROR_STOP on\n", name)
		require.NotContains(t, string(source), "accounting that", name)
		for _, v := range variable.FindAllStringSubmatch(string(source), -1) {
			require.Contains(t, string(source), "-v "+v[1]+"=", "%s: the header sets %s", name, v[1])
			require.Contains(t, string(source), `\if :{?`+v[1]+"}\n", "%s: it stops without %s", name, v[1])
		}
		b.run(t, name, b.variables(name))
	}
}

// readyQueries returns the names of the queries in sql/audit.
func readyQueries(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("..", "..", "sql", "audit", "*.sql"))
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for i, file := range files {
		files[i] = strings.TrimSuffix(filepath.Base(file), ".sql")
	}
	return files
}

// variables returns values for the variables of a ready query.
func (b *testBundle) variables(name string) map[string]string {
	vars := map[string]string{
		"subject": b.created.Subject, "patient": b.patient.String(), "person": b.patient.String(), "actor": b.doctor.String(),
		"from": "2020-01-01", "until": "2100-01-01",
	}
	if name == "integrity" {
		vars["from"], vars["until"] = "1", "1000"
	}
	return vars
}

func TestReadyQueries_StopWithASentenceWithoutAVariable(t *testing.T) {
	t.Parallel()
	psql, err := exec.LookPath("psql")
	if err != nil {
		t.Skip("psql is not installed")
	}
	b := setup(t)
	for _, name := range readyQueries(t) {
		vars := b.variables(name)
		source, err := os.ReadFile(filepath.Join("..", "..", "sql", "audit", name+".sql"))
		require.NoError(t, err)
		used := map[string]bool{}
		for _, v := range variable.FindAllStringSubmatch(string(source), -1) {
			used[v[1]] = true
		}
		script := func(without string) (string, error) {
			args := []string{b.db.URL, "--no-psqlrc", "-c", "SET ROLE carewire_auditor", "--csv", "-f", filepath.Join("..", "..", "sql", "audit", name+".sql")}
			for v := range used {
				if v != without {
					args = append(args, "-v", v+"="+vars[v])
				}
			}
			out, err := exec.CommandContext(t.Context(), psql, args...).CombinedOutput()
			return string(out), err
		}
		out, err := script("")
		require.NoError(t, err, "%s: %s", name, out)
		for missing := range used {
			out, err := script(missing)
			var exit *exec.ExitError
			require.ErrorAs(t, err, &exit, "%s without %s", name, missing)
			require.Equal(t, 3, exit.ExitCode(), "%s without %s: %s", name, missing, out)
			require.Contains(t, out, "the variable "+missing+" is not set", name)
			require.Contains(t, out, "Add -v "+missing+"=", name)
		}
	}
}

func TestRecordStory_HasWritesReadsAndNotificationsWithTheirCauses(t *testing.T) {
	t.Parallel()
	b := setup(t)
	rows := b.run(t, "record_story", map[string]string{"subject": b.created.Subject})
	require.Equal(t, []string{
		"ehr.lab_report.created", "ehr.lab_report.critical", "not sent", "notification.planned", "notification.sent", "record.read", "record.read", "access.denied",
	}, column(rows, "what"))
	require.Equal(t, b.doctor.String(), rows[0]["who"])
	require.Contains(t, rows[2]["why"], "preference off")
	require.Equal(t, "email", rows[2]["how"])
	require.Contains(t, rows[3]["why"], "rule critical-result of set 1")
	require.Contains(t, rows[4]["why"], "state sent")
	require.Equal(t, []string{"read", "list", "record.read"}, column(rows[5:], "how"))
}

func TestRecordStory_HasTheEventsOfTheAPI(t *testing.T) {
	t.Parallel()
	b := setup(t)
	doctor := b.by(b.doctor, care.Doctor)
	release := event.New(doctor, "ehr.lab_report.released", care.Ref{Kind: "lab_report", ID: b.record}, event.Record{
		RecordID: b.record, UserID: b.patient, ClinicID: b.clinic, DoctorID: b.doctor, Status: "final", Version: 2, Released: true,
	}).About(doctor, b.patient, &b.clinic).AtVersion(2)
	elsewhere := event.ListRead(doctor, event.ListOf("lab_report"), b.patient, &b.clinic, []uuid.UUID{newID()})
	shown := event.ListRead(doctor, event.ListOf("lab_report"), b.patient, &b.clinic, []uuid.UUID{b.record})
	b.append(t, release, elsewhere, shown)
	var api, sql []string
	for _, e := range b.listed(t, audit.Filter{Subject: b.created.Subject}) {
		api = append(api, fmt.Sprint(e.Position, " ", e.Type, " ", e.ActorID, " ", e.ActorRole))
	}
	for _, row := range b.run(t, "record_story", map[string]string{"subject": b.created.Subject}) {
		if row["what"] != "not sent" { // A decision is not an event.
			sql = append(sql, fmt.Sprint(row["position"], " ", row["what"], " ", row["who"], " ", row["as_role"]))
		}
	}
	require.Equal(t, sql, api)
	require.Len(t, api, 9)
	require.Contains(t, api[8], "record.read "+b.doctor.String()+" doctor")
}

func TestActorActivity_HasAllThatAnActorDid(t *testing.T) {
	t.Parallel()
	b := setup(t)
	rows := b.run(t, "actor_activity", b.variables("actor_activity"))
	require.Equal(t, []string{"ehr.lab_report.created", "ehr.lab_report.critical", "ehr.lab_report.created"}, column(rows, "what"))
	require.Equal(t, []string{"Wilhelmina Murgatroyd", "Wilhelmina Murgatroyd", "Wilhelmina Murgatroyd"}, column(rows, "person_name"))
}

func TestPatientFile_CountsByActor(t *testing.T) {
	t.Parallel()
	b := setup(t)
	rows := b.run(t, "patient_file", b.variables("patient_file"))
	require.Equal(t, b.patient.String(), rows[0]["actor"])
	require.Equal(t, "Wilhelmina Murgatroyd", rows[0]["actor_name"])
	require.Equal(t, []string{"1", "0", "0"}, column(rows, "reads"))
	require.ElementsMatch(t, []string{"0", "0", "3"}, column(rows, "writes"))
	require.ElementsMatch(t, []string{"0", "1", "0"}, column(rows, "denials"))
}

func TestRoleChanges_NamesEveryone(t *testing.T) {
	t.Parallel()
	b := setup(t)
	admin := b.by(b.doctor, care.Admin)
	granted := event.New(admin, "membership.granted", care.Ref{Kind: "user", ID: b.patient}, event.Membership{UserID: b.patient, ClinicID: &b.clinic, Role: "nurse"}).About(admin, b.patient, &b.clinic)
	joined := event.New(admin, "care_team.joined", care.Ref{Kind: "patient", ID: b.stranger}, event.CareTeam{UserID: b.stranger, ClinicID: b.clinic, MemberID: b.patient}).About(admin, b.stranger, &b.clinic)
	b.append(t, granted, joined)
	rows := b.run(t, "role_changes", b.variables("role_changes"))
	require.Equal(t, []string{"nurse", "care team"}, column(rows, "role"))
	require.Equal(t, "Wilhelmina Murgatroyd", rows[0]["person_name"])
	require.Equal(t, "Wilhelmina Murgatroyd", rows[1]["member_name"])
	require.Equal(t, []string{"admin", "admin"}, column(rows, "by_role"))
}

func TestSignIns_HasTheReasonsAndCounts(t *testing.T) {
	t.Parallel()
	b := setup(t)
	patient, nobody := b.by(b.patient, care.Patient), care.Command{Actor: care.SystemActor("sign-in")}
	user := care.Ref{Kind: "user", ID: b.patient}
	b.append(t,
		event.New(patient, "user.signed_in", user, event.SignedIn{UserID: b.patient, Method: "token"}).About(patient, b.patient, nil),
		event.New(nobody, "user.sign_in_refused", user, event.SignInRefused{UserID: b.patient, Reason: "token_expired", Count: 17}).About(nobody, b.patient, nil),
	)
	rows := b.run(t, "sign_ins", b.variables("sign_ins"))
	require.Equal(t, []string{"token", "token_expired"}, column(rows, "detail"))
	require.Equal(t, []string{"1", "17"}, column(rows, "count"))
}

func TestWhoReadPatient_HasPagesOfPeopleAndReadsOfTheTrail(t *testing.T) {
	t.Parallel()
	b := setup(t)
	stranger := b.by(b.stranger, care.Doctor)
	b.append(t, event.New(stranger, "user.searched", care.Ref{Kind: "clinic", ID: b.clinic}, event.UserSearch{
		ClinicID: b.clinic, Filters: []string{"role", "name"}, UserIDs: []uuid.UUID{b.patient},
	}).At(stranger, &b.clinic))
	b.listed(t, audit.Filter{PersonID: b.patient})
	b.sequence(t)
	rows := b.run(t, "who_read_patient", b.variables("who_read_patient"))
	require.Equal(t, []string{"audit", "search", "list", "read"}, column(rows, "action"))
	require.Equal(t, []string{"event", "user", "lab_report", "<nil>"}, column(rows, "kind"))
	require.Equal(t, []string{"person", "role, name", "status", ""}, column(rows, "filters"))
}

func TestWhoReadPatient_ListsReadersNewestFirst(t *testing.T) {
	t.Parallel()
	b := setup(t)
	rows := b.run(t, "who_read_patient", map[string]string{"patient": b.patient.String(), "from": "2020-01-01", "until": "2100-01-01"})
	require.Equal(t, []string{"list", "read"}, column(rows, "action"))
	require.Equal(t, []string{"2", "0"}, column(rows, "records_in_list"))
	require.Empty(t, b.run(t, "who_read_patient", map[string]string{"patient": b.patient.String(), "from": "2020-01-01", "until": "2020-12-31"}))
}

func TestDenialsLastDay_CountsByActor(t *testing.T) {
	t.Parallel()
	b := setup(t)
	rows := b.run(t, "denials_last_day", nil)
	require.Equal(t, []string{b.stranger.String()}, column(rows, "actor_id"))
	require.Equal(t, []string{"1"}, column(rows, "refusals"))
}

func TestWhyNotified_HasTheReasonsForAndAgainst(t *testing.T) {
	t.Parallel()
	b := setup(t)
	rows := b.run(t, "why_notified", map[string]string{"subject": b.created.Subject, "person": b.patient.String()})
	require.Equal(t, []string{"email", "push"}, column(rows, "channel"))
	require.Equal(t, []string{"not sent", "sent"}, column(rows, "outcome"))
	require.Equal(t, "preference off", rows[0]["reason"])
}

func TestIntegrity_FindsRowsThatASuperuserChanged(t *testing.T) {
	t.Parallel()
	b := setup(t)
	vars := map[string]string{"from": "1", "until": "1000"}
	require.Empty(t, b.run(t, "integrity", vars))
	require.Empty(t, b.run(t, "integrity", map[string]string{"from": "3", "until": "5"}), "a slice is whole too")

	// Deliberately corrupted as only a superuser can: triggers off, one event changed, one
	// deleted, one duplicated.
	conn, err := pgx.Connect(t.Context(), b.db.URL)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, conn.Close(context.Background())) })
	for _, sql := range []string{
		"SET session_replication_role = replica",
		`UPDATE events SET actor_id = 'somebody else' WHERE position = 2`,
		"DELETE FROM events WHERE position = 4",
		`INSERT INTO events (position, epoch, event_id, type, source, subject, time, data, actor_id, actor_role, imported, recorded_at, leaf_hash)
			SELECT 9, epoch, event_id, type, source, subject, time, data, actor_id, actor_role, imported, recorded_at, leaf_hash FROM events WHERE position = 1`,
	} {
		_, err := conn.Exec(t.Context(), sql)
		require.NoError(t, err)
	}
	rows := b.run(t, "integrity", vars)
	require.Equal(t, []string{
		"2 the leaf hash does not match the columns", "5 positions are missing before this one",
		"9 the leaf hash does not match the columns", "9 duplicate event id",
	}, func() (list []string) {
		for _, row := range rows {
			list = append(list, fmt.Sprint(row["position"], " ", row["problem"]))
		}
		return list
	}())
}

func TestAuditor_SeesOnlyTheViews(t *testing.T) {
	t.Parallel()
	b := setup(t)
	var views []string
	rows, err := b.db.Owner.Query(t.Context(), "SELECT schemaname || '.' || viewname FROM pg_views WHERE schemaname = 'audit' ORDER BY 1")
	require.NoError(t, err)
	views, err = pgx.CollectRows(rows, pgx.RowTo[string])
	require.NoError(t, err)
	require.NotEmpty(t, views)
	for _, view := range views {
		var all *string
		require.NoError(t, b.db.Auditor.QueryRow(t.Context(), "SELECT string_agg(v::text, E'\\n') FROM "+view+" AS v").Scan(&all), view)
		if all == nil {
			continue
		}
		if view == "audit.people" { // The only one with names.
			require.Contains(t, *all, "Wilhelmina Murgatroyd")
			*all = strings.ReplaceAll(*all, "Wilhelmina Murgatroyd", "")
		}
		for _, private := range []string{"Wilhelmina", "Murgatroyd", "murgatroyd", "+15550100"} {
			require.NotContains(t, *all, private, view)
		}
		_, err := b.db.Auditor.Exec(t.Context(), "DELETE FROM "+view)
		require.ErrorContains(t, err, "SQLSTATE", view)
	}
	var reachable []string
	rows, err = b.db.Owner.Query(t.Context(), `SELECT n.nspname || '.' || c.relname FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
		WHERE c.relkind IN ('r', 'v', 'p', 'm', 'S') AND n.nspname NOT IN ('audit', 'pg_catalog', 'information_schema', 'pg_toast')
			AND CASE c.relkind WHEN 'S' THEN has_sequence_privilege('carewire_auditor', c.oid, 'USAGE, SELECT, UPDATE')
				ELSE has_any_column_privilege('carewire_auditor', c.oid, 'SELECT, INSERT, UPDATE') OR has_table_privilege('carewire_auditor', c.oid, 'DELETE, TRUNCATE') END`)
	require.NoError(t, err)
	reachable, err = pgx.CollectRows(rows, pgx.RowTo[string])
	require.NoError(t, err)
	require.Empty(t, reachable)
}
