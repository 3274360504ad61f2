package templateset_test

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"carewire/internal/care"
	"carewire/internal/notify/template"
	"carewire/internal/outbox"
	"carewire/internal/postgres/postgrestest"
	"carewire/internal/rule"
	"carewire/internal/templateset"
	"carewire/internal/versionset"
)

func TestMain(m *testing.M) { postgrestest.Main(m) }

type bundle struct {
	t      *testing.T
	db     *postgrestest.DB
	writer *outbox.Writer
	sets   *templateset.Sets
}

func setup(t *testing.T) *bundle {
	t.Helper()
	db := postgrestest.New(t)
	return &bundle{t, db, outbox.NewWriter(db.App, outbox.NewWaker(db.App, slog.New(slog.DiscardHandler))), templateset.New(template.Options{})}
}

var cmd = care.Command{Actor: care.SystemActor("test")}

func (b *bundle) publish(src string) (int32, error) {
	return b.sets.Publish(b.t.Context(), b.writer, cmd, []byte(src), "why")
}

func (b *bundle) must(src string) int32 {
	b.t.Helper()
	version, err := b.publish(src)
	require.NoError(b.t, err)
	return version
}

// rules publishes a rule set as dispatch.Publish does, without its checks.
func (b *bundle) rules(src string) {
	b.t.Helper()
	_, err := versionset.Rules.Publish(b.t.Context(), b.writer, cmd, []byte(src), "", func(pgx.Tx) error { return nil })
	require.NoError(b.t, err)
}

func (b *bundle) count(table string) (n int) {
	b.t.Helper()
	require.NoError(b.t, b.db.Owner.QueryRow(b.t.Context(), `SELECT count(*) FROM `+table).Scan(&n))
	return n
}

// reworded is the built-in set with another text.
func reworded(text string) string {
	return strings.Replace(string(template.Source()), "Your account was changed", text, 1)
}

func TestPublish_StoresTheNextVersionAndAnnouncesIt(t *testing.T) {
	t.Parallel()
	b := setup(t)
	_, err := templateset.Get(t.Context(), b.db.App, 0)
	require.Equal(t, care.NotFound, care.CodeOf(err))
	first, second := reworded("One"), reworded("Two")
	for want, src := range map[int32]string{1: first} {
		require.Equal(t, want, b.must(src))
		require.Equal(t, want, b.must(src), "the same source is no new version")
	}
	require.Equal(t, int32(2), b.must(second))
	back, err := b.sets.Rollback(t.Context(), b.writer, cmd, 1, "")
	require.NoError(t, err)
	require.Equal(t, int32(3), back)
	set, err := templateset.Get(t.Context(), b.db.App, 0)
	require.NoError(t, err)
	require.Equal(t, first, set.Source)
	require.Equal(t, "back to version 1", set.Note)
	_, err = b.sets.Rollback(t.Context(), b.writer, cmd, 9, "")
	require.Equal(t, care.NotFound, care.CodeOf(err))

	var events []string
	rows, err := b.db.Owner.Query(t.Context(), `SELECT concat_ws(' ', type, subject, subject_version, actor_id, data) FROM outbox ORDER BY id`)
	require.NoError(t, err)
	for rows.Next() {
		var e string
		require.NoError(t, rows.Scan(&e))
		events = append(events, e)
	}
	require.NoError(t, rows.Err())
	require.Equal(t, []string{
		`templates.published templates/live 1 system:test {"version": 1}`, `templates.published templates/live 2 system:test {"version": 2}`,
		`templates.published templates/live 3 system:test {"version": 3}`,
	}, events)

	d, err := b.sets.Compare(t.Context(), b.db.App, 1, 2)
	require.NoError(t, err)
	require.Equal(t, []string{"account"}, d.Changed)
	require.Empty(t, d.Added)
	require.Contains(t, d.Text, "Two")
}

