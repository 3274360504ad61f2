package inbox_test

import (
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"carewire/internal/care"
	"carewire/internal/clinic/clinictest"
	"carewire/internal/inbox"
)

func TestList_PagesThroughTheOwnInboxNewestFirst(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.notified(t, b.another)
	first, second, third := b.notified(t, b.person), b.notified(t, b.person), b.notified(t, b.person)
	page := b.list(t, inbox.Filter{Limit: 2})
	require.Equal(t, []uuid.UUID{third, second}, ids(page))
	require.Equal(t, inbox.Counts{Unread: 3, Unseen: 3}, page.Counts)
	at, ok := care.ParsePageCursor(page.Next, care.AfterAll)
	require.True(t, ok)
	page = b.list(t, inbox.Filter{Limit: 2, Before: at})
	require.Equal(t, []uuid.UUID{first}, ids(page))
	require.Empty(t, page.Next)
	require.Empty(t, ids(b.list(t, inbox.Filter{Category: "chat"})))
	require.Len(t, ids(b.list(t, inbox.Filter{Category: "billing", ClinicID: b.Here})), 3)
	require.Empty(t, ids(b.list(t, inbox.Filter{ClinicID: b.There})))
}

func TestList_LeavesOutHeldNotifications(t *testing.T) {
	t.Parallel()
	b := setup(t)
	id := b.notified(t, b.person)
	b.Exec(t, `UPDATE notifications SET held_until = now() + interval '1 hour'`)
	page := b.list(t, inbox.Filter{})
	require.Empty(t, page.Items)
	require.Zero(t, page.Counts)
	require.Zero(t, b.mark(t, inbox.Read, inbox.Target{IDs: []uuid.UUID{id}}).Counts)
	require.Empty(t, b.list(t, inbox.Filter{Archived: true}).Items)
	_, err := b.inbox.Mark(t.Context(), clinictest.By(b.person), inbox.Read, inbox.Target{UpTo: id})
	require.Equal(t, care.NotFound, care.CodeOf(err))
}

func TestList_RefusesArchivedWithUnread(t *testing.T) {
	t.Parallel()
	b := setup(t)
	_, err := b.inbox.List(t.Context(), b.person, inbox.Filter{Archived: true, Unread: true, Limit: 1})
	clinictest.RequireCode(t, err, care.Invalid, "archived")
}

func TestList_IsRefusedToAnActorThatHasChanged(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.notified(t, b.person)
	cached := b.person
	require.NoError(t, b.DB.Owner.QueryRow(t.Context(), `SELECT actor_version FROM users WHERE id = $1`, cached.UserID).Scan(&cached.CachedVersion))
	page, err := b.inbox.List(t.Context(), cached, inbox.Filter{Limit: 1, Before: care.AfterAll})
	require.NoError(t, err)
	require.Len(t, page.Items, 1)
	b.Exec(t, `UPDATE users SET status = 'disabled' WHERE id = $1`, cached.UserID)
	_, err = b.inbox.List(t.Context(), cached, inbox.Filter{Limit: 1, Before: care.AfterAll})
	require.ErrorIs(t, err, care.ErrActorChanged)
}

func TestMark_MovesBetweenUnseenSeenReadAndArchived(t *testing.T) {
	t.Parallel()
	b := setup(t)
	id, other := b.notified(t, b.person), b.notified(t, b.person)
	target := inbox.Target{IDs: []uuid.UUID{id}}
	for _, step := range []struct {
		mark           inbox.Mark
		unread, unseen int64
	}{
		{inbox.Seen, 2, 1},
		{inbox.Seen, 2, 1},
		{inbox.Read, 1, 1},
		{inbox.Unread, 2, 1},
		{inbox.Archive, 1, 1},
		{inbox.Unarchive, 2, 1},
		{inbox.Read, 1, 1},
	} {
		m := b.mark(t, step.mark, target)
		require.Equal(t, inbox.Counts{Unread: step.unread, Unseen: step.unseen}, m.Counts, step.mark)
	}
	require.Equal(t, []uuid.UUID{other}, ids(b.list(t, inbox.Filter{Unread: true})))
	require.Equal(t, []uuid.UUID{other}, ids(b.list(t, inbox.Filter{Unseen: true})))
	b.mark(t, inbox.Archive, target)
	require.Equal(t, []uuid.UUID{id}, ids(b.list(t, inbox.Filter{Archived: true})))
	require.Equal(t, []uuid.UUID{other}, ids(b.list(t, inbox.Filter{})))
}

func TestMark_KeepsTheFirstTimeAndCountsReadAsSeen(t *testing.T) {
	t.Parallel()
	b := setup(t)
	id := b.notified(t, b.person)
	require.Zero(t, b.mark(t, inbox.Read, inbox.Target{IDs: []uuid.UUID{id}}).Counts)
	read := b.list(t, inbox.Filter{}).Items[0]
	require.Equal(t, read.SeenAt, read.ReadAt)
	events := len(b.Events(t))
	b.mark(t, inbox.Read, inbox.Target{IDs: []uuid.UUID{id}})
	require.Equal(t, read, b.list(t, inbox.Filter{}).Items[0])
	require.Len(t, b.Events(t), events, "a repetition changes nothing")
}

