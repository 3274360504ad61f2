package dispatch_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"carewire/internal/care"
	"carewire/internal/dispatch"
	"carewire/internal/event"
	"carewire/internal/notify/template"
	"carewire/internal/rule"
	"carewire/internal/templateset"
)

// templates publishes the built-in set with a note and returns its event.
func (b *bundle) templates(note string) event.Event {
	b.tb.Helper()
	cmd := care.Command{Actor: care.SystemActor("test")}
	version, err := templateset.New(template.Options{}).Publish(b.tb.Context(), b.writer, cmd, []byte("# "+note+"\n"+string(template.Source())), "")
	require.NoError(b.tb, err)
	return b.at(event.New(cmd, "templates.published", care.Ref{Kind: "templates"}, event.TemplatesPublished{Version: version}))
}

func (b *bundle) templateVersions(e event.Event) []int32 {
	b.tb.Helper()
	return one[[]int32](b, `SELECT array_agg(DISTINCT template_version) FROM deliveries WHERE event_id = $1`, e.ID)
}

func TestPlanner_StoresTheTemplateVersionInForceAtTheEvent(t *testing.T) {
	t.Parallel()
	b := setup(t)
	patient, doctor := b.user("pat"), b.user("doc")
	b.rules(toPatient("ehr.*.created", "    channels: [email, push]\n"))
	next := func() event.Event { return b.record("ehr.lab_report.created", patient, doctor) }
	before := next()
	first := b.templates("one")
	between, late := next(), next()
	second := b.templates("two")
	after := next()
	b.handle(before, first, between, second, after)
	require.Equal(t, []int32{0}, b.templateVersions(before), "the set in the binary")
	require.Equal(t, []int32{1}, b.templateVersions(between))
	require.Equal(t, []int32{2}, b.templateVersions(after))

	// An event that is planned late has the version of its own position, in another instance too, and
	// planning again changes nothing.
	require.NoError(t, b.tryHandle(t.Context(), b.newPlanner(), late))
	require.Equal(t, []int32{1}, b.templateVersions(late))
	require.NoError(t, b.tryHandle(t.Context(), b.newPlanner(), before, first, between, second, after))
	require.Equal(t, []int32{1}, b.templateVersions(between))
	require.Equal(t, int64(2), one[int64](b, `SELECT count(*) FROM template_publications`))
}

func TestPlanner_BlamesTheEventThatPublishesTemplatesWhichAreNotStored(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for _, version := range []int32{0, 7} {
		e := b.at(event.New(care.Command{Actor: care.SystemActor("test")}, "templates.published", care.Ref{Kind: "templates"}, event.TemplatesPublished{Version: version}))
		require.Error(t, b.tryHandle(t.Context(), b.planner, e))
	}
	require.Zero(t, one[int64](b, `SELECT count(*) FROM template_publications`))
}

func TestPublish_ChecksRulesAgainstTheNewestTemplates(t *testing.T) {
	t.Parallel()
	b := setup(t)
	sets := templateset.New(template.Options{})
	builtin, err := sets.Builtin()
	require.NoError(t, err)
	against := dispatch.Known{Known: rule.Known{Channels: known.Channels, Template: builtin.Has}, Templates: sets}
	cmd := care.Command{Actor: care.SystemActor("test")}
	publish := func(name string) error {
		_, err := dispatch.Publish(t.Context(), b.writer, cmd, []byte(toPatient("user.created", "    channels: [email]\n    template: "+name+"\n")), "", against)
		return err
	}
	err = publish("reception")
	require.Equal(t, care.Invalid, care.CodeOf(err))
	require.ErrorContains(t, err, `line 6: rule one: template: no template "reception" for the channel email`)
	_, err = sets.Publish(t.Context(), b.writer, cmd, []byte(strings.Replace(string(template.Source()), "  desk:\n", "  reception:\n", 1)), "")
	require.NoError(t, err)
	require.NoError(t, publish("reception"), "the published templates count, not those in the binary")
	require.ErrorContains(t, publish("desk"), `no template "desk"`)
}
