package dispatch_test

import (
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"carewire/internal/care"
	"carewire/internal/event"
	"carewire/internal/rule"
)

func TestPlanner_AddsNothingWhenItPlansTheSameEventsAgain(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.rules(string(rule.Default()))
	patient, doctor := b.user("pat", care.Patient), b.user("doc", care.Doctor)
	b.team(patient, b.user("nina", care.Nurse))
	var batch []event.Event
	for range 20 {
		batch = append(batch, b.record("ehr.prescription.created", patient, doctor))
	}
	b.handle(batch...)
	before := b.counts()
	require.Equal(t, map[string]int64{"notifications": 60, "deliveries": 120, "decisions": 40, "river.river_job": 120, "outbox": 61}, before)

	b.handle(batch...)
	b.handle(batch[3:7]...)
	require.Equal(t, before, b.counts())

	// The first plan remains, also if the directory has changed since.
	b.team(patient, b.user("new", care.Nurse))
	b.exec(`DELETE FROM devices`)
	b.exec(`UPDATE users SET status = 'disabled' WHERE given_name = 'nina'`)
	b.handle(batch[0])
	require.Equal(t, before["notifications"]+1, b.counts()["notifications"], "the new nurse was not told before")
	require.Len(t, b.told(batch[0]), 6+2)
}

func (b *bundle) counts() map[string]int64 {
	b.tb.Helper()
	counts := map[string]int64{}
	for _, table := range []string{"notifications", "deliveries", "decisions", "river.river_job", "outbox"} {
		counts[table] = one[int64](b, "SELECT count(*) FROM "+table)
	}
	return counts
}

func TestPlanner_PlansOnceWhenManyPlanTheSameEventsAtOnce(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.rules(string(rule.Default()))
	patient, doctor := b.user("pat", care.Patient), b.user("doc", care.Doctor)
	b.team(patient, doctor)
	var batch []event.Event
	for range 60 {
		batch = append(batch, b.record("ehr.prescription.created", patient, doctor))
	}
	var wg sync.WaitGroup
	errs := make([]error, 6)
	for i := range errs {
		planner := b.newPlanner()
		wg.Go(func() { errs[i] = b.tryHandle(t.Context(), planner, batch[i*2:50+i*2]...) }) // They overlap, and are not the same.
	}
	wg.Wait()
	for _, err := range errs {
		require.NoError(t, err)
	}
	require.Equal(t, map[string]int64{"notifications": 120, "deliveries": 240, "decisions": 120, "river.river_job": 240, "outbox": 121}, b.counts())
	require.Equal(t, int64(240), one[int64](b, `SELECT count(DISTINCT args->>'deliveryId') FROM river.river_job`))
}
