package postgres_test

import (
	"io/fs"
	"log/slog"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/stretchr/testify/require"

	"carewire/internal/postgres"
	"carewire/internal/postgres/postgrestest"
	"carewire/migrations"
)

// planned are the tables that have the ledger's partitions beside it.
var planned = []string{"notifications", "deliveries", "decisions"}

// bounds lists a table's partitions by their bounds.
func bounds(t *testing.T, pool *pgxpool.Pool, table string) []string {
	t.Helper()
	return texts(t, pool, `SELECT pg_get_expr(c.relpartbound, c.oid) FROM pg_inherits AS h JOIN pg_class AS c ON c.oid = h.inhrelid
		WHERE h.inhparent = $1::text::regclass ORDER BY 1`, table)
}

func TestPartitions_OfMessagesAreMadeWithThoseOfTheLedger(t *testing.T) {
	t.Parallel()
	db := postgrestest.New(t)
	_, err := db.Owner.Exec(t.Context(), `UPDATE ledger_partitioning SET partition_size = 1000`)
	require.NoError(t, err)
	var last int64
	require.NoError(t, db.Worker.QueryRow(t.Context(), `SELECT events_partitions_ahead(40001500)`).Scan(&last))
	require.Equal(t, int64(40002001), last)
	ledger := bounds(t, db.Owner, "events")
	require.Len(t, ledger, 5)
	for _, table := range planned {
		require.Equal(t, ledger, bounds(t, db.Owner, table), table)
	}
	require.Equal(t, []string{"{fillfactor=50}"}, texts(t, db.Owner, `SELECT DISTINCT coalesce(c.reloptions::text, '') FROM pg_inherits AS h
		JOIN pg_class AS c ON c.oid = h.inhrelid WHERE h.inhparent = 'deliveries'::regclass`))
	require.Equal(t, []string{"10"}, texts(t, db.Owner, `SELECT count(*)::text FROM pg_inherits AS h JOIN pg_index AS i ON i.indrelid = h.inhrelid
		WHERE h.inhparent IN ('notifications'::regclass, 'deliveries'::regclass) AND i.indisunique AND pg_get_indexdef(i.indexrelid) LIKE '%(id)'`),
		"an id is unique in each")
	require.Empty(t, texts(t, db.Owner, `SELECT c.relname FROM pg_inherits AS h JOIN pg_class AS c ON c.oid = h.inhrelid
		WHERE h.inhparent IN ('notifications'::regclass, 'deliveries'::regclass, 'decisions'::regclass)
			AND (has_any_column_privilege('carewire_app', c.oid, 'SELECT') OR has_any_column_privilege('carewire_worker', c.oid, 'SELECT'))`),
		"row-level security is the parent's: nobody reaches a partition past it")

	// A dropped partition is not created again, and another call creates nothing.
	_, err = db.Owner.Exec(t.Context(), `DROP TABLE decisions_from_1`)
	require.NoError(t, err)
	require.NoError(t, db.Worker.QueryRow(t.Context(), `SELECT events_partitions_ahead(40001500)`).Scan(&last))
	require.Equal(t, ledger, bounds(t, db.Owner, "events"))
	require.Len(t, bounds(t, db.Owner, "decisions"), 4)
}

func TestPartitions_AreMadeForAllTablesOrForNone(t *testing.T) {
	t.Parallel()
	db := postgrestest.New(t)
	_, err := db.Owner.Exec(t.Context(), `CREATE TABLE deliveries_from_40000001 (in_the_way integer)`)
	require.NoError(t, err)
	before := bounds(t, db.Owner, "events")
	_, err = db.Worker.Exec(t.Context(), `SELECT events_partitions_ahead(40000001)`)
	require.ErrorContains(t, err, "deliveries_from_40000001")
	require.Equal(t, before, bounds(t, db.Owner, "events"), "the ledger does not come to where nothing can be planned")
}

// migrateBefore brings an empty database to the schema before the migration with that name.
func migrateBefore(t *testing.T, url, name string) {
	t.Helper()
	files, err := fs.Glob(migrations.Files, "*_"+name+".sql")
	require.NoError(t, err)
	require.Len(t, files, 1)
	version, err := goose.NumericComponent(files[0])
	require.NoError(t, err)
	_, err = open(t, url, "").Exec(t.Context(), migrations.Bootstrap)
	require.NoError(t, err)
	pool := open(t, url, postgres.Owner)
	handle := stdlib.OpenDBFromPool(pool)
	defer func() { require.NoError(t, handle.Close()) }()
	provider, err := goose.NewProvider(goose.DialectPostgres, handle, migrations.Files,
		goose.WithDisableGlobalRegistry(true), goose.WithSlog(slog.New(slog.DiscardHandler)))
	require.NoError(t, err)
	_, err = provider.UpTo(t.Context(), version-1)
	require.NoError(t, err)
}

