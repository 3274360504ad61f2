package migrations_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"carewire/migrations"
)

// liveSince is the first migration that must suit a system that is in use, and that follows its predecessor's number.
const liveSince = 24

// allowance is what a migration says about a statement that would else be refused:
//
//	-- +carewire allow create-index clinics: holds a few hundred rows wherever we run, built in a millisecond
var allowance = regexp.MustCompile(`(?m)^-- \+carewire allow ([a-z-]+)(?: (\S+))?: *(.*)$`)

// leastReason is how long the reason of an allowance is at least, in characters.
const leastReason = 30

// refused returns what a migration may not do and what its allowances lack, each in a line.
func refused(r *reader, sql string) []string {
	var lines []string
	used := map[string]bool{}
	for _, a := range allowance.FindAllStringSubmatch(sql, -1) {
		used[a[1]+" "+a[2]] = false
		if len(strings.TrimSpace(a[3])) < leastReason {
			lines = append(lines, fmt.Sprintf("allow %s %s: say why, in %d characters or more", a[1], a[2], leastReason))
		}
	}
	for _, f := range r.read(sql) {
		key := f.rule + " " + f.table
		if _, ok := used[key]; ok {
			used[key] = true
			continue
		}
		lines = append(lines, strings.TrimSuffix(f.rule+" "+f.table, " ")+": "+f.why)
	}
	for key, needed := range used {
		if !needed {
			lines = append(lines, "allow "+key+": nothing here needs it")
		}
	}
	return lines
}

func TestMigrations_LockNoTableOfALiveSystemForLong(t *testing.T) {
	t.Parallel()
	r := newReader()
	entries, err := migrations.Files.ReadDir(".")
	require.NoError(t, err)
	for _, e := range entries {
		text, err := migrations.Files.ReadFile(e.Name())
		require.NoError(t, err)
		lines := refused(r, string(text))
		if number(t, e.Name()) >= liveSince && len(lines) > 0 {
			t.Errorf("%s (docs/extending.md, A migration):\n  %s", e.Name(), strings.Join(lines, "\n  "))
		}
	}
}

func TestMigrations_HaveNumbersThatFollowOneAnother(t *testing.T) {
	t.Parallel()
	entries, err := migrations.Files.ReadDir(".")
	require.NoError(t, err)
	previous := int64(0)
	for _, e := range entries {
		require.Regexp(t, `^\d{5}_[a-z0-9_]+\.sql$`, e.Name())
		n := number(t, e.Name())
		if n == 20 {
			previous = 19 // Was never there: a database that has run later ones refuses it.
		}
		require.Equal(t, previous+1, n, "%s: numbers only grow, by one", e.Name())
		previous = n
	}
}

func number(t *testing.T, name string) int64 {
	t.Helper()
	digits, _, _ := strings.Cut(name, "_")
	n, err := strconv.ParseInt(digits, 10, 64)
	require.NoError(t, err)
	return n
}

const inTransaction = "-- +goose Up\nSET lock_timeout = '5s';\n"

