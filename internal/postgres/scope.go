package postgres

import (
	"context"
	_ "embed"
	"strings"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"carewire/internal/care"
)

var (
	//go:embed sql/scope.sql
	scopeSQL string
	//go:embed sql/scope_cached.sql
	scopeCachedSQL string
	//go:embed sql/actor_version.sql
	actorVersionSQL string
)

// BeginAs queues the BEGIN of a READ COMMITTED transaction and the actor's scope, as the first
// statements of a batch.
//
// Row-level security uses the scope (migration 00013): the actor's own person, the clinics where
// they work, those among them where their role reads clinical data (care.Role.Clinical), those
// where they are a patient, and whether they are an operator or a part of carewire. A transaction
// without a scope sees no rows of people. With an actor that was cached from an earlier request and
// has changed since, the transaction fails with care.ErrActorChanged.
func BeginAs(batch *pgx.Batch, actor care.Actor) {
	batch.BeginTx(pgx.TxOptions{IsoLevel: pgx.ReadCommitted})
	QueueActorScope(batch, actor)
}

// QueueActorScope queues the actor's scope alone, as the first statement of a batch that is one
// transaction (InBatch).
func QueueActorScope(batch *pgx.Batch, actor care.Actor) { queueScope(batch, actor, "") }

// genericPlans is a further column of the scope.
const genericPlans = ", set_config('plan_cache_mode', 'force_generic_plan', true)"

// QueueReadScope queues the actor's scope, as QueueActorScope does, for queries whose plans hold for
// any arguments: each session plans them once. Otherwise PostgreSQL plans a query with LIMIT $n for
// each execution, which takes longer than reading a page from partitioned tables.
func QueueReadScope(batch *pgx.Batch, actor care.Actor) { queueScope(batch, actor, genericPlans) }

func queueScope(batch *pgx.Batch, actor care.Actor, more string) {
	s := scopeOf(actor)
	if actor.CachedVersion != 0 {
		batch.Queue(scopeCachedSQL+more, s.scope, s.person, s.clinics, s.clinical, s.patientAt, actor.UserID, actor.CachedVersion)
		return
	}
	batch.Queue(scopeSQL+more, s.scope, s.person, s.clinics, s.clinical, s.patientAt)
}

// CheckActorVersion returns care.ErrActorChanged if a cached actor has changed, for a transaction
// without the actor's scope.
func CheckActorVersion(ctx context.Context, tx pgx.Tx, actor care.Actor) error {
	if actor.CachedVersion == 0 {
		return nil
	}
	_, err := tx.Exec(ctx, actorVersionSQL, actor.UserID, actor.CachedVersion)
	return Translate(err)
}

// InTxAs is InTx in the actor's scope (see BeginAs), with the same number of round trips.
func InTxAs(ctx context.Context, pool *pgxpool.Pool, actor care.Actor, fn func(tx pgx.Tx) error) error {
	batch := &pgx.Batch{}
	QueueActorScope(batch, actor)
	return InTxAfter(ctx, pool, batch, fn)
}

// scope has the values of the settings that the policies read; an empty text represents none.
type scope struct{ scope, person, clinics, clinical, patientAt string }

func scopeOf(actor care.Actor) (s scope) {
	switch {
	case actor.IsSystem():
		s.scope = "system"
	case actor.OnPlatform(care.Operator):
		s.scope = "operator"
	}
	if actor.UserID != uuid.Nil {
		s.person = actor.UserID.String()
	}
	var works, clinical, visits []string
	for _, m := range actor.Memberships {
		if m.ClinicID == nil {
			continue
		}
		clinic := m.ClinicID.String()
		if m.Role == care.Patient {
			visits = append(visits, clinic)
			continue
		}
		works = append(works, clinic)
		if m.Role.Clinical() {
			clinical = append(clinical, clinic)
		}
	}
	s.clinics, s.clinical, s.patientAt = arrayText(works), arrayText(clinical), arrayText(visits)
	return s
}

// arrayText returns PostgreSQL's text form of an array of UUIDs.
func arrayText(ids []string) string {
	if len(ids) == 0 {
		return ""
	}
	return "{" + strings.Join(ids, ",") + "}"
}
