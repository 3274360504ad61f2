package realtime_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"carewire/internal/care"
	"carewire/internal/event"
	"carewire/internal/ledger"
	"carewire/internal/realtime"
)

// follow reads until the event with the id last has come. With dropping, it disconnects at random
// and resumes with its last cursor at any hub.
func (b *bundle) follow(t *testing.T, c *client, user uuid.UUID, urls []string, last uuid.UUID, dropping bool, options ...option) ([]uuid.UUID, error) {
	t.Helper()
	var got []uuid.UUID
	from := ""
	for !slices.Contains(got, last) {
		if dropping && rand.N(8) == 0 {
			_ = c.conn.Close()
			conn, resp, err := b.tryAt(urls[rand.N(len(urls))], user, append([]option{resume(c.cursor)}, options...)...)
			if err != nil {
				return got, err
			}
			_ = resp.Body.Close()
			from = c.cursor
			c = &client{t: t, conn: conn, cursor: c.cursor}
		}
		f, err := c.read()
		if err != nil {
			return got, err
		}
		if f.Type != "events" && f.Type != "hello" && f.Type != "subscribed" {
			return got, fmt.Errorf("a frame %+v", f)
		}
		if f.Type == "hello" && f.Cursor != from {
			return got, fmt.Errorf("came back with %s and was put at %s", from, f.Cursor)
		}
		for _, e := range f.Events {
			got = append(got, e.ID)
		}
	}
	return got, c.conn.Close()
}

// visible returns the events that a person should have got, from the ledger.
func (b *bundle) visible(t *testing.T, user uuid.UUID, pattern string) []uuid.UUID {
	t.Helper()
	rows, err := b.db.Owner.Query(context.Background(),
		"SELECT event_id FROM events WHERE person_id = $1 OR (clinic_id = $2 AND type LIKE $3) ORDER BY position", user, b.here, pattern)
	require.NoError(t, err)
	ids, err := pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
	require.NoError(t, err)
	return ids
}

func TestTranscript_IsCompleteWithSlowClientsAndDroppedConnections(t *testing.T) {
	t.Parallel()
	small := func(c *realtime.Config) {
		c.Limits = realtime.Limits{RingEvents: 60, FrameEvents: 16, AdvanceAfter: 5 * time.Millisecond, Tick: 5 * time.Millisecond}
	}
	b := setup(t, small)
	first := b.url
	b.start(t, small)
	urls := []string{first, b.url}

	type reader struct {
		user     uuid.UUID
		pattern  string
		dropping bool
		options  []option
		last     event.Event
		got      []uuid.UUID
		err      error
		done     chan struct{}
	}
	readers := []*reader{
		{user: b.patient, pattern: "-"},
		{user: b.patient, pattern: "-", dropping: true},
		{user: b.doctor, pattern: "ehr.%"},
		{user: b.doctor, pattern: "ehr.%", dropping: true},
		{user: b.doctor, pattern: "ehr.%", dropping: true, options: []option{rooms("patient:" + b.patient.String())}},
		{user: b.nurse, pattern: "ehr.%", options: []option{narrow}},
		{user: b.receptionist, pattern: "user.updated", dropping: true},
		{user: b.receptionist, pattern: "user.updated", dropping: true, options: []option{narrow}},
	}
	var ends []event.Event
	for i, r := range readers {
		r.last, r.done = b.updated(r.user, b.other), make(chan struct{})
		ends = append(ends, r.last)
		c := b.openAt(t, urls[i%2], r.user, r.options...)
		require.Equal(t, "hello", c.next().Type)
		go func() {
			defer close(r.done)
			r.got, r.err = b.follow(t, c, r.user, urls, r.last.ID, r.dropping, r.options...)
		}()
	}
	people, clinics := []uuid.UUID{b.patient, b.stranger, b.doctor}, []uuid.UUID{b.here, b.here, b.other}
	for range 120 {
		var batch []event.Event
		for range 1 + rand.N(40) {
			who, where := people[rand.N(len(people))], clinics[rand.N(len(clinics))]
			if rand.N(3) == 0 {
				batch = append(batch, b.updated(who, where))
			} else {
				batch = append(batch, b.report(who, where))
			}
		}
		b.append(t, batch...)
	}
	b.append(t, ends...)
	for i, r := range readers {
		<-r.done
		require.NoError(t, r.err, "reader %d", i)
		want := b.visible(t, r.user, r.pattern)
		want = want[:slices.Index(want, r.last.ID)+1]
		got := r.got[:slices.Index(r.got, r.last.ID)+1]
		require.Equal(t, want, got, "reader %d: the events of the ledger, in its order, none missing or twice", i)
	}
}