func TestMark_IgnoresOtherPeoplesIDs(t *testing.T) {
	t.Parallel()
	b := setup(t)
	theirs := b.notified(t, b.another)
	require.Zero(t, b.mark(t, inbox.Read, inbox.Target{IDs: []uuid.UUID{theirs, uuid.New()}}).Counts)
	counts, err := b.inbox.GetCounts(t.Context(), b.another)
	require.NoError(t, err)
	require.Equal(t, inbox.Counts{Unread: 1, Unseen: 1}, counts)
	require.Empty(t, b.Events(t))
	for _, id := range []uuid.UUID{theirs, uuid.New()} {
		_, err = b.inbox.Mark(t.Context(), clinictest.By(b.person), inbox.Read, inbox.Target{UpTo: id})
		require.EqualError(t, err, "no such notification in your inbox", "another person's looks like none")
		err = b.inbox.MarkRead(t.Context(), clinictest.By(b.person), id)
		require.Equal(t, care.NotFound, care.CodeOf(err))
	}
}

func TestMark_UpToLeavesTheNewerOnes(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.notified(t, b.person)
	b.notified(t, b.another)
	last := b.notified(t, b.person)
	position := b.position
	newer := b.notified(t, b.person)
	require.Equal(t, inbox.Counts{Unread: 3, Unseen: 1}, b.mark(t, inbox.Seen, inbox.Target{UpTo: last}).Counts)
	require.Equal(t, inbox.Counts{Unread: 1, Unseen: 1}, b.mark(t, inbox.Read, inbox.Target{UpToPosition: position}).Counts)
	require.Equal(t, []uuid.UUID{newer}, ids(b.list(t, inbox.Filter{Unread: true})))
	require.Equal(t, inbox.Counts{Unread: 3, Unseen: 1}, b.mark(t, inbox.Unread, inbox.Target{UpTo: newer}).Counts)
	require.Zero(t, b.mark(t, inbox.Archive, inbox.Target{UpTo: newer}).Counts)
	require.Equal(t, inbox.Counts{Unread: 2, Unseen: 0}, b.mark(t, inbox.Unarchive, inbox.Target{UpTo: last}).Counts)
	counts, err := b.inbox.GetCounts(t.Context(), b.another)
	require.NoError(t, err)
	require.Equal(t, inbox.Counts{Unread: 1, Unseen: 1}, counts)
}

func TestMark_UpToMarksMoreThanOneBatch(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.Exec(t, `INSERT INTO notifications (id, event_position, event_id, event_type, subject, recipient_id, category, priority, rule, rule_version, template, created_at)
		SELECT gen_random_uuid(), n, gen_random_uuid(), 'user.updated', 'user/1', $1, 'account', 'normal', 'r', 1, 'account', now() - make_interval(secs => n)
		FROM generate_series(1, 1200) AS n`, b.person.UserID)
	page := b.list(t, inbox.Filter{Limit: 1})
	require.Equal(t, inbox.Counts{Unread: inbox.MaxCounted, Unseen: inbox.MaxCounted}, page.Counts, "the documented maximum")
	m := b.mark(t, inbox.Read, inbox.Target{UpTo: page.Items[0].ID})
	require.Zero(t, m)
	require.Empty(t, b.list(t, inbox.Filter{Unread: true}).Items)
}

func TestMark_RefusesAnInvalidTarget(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for name, target := range map[string]inbox.Target{
		"none": {}, "both": {IDs: []uuid.UUID{uuid.New()}, UpTo: uuid.New()}, "too many": {IDs: make([]uuid.UUID, inbox.MaxIDs+1)}, "negative": {UpToPosition: -1},
	} {
		_, err := b.inbox.Mark(t.Context(), clinictest.By(b.person), inbox.Read, target)
		require.Equal(t, care.Invalid, care.CodeOf(err), name)
	}
}

func TestList_OfARareCategoryHasEachOnceOnShortPages(t *testing.T) {
	t.Parallel()
	b := setup(t)
	// The newest, the 1,000th, at which the first page stops, and the oldest are about appointments; every other one waits to be
	// read, and the second half to be acknowledged.
	b.Exec(t, `INSERT INTO notifications (id, event_position, event_id, event_type, subject, recipient_id, clinic_id, category, priority,
			rule, rule_version, template, created_at, read_at, needs_acknowledgement)
		SELECT gen_random_uuid(), i, gen_random_uuid(), 'user.updated', 'user/1', $1, $2, CASE WHEN i IN (1, 1000, 2500) THEN 'appointment' ELSE 'account' END,
			'normal', 'r', 1, 'account', now() - make_interval(secs => i), CASE WHEN i % 2 = 0 THEN now() END, i > 1250
		FROM generate_series(1, 2500) AS i`, b.person.UserID, b.Here)
	for name, c := range map[string]struct {
		filter    inbox.Filter
		counts    []int
		positions []int64
	}{
		"all":            {inbox.Filter{}, []int{2, 0, 1}, []int64{1, 1000, 2500}},
		"at a clinic":    {inbox.Filter{ClinicID: b.Here}, []int{2, 0, 1}, []int64{1, 1000, 2500}},
		"one on a page":  {inbox.Filter{Limit: 1}, []int{1, 1, 0, 1}, []int64{1, 1000, 2500}},
		"unread":         {inbox.Filter{Unread: true}, []int{1, 0}, []int64{1}},
		"unacknowledged": {inbox.Filter{Unacknowledged: true}, []int{0, 1}, []int64{2500}},
	} {
		f := c.filter
		f.Category = "appointment"
		var counts []int
		var positions []int64
		for more := true; more; {
			page := b.list(t, f)
			counts, more = append(counts, len(page.Items)), page.Next != ""
			for _, item := range page.Items {
				positions = append(positions, item.Position)
			}
			var ok bool
			f.Before, ok = care.ParsePageCursor(page.Next, care.AfterAll)
			require.True(t, ok)
		}
		require.Equal(t, c.counts, counts, name)
		require.Equal(t, c.positions, positions, name)
	}
	b.Exec(t, `UPDATE notifications SET archived_at = now()`)
	require.Len(t, b.list(t, inbox.Filter{Archived: true, Category: "appointment"}).Items, 2)
}