func TestReader_FindsWhatLocksATableForLong(t *testing.T) {
	t.Parallel()
	for sql, rule := range map[string]string{
		`CREATE INDEX i ON users (email)`:                                                                            "create-index users",
		`create unique index if not exists i on public.users using btree (email)`:                                    "create-index users",
		`CREATE INDEX CONCURRENTLY i ON users (email)`:                                                               "no-transaction users",
		`CREATE TABLE other (id int); CREATE INDEX i ON users (email)`:                                               "create-index users",
		`ALTER TABLE users ADD CONSTRAINT c CHECK (email <> '')`:                                                     "add-constraint users",
		`ALTER TABLE users ADD CHECK (email <> '')`:                                                                  "add-constraint users",
		`ALTER TABLE ONLY users ADD CONSTRAINT c FOREIGN KEY (clinic_id) REFERENCES clinics`:                         "add-constraint users",
		`ALTER TABLE users ADD CONSTRAINT c UNIQUE (email)`:                                                          "add-constraint users",
		`ALTER TABLE users ADD PRIMARY KEY (id)`:                                                                     "add-constraint users",
		`ALTER TABLE users ADD CONSTRAINT c EXCLUDE USING gist (a WITH =)`:                                           "add-constraint users",
		`ALTER TABLE users ALTER COLUMN email SET NOT NULL`:                                                          "set-not-null users",
		`ALTER TABLE IF EXISTS users ALTER email SET NOT NULL`:                                                       "set-not-null users",
		`ALTER TABLE users ALTER COLUMN email TYPE varchar(20)`:                                                      "column-type users",
		`ALTER TABLE users ALTER email SET DATA TYPE text USING email::text`:                                         "column-type users",
		`ALTER TABLE users ADD COLUMN token uuid NOT NULL DEFAULT gen_random_uuid()`:                                 "volatile-default users",
		`ALTER TABLE users ADD seen timestamptz DEFAULT clock_timestamp()`:                                           "volatile-default users",
		`ALTER TABLE users ADD COLUMN n bigint DEFAULT nextval('s')`:                                                 "volatile-default users",
		`ALTER TABLE users ADD COLUMN n bigserial`:                                                                   "rewrite users",
		`ALTER TABLE users ADD COLUMN n bigint GENERATED ALWAYS AS IDENTITY`:                                         "rewrite users",
		`ALTER TABLE users ADD COLUMN n text GENERATED ALWAYS AS (lower(email)) STORED`:                              "rewrite users",
		`ALTER TABLE users ADD COLUMN n int CHECK (n > 0)`:                                                           "add-constraint users",
		`ALTER TABLE users ADD COLUMN n int UNIQUE`:                                                                  "add-constraint users",
		`ALTER TABLE users ADD COLUMN n int NOT NULL`:                                                                "add-column users",
		`ALTER TABLE users ADD COLUMN a int DEFAULT 0, ADD COLUMN b uuid DEFAULT random_id()`:                        "volatile-default users",
		`ALTER TABLE users ADD COLUMN c uuid DEFAULT '00000000-0000-0000-0000-000000000000' REFERENCES clinics (id)`: "add-constraint users",
		`ALTER TABLE users SET LOGGED`:                                                                               "rewrite users",
		`ALTER TABLE events ATTACH PARTITION p FOR VALUES FROM (1) TO (2)`:                                           "attach-partition events",
		`REINDEX TABLE users`:   "reindex users",
		`CLUSTER users USING i`: "cluster users",
		`VACUUM FULL users`:     "vacuum users",
		`LOCK TABLE users`:      "lock users",
		`ALTER DOMAIN amount ADD CONSTRAINT c CHECK (VALUE > 0)`:                                                    "add-constraint amount",
		`DO $$ BEGIN CREATE INDEX i ON users (email); END $$`:                                                       "create-index users",
		`DO $do$ BEGIN EXECUTE 'ALTER TABLE users ALTER email TYPE varchar(2)'; END $do$`:                           "column-type users",
		`ALTER TABLE users ADD CONSTRAINT c CHECK (email <> '') NOT VALID; ALTER TABLE users VALIDATE CONSTRAINT c`: "validate users",
	} {
		require.Contains(t, strings.Join(refused(newReader(), inTransaction+sql+";"), "\n")+"\n", rule+": ", sql)
	}
}

func TestReader_LetsPassWhatIsShort(t *testing.T) {
	t.Parallel()
	for _, sql := range []string{
		`CREATE TABLE t (id int, CONSTRAINT c CHECK (id > 0), u uuid REFERENCES users (id)); CREATE INDEX i ON t (id); ALTER TABLE t ALTER id SET NOT NULL, ADD PRIMARY KEY (id)`,
		`CREATE TABLE IF NOT EXISTS public.t (id int); CREATE UNIQUE INDEX i ON t (id)`,
		`ALTER TABLE users ADD COLUMN n bigint NOT NULL DEFAULT 1`,
		`ALTER TABLE users ADD COLUMN at timestamptz NOT NULL DEFAULT now(), ADD COLUMN tags text[] NOT NULL DEFAULT ARRAY[]::text[]`,
		`ALTER TABLE users ADD COLUMN price numeric(12, 2) NOT NULL DEFAULT 0::numeric(12, 2)`,
		`ALTER TABLE users ADD COLUMN clinic uuid REFERENCES clinics (id)`,
		`ALTER TABLE users ADD CONSTRAINT c CHECK (email <> '') NOT VALID`,
		`ALTER TABLE users ADD CONSTRAINT c FOREIGN KEY (clinic_id) REFERENCES clinics (id) NOT VALID`,
		`ALTER TABLE users ADD CONSTRAINT c UNIQUE USING INDEX i`,
		`ALTER TABLE users VALIDATE CONSTRAINT c`,
		`ALTER TABLE users ALTER COLUMN email DROP NOT NULL, DROP COLUMN phone, ALTER status SET DEFAULT 'active'`,
		`CREATE INDEX i ON ONLY events (type)`,
		`CREATE FUNCTION f() RETURNS void LANGUAGE plpgsql AS $$ BEGIN LOCK TABLE users; CREATE INDEX i ON users (email); END $$`,
		`COMMENT ON TABLE users IS 'CREATE INDEX i ON users (email);' -- CREATE INDEX i ON users (email);`,
	} {
		require.Empty(t, refused(newReader(), inTransaction+sql+";"), sql)
	}
}