func TestResume_BringsThousandsOfMissedEventsByPaging(t *testing.T) {
	t.Parallel()
	b := setup(t, func(c *realtime.Config) { c.Limits.RingEvents = 100 })
	c := b.dial(t, b.doctor)
	require.NoError(t, c.conn.Close())
	for range 12 {
		var batch []event.Event
		for i := range 1000 {
			batch = append(batch, b.report(b.stranger, []uuid.UUID{b.here, b.other}[i%2]))
		}
		b.append(t, batch...)
	}
	last := b.report(b.patient, b.here)
	b.append(t, last)
	again := b.dial(t, b.doctor, resume(c.cursor))
	require.Equal(t, c.cursor, again.cursor, "hello says where it goes on")
	got, err := b.follow(t, again, b.doctor, nil, last.ID, false)
	require.NoError(t, err)
	require.Len(t, got, 6001)
	require.Equal(t, b.visible(t, b.doctor, "ehr.%"), got)
}

func TestResume_BringsMissedEventsOfARoomNamedAtTheHandshake(t *testing.T) {
	t.Parallel()
	b := setup(t)
	c := b.dial(t, b.doctor)
	missed := b.report(b.patient, b.here)
	b.append(t, b.report(b.stranger, b.here), missed)
	again := b.dial(t, b.doctor, resume(c.cursor), rooms("patient:"+b.patient.String(), "patient:"+b.stranger.String(), "ward:7"))
	require.Equal(t, frame{Type: "subscribed", Room: "patient:" + b.patient.String()}, again.next())
	refused := again.next()
	require.Equal(t, []string{"error", "forbidden", "patient:" + b.stranger.String()}, []string{refused.Type, refused.Code, refused.Room})
	require.Equal(t, "invalid", again.next().Code)
	again.event()
	again.gets(missed)
}

func TestResume_StartsAtTheHeadWithoutACursor(t *testing.T) {
	t.Parallel()
	b := setup(t)
	old, fresh := b.report(b.patient, b.here), b.report(b.patient, b.here)
	b.append(t, old)
	require.Eventually(t, func() bool { return b.hub.Stats().Position == 1 }, patience, time.Millisecond)
	c := b.dial(t, b.patient)
	b.append(t, fresh)
	c.gets(fresh)
}

func TestResume_ContinuesFromACursorOfAnInstanceAhead(t *testing.T) {
	t.Parallel()
	b := setup(t)
	missed := b.report(b.patient, b.here)
	b.append(t, missed)
	require.Eventually(t, func() bool { return b.hub.Stats().Position == 1 }, patience, time.Millisecond)
	// This instance has not read the second event when the cursor behind it arrives.
	b.wakes = nil
	b.append(t, b.report(b.patient, b.here))
	head, err := ledger.Head(context.Background(), b.db.App)
	require.NoError(t, err)
	c := b.dial(t, b.patient, resume(b.codec.Encode(head)))
	last := b.report(b.patient, b.here)
	b.append(t, last)
	c.gets(last)
}

func TestResume_FromACursorOfAnInstanceAheadReadsTheRightsAgain(t *testing.T) {
	t.Parallel()
	var b *bundle
	var once sync.Once
	b = setup(t, func(c *realtime.Config) {
		c.Authorizer = interrupted{c.Authorizer.(directory), func() {
			// The role is revoked after the person was read. The client has the event already, from another instance.
			once.Do(func() {
				b.wakes = nil
				b.exec(t, "UPDATE memberships SET revoked_at = now() WHERE user_id = $1 AND clinic_id = $2", b.doctor, b.here)
				b.append(t, b.membership("membership.revoked", b.doctor, b.here, care.Doctor))
			})
		}}
	})
	b.member(t, b.doctor, b.other, care.Nurse)
	b.append(t, b.report(b.patient, b.here))
	require.Eventually(t, func() bool { return b.hub.Stats().Position == 1 }, patience, time.Millisecond)
	// The cursor behind the second event is known before that event only to a test: its hash follows from the event.
	b.ahead = func(r *http.Request) {
		head, err := ledger.Head(context.Background(), b.db.App)
		if err != nil {
			return
		}
		q := r.URL.Query()
		q.Set("cursor", b.codec.Encode(head))
		r.URL.RawQuery = q.Encode()
	}
	c := b.dial(t, b.doctor)
	elsewhere := b.report(b.patient, b.other)
	b.append(t, b.report(b.patient, b.here), elsewhere)
	c.gets(elsewhere)
}

