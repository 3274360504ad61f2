package ledger_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"carewire/internal/care"
	"carewire/internal/event"
	"carewire/internal/ledger"
	"carewire/internal/postgres"
)

func (b *bundle) requeue(t *testing.T, id int64) (eventID uuid.UUID, err error) {
	t.Helper()
	err = postgres.InTx(t.Context(), b.Worker, func(tx pgx.Tx) error {
		eventID, err = ledger.Requeue(t.Context(), tx, id)
		return err
	})
	return eventID, err
}

func TestRequeue_PutsTheCompleteRejectedRowBackOnce(t *testing.T) {
	t.Parallel()
	b := setup(t)
	exec(t, b.Owner, "ALTER TABLE events ADD CONSTRAINT events_no_poison CHECK (actor_id <> 'poison')")
	id, correlation, trace, version := uuid.New(), "req-1", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", int64(3)
	e := anEvent()
	e.ActorID, e.ClinicID, e.PersonID, e.CauseID, e.CorrelationID, e.Traceparent, e.SubjectVersion, e.Imported = "poison", &id, &id, &id, &correlation, &trace, &version, true
	b.commit(t, anEvent(), e, anEvent())
	s := b.sequencer(t, 0)
	drain(t, s)
	rejected, err := ledger.ListDeadLetters(t.Context(), b.Worker, 0, 10)
	require.NoError(t, err)
	require.Len(t, rejected, 1)
	require.Equal(t, ledger.DeadLetter{
		ID: 2, EventID: e.ID.String(), Type: e.Type, Subject: e.Subject, Error: "SQLSTATE 23514 constraint events_no_poison", RejectedAt: rejected[0].RejectedAt,
	}, rejected[0])
	none, err := ledger.ListDeadLetters(t.Context(), b.Worker, 2, 10)
	require.NoError(t, err)
	require.Empty(t, none)

	eventID, err := b.requeue(t, 2)
	require.NoError(t, err)
	require.Equal(t, e.ID, eventID)
	drain(t, s)
	require.Equal(t, int64(2), s.Stats().Rejected, "the cause was not mended: rejected anew")
	_, err = b.requeue(t, 2)
	require.Equal(t, care.Conflict, care.CodeOf(err))
	_, err = b.requeue(t, 1)
	require.Equal(t, care.NotFound, care.CodeOf(err))

	exec(t, b.Owner, "ALTER TABLE events DROP CONSTRAINT events_no_poison")
	rejected, err = ledger.ListDeadLetters(t.Context(), b.Worker, 0, 10)
	require.NoError(t, err)
	require.Len(t, rejected, 1)
	_, err = b.requeue(t, rejected[0].ID)
	require.NoError(t, err)
	drain(t, s)
	all := b.all(t)
	require.Len(t, all, 3)
	want, got := e, all[2]
	want.Position, want.Epoch, want.RecordedAt, want.LeafHash = 3, got.Epoch, got.RecordedAt, got.LeafHash
	require.True(t, want.Time.Equal(got.Time))
	want.Time = got.Time
	require.JSONEq(t, string(want.Data), string(got.Data))
	want.Data = got.Data
	require.Empty(t, cmp.Diff(want, got, cmpopts.IgnoreUnexported(event.Event{})), "nothing of it is lost")
}

func TestRequeue_RefusesRowsThatViolateAConstraintWithoutQuotingThem(t *testing.T) {
	t.Parallel()
	b := setup(t)
	const row = `{"event_id": "0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b", "type": "device.removed", "source": "/x", "subject": "device/1", "time": "2026-03-14T09:30:00Z", "data": {}, "actor_id": "x", "actor_role": "service"}`
	for i, broken := range []string{
		`{"subject": "Mrs Smith"}`, `{"type": "Mrs Smith"}`, `{"time": "Mrs Smith"}`, `{"event_id": "Mrs Smith"}`, `{"subject_version": "Mrs Smith"}`, `{"data": null}`, `{"actor_id": null}`,
	} {
		exec(t, b.Owner, `INSERT INTO outbox_rejected (id, event, error) VALUES ($1, $2::jsonb || $3::jsonb, 'SQLSTATE 54000')`, i+1, row, broken)
		_, err := b.requeue(t, int64(i+1))
		require.Equal(t, care.Conflict, care.CodeOf(err), broken)
		require.ErrorContains(t, err, "fix its event in outbox_rejected")
		require.NotContains(t, err.Error(), "Smith")
	}
	require.Zero(t, count(t, b.Worker, "SELECT count(*) FROM outbox"))
	all, err := ledger.ListDeadLetters(t.Context(), b.Worker, 0, 10)
	require.NoError(t, err)
	require.Len(t, all, 7)
	require.Empty(t, all[0].Subject)
	require.Equal(t, "device.removed", all[0].Type)
	require.Empty(t, all[1].Type)
	require.Equal(t, "device/1", all[1].Subject)
	require.Empty(t, all[3].EventID, "what is no id is not shown")
}