func TestPublish_RefusesABrokenSetWithLinesAndStoresNothing(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.must(string(template.Source()))
	for name, src := range map[string]string{
		"no YAML":          "templates: [",
		"an unknown value": reworded("{{.PatientName}}"),
		"an unknown key":   string(template.Source()) + "\nsecret: x\n",
		"nothing":          "",
	} {
		_, err := b.publish(src)
		require.Equal(t, care.Invalid, care.CodeOf(err), name)
		mistakes, ok := errors.AsType[template.Errors](err)
		require.True(t, ok, name)
		require.NotEmpty(t, mistakes, name)
		require.Positive(t, mistakes[0].Line, name)
	}
	_, err := b.sets.Publish(t.Context(), b.writer, cmd, []byte(reworded("x")), strings.Repeat("x", 501))
	require.Equal(t, care.Invalid, care.CodeOf(err), "the note is too long")
	require.Equal(t, 1, b.count("template_sets"))
	require.Equal(t, 1, b.count("outbox"), "nothing else is affected")
}

func TestPublish_RefusesASetWithoutATemplateThatTheNewestRulesNeed(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.rules("rules:\n  - name: told\n    on: user.created\n    recipients: [{user: data.userId}]\n    channels: [email]\n    template: desk\n")
	without := strings.Replace(string(template.Source()), "  desk:\n", "  reception:\n", 1)
	_, err := b.publish(without)
	require.Equal(t, care.Invalid, care.CodeOf(err))
	require.ErrorContains(t, err, `rule told needs what this set does not have (rule set version 1, line 6): no template "desk" for the channel email`)
	require.ErrorContains(t, err, "or first publish rules without it")
	_, err = b.sets.Check(t.Context(), b.db.App, []byte(without))
	require.Equal(t, care.Invalid, care.CodeOf(err), "check has the same answer")
	require.Zero(t, b.count("template_sets"))

	b.rules("rules: []\n")
	require.Equal(t, int32(1), b.must(without), "no rule needs it any more")
	b.rules("rules: [{digest: now}]\n")
	_, err = b.publish(reworded("x"))
	require.Equal(t, care.Conflict, care.CodeOf(err))
	require.ErrorContains(t, err, "rule set version 3 is not understood by this binary")
}

func TestPublish_KeepsVersionsAndEventsInOneOrderUnderManyPublishers(t *testing.T) {
	t.Parallel()
	b := setup(t)
	var wg sync.WaitGroup
	errs := make([]error, 8)
	for i := range errs {
		wg.Go(func() {
			if _, errs[i] = b.publish(fmt.Sprintf("# %d\n%s", i, template.Source())); errs[i] == nil && i%2 == 0 {
				_, errs[i] = versionset.Rules.Publish(t.Context(), b.writer, cmd, fmt.Appendf(nil, "# %d\nrules: []", i), "", func(pgx.Tx) error { return nil })
			}
		})
	}
	wg.Wait()
	require.NoError(t, errors.Join(errs...))
	var versions string
	require.NoError(t, b.db.Owner.QueryRow(t.Context(), `SELECT string_agg(data->>'version', ' ' ORDER BY id) FROM outbox WHERE type = 'templates.published'`).Scan(&versions))
	require.Equal(t, "1 2 3 4 5 6 7 8", versions)
}

func TestPublishBuiltin_UpdatesOnlyADatabaseOnWhichNobodyElsePublished(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.rules(string(rule.Default()))
	older := reworded("An older release")
	_, err := b.sets.Publish(t.Context(), b.writer, care.Command{Actor: care.SystemActor("setup")}, []byte(older), "the built-in templates")
	require.NoError(t, err)
	publish := func() int32 {
		version, err := b.sets.PublishBuiltin(t.Context(), b.writer)
		require.NoError(t, err)
		return version
	}
	require.Equal(t, int32(2), publish(), "the texts of a newer release arrive")
	require.Zero(t, publish())
	// An instance of the older release does not take them back, and neither does this one.
	_, err = b.sets.Publish(t.Context(), b.writer, care.Command{Actor: care.SystemActor("setup")}, []byte(older), "")
	require.NoError(t, err)
	require.Zero(t, publish(), "a set that was published before is not published again")

	own := setup(t)
	own.must(older)
	version, err := own.sets.PublishBuiltin(t.Context(), own.writer)
	require.NoError(t, err)
	require.Zero(t, version, "an operator's own texts stay")
}

