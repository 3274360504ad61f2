package postgres_test

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"carewire/internal/care"
	"carewire/internal/postgres"
	"carewire/internal/postgres/postgrestest"
)

// row is a row of appointments_taken.
type takenRow struct {
	ID               *uuid.UUID
	StartsAt, EndsAt time.Time
}

func TestAppointmentsTaken_ReturnsTimesAndOfThoseInScopeTheID(t *testing.T) {
	t.Parallel()
	w := openTown(t)
	taken := func(actor care.Actor, doctor, patient care.Actor) (found []takenRow) {
		require.NoError(t, postgres.InTxAs(t.Context(), w.db.App, actor, func(tx pgx.Tx) error {
			rows, err := tx.Query(t.Context(), "SELECT * FROM appointments_taken($1, $2, now() - interval '1 day', now() + interval '1 day', $3)",
				doctor.UserID, patient.UserID, uuid.Nil)
			if err != nil {
				return err
			}
			found, err = pgx.CollectRows(rows, pgx.RowToStructByPos[takenRow])
			return err
		}))
		return found
	}
	own := taken(w.doctor, w.doctor, w.patient)
	require.Len(t, own, 1)
	require.Equal(t, &w.patient.UserID, own[0].ID, "their clinic's")
	foreign := taken(w.doctor, w.otherDoctor, w.otherPatient)
	require.Len(t, foreign, 1)
	require.Nil(t, foreign[0].ID, "another clinic's")
	require.Equal(t, time.Hour, foreign[0].EndsAt.Sub(foreign[0].StartsAt))
	require.Equal(t, &w.patient.UserID, taken(w.patient, w.doctor, w.patient)[0].ID, "their own")
	require.Equal(t, &w.otherPatient.UserID, taken(w.system, w.otherDoctor, w.otherPatient)[0].ID)
	require.Empty(t, taken(care.Actor{}, w.doctor, w.patient), "without a scope")
}

func TestAppointmentsTaken_RefusesTimesWithoutAnEnd(t *testing.T) {
	t.Parallel()
	w := openTown(t)
	for _, bounds := range []string{
		"'-infinity', 'infinity'", "now(), 'infinity'", "'-infinity', now()", "now(), now() + interval '63 days'", "NULL, now()", "now(), NULL",
		"now(), now() - interval '1 second'",
	} {
		for _, function := range []string{"appointments_taken", "appointments_busy"} {
			err := postgres.InTxAs(t.Context(), w.db.App, w.doctor, func(tx pgx.Tx) error {
				_, err := tx.Exec(t.Context(), "SELECT * FROM "+function+"($1, $2, "+bounds+", $3)", w.doctor.UserID, w.patient.UserID, uuid.Nil)
				return err
			})
			require.ErrorContains(t, err, "at most 62 days", "%s %s", function, bounds)
		}
	}
}

// publicRights are the rights of PUBLIC in the service's schemas, without extensions.
const publicRights = `
	WITH ours AS (
		SELECT oid, nspname FROM pg_namespace WHERE nspname IN ('public', 'audit', 'river')
	)
	SELECT what || ': ' || string_agg(x.privilege_type, ', ')
	FROM (
		SELECT 'function ' || p.oid::regprocedure, coalesce(p.proacl, acldefault('f', p.proowner))
		FROM pg_proc AS p
		JOIN ours ON ours.oid = p.pronamespace
		WHERE NOT EXISTS (SELECT 1 FROM pg_depend AS d WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e')
		UNION ALL
		SELECT 'table ' || c.oid::regclass, coalesce(c.relacl, acldefault(CASE WHEN c.relkind = 'S' THEN 's' ELSE 'r' END::"char", c.relowner))
		FROM pg_class AS c
		JOIN ours ON ours.oid = c.relnamespace
		WHERE c.relkind IN ('r', 'p', 'v', 'm', 'S', 'f')
		UNION ALL
		SELECT 'column ' || a.attrelid::regclass || '.' || a.attname, a.attacl
		FROM pg_attribute AS a
		JOIN pg_class AS c ON c.oid = a.attrelid
		JOIN ours ON ours.oid = c.relnamespace
		WHERE a.attacl IS NOT NULL
		UNION ALL
		SELECT 'schema ' || n.nspname, coalesce(n.nspacl, acldefault('n', n.nspowner))
		FROM pg_namespace AS n
		JOIN ours ON ours.oid = n.oid
	) AS things (what, acl)
	CROSS JOIN LATERAL aclexplode(acl) AS x
	WHERE x.grantee = 0
		AND (what, x.privilege_type) <> ('schema public', 'USAGE')
	GROUP BY what
	ORDER BY what`

func texts(t *testing.T, pool *pgxpool.Pool, sql string, args ...any) []string {
	t.Helper()
	rows, err := pool.Query(t.Context(), sql, args...)
	require.NoError(t, err)
	all, err := pgx.CollectRows(rows, pgx.RowTo[string])
	require.NoError(t, err)
	return all
}