func TestReader_TakesSetNotNullOnceACheckWasValidated(t *testing.T) {
	t.Parallel()
	r := newReader()
	require.Empty(t, refused(r, inTransaction+`ALTER TABLE users ADD CONSTRAINT email_there CHECK (email IS NOT NULL) NOT VALID;`))
	const set = inTransaction + `ALTER TABLE users ALTER COLUMN email SET NOT NULL;`
	require.Len(t, refused(r, set), 1, "not yet")
	require.Empty(t, refused(r, inTransaction+`ALTER TABLE users VALIDATE CONSTRAINT email_there;`))
	require.Empty(t, refused(r, set))
	require.Len(t, refused(r, inTransaction+`ALTER TABLE users ALTER COLUMN phone SET NOT NULL;`), 1, "of another column it says nothing")
}

func TestReader_WantsWhatRunsOutsideATransactionToBearBeingRunAgain(t *testing.T) {
	t.Parallel()
	const outside = "-- +goose NO TRANSACTION\n" + inTransaction
	for _, sql := range []string{
		`DROP INDEX CONCURRENTLY IF EXISTS i; CREATE INDEX CONCURRENTLY i ON users (email)`,
		`ALTER TABLE users DROP CONSTRAINT IF EXISTS c; ALTER TABLE users ADD CONSTRAINT c CHECK (email <> '') NOT VALID; ALTER TABLE users VALIDATE CONSTRAINT c`,
		`REINDEX INDEX CONCURRENTLY i`,
	} {
		require.Empty(t, refused(newReader(), outside+sql+";"), sql)
	}
	for _, sql := range []string{
		`CREATE INDEX CONCURRENTLY i ON users (email)`,
		`CREATE INDEX CONCURRENTLY IF NOT EXISTS i ON users (email)`, // It would keep one that was left invalid.
		`DROP INDEX CONCURRENTLY IF EXISTS other; CREATE INDEX CONCURRENTLY i ON users (email)`,
		`DROP INDEX CONCURRENTLY i`,
		`CREATE TABLE t (id int)`,
		`INSERT INTO users SELECT 1`,
		`ALTER TABLE users ADD CONSTRAINT c CHECK (email <> '') NOT VALID`,
	} {
		require.Contains(t, strings.Join(refused(newReader(), outside+sql+";"), "\n"), "repeatable: ", sql)
	}
}

func TestReader_WantsALockTimeoutFirst(t *testing.T) {
	t.Parallel()
	for sql, ok := range map[string]bool{
		"-- +goose Up\nSET lock_timeout = '5s';":            true,
		"-- +goose Up\nSET LOCAL lock_timeout TO '500ms';":  true,
		"-- +goose Up\nSET lock_timeout = '0';":             false,
		"-- +goose Up\nALTER TABLE users ADD COLUMN a int;": false,
		"-- +goose Up\nSELECT 1; SET lock_timeout = '5s';":  false,
		"-- +goose Up\n": false,
		"-- +goose Up\nSET statement_timeout = '5s'; SELECT 1;": false,
	} {
		require.Equal(t, ok, len(refused(newReader(), sql)) == 0, sql)
	}
}

func TestReader_TakesAnExceptionWithAReasonAndNoOther(t *testing.T) {
	t.Parallel()
	const index = inTransaction + "CREATE INDEX i ON clinics (name);"
	require.Empty(t, refused(newReader(), "-- +carewire allow create-index clinics: a few hundred rows wherever this runs\n"+index))
	for _, allow := range []string{
		"-- +carewire allow create-index clinics: small\n",
		"-- +carewire allow create-index users: a few hundred rows wherever this runs\n",
		"-- +carewire allow column-type clinics: a few hundred rows wherever this runs\n",
		"-- carewire allow create-index clinics: a few hundred rows wherever this runs\n",
	} {
		require.NotEmpty(t, refused(newReader(), allow+index), allow)
	}
	require.NotEmpty(t, refused(newReader(), "-- +carewire allow create-index clinics: a few hundred rows wherever this runs\n"+inTransaction), "one that nothing needs")
}

// The guide's example is what the test takes.
func TestMigrations_TheGuidesExamplePasses(t *testing.T) {
	t.Parallel()
	guide, err := os.ReadFile(filepath.Join("..", "docs", "extending.md"))
	require.NoError(t, err)
	_, section, found := strings.Cut(string(guide), "\n## A migration\n")
	require.True(t, found)
	section, _, _ = strings.Cut(section, "\n## ")
	var files []string
	for block := range strings.SplitSeq(section, "\n\n") {
		if text, ok := strings.CutPrefix(block, "    "); ok {
			files = append(files, strings.ReplaceAll(text, "\n    ", "\n"))
		}
	}
	require.Len(t, files, 4)
	r := newReader()
	for _, text := range files {
		require.Empty(t, refused(r, text), text)
	}
	require.Empty(t, refused(r, inTransaction+"ALTER TABLE users ALTER COLUMN locale SET NOT NULL;"), "and its check counts")
}