func TestResume_SendsResyncForAnInvalidCursor(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.append(t, b.report(b.patient, b.here), b.report(b.patient, b.here))
	require.Eventually(t, func() bool { return b.hub.Stats().Position == 2 }, patience, time.Millisecond)
	good, err := ledger.Head(context.Background(), b.db.App)
	require.NoError(t, err)
	past, epoch, hash := good, good, good
	past.Position, epoch.Epoch, hash.Hash[0] = 99, 7, hash.Hash[0]+1
	for cursor, reason := range map[string]string{
		b.codec.Encode(past):  ledger.ReasonUnknownPosition,
		b.codec.Encode(epoch): ledger.ReasonEpoch,
		b.codec.Encode(hash):  ledger.ReasonHistoryChanged,
		ledger.NewCodec([]byte("another key")).Encode(good): "invalid",
		"forged": "invalid",
	} {
		c := b.open(t, b.patient, resume(cursor))
		require.Equal(t, frame{Type: "resync", Reason: reason}, c.next())
		hello := c.next()
		require.Equal(t, "hello", hello.Type)
		require.Equal(t, b.codec.Encode(good), hello.Cursor, "a fresh start at the head")
		require.NoError(t, c.conn.Close())
	}
}

func TestResume_FromTooFarBehindIsAResync(t *testing.T) {
	t.Parallel()
	b := setup(t, func(c *realtime.Config) { c.Limits.MaxBehind, c.Limits.RingEvents = 10, 2 })
	c := b.dial(t, b.patient)
	require.NoError(t, c.conn.Close())
	var missed []event.Event
	for range 10 {
		missed = append(missed, b.report(b.patient, b.here))
	}
	b.append(t, missed...)
	require.Eventually(t, func() bool { return b.hub.Stats().Position == 10 }, patience, time.Millisecond)
	b.dial(t, b.patient, resume(c.cursor)).gets(missed...)

	b.append(t, b.report(b.patient, b.here))
	require.Eventually(t, func() bool { return b.hub.Stats().Position == 11 }, patience, time.Millisecond)
	late := b.open(t, b.patient, resume(c.cursor))
	require.Equal(t, frame{Type: "resync", Reason: "too_old"}, late.next())
	require.Equal(t, "hello", late.next().Type)
	require.NoError(t, late.conn.Close())

	last := b.report(b.patient, b.here)
	b.append(t, last)
	again := b.dial(t, b.patient, resume(late.cursor))
	require.Equal(t, late.cursor, again.cursor, "its cursor is good")
	again.gets(last)
}

func TestResume_OfManySessionsReadsTheLedgerOnce(t *testing.T) {
	t.Parallel()
	b := setup(t, func(c *realtime.Config) { c.Limits.RingEvents = 100 })
	cursor := b.dial(t, b.doctor).cursor
	const missed = 15_000
	for range missed / 1000 {
		var batch []event.Event
		for i := range 1000 {
			batch = append(batch, b.report(b.stranger, []uuid.UUID{b.here, b.other}[i%2]))
		}
		b.append(t, batch...)
	}
	last := b.report(b.patient, b.here)
	b.append(t, last)
	require.Eventually(t, func() bool { return b.hub.Stats().Position == missed+1 }, patience, time.Millisecond)

	users := []uuid.UUID{b.doctor, b.patient, b.nurse}
	reads := func(sessions int) int64 {
		before := b.hub.Stats().Pages
		type result struct {
			got int
			err error
		}
		results := make(chan result, sessions)
		for i := range sessions {
			c, user := b.dial(t, users[i%len(users)], resume(cursor)), users[i%len(users)]
			go func() {
				got, err := b.follow(t, c, user, nil, last.ID, false)
				results <- result{len(got), err}
			}()
		}
		for range sessions {
			r := <-results
			require.NoError(t, r.err)
			require.Contains(t, []int{1, missed/2 + 1}, r.got)
		}
		return b.hub.Stats().Pages - before
	}
	once := reads(1)
	require.InDelta(t, missed/1024, once, 2)
	require.Zero(t, reads(30), "what one session has read is there for the others")
}

func TestHub_ClosesEverySocketWhenTheLedgerWasReplaced(t *testing.T) {
	t.Parallel()
	b := setup(t)
	c := b.dial(t, b.patient)
	b.append(t, b.report(b.patient, b.here), b.report(b.patient, b.here))
	c.event()
	c.event()
	// A restore to before the second event, followed by another event.
	b.exec(t, "ALTER TABLE events DISABLE TRIGGER ALL")
	b.exec(t, "DELETE FROM events WHERE position = 2")
	b.append(t, b.report(b.stranger, b.here), b.report(b.stranger, b.here))
	c.closes(1012)
	again := b.open(t, b.patient, resume(c.cursor))
	require.Equal(t, frame{Type: "resync", Reason: ledger.ReasonHistoryChanged}, again.next())
	again.cursor = again.next().Cursor
	last := b.report(b.patient, b.here)
	b.append(t, last)
	again.gets(last)
}