func TestMigrate_KeepsNotificationsInADatabaseInUse(t *testing.T) {
	t.Parallel()
	url := postgrestest.NewEmpty(t)
	migrateBefore(t, url, "partitions")
	owner := open(t, url, postgres.Owner)
	person, notification, delivery, event := uuid.New(), uuid.New(), uuid.New(), uuid.New()
	exec := func(sql string, args ...any) {
		_, err := owner.Exec(t.Context(), sql, args...)
		require.NoError(t, err)
	}
	exec(`INSERT INTO users (id, email, given_name, family_name) VALUES ($1, 'a@b.example', 'A', 'B')`, person)
	exec(`INSERT INTO events (position, epoch, event_id, type, source, subject, time, data, actor_id, actor_role, imported, recorded_at, leaf_hash)
		VALUES (41, 1, $1, 'user.created', 'test', 'user/1', now(), '{}', 'system', 'service', false, now(), sha256(''))`, event)
	exec(`INSERT INTO notifications (id, event_position, event_id, event_type, subject, recipient_id, category, priority, rule, rule_version, template, read_at)
		VALUES ($1, 41, $2, 'user.created', 'user/1', $3, 'account', 'normal', 'r', 1, 'welcome', '2026-01-02T03:04:05Z')`, notification, event, person)
	exec(`INSERT INTO deliveries (id, notification_id, event_id, recipient_id, channel, state, rule, template, priority, fallback, attempt)
		VALUES ($1, $2, $3, $4, 'email', 'queued', 'r', 'welcome', 'normal', '{push}', 3)`, delivery, notification, event, person)
	exec(`INSERT INTO decisions (event_position, event_id, rule, rule_version, channel, reason) VALUES (41, $1, 'r', 1, 'push', 'no_address')`, event)

	require.NoError(t, postgres.Migrate(t.Context(), url, silent))
	require.Equal(t, []string{notification.String()}, texts(t, owner, `SELECT id::text FROM notifications WHERE event_position = 41 AND recipient_id = $1 AND read_at = '2026-01-02T03:04:05Z'`, person))
	require.Equal(t, []string{delivery.String()}, texts(t, owner, `SELECT id::text FROM deliveries WHERE event_position = 41 AND notification_id = $1 AND state = 'queued' AND attempt = 3 AND fallback = '{push}'`, notification))
	require.Equal(t, []string{"no_address"}, texts(t, owner, `SELECT reason FROM decisions WHERE event_position = 41`))
	worker := open(t, url, postgres.Worker)
	_, err := worker.Exec(t.Context(), `INSERT INTO decisions (event_position, event_id, rule, rule_version, channel, reason) VALUES (42, $1, 'r', 1, 'push', 'no_address')`, event)
	require.NoError(t, err, "ids go on behind those that were copied")
	require.Equal(t, []string{"2"}, texts(t, owner, `SELECT count(DISTINCT id)::text FROM decisions`))
	require.Empty(t, texts(t, owner, `SELECT nspname::text FROM pg_namespace WHERE nspname = 'unpartitioned'`))
}

func TestMigrate_BuildsPartitionedIndexesOfExistingPartitions(t *testing.T) {
	t.Parallel()
	db := postgrestest.New(t)
	valid := func() []string {
		return texts(t, db.Owner, `SELECT i.indexrelid::regclass || ' ' || i.indisvalid FROM pg_index AS i
			WHERE i.indrelid = 'events'::regclass AND i.indexrelid::regclass::text IN ('events_type_idx', 'events_person_id_idx') ORDER BY 1`)
	}
	require.Equal(t, []string{"events_person_id_idx true", "events_type_idx true"}, valid())
	// As after the migration that adds an index, before the partitions have theirs; one build failed.
	for _, sql := range []string{
		`DROP INDEX events_type_idx`,
		`CREATE INDEX events_type_idx ON ONLY events (type, position) WHERE type NOT IN ('record.read', 'notification.planned')`,
		`CREATE INDEX events_from_1_type_idx ON events_from_1 (type)`,
	} {
		_, err := db.Owner.Exec(t.Context(), sql)
		require.NoError(t, err)
	}
	require.Contains(t, valid(), "events_type_idx false")
	for range 2 {
		require.NoError(t, postgres.Migrate(t.Context(), db.URL, slog.New(slog.DiscardHandler)))
		require.Equal(t, []string{"events_person_id_idx true", "events_type_idx true"}, valid())
	}
	// A later partition has all of them.
	_, err := db.Worker.Exec(t.Context(), `SELECT events_partitions_ahead(40000001)`)
	require.NoError(t, err)
	require.Equal(t, []string{"events_person_id_idx true", "events_type_idx true"}, valid())
	require.Equal(t, texts(t, db.Owner, `SELECT count(*)::text FROM pg_inherits WHERE inhparent = 'events'::regclass`),
		texts(t, db.Owner, `SELECT count(*)::text FROM pg_inherits WHERE inhparent = 'events_type_idx'::regclass`))
}
