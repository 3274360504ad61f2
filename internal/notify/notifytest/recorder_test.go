package notifytest_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"carewire/internal/notify"
	"carewire/internal/notify/notifytest"
)

func TestRecorder_AnswersAsItIsToldAndKeepsWhatItWasGiven(t *testing.T) {
	t.Parallel()
	var r notifytest.Recorder
	m := notifytest.TestMessage(notify.Email)
	receipt, err := r.Notify(t.Context(), m)
	require.NoError(t, err)
	require.Equal(t, m.DeliveryID.String(), receipt.ProviderID)
	for _, failure := range []*notify.Error{notify.Permanent("REJECTED"), notify.Transient("BUSY", time.Second)} {
		r.Fail(failure)
		_, err = r.Notify(t.Context(), m)
		require.Equal(t, failure, err)
	}
	r.Answer(func(notify.Message) (notify.Receipt, error) { return notify.Receipt{ProviderID: "7"}, nil })
	receipt, err = r.Notify(t.Context(), m)
	require.NoError(t, err)
	require.Equal(t, "7", receipt.ProviderID)
	r.Fail(nil)
	_, err = r.Notify(t.Context(), m)
	require.NoError(t, err)
	require.Equal(t, []notify.Message{m, m, m, m, m}, r.Messages())
}

func TestRecorder_WaitsForTheMessagesOfManyAtOnce(t *testing.T) {
	t.Parallel()
	var r notifytest.Recorder
	for range 20 {
		go func() { _, _ = r.Notify(context.Background(), notify.Message{}) }()
	}
	require.Len(t, r.Wait(t, 20), 20)
	require.Len(t, r.Wait(t, 3), 20, "what came already counts")
}

func TestRecorder_StallsUntilTheCallerGivesUp(t *testing.T) {
	t.Parallel()
	var r notifytest.Recorder
	r.Stall()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		_, err := r.Notify(ctx, notify.Message{})
		done <- err
	}()
	r.Wait(t, 1)
	select {
	case err := <-done:
		require.Fail(t, "it answered before the caller gave up", "%v", err)
	default:
	}
	cancel()
	require.NoError(t, <-done)
}
