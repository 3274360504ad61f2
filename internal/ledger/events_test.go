package ledger_test

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"carewire/internal/event"
	"carewire/internal/ledger"
	"carewire/internal/postgres"
)

func TestEvents_AreAppendOnlyForEveryRoleOfTheService(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.publish(t, someEvents(3)...)
	before := b.all(t)
	for name, pool := range map[string]*pgxpool.Pool{"app": b.App, "worker": b.Worker, "auditor": b.Auditor, "owner": b.Owner} {
		for _, table := range []string{"events", "events_from_1"} {
			for _, sql := range []string{
				"UPDATE " + table + " SET actor_id = 'somebody else'",
				"UPDATE " + table + " SET position = position + 1000 WHERE position = 3",
				"DELETE FROM " + table,
				"TRUNCATE " + table,
			} {
				_, err := pool.Exec(t.Context(), sql)
				require.ErrorContains(t, err, "42501", "%s: %s", name, sql)
			}
		}
	}
	for name, pool := range map[string]*pgxpool.Pool{"app": b.App, "worker": b.Worker, "auditor": b.Auditor} {
		for _, sql := range []string{"DROP TABLE events", "ALTER TABLE events DISABLE TRIGGER ALL", "SET session_replication_role = replica"} {
			_, err := pool.Exec(t.Context(), sql)
			require.ErrorContains(t, err, "42501", "%s: %s", name, sql)
		}
	}
	// The triggers are the second line of defence, and the privileges must deny it too.
	require.Zero(t, count(t, b.Owner, `
		SELECT count(*)
		FROM pg_class AS c, unnest(ARRAY['carewire_app', 'carewire_worker', 'carewire_auditor']) AS role
		WHERE c.relname LIKE 'events%' AND c.relkind IN ('r', 'p') AND has_table_privilege(role, c.oid, 'UPDATE, DELETE, TRUNCATE, TRIGGER, REFERENCES')`))
	_, err := b.App.Exec(t.Context(), "INSERT INTO events SELECT * FROM events LIMIT 1")
	require.ErrorContains(t, err, "42501", "only the sequencer's role adds to the ledger")
	require.Equal(t, before, b.all(t))
}

// jsonbText returns a value as PostgreSQL prints jsonb: object keys by length, then by bytes; ", "
// and ": " between.
func jsonbText(v any) string {
	switch v := v.(type) {
	case []any:
		parts := make([]string, len(v))
		for i := range v {
			parts[i] = jsonbText(v[i])
		}
		return "[" + strings.Join(parts, ", ") + "]"
	case map[string]any:
		keys := make([]string, 0, len(v))
		for k := range v {
			keys = append(keys, k)
		}
		slices.SortFunc(keys, func(a, b string) int { return cmp.Or(len(a)-len(b), strings.Compare(a, b)) })
		parts := make([]string, len(keys))
		for i, k := range keys {
			parts[i] = jsonbText(k) + ": " + jsonbText(v[k])
		}
		return "{" + strings.Join(parts, ", ") + "}"
	default:
		var text bytes.Buffer
		enc := json.NewEncoder(&text)
		enc.SetEscapeHTML(false)
		_ = enc.Encode(v)
		return strings.TrimSpace(text.String())
	}
}

// leaf computes the leaf hash from the migration's documentation, without the database.
func leaf(t *testing.T, e event.Event) []byte {
	t.Helper()
	dec := json.NewDecoder(bytes.NewReader(e.Data))
	dec.UseNumber()
	var data any
	require.NoError(t, dec.Decode(&data))
	optional := func(p *uuid.UUID) any {
		if p == nil {
			return nil
		}
		return p.String()
	}
	const micros = "2006-01-02T15:04:05.000000Z"
	text := jsonbText([]any{
		e.Position, e.Epoch, e.ID.String(), e.Type, e.Source, e.Subject, e.SubjectVersion, e.Time.UTC().Format(micros), data,
		optional(e.ClinicID), optional(e.PersonID), e.ActorID, e.ActorRole, optional(e.CauseID), e.CorrelationID, e.Traceparent,
		e.Imported, e.RecordedAt.UTC().Format(micros),
	})
	sum := sha256.Sum256(append([]byte{0}, text...))
	return sum[:]
}

func TestLeafHash_EqualsTheHashOfTheDocumentedBytes(t *testing.T) {
	t.Parallel()
	b := setup(t)
	plain, full := anEvent(), anEvent().AtVersion(7)
	id, correlation := uuid.New(), `Grüße <"quoted"> & \ 漢字`
	full.ClinicID, full.PersonID, full.CauseID, full.CorrelationID, full.Imported = &id, &id, &id, &correlation, true
	full.ActorID = "system:Zürich"
	full.Time = time.Date(2026, 3, 29, 1, 30, 0, 1000, time.FixedZone("", -7*3600))
	full.Data = json.RawMessage(`{"userId":"u","platform":"ios","deviceId":"d","zz":{"b":[1,2.50,-3e2,true,null],"aa":{},"a":[]},"ключ":"ё"}`)
	full.Data = bytes.Replace(full.Data, []byte("-3e2"), []byte("-300"), 1) // jsonb prints numbers without an exponent.
	b.publish(t, plain, full)
	for _, session := range []string{"SET timezone = 'Asia/Kolkata'", "SET datestyle = 'German'", "SET extra_float_digits = -5"} {
		exec(t, b.Worker, session) // A connection of the pool uses it for the move: the hash must not depend on it.
	}
	b.publish(t, someEvents(20)...)
	for _, e := range b.all(t) {
		require.Equal(t, leaf(t, e), e.LeafHash, "position %d", e.Position)
	}
	require.Zero(t, count(t, b.App, "SELECT count(*) FROM events AS e WHERE leaf_hash <> event_leaf(e)"))
}