func TestLoad_ReturnsAnErrorForASetThatThisBinaryDoesNotUnderstand(t *testing.T) {
	t.Parallel()
	b := setup(t)
	_, err := b.db.Owner.Exec(t.Context(), `INSERT INTO template_sets (version, source, checksum, published_by) VALUES (1, 'templates: {x: {video: {}}}', '\x00', 'newer')`)
	require.NoError(t, err)
	_, err = b.sets.Load(t.Context(), b.db.Worker, 1)
	require.Equal(t, care.Unavailable, care.CodeOf(err))
	require.ErrorContains(t, err, "template set version 1 is not understood by this binary")
	_, err = b.sets.Newest(t.Context(), b.db.App)
	require.Equal(t, care.Unavailable, care.CodeOf(err), "rules are not checked against other templates instead")
	set, err := b.sets.Load(t.Context(), b.db.Worker, 0)
	require.NoError(t, err)
	require.True(t, set.Has("account", "email"), "version 0 is the set in the binary")
	_, err = b.sets.Load(t.Context(), b.db.Worker, 7)
	require.ErrorContains(t, err, "is not stored")
}

func TestPreview_RendersEveryChannelOfAPublishedVersionOrASource(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.must(reworded("Version one"))
	b.must(reworded("Version two"))
	preview := func(in templateset.TemplatePreviewRequest) templateset.TemplatePreview {
		t.Helper()
		in.Template, in.Type = "account", "user.created"
		p, err := b.sets.Preview(t.Context(), b.db.App, in)
		require.NoError(t, err)
		return p
	}
	newest := preview(templateset.TemplatePreviewRequest{})
	require.Equal(t, int32(2), newest.Version)
	require.Equal(t, "email", newest.Messages[0].Channel)
	require.Equal(t, "Version two", newest.Messages[0].Subject)
	require.Contains(t, newest.Messages[0].HTML, "<html")
	require.Len(t, newest.Messages, len(care.BuiltinChannels))
	require.Equal(t, "Version one", preview(templateset.TemplatePreviewRequest{Version: 1}).Messages[0].Subject)
	source := preview(templateset.TemplatePreviewRequest{Source: reworded("Not published")})
	require.Equal(t, "Not published", source.Messages[0].Subject)
	require.Zero(t, source.Version)

	clinic := uuid.New()
	_, err := b.db.Owner.Exec(t.Context(), `INSERT INTO clinics (id, name, time_zone) VALUES ($1, 'HIV clinic North', 'UTC')`, clinic)
	require.NoError(t, err)
	_, err = b.db.Owner.Exec(t.Context(), `INSERT INTO clinic_brands (clinic_id, version, display_name, updated_at, updated_by) VALUES ($1, 1, 'Your care team', now(), 'x')`, clinic)
	require.NoError(t, err)
	branded := preview(templateset.TemplatePreviewRequest{ClinicID: clinic}).Messages[0]
	require.Contains(t, branded.Text, "Your care team")
	require.NotContains(t, branded.Text+branded.HTML, "HIV clinic", "the display name is chosen, never the clinic's own")

	for field, in := range map[string]templateset.TemplatePreviewRequest{
		"clinicId": {Template: "account", Type: "user.created", ClinicID: uuid.New()},
		"template": {Template: "none", Type: "user.created"},
		"type":     {Template: "account"},
		"version":  {Template: "account", Type: "user.created", Source: reworded("x"), Version: 1},
	} {
		_, err := b.sets.Preview(t.Context(), b.db.App, in)
		answer, ok := errors.AsType[*care.Error](err)
		require.True(t, ok, field)
		require.Equal(t, care.Invalid, answer.Code)
		require.Equal(t, field, answer.Fields[0].Field)
	}
	for _, in := range []templateset.TemplatePreviewRequest{{Template: "account", EventID: uuid.New()}, {Template: "account", Type: "user.created", Version: 9}} {
		_, err := b.sets.Preview(t.Context(), b.db.App, in)
		require.Equal(t, care.NotFound, care.CodeOf(err))
	}
}

