package postgres

import (
	"context"
	_ "embed"
	"fmt"
	"strings"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"carewire/internal/care"
)

//go:embed sql/scope.sql
var scopeSQL string

// keptSQL is the scope of an actor who was kept from an earlier request.
var keptSQL = scopeSQL + "    , actor_holds($6, $7)\n"

// BeginAs queues the BEGIN of a READ COMMITTED transaction and the actor's scope, as the first statements of a batch.
//
// The scope is what row-level security goes by (migration 00013): the actor's own person, the clinics where they work,
// those among them where their role reads what is clinical (care.Role.Clinical), those where they are a patient, and whether
// they are an operator or a part of carewire. A transaction without one sees
// nobody's rows. One in the name of an actor who was kept from an earlier request, and has changed since, ends with
// care.ErrActorChanged.
func BeginAs(batch *pgx.Batch, actor care.Actor) {
	batch.BeginTx(pgx.TxOptions{IsoLevel: pgx.ReadCommitted})
	QueueActorScope(batch, actor)
}

// QueueActorScope queues the actor's scope alone, as the first statement of a batch that is a transaction by itself (InBatch).
func QueueActorScope(batch *pgx.Batch, actor care.Actor) {
	s := scopeOf(actor)
	if actor.CachedVersion != 0 {
		batch.Queue(keptSQL, s.scope, s.person, s.clinics, s.clinical, s.patientAt, actor.UserID, actor.CachedVersion)
		return
	}
	batch.Queue(scopeSQL, s.scope, s.person, s.clinics, s.clinical, s.patientAt)
}

// CheckActorVersion asks what BeginAs asks, for a transaction that is not in the actor's scope.
func CheckActorVersion(ctx context.Context, tx pgx.Tx, actor care.Actor) error {
	if actor.CachedVersion == 0 {
		return nil
	}
	_, err := tx.Exec(ctx, "SELECT actor_holds($1, $2)", actor.UserID, actor.CachedVersion)
	return Translate(err)
}

// InTxAs is InTx in the actor's scope (see BeginAs); it takes no more round trips.
func InTxAs(ctx context.Context, pool *pgxpool.Pool, actor care.Actor, fn func(tx pgx.Tx) error) error {
	batch := &pgx.Batch{}
	BeginAs(batch, actor)
	results := pool.SendBatch(ctx, batch)
	tx := results.Tx()
	defer rollback(ctx, tx)
	if err := results.Close(); err != nil {
		return Translate(fmt.Errorf("begin: %w", err))
	}
	if err := fn(tx); err != nil {
		return Translate(err)
	}
	if err := tx.Commit(ctx); err != nil {
		return Translate(fmt.Errorf("commit: %w", err))
	}
	return nil
}

// scope holds the values of the settings that the policies read; an empty text stands for none.
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

// arrayText is PostgreSQL's text of an array of UUIDs.
func arrayText(ids []string) string {
	if len(ids) == 0 {
		return ""
	}
	return "{" + strings.Join(ids, ",") + "}"
}
