package dispatch_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"carewire/internal/care"
	"carewire/internal/ledger"
	"carewire/internal/postgres"
)

func TestPlanner_PlansNothingBeforeTheFirstPublication(t *testing.T) {
	t.Parallel()
	b := setup(t)
	e := b.record("ehr.lab_report.created", b.user("pat"), b.user("doc"))
	b.handle(e)
	require.Empty(t, b.told(e))
}

func TestPlanner_SwitchesTheSetAtThePositionOfItsPublication(t *testing.T) {
	t.Parallel()
	b := setup(t)
	patient, doctor := b.user("pat"), b.user("doc")
	b.rules(toPatient("ehr.*.created", "    channels: [email]\n"))
	next, err := b.publish(toPatient("ehr.*.created", "    channels: [push]\n"))
	require.NoError(t, err)
	before := b.record("ehr.lab_report.created", patient, doctor)
	switching := b.published(next)
	after := b.record("ehr.lab_report.created", patient, doctor)
	late := b.record("ehr.lab_report.created", patient, doctor)
	again := b.published(next - 1)
	last := b.record("ehr.lab_report.created", patient, doctor)
	b.handle(before, switching, after, again, last)
	require.Equal(t, []string{"pat email queued normal: rule one"}, b.told(before))
	require.Equal(t, []string{"pat push queued normal: rule one"}, b.told(after))
	require.Equal(t, []string{"pat email queued normal: rule one"}, b.told(last))

	// An event that was dead-lettered and is planned later gets the set of its own position, in a new
	// process too.
	require.NoError(t, b.tryHandle(t.Context(), b.newPlanner(), late))
	require.Equal(t, []string{"pat push queued normal: rule one"}, b.told(late))
	b.handle(switching)
	require.Equal(t, int64(3), one[int64](b, `SELECT count(*) FROM rule_publications`))
}

func TestPlanner_KeepsItsPlaceWhenItDoesNotUnderstandTheSet(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.exec(`INSERT INTO rule_sets (version, source, checksum, published_by) VALUES (1, 'rules: [{escalate: now}]', '\x00', 'newer')`)
	published := b.published(1)
	e := b.record("ehr.lab_report.created", b.user("pat"), b.user("doc"))
	err := b.tryHandle(t.Context(), b.planner, published, e)
	require.Equal(t, care.Unavailable, care.CodeOf(err))
	require.True(t, postgres.Transient(err), "the follower must not pass over what comes after")
	require.ErrorContains(t, err, "rule set version 1 is not understood by this binary")
	var held *ledger.BlockedError
	require.ErrorAs(t, err, &held)
	require.Equal(t, e.Position, held.Position, "what comes before it depends on nothing")
	require.Error(t, b.tryHandle(t.Context(), b.planner, published, e))
	require.Equal(t, 1, strings.Count(b.log.String(), "rule set not understood"), "it is told of once")
	require.Zero(t, one[int64](b, `SELECT count(*) FROM rule_publications`))

	b.handle(published)
	b.exec(`UPDATE rule_sets SET source = $1`, toPatient("ehr.**", "    channels: [push]\n"))
	b.handle(e)
	require.Equal(t, []string{"pat push queued normal: rule one"}, b.told(e), "the source was mended")
}

func TestPlanner_DeadLettersEventsOfABrokenSetOnceANewerOneWasPublished(t *testing.T) {
	t.Parallel()
	b := setup(t)
	patient, doctor := b.user("pat"), b.user("doc")
	b.exec(`INSERT INTO rule_sets (version, source, checksum, published_by) VALUES (1, 'rules: [{escalate: now}]', '\x00', 'newer')`)
	b.handle(b.published(1))
	broken := b.record("ehr.lab_report.created", patient, doctor)
	b.exec(`INSERT INTO rule_sets (version, source, checksum, published_by) VALUES (2, 'rules: [{digest: now}]', '\x01', 'newer')`)
	require.True(t, postgres.Transient(b.tryHandle(t.Context(), b.planner, broken)), "the newer one is not understood either: a newer binary is to take over")
	b.exec(`DELETE FROM rule_sets WHERE version = 2`)

	version, err := b.publish(toPatient("ehr.**", "    channels: [push]\n"))
	require.NoError(t, err)
	err = b.tryHandle(t.Context(), b.planner, broken)
	require.Equal(t, care.Conflict, care.CodeOf(err))
	require.False(t, postgres.Transient(err), "the follower skips it")
	require.Equal(t, "refused: conflict rule set version 1", postgres.SafeError(err), "what an operator reads in follower_failures")
	b.handle(b.published(version))
	after := b.record("ehr.lab_report.created", patient, doctor)
	b.handle(after)
	require.Equal(t, []string{"pat push queued normal: rule one"}, b.told(after))
	require.Empty(t, b.told(broken))
}

func TestPlanner_BlamesTheEventThatPublishesWhatIsNotStored(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for _, version := range []int32{0, 7} {
		err := b.tryHandle(t.Context(), b.planner, b.published(version))
		require.Error(t, err)
		require.False(t, postgres.Transient(err))
	}
}
