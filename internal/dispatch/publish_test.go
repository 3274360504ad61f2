package dispatch_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"carewire/internal/care"
	"carewire/internal/dispatch"
	"carewire/internal/rule"
)

func (b *bundle) publish(src string) (int32, error) {
	return dispatch.Publish(b.tb.Context(), b.writer, care.Command{Actor: care.SystemActor("test"), CorrelationID: "req-1"}, []byte(src), "why", known)
}

func TestPublish_StoresTheNextVersionAndAnnouncesIt(t *testing.T) {
	t.Parallel()
	b := setup(t)
	_, err := dispatch.Current(t.Context(), b.App)
	require.Equal(t, care.NotFound, care.CodeOf(err))

	for want, src := range []string{"rules: []", string(rule.Default()), "rules: []"} {
		version, err := b.publish(src)
		require.NoError(t, err)
		require.Equal(t, int32(want+1), version)
	}
	require.Equal(t, []string{
		`rules.published rules/live 1 system:test {"version": 1}`, `rules.published rules/live 2 system:test {"version": 2}`,
		`rules.published rules/live 3 system:test {"version": 3}`,
	}, b.texts(`SELECT concat_ws(' ', type, subject, subject_version, actor_id, data) FROM outbox ORDER BY id`))
	current, err := dispatch.Current(t.Context(), b.App)
	require.NoError(t, err)
	require.Equal(t, int32(3), current.Version)
	require.Equal(t, "rules: []", current.Source)
	require.Equal(t, "why", current.Note)
	require.Equal(t, "system:test", current.PublishedBy)
	require.Zero(t, current.Position, "the planner has not passed it")

	b.last.Store(41)
	b.handle(b.published(3))
	versions, err := dispatch.Versions(t.Context(), b.App, 0, 2)
	require.NoError(t, err)
	require.Len(t, versions, 2)
	require.Equal(t, int64(42), versions[0].Position)
}

func TestPublish_GivesTheCurrentVersionForTheSameSource(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for range 3 {
		version, err := b.publish("rules: []")
		require.NoError(t, err)
		require.Equal(t, int32(1), version)
	}
	require.Equal(t, int64(1), one[int64](b, `SELECT count(*) FROM outbox`))
}

func TestPublish_KeepsVersionsAndEventsInOneOrderUnderManyPublishers(t *testing.T) {
	t.Parallel()
	b := setup(t)
	var wg sync.WaitGroup
	errs := make([]error, 12)
	for i := range errs {
		wg.Go(func() { _, errs[i] = b.publish(fmt.Sprintf("# %d\nrules: []", i)) })
	}
	wg.Wait()
	require.NoError(t, errors.Join(errs...))
	require.Equal(t, "1 2 3 4 5 6 7 8 9 10 11 12", one[string](b, `SELECT string_agg(data->>'version', ' ' ORDER BY id) FROM outbox`))
}

func TestPublish_RefusesASetWithMistakesAndStoresNothing(t *testing.T) {
	t.Parallel()
	b := setup(t)
	_, err := b.publish("rules:\n  - name: one\n    on: nothing.here\n    channels: [fax]\n")
	require.Equal(t, care.Invalid, care.CodeOf(err))
	var refused *care.Error
	require.ErrorAs(t, err, &refused)
	require.Equal(t, "the rule set has 3 mistakes", refused.Message)
	require.Len(t, refused.Fields, 3)
	require.Equal(t, "recipients", refused.Fields[0].Field)
	require.Contains(t, refused.Fields[2].Message, `line 4: rule one: channels: unknown channel "fax"; want one of`)
	var mistakes rule.Errors
	require.ErrorAs(t, err, &mistakes)
	require.Zero(t, one[int64](b, `SELECT count(*) FROM rule_sets`))

	_, err = dispatch.Publish(t.Context(), b.writer, care.Command{}, []byte("rules: []"), strings.Repeat("x", 501), known)
	require.Equal(t, care.Invalid, care.CodeOf(err))
}