func TestMigrations_GrantPublicNothing(t *testing.T) {
	t.Parallel()
	db := postgrestest.New(t)
	require.Empty(t, texts(t, db.Owner, publicRights))
	_, err := db.Owner.Exec(t.Context(), `
		CREATE FUNCTION helper() RETURNS integer LANGUAGE sql RETURN 1;
		CREATE FUNCTION audit.helper() RETURNS integer LANGUAGE sql RETURN 1;
		CREATE TABLE helpers (n integer)`)
	require.NoError(t, err)
	require.Empty(t, texts(t, db.Owner, publicRights), "of what a later migration makes")
	_, err = db.Owner.Exec(t.Context(), "GRANT EXECUTE ON FUNCTION helper TO PUBLIC; GRANT SELECT (n) ON helpers TO PUBLIC")
	require.NoError(t, err)
	require.Equal(t, []string{"column helpers.n: SELECT", "function helper(): EXECUTE"}, texts(t, db.Owner, publicRights), "it would be seen")
}

func TestMigrate_RevokesTheSchemaFromPublic(t *testing.T) {
	t.Parallel()
	url := postgrestest.NewEmpty(t)
	conn := connect(t, url)
	_, err := conn.Exec(t.Context(), "GRANT CREATE ON SCHEMA public TO PUBLIC") // As before PostgreSQL 15.
	require.NoError(t, err)
	require.NoError(t, postgres.Migrate(t.Context(), url, silent))
	require.False(t, one[bool](t, conn, "SELECT has_schema_privilege('public', 'public', 'CREATE')"))
}

// qualified are the functions with their owner's rights and without a search_path, which would be
// set and reset on each call; a write makes two calls. They qualify every name instead.
var qualified = []string{"actor_holds", "record_parties_hold"}

func TestMigrations_FixTheSearchPathOfFunctionsWithTheirOwnersRights(t *testing.T) {
	t.Parallel()
	db := postgrestest.New(t)
	const loose = `
		SELECT p.proname::text
		FROM pg_proc AS p
		JOIN pg_namespace AS n ON n.oid = p.pronamespace
		WHERE n.nspname IN ('public', 'audit', 'river')
			AND p.prosecdef
			AND NOT coalesce(p.proconfig, '{}')::text LIKE '%search_path=%pg_temp%'
		ORDER BY 1`
	require.Equal(t, qualified, texts(t, db.Owner, loose))
}

func TestQualifiedFunctions_IgnoreTheCallersSearchPath(t *testing.T) {
	t.Parallel()
	w := openTown(t)
	tx, err := w.db.App.Begin(t.Context())
	require.NoError(t, err)
	defer func() { require.NoError(t, tx.Rollback(t.Context())) }()
	stranger := uuid.New()
	for _, sql := range []string{
		"CREATE TEMP TABLE users (id uuid, actor_version bigint, status text)",
		"CREATE TEMP TABLE memberships (user_id uuid, clinic_id uuid, role text, revoked_at timestamptz)",
		"CREATE TEMP TABLE care_team (patient_id uuid, clinic_id uuid, member_id uuid)",
		"SET LOCAL search_path = pg_temp, public",
		"INSERT INTO users VALUES ('" + stranger.String() + "', 9, 'active')",
		"INSERT INTO memberships VALUES ('" + stranger.String() + "', '" + w.here.String() + "', 'patient')",
	} {
		_, err := tx.Exec(t.Context(), sql)
		require.NoError(t, err, sql)
	}
	nested := func(sql string, args ...any) error {
		return pgx.BeginFunc(t.Context(), tx, func(tx pgx.Tx) error {
			_, err := tx.Exec(t.Context(), sql, args...)
			return err
		})
	}
	require.ErrorContains(t, nested("SELECT public.actor_holds($1, 9)", stranger), "the actor has changed")
	require.ErrorContains(t, nested("SELECT public.record_parties_hold($1, $2, $1, true, true, $1)", stranger, w.here), "refused to write")
	require.NoError(t, nested("SELECT public.actor_holds($1, 2)", w.doctor.UserID))
	require.NoError(t, nested("SELECT public.record_parties_hold($1, $2, $3, false, true, $3)", w.patient.UserID, w.here, w.doctor.UserID))
}

func TestSignIns_AreFoundByTheirSubjectAlone(t *testing.T) {
	t.Parallel()
	w := openTown(t)
	count := func(sql string, args ...any) (n int) {
		require.NoError(t, w.db.App.QueryRow(t.Context(), "SELECT count(*) FROM "+sql, args...).Scan(&n))
		return n
	}
	require.Zero(t, count("identities"))
	require.Zero(t, count("service_accounts"))
	require.Equal(t, 1, count("actor_by_sign_in('i', $1)", w.patient.UserID.String()))
	require.Zero(t, count("actor_by_sign_in('i', NULL)"))
	require.Zero(t, count("actor_by_sign_in('i', '%')"))
	require.Equal(t, 1, count("service_by_sign_in('i', $1, '{}')", w.here.String()))
	require.Equal(t, 1, count("actor_by_id($1)", w.doctor.UserID))
	require.Zero(t, count("actor_by_id(NULL)"))
}
