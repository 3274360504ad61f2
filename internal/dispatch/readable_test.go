package dispatch_test

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"carewire/internal/dispatch"
	"carewire/internal/ledger"
	"carewire/internal/outbox"
	"carewire/internal/postgres/postgrestest"
	"carewire/internal/rule"
)

// outside is an event as another program may hand it to outbox_append: everything is a text.
type outside struct {
	subject, data, source, actor, role, version, time, id, correlation, trace string
}

// plain is an event that is accepted.
func plain() outside {
	return outside{
		subject: "lab_report/1", data: record(`"final"`), source: "/psql", actor: "psql", role: "service", version: "1",
		time: "2026-03-14 09:30:00+00", id: uuid.NewString(), correlation: "c", trace: "t",
	}
}

// record is the data of a record whose status is that JSON value.
func record(status string) string {
	id := uuid.NewString()
	return fmt.Sprintf(`{"recordId": %q, "userId": %q, "clinicId": %q, "doctorId": %q, "version": 1, "status": %s}`, id, id, id, id, status)
}

// hostile are events of which SQL can hold every one, or nearly: each is refused, or every reader
// can read it.
func hostile() map[string]outside {
	all := map[string]outside{"plain": plain()}
	for _, text := range []string{"infinity", "-infinity", "0001-01-01 00:00:00+00", "0001-01-01 BC", "4713-01-01 BC", "9999-12-31 23:59:59.999999+00", "10000-01-01 00:00:00+00", "20000-01-01", "294276-12-31", "9999-12-31 23:59:59-14"} {
		o := plain()
		o.time = text
		all["time "+text] = o
	}
	for name, status := range map[string]string{
		"1e308": "1e308", "1e309": "1e309", "-1e400": "-1e400", "1e-400": "1e-400", "1e131071": "1e131071", "100,000 digits": strings.Repeat("7", 100_000),
		"100,000 decimals": "0." + strings.Repeat("7", 100_000), "a large integer": "9223372036854775808", "a small one": "-9223372036854775809", "-0": "-0",
		"many huge numbers": "[" + strings.Repeat("1e131071,", 500) + "1]", "a huge number in a list of lists": `[[{"a": [1e999]}]]`,
		"64 levels": strings.Repeat("[", 63) + strings.Repeat("]", 63), "65 levels": strings.Repeat("[", 64) + strings.Repeat("]", 64), "66 levels": strings.Repeat("[", 65) + strings.Repeat("]", 65),
		"1,900 levels": strings.Repeat("[", 1900) + strings.Repeat("]", 1900), "20,000 levels": strings.Repeat("[", 20_000) + strings.Repeat("]", 20_000),
		"many small objects": "[" + strings.Repeat("{},", 1000) + "{}]", "U+FFFE": `"\ufffe"`, "U+0000": `"\u0000"`, "a lone surrogate": `"\ud800"`, "a pair": `"\ud83d\ude00"`,
		"control characters": `"` + strings.Repeat(`\u0001`, 3000) + `"`, "empty": `""`, "null": "null", "oversized": `"` + strings.Repeat("x", 20_000) + `"`, "compressible": `"` + strings.Repeat("x", 200_000) + `"`,
		"an empty name": `{"": 1}`, "a line separator": `"\u2028<&>"`, "quotes": `"\"\\\/"`,
	} {
		o := plain()
		o.data = record(status)
		all["status "+name] = o
	}
	for name, harm := range map[string]func(o *outside){
		"no object": func(o *outside) { o.data = "[]" }, "null data": func(o *outside) { o.data = "null" }, "not JSON": func(o *outside) { o.data = "{" },
		"version 0": func(o *outside) { o.version = "0" }, "version -1": func(o *outside) { o.version = "-1" }, "the highest version": func(o *outside) { o.version = "9223372036854775807" },
		"too high a version": func(o *outside) { o.version = "9223372036854775808" }, "the zero id": func(o *outside) { o.id = uuid.Nil.String() }, "the last id": func(o *outside) { o.id = uuid.Max.String() },
		"a long subject": func(o *outside) { o.subject = "lab_report/" + strings.Repeat("x", 101) }, "the longest subject": func(o *outside) { o.subject = "lab_report/" + strings.Repeat("x", 100) },
		"an odd source": func(o *outside) { o.source = "\u202e\ufffe\U0010ffff\n\t\"\\" }, "an empty source": func(o *outside) { o.source = "" }, "an odd actor": func(o *outside) { o.actor = "\x01\x7f\u0085" },
		"a NUL": func(o *outside) { o.actor = "a\x00b" }, "no UTF-8": func(o *outside) { o.actor = "a\xffb" }, "an odd trace": func(o *outside) { o.trace = "00-\u2028-01" }, "an empty trace": func(o *outside) { o.trace, o.correlation = "", "" },
	} {
		o := plain()
		harm(&o)
		all[name] = o
	}
	return all
}

// readers is all that reads the ledger, over one database.
type readers struct {
	*postgrestest.DB

	set  *rule.Set
	last int64
}

func newReaders(tb testing.TB) *readers {
	tb.Helper()
	set, err := rule.Parse([]byte(`rules:
  - {name: one, on: ehr.*.created, recipients: [{user: data.userId, unless: "recipient.id == event.actorid"}], channels: [email],
     when: "event.time > timestamp('2026-01-01T00:00:00Z') || string(event.time) != '' && event.subjectversion >= 0 && data.status != data.version && event.source + event.actorid != ''"}`), known.Known)
	require.NoError(tb, err)
	r := &readers{DB: postgrestest.New(tb), set: set}
	require.NoError(tb, outbox.SyncCatalog(tb.Context(), r.Worker))
	return r
}

