package ledger_test

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"carewire/internal/event"
	"carewire/internal/ledger"
)

func TestPositionAt_FindsTheFirstEventRecordedAtATime(t *testing.T) {
	t.Parallel()
	b := setup(t)
	at := func(when time.Time) int64 {
		position, err := ledger.PositionAt(t.Context(), b.Worker, when)
		require.NoError(t, err)
		return position
	}
	require.Equal(t, int64(1), at(time.Now()), "the ledger is empty")
	sequencer := b.sequencer(t, 100)
	for range 3 { // The events of a batch have the same time.
		b.commit(t, someEvents(3)...)
		drain(t, sequencer)
	}
	all, err := ledger.Read(t.Context(), b.Worker, 0, 100)
	require.NoError(t, err)
	require.Len(t, all, 9)
	for i := range all {
		require.Equal(t, int64(i/3*3+1), at(all[i].RecordedAt))
		require.Equal(t, int64(i/3*3+4), at(all[i].RecordedAt.Add(time.Microsecond)))
	}
	require.Equal(t, int64(1), at(time.Time{}))
}

func TestReadTypes_ReadsOnlyTheTypesInAPartOfTheLedger(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.commit(t, someEvents(5)...)
	drain(t, b.sequencer(t, 100))
	read := func(first, end int64, types ...string) (positions []int64) {
		found, err := ledger.ReadTypes(t.Context(), b.Worker, first, end, types)
		require.NoError(t, err)
		for _, e := range found {
			positions = append(positions, e.Position)
		}
		return positions
	}
	require.Equal(t, []int64{2, 3}, read(2, 4, "user.updated", "device.removed"))
	require.Empty(t, read(2, 4, "user.updated"))
	require.Empty(t, read(2, 2, "device.removed"))
	require.Empty(t, read(6, 100, "device.removed"))
}

func TestRead_ReturnsEachEventsOwnFields(t *testing.T) {
	t.Parallel()
	b := setup(t)
	full := anEvent()
	full.CauseID, full.CorrelationID, full.Traceparent, full.SubjectVersion = new(uuid.New()), new("a"), new("b"), new(int64(3))
	bare, again, other := anEvent(), full, full
	bare.CauseID, bare.CorrelationID, bare.Traceparent, bare.SubjectVersion = nil, nil, nil, nil
	again.ID, other.ID = uuid.New(), uuid.New()
	again.SubjectVersion, other.SubjectVersion, other.CorrelationID = new(int64(4)), new(int64(5)), new("c")
	want := []event.Event{full, bare, again, other}
	b.publish(t, want...)
	byID := map[uuid.UUID]event.Event{}
	for _, e := range b.all(t) {
		byID[e.ID] = e
	}
	for _, e := range want {
		got := byID[e.ID]
		require.Equal(t, []any{e.CauseID, e.CorrelationID, e.Traceparent, e.SubjectVersion, e.Type, e.Subject, e.ActorID},
			[]any{got.CauseID, got.CorrelationID, got.Traceparent, got.SubjectVersion, got.Type, got.Subject, got.ActorID})
		require.JSONEq(t, string(e.Data), string(got.Data))
	}
}