func TestPreview_HasTheValuesOfTheEvent(t *testing.T) {
	t.Parallel()
	b := setup(t)
	clinic, id := uuid.New(), uuid.New()
	_, err := b.db.Owner.Exec(t.Context(), `INSERT INTO clinics (id, name, time_zone) VALUES ($1, 'Clinic', 'America/New_York')`, clinic)
	require.NoError(t, err)
	_, err = b.db.Owner.Exec(t.Context(), `INSERT INTO events (position, epoch, event_id, type, source, subject, time, data, clinic_id, actor_id, actor_role, imported, recorded_at, leaf_hash)
		VALUES (1, 1, $1, 'appointment.booked', 'test', 'appointment/1', '2025-02-01Z', '{"startsAt": "2025-03-03T13:30:00Z", "reason": "chest pain"}', $2, '', '', false, now(), sha256(''))`, id, clinic)
	require.NoError(t, err)
	preview := func(in templateset.TemplatePreviewRequest) map[string]templateset.PreviewMessage {
		t.Helper()
		in.Template = "appointment"
		p, err := b.sets.Preview(t.Context(), b.db.App, in)
		require.NoError(t, err)
		require.Equal(t, "appointment.booked", p.Type)
		all := map[string]templateset.PreviewMessage{}
		for _, m := range p.Messages {
			all[m.Channel] = m
		}
		return all
	}
	stored := preview(templateset.TemplatePreviewRequest{EventID: id, Locale: "de"})
	require.Contains(t, stored["email"].Text, "Beginn: Mo., 3. März, 08:30 (America/New_York).")
	require.NotContains(t, stored["email"].HTML, "chest")
	require.Equal(t, &templateset.PreviewApproved{
		Name: "carewire_appointment", Language: "de", Variables: []string{"vereinbart"}, Button: "notifications/0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b",
	}, stored["whatsapp"].Approved)
	require.Equal(t, 2, stored["sms"].Segments)
	require.Equal(t, "GSM-7", stored["sms"].Encoding)
	example := preview(templateset.TemplatePreviewRequest{Type: "appointment.booked"})
	require.Contains(t, example["email"].Text, "Time: Mon 16 March, 10:00 (Europe/Berlin).")
	there := preview(templateset.TemplatePreviewRequest{Type: "appointment.booked", ClinicID: clinic})
	require.Contains(t, there["email"].Text, "Time: Mon 16 March, 05:00 (America/New_York).")
}

func TestRules_NameOnlyChannelsForWhichTheTemplateHasTexts(t *testing.T) {
	t.Parallel()
	sets := templateset.New(template.Options{})
	for section, c := range map[string]struct{ texts, good, bad string }{
		"email alone":    {"email: {subject: s, paragraphs: [p], button: b}", "email", "push, sms, whatsapp, inapp"},
		"push alone":     {"push: {title: t, body: b}", "push, inapp, sms", "email, whatsapp"},
		"sms alone":      {"sms: text", "sms", "email, push, whatsapp, inapp"},
		"whatsapp alone": {"whatsapp: {name: note, language: en}", "whatsapp", "email, push, sms, inapp"},
	} {
		set, err := sets.Parse([]byte("frame: {greeting: Hello, or: or, footer: [bye]}\ntemplates:\n  note:\n    " + c.texts + "\n"))
		require.NoError(t, err, section)
		load := func(channels string, fallback bool) error {
			src := "rules:\n  - name: told\n    on: user.created\n    recipients: [{user: data.userId}]\n    template: note\n    channels: [" + channels + "]\n"
			if fallback {
				src = strings.Replace(src, "channels: ["+channels+"]", "channels: ["+strings.Split(c.good, ",")[0]+"]\n    fallback: ["+channels+"]", 1)
			}
			_, err := rule.Parse([]byte(src), rule.Known{Channels: care.BuiltinChannels.Names(), Template: set.Has})
			return err
		}
		for channel := range strings.SplitSeq(c.good, ", ") {
			require.NoError(t, load(channel, false), "%s: %s", section, channel)
		}
		for channel := range strings.SplitSeq(c.bad, ", ") {
			want := `line 5: rule told: template: no template "note" for the channel ` + channel
			require.ErrorContains(t, load(channel, false), want, section)
			if channel != care.ChannelInApp {
				require.ErrorContains(t, load(channel, true), want, section)
			}
		}
	}
}