// check hands the event to outbox_append, and unless that refuses it asserts that every reader can
// read it. It reports whether it was accepted.
func (r *readers) check(tb testing.TB, o outside) bool {
	tb.Helper()
	_, err := r.App.Exec(tb.Context(), `SELECT outbox_append(p_type => 'ehr.lab_report.created', p_subject => $1::text, p_data => $2::text::jsonb, p_source => $3::text,
		p_actor_id => $4::text, p_actor_role => $5::text, p_subject_version => $6::text::bigint, p_time => $7::text::timestamptz, p_event_id => $8::text::uuid,
		p_correlation_id => $9::text, p_traceparent => $10::text)`,
		o.subject, o.data, o.source, o.actor, o.role, o.version, o.time, o.id, o.correlation, o.trace)
	if err != nil {
		return false
	}
	silent := slog.New(slog.DiscardHandler)
	_, err = ledger.NewSequencer(ledger.SequencerConfig{Pool: r.Worker, Logger: silent}).Step(tb.Context())
	require.NoError(tb, err)
	events, err := ledger.Read(tb.Context(), r.App, r.last, 10)
	require.NoError(tb, err)
	if len(events) == 0 {
		return true // The id was in the ledger.
	}
	require.Len(tb, events, 1, "what was accepted is not rejected afterwards")
	e := events[0]
	r.last = e.Position
	require.Empty(tb, e.Unreadable)
	text, err := json.Marshal(e)
	require.NoError(tb, err)
	require.True(tb, utf8.Valid(text))
	require.Less(tb, len(text), 1<<20)
	var back map[string]any
	require.NoError(tb, json.Unmarshal(text, &back), "also a program that reads numbers as float64")
	require.Equal(tb, o.subject, back["subject"])
	for _, m := range r.set.Match(e) {
		require.False(tb, m.Failed, "CEL")
		for _, to := range m.Recipients {
			_, cause := m.Excludes(to, uuid.New())
			require.Empty(tb, cause)
		}
	}
	_, err = dispatch.Explain(tb.Context(), r.Worker, e.ID)
	require.NoError(tb, err)
	return true
}

func TestOutboxAppend_AcceptsNothingThatAReaderCannotRead(t *testing.T) {
	t.Parallel()
	r := newReaders(t)
	accepted := map[string]bool{}
	for name, o := range hostile() {
		accepted[name] = r.check(t, o)
	}
	for _, name := range []string{
		"plain", "time 0001-01-01 00:00:00+00", "time 9999-12-31 23:59:59.999999+00", "status 1e308", "status 1e-400", "status a large integer", "status 64 levels", "status U+FFFE",
		"status a pair", "status empty", "the highest version", "the longest subject", "an odd source",
	} {
		require.True(t, accepted[name], "%s is refused", name)
	}
	for _, name := range []string{
		"time infinity", "time -infinity", "time 0001-01-01 BC", "time 10000-01-01 00:00:00+00", "time 9999-12-31 23:59:59-14", "status 1e309", "status -1e400", "status many huge numbers",
		"status a huge number in a list of lists", "status 100,000 decimals", "status 66 levels", "status oversized", "version 0", "the zero id", "null data",
	} {
		require.False(t, accepted[name], "%s is accepted", name)
	}
	var size int
	_, err := r.Owner.Exec(t.Context(), `CREATE TABLE mine (data jsonb); GRANT SELECT ON mine TO carewire_app`)
	require.NoError(t, err)
	_, err = r.Owner.Exec(t.Context(), `INSERT INTO mine VALUES ($1)`, json.RawMessage(hostile()["status compressible"].data))
	require.NoError(t, err)
	require.NoError(t, r.Owner.QueryRow(t.Context(), `SELECT pg_column_size(data) FROM mine`).Scan(&size))
	require.Less(t, size, 16384, "it is small where it comes from")
	_, err = r.App.Exec(t.Context(), `SELECT outbox_append('ehr.lab_report.created', 'lab_report/1', data, '/psql', 'psql') FROM mine`)
	require.ErrorContains(t, err, "data: must have at most 65536 bytes as text")
	_, err = r.App.Exec(t.Context(), `INSERT INTO outbox (event_id, type, source, subject, time, data, actor_id, actor_role)
		SELECT gen_random_uuid(), 'ehr.lab_report.created', '/psql', 'lab_report/1', now(), data, 'psql', 'service' FROM mine`)
	require.ErrorContains(t, err, "outbox_data_length", "nor past the function")
}

// FuzzOutboxAppend: what outbox_append accepts, the ledger's readers, encoding/json and CEL accept.
func FuzzOutboxAppend(f *testing.F) {
	for _, o := range hostile() {
		f.Add(o.subject, o.data, o.source, o.actor, o.version, o.time)
	}
	r := newReaders(f)
	f.Fuzz(func(t *testing.T, subject, data, source, actor, version, time string) {
		o := plain()
		o.subject, o.data, o.source, o.actor, o.version, o.time = subject, data, source, actor, version, time
		r.check(t, o)
	})
}
