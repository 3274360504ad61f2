package ledger_test

import (
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"carewire/internal/care"
	"carewire/internal/event"
	"carewire/internal/ledger"
	"carewire/internal/outbox"
	"carewire/internal/postgres"
)

func TestVerify_FindsChangedAndMissingEvents(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ctx := t.Context()
	head, err := ledger.GetLastEvent(ctx, b.Worker)
	require.NoError(t, err)
	require.Zero(t, head)
	var last uuid.UUID
	require.NoError(t, postgres.InTx(ctx, b.App, func(tx pgx.Tx) error {
		for range 5 {
			id := uuid.New()
			e := event.New(care.Command{Actor: care.SystemActor("test")}, "user.updated", care.Ref{Kind: "user", ID: id}, event.User{UserID: id})
			last = e.ID
			if err := outbox.Append(ctx, tx, e); err != nil {
				return err
			}
		}
		return nil
	}))
	_, err = ledger.NewSequencer(ledger.SequencerConfig{Pool: b.Worker, Logger: b.logger}).Step(ctx)
	require.NoError(t, err)
	head, err = ledger.GetLastEvent(ctx, b.Worker)
	require.NoError(t, err)
	require.Equal(t, int64(5), head.Position)
	require.Equal(t, last, head.EventID)
	require.Len(t, head.LeafHash, 64)

	v, err := ledger.Verify(ctx, b.Worker, 1, 0)
	require.NoError(t, err)
	require.Equal(t, ledger.Verification{Events: 5, Until: 5, Problems: []ledger.Problem{}}, v)

	exec(t, b.superuser(t), `SET session_replication_role = replica;
		DELETE FROM events WHERE position = 2;
		UPDATE events SET actor_id = 'someone' WHERE position = 4;
		UPDATE events SET event_id = (SELECT event_id FROM events WHERE position = 1) WHERE position = 5;
		RESET session_replication_role`)
	v, err = ledger.Verify(ctx, b.Worker, 1, 0)
	require.NoError(t, err)
	require.Equal(t, []ledger.Problem{
		{Position: 1, Epoch: 1, Problem: ledger.ProblemDuplicate},
		{Position: 3, Epoch: 1, Problem: ledger.ProblemGap},
		{Position: 4, Epoch: 1, Problem: ledger.ProblemHash},
		{Position: 5, Epoch: 1, Problem: ledger.ProblemHash},
		{Position: 5, Epoch: 1, Problem: ledger.ProblemDuplicate},
	}, v.Problems)
	v, err = ledger.Verify(ctx, b.Worker, 3, 3)
	require.NoError(t, err)
	require.Equal(t, ledger.Verification{Events: 1, Until: 3, Problems: []ledger.Problem{}}, v, "what is before the first position is not checked")
}