func TestPartitions_AreMadeAheadWhileSequencersMoveAndALongReaderReads(t *testing.T) {
	t.Parallel()
	b := setup(t)
	exec(t, b.Owner, "UPDATE ledger_partitioning SET partition_size = 50")
	// The first partitions are large: shrink the ledger's room by restarting it close to the
	// limit.
	exec(t, b.Owner, "DROP TABLE events_from_1, events_from_20000001")
	exec(t, b.Owner, "SELECT events_partitions_ahead(1)")
	b.publish(t, someEvents(10)...)
	reader, err := b.App.BeginTx(t.Context(), pgx.TxOptions{IsoLevel: pgx.RepeatableRead})
	require.NoError(t, err)
	defer func() { _ = reader.Rollback(context.Background()) }()
	_, err = ledger.Read(t.Context(), reader, 0, 100)
	require.NoError(t, err)

	for range 2 {
		run(t, ledger.NewSequencer(ledger.SequencerConfig{
			Pool: b.Pool(t, postgres.Worker, 2), Logger: b.logger, Batch: 30, Poll: time.Millisecond,
		}).Run)
	}
	var writers sync.WaitGroup
	for range 4 {
		writers.Go(func() {
			for range 25 {
				if err := b.tryCommit(t.Context(), someEvents(1+rand.IntN(5))...); err != nil {
					t.Error(err)
				}
			}
		})
	}
	writers.Wait()
	require.Eventually(t, func() bool { return count(t, b.Worker, "SELECT count(*) FROM outbox") == 0 }, soon, 5*time.Millisecond)
	_, err = ledger.Read(t.Context(), reader, 0, 100)
	require.NoError(t, err, "the reader is still there")
	require.NoError(t, reader.Rollback(t.Context()))
	head := len(b.all(t))
	partitions := count(t, b.Owner, "SELECT count(*) FROM pg_inherits WHERE inhparent = 'events'::regclass")
	require.Greater(t, partitions, head/50, "the partition of the head and one ahead")
	for from := 1; from <= head; from += 50 {
		_, err := b.Owner.Exec(t.Context(), fmt.Sprintf("TRUNCATE events_from_%d", from))
		require.ErrorContains(t, err, "append-only")
		_, err = b.Owner.Exec(t.Context(), fmt.Sprintf("DELETE FROM events_from_%d", from))
		require.ErrorContains(t, err, "append-only")
	}
	require.NotContains(t, b.log.String(), "level=", "nobody waited for the reader, nor for anybody else")
}

func TestPartitions_AreMadeWhenABatchNeedsManyAtOnce(t *testing.T) {
	t.Parallel()
	b := setup(t)
	s := b.sequencer(t, 100)
	b.commit(t, anEvent())
	drain(t, s)
	// Dropped behind the sequencer's back, so that it relies on missing partitions.
	exec(t, b.Owner, "DROP TABLE events_from_20000001")
	exec(t, b.Owner, "ALTER TABLE events DETACH PARTITION events_from_1")
	exec(t, b.Owner, "ALTER TABLE events ATTACH PARTITION events_from_1 FOR VALUES FROM (1) TO (5)")
	exec(t, b.Owner, "UPDATE ledger_partitioning SET partition_size = 10")
	b.commit(t, someEvents(95)...)
	drain(t, s)
	require.Len(t, b.all(t), 96)
	require.Zero(t, s.Stats().Rejected)
}

func TestPartitions_ThatCannotBeCreatedAheadDelayNothing(t *testing.T) {
	t.Parallel()
	b := setup(t)
	blocker, err := b.Owner.Begin(t.Context())
	require.NoError(t, err)
	defer func() { _ = blocker.Rollback(context.Background()) }()
	exec(t, b.Owner, "DROP TABLE events_from_20000001")
	_, err = blocker.Exec(t.Context(), "LOCK TABLE events IN SHARE UPDATE EXCLUSIVE MODE")
	require.NoError(t, err)
	b.publish(t, anEvent())
	require.Len(t, b.all(t), 1)
	require.Contains(t, b.log.String(), "cannot create partitions of the ledger ahead of time")
}

func TestNewEpoch_MarksLaterEvents(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.publish(t, someEvents(2)...)
	old, err := ledger.Head(t.Context(), b.App)
	require.NoError(t, err)
	epoch, err := ledger.NewEpoch(t.Context(), b.Worker, "restored from a backup")
	require.NoError(t, err)
	require.Equal(t, int32(2), epoch)
	require.Equal(t, 3, count(t, b.App, "SELECT first_position FROM ledger_epochs WHERE epoch = 2"))

	var resync *ledger.ResyncError
	require.ErrorAs(t, ledger.Resume(t.Context(), b.App, old), &resync)
	require.Equal(t, ledger.ReasonEpoch, resync.Reason)
	now, err := ledger.Head(t.Context(), b.App)
	require.NoError(t, err)
	require.Equal(t, ledger.Cursor{Epoch: 2, Position: 2, Hash: old.Hash}, now)
	require.NoError(t, ledger.Resume(t.Context(), b.App, now))
	b.publish(t, anEvent())
	require.Equal(t, int32(2), b.all(t)[2].Epoch)
}

func TestRead_ScansOnlyTheRowsItReturns(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.publish(t, someEvents(50)...)
	page, err := ledger.Read(t.Context(), b.App, 20, 7)
	require.NoError(t, err)
	require.Len(t, page, 7)
	require.Equal(t, int64(21), page[0].Position)
	require.Equal(t, ledger.Cursor{Epoch: 1, Position: 21, Hash: [8]byte(page[0].LeafHash[:8])}, ledger.CursorOf(page[0]))
}
