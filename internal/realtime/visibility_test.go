package realtime_test

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"

	"carewire/internal/care"
	"carewire/internal/event"
	"carewire/internal/realtime"
)

func TestHub_SendsEachPersonTheVisibleEventsOnce(t *testing.T) {
	t.Parallel()
	b := setup(t)
	admin := b.person(t, b.here, care.Admin)
	both := b.person(t, b.here, care.Doctor, care.Nurse)
	clients := map[uuid.UUID]*client{}
	for _, id := range []uuid.UUID{b.patient, b.stranger, b.doctor, b.nurse, b.receptionist, b.otherDoctor, admin, both} {
		clients[id] = b.dial(t, id)
	}
	clients[b.doctor].says(ask{Type: "subscribe", ID: "1", Room: "patient:" + b.patient.String()})
	require.Equal(t, "subscribed", clients[b.doctor].control().Type)

	report := b.report(b.patient, b.here)
	before, after := map[uuid.UUID]event.Event{}, map[uuid.UUID]event.Event{}
	var first, last []event.Event
	for id := range clients {
		before[id], after[id] = b.device(id), b.device(id)
		first, last = append(first, before[id]), append(last, after[id])
	}
	// In one batch, so that every session passes the report.
	b.append(t, slices.Concat(first, []event.Event{report}, last)...)
	for _, id := range []uuid.UUID{b.patient, b.doctor, b.nurse, both} {
		clients[id].gets(before[id], report, after[id])
	}
	for _, id := range []uuid.UUID{b.stranger, b.receptionist, b.otherDoctor, admin} {
		clients[id].gets(before[id], after[id])
	}
}

func TestHub_SendsAnEventAsTheCatalogsEnvelope(t *testing.T) {
	t.Parallel()
	b := setup(t)
	c := b.dial(t, b.patient)
	report := b.report(b.patient, b.here)
	b.append(t, report)
	got := c.event()
	require.Equal(t, "ehr.lab_report.created", got.Type)
	require.Equal(t, int64(1), got.Position)
}

func TestSubscribe_JoinsAPatientsRoomOnlyForTheCareTeamAndThePatient(t *testing.T) {
	t.Parallel()
	b := setup(t)
	conversation := b.converse(t)
	for name, tc := range map[string]struct {
		who  uuid.UUID
		room string
		code string
	}{
		"care team":               {b.doctor, "patient:" + b.patient.String(), ""},
		"the patient":             {b.patient, "patient:" + b.patient.String(), ""},
		"no care team":            {b.doctor, "patient:" + b.stranger.String(), "forbidden"},
		"nobody of that id":       {b.doctor, "patient:" + uuid.NewString(), "forbidden"},
		"another clinic's doctor": {b.otherDoctor, "patient:" + b.patient.String(), "forbidden"},
		"receptionist":            {b.receptionist, "patient:" + b.patient.String(), "forbidden"},
		"another patient":         {b.stranger, "patient:" + b.patient.String(), "forbidden"},
		"own clinic":              {b.doctor, "clinic:" + b.here.String(), ""},
		"another clinic":          {b.doctor, "clinic:" + b.other.String(), "forbidden"},
		"clinic as a patient":     {b.patient, "clinic:" + b.here.String(), "forbidden"},
		"own room":                {b.patient, "user:" + b.patient.String(), ""},
		"another's room":          {b.doctor, "user:" + b.patient.String(), "forbidden"},
		"no conversation":         {b.doctor, "conversation:" + uuid.NewString(), "forbidden"},
		"in a conversation":       {b.doctor, "conversation:" + conversation.String(), ""},
		"its patient":             {b.patient, "conversation:" + conversation.String(), ""},
		"not in a conversation":   {b.receptionist, "conversation:" + conversation.String(), "forbidden"},
		"another patient in it":   {b.stranger, "conversation:" + conversation.String(), "forbidden"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := b.dial(t, tc.who)
			c.says(ask{Type: "subscribe", ID: "a", Room: tc.room})
			f := c.control()
			require.Equal(t, "a", f.ID)
			require.Equal(t, tc.room, f.Room)
			require.Equal(t, tc.code, f.Code)
			if tc.code != "" {
				require.Equal(t, "room", f.Field)
			}
		})
	}
}

func TestSubscribe_ShowsOnePatientAfterLeavingTheClinicsRoom(t *testing.T) {
	t.Parallel()
	b := setup(t, func(c *realtime.Config) { c.Limits.RingEvents = 2 })
	c := b.dial(t, b.doctor)
	clinic, patient := "clinic:"+b.here.String(), "patient:"+b.patient.String()
	c.says(ask{Type: "unsubscribe", ID: "1", Room: clinic})
	require.Equal(t, frame{Type: "unsubscribed", ID: "1", Room: clinic}, c.control())
	c.says(ask{Type: "subscribe", ID: "2", Room: patient})
	require.Equal(t, frame{Type: "subscribed", ID: "2", Room: patient}, c.control())

	first, second, third := b.report(b.patient, b.here), b.report(b.patient, b.here), b.report(b.stranger, b.here)
	b.append(t, b.report(b.stranger, b.here), b.report(b.patient, b.other), first, b.report(b.stranger, b.here), second)
	c.gets(first, second)
	c.says(ask{Type: "unsubscribe", ID: "3", Room: patient})
	require.Equal(t, "3", c.control().ID)
	c.says(ask{Type: "subscribe", ID: "4", Room: clinic})
	require.Equal(t, "4", c.control().ID)
	b.append(t, third)
	c.gets(third)
}

func TestRights_EndAtTheRevocationsPositionAndBeginAtTheGrants(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.member(t, b.doctor, b.other, care.Nurse)
	c := b.dial(t, b.doctor)
	c.says(ask{Type: "subscribe", ID: "p", Room: "patient:" + b.patient.String()})
	require.Equal(t, "subscribed", c.control().Type)

	before, elsewhere := b.report(b.patient, b.here), b.report(b.stranger, b.other)
	revoked := b.membership("membership.revoked", b.doctor, b.here, care.Doctor)
	granted := b.membership("membership.granted", b.doctor, b.here, care.Nurse)
	after := b.report(b.stranger, b.here)
	// One batch: the position counts, not the time at which the hub reads it.
	b.append(t, before, revoked, b.report(b.patient, b.here), elsewhere, b.report(b.patient, b.here), granted, after)
	c.gets(before, revoked, elsewhere, granted, after)
	require.Equal(t, frame{Type: "unsubscribed", ID: "p", Room: "patient:" + b.patient.String(), Reason: "no longer on the care team"}, c.control())
	last := b.report(b.patient, b.here)
	b.append(t, last)
	c.gets(last)
}

func TestRights_OfACareTeamEndOnLeavingAndBeginOnJoining(t *testing.T) {
	t.Parallel()
	for name, ring := range map[string]int{"from memory": 8192, "from the database": 2} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t, func(c *realtime.Config) { c.Limits.RingEvents = ring })
			b.member(t, b.doctor, b.other, care.Doctor)
			b.member(t, b.patient, b.other, care.Patient)
			c := b.dial(t, b.doctor)
			room := "patient:" + b.patient.String()
			for i, ask := range []ask{
				{Type: "unsubscribe", ID: "1", Room: "clinic:" + b.here.String()},
				{Type: "unsubscribe", ID: "2", Room: "clinic:" + b.other.String()},
				{Type: "subscribe", ID: "3", Room: room},
			} {
				c.says(ask)
				require.Equal(t, []string{"unsubscribed", "unsubscribed", "subscribed"}[i], c.control().Type)
			}
			here, there := b.report(b.patient, b.here), b.report(b.patient, b.other)
			joined, colleague := b.careTeam("care_team.joined", b.patient, b.other, b.doctor), b.careTeam("care_team.left", b.patient, b.here, b.nurse)
			left, last := b.careTeam("care_team.left", b.patient, b.here, b.doctor), b.careTeam("care_team.left", b.patient, b.other, b.doctor)
			// One batch: the position counts, not the time at which the hub reads it.
			b.append(t, here, b.report(b.patient, b.other), joined, colleague, there, left, b.report(b.patient, b.here), last, b.report(b.patient, b.other))
			c.gets(here, colleague, there, left, last)
			require.Equal(t, frame{Type: "unsubscribed", ID: "3", Room: room, Reason: "no longer on the care team"}, c.control())

			again := b.device(b.doctor)
			b.append(t, b.report(b.patient, b.here), again)
			c.gets(again)
		})
	}
}

func TestRights_OfACareTeamLeftDuringTheLookupAreNotKept(t *testing.T) {
	t.Parallel()
	var b *bundle
	b = setup(t, func(c *realtime.Config) {
		read := c.Authorizer.(directory)
		c.Authorizer = leaving{read, func() {
			b.exec(t, "DELETE FROM care_team WHERE member_id = $1", b.doctor)
			b.append(t, b.careTeam("care_team.left", b.patient, b.here, b.doctor))
		}, func() {
			require.Eventually(t, func() bool { return b.hub.Stats().Position == 1 }, patience, time.Millisecond)
		}}
	})
	c := b.dial(t, b.doctor)
	c.says(ask{Type: "subscribe", ID: "p", Room: "patient:" + b.patient.String()})
	for {
		f := c.control()
		if f.Type == "subscribed" { // It was answered before the session read the event that revokes the room.
			continue
		}
		require.Contains(t, []string{"error", "unsubscribed"}, f.Type)
		return
	}
}

// leaving removes the member from the care team right after the first lookup.
type leaving struct {
	directory
	then, await func()
}

func (l leaving) OnCareTeam(ctx context.Context, member, patient uuid.UUID) ([]uuid.UUID, error) {
	clinics, err := l.directory.OnCareTeam(ctx, member, patient)
	if len(clinics) > 0 {
		l.then()
		l.await()
	}
	return clinics, err
}

func TestRights_OfANewClinicBringLaterEventsThere(t *testing.T) {
	t.Parallel()
	b := setup(t)
	c := b.dial(t, b.doctor)
	granted, elsewhere := b.membership("membership.granted", b.doctor, b.other, care.Nurse), b.report(b.stranger, b.other)
	b.append(t, granted)
	c.gets(granted)
	b.append(t, elsewhere)
	c.gets(elsewhere)
	revoked := b.membership("membership.revoked", b.doctor, b.other, care.Nurse)
	rooms := b.hub.Stats().Rooms
	b.append(t, revoked)
	c.gets(revoked)
	require.Eventually(t, func() bool { return b.hub.Stats().Rooms == rooms-1 }, patience, time.Millisecond)
}

func TestRights_HoldAtTheirPositionsForASessionThatPages(t *testing.T) {
	t.Parallel()
	b := setup(t, func(c *realtime.Config) { c.Limits.RingEvents = 4 })
	b.member(t, b.doctor, b.other, care.Nurse)
	c := b.dial(t, b.doctor)
	var want, all []event.Event
	add := func(visible bool, e event.Event) {
		all = append(all, e)
		if visible {
			want = append(want, e)
		}
	}
	for _, held := range []bool{true, false, true, false} {
		for range 300 {
			add(held, b.report(b.patient, b.here))
		}
		typ := map[bool]string{true: "membership.revoked", false: "membership.granted"}[held]
		add(true, b.membership(typ, b.doctor, b.here, care.Doctor))
	}
	b.append(t, all...)
	c.gets(want...)
}

// interrupted runs a function right after the lookup of rights.
type interrupted struct {
	directory
	then func()
}

func (r interrupted) GetActor(ctx context.Context, id uuid.UUID) (care.Actor, error) {
	a, err := r.directory.GetActor(ctx, id)
	r.then()
	return a, err
}

func TestRights_RevokedDuringTheHandshakeAreNotKept(t *testing.T) {
	t.Parallel()
	var b *bundle
	b = setup(t, func(c *realtime.Config) {
		read := c.Authorizer.(directory)
		c.Authorizer = interrupted{read, func() {
			b.append(t, b.membership("membership.revoked", b.doctor, b.here, care.Doctor))
			require.Eventually(t, func() bool { return b.hub.Stats().Position == 2 }, patience, time.Millisecond)
		}}
	})
	b.member(t, b.doctor, b.other, care.Nurse)
	b.append(t, b.report(b.patient, b.here))
	require.Eventually(t, func() bool { return b.hub.Stats().Position == 1 }, patience, time.Millisecond)
	c := b.dial(t, b.doctor)
	elsewhere := b.report(b.patient, b.other)
	b.append(t, b.report(b.patient, b.here), elsewhere)
	require.Equal(t, "membership.revoked", c.event().Type)
	c.gets(elsewhere)
}

func TestRights_AreReadAgainWhenAClientComesBack(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.member(t, b.doctor, b.other, care.Nurse)
	c := b.dial(t, b.doctor)
	require.NoError(t, c.conn.Close())
	b.exec(t, "UPDATE memberships SET revoked_at = now() WHERE user_id = $1 AND clinic_id = $2", b.doctor, b.here)
	revoked, elsewhere := b.membership("membership.revoked", b.doctor, b.here, care.Doctor), b.report(b.patient, b.other)
	b.append(t, b.report(b.patient, b.here), b.membership("membership.granted", b.doctor, b.here, care.Nurse), b.report(b.patient, b.here), revoked, elsewhere)
	require.Eventually(t, func() bool { return b.hub.Stats().Position == 5 }, patience, time.Millisecond)
	again := b.dial(t, b.doctor, resume(c.cursor))
	require.Equal(t, "membership.granted", again.event().Type)
	again.gets(revoked, elsewhere)
}

func TestSession_ClosesWhenTheAccountIsDisabledOrTheLastRoleRevoked(t *testing.T) {
	t.Parallel()
	b := setup(t)
	doctor, nurse := b.dial(t, b.doctor), b.dial(t, b.nurse)
	seen, gone := b.report(b.patient, b.here), b.disabled(b.doctor)
	b.append(t, seen, gone, b.report(b.patient, b.here))
	doctor.gets(seen, gone)
	doctor.closes(4403)

	revoked := b.membership("membership.revoked", b.nurse, b.here, care.Nurse)
	nurse.event()
	nurse.event()
	b.append(t, revoked, b.report(b.patient, b.here))
	nurse.gets(revoked)
	nurse.closes(4403)

	b.exec(t, "UPDATE users SET status = 'disabled' WHERE id = $1", b.doctor)
	b.exec(t, "UPDATE memberships SET revoked_at = now() WHERE user_id = $1", b.nurse)
	for _, id := range []uuid.UUID{b.doctor, b.nurse} {
		require.Equal(t, 403, b.refused(t, id))
	}
}

func TestSession_ClosesWhenTheDeathOfThePersonIsRecorded(t *testing.T) {
	t.Parallel()
	b := setup(t)
	patient := b.dial(t, b.patient)
	died := event.New(b.cmd, "user.deceased", care.Ref{Kind: "user", ID: b.patient}, event.User{UserID: b.patient}).About(b.cmd, b.patient, &b.here)
	b.append(t, died)
	patient.closes(4403)
}

func TestSession_ClosesWhenASignInOfThePersonIsUnlinked(t *testing.T) {
	t.Parallel()
	b := setup(t)
	doctor := b.dial(t, b.doctor)
	id := uuid.New()
	taken := event.New(b.cmd, "user.sign_in_unlinked", care.Ref{Kind: "sign_in", ID: id}, event.SignIn{SignInID: id, UserID: b.doctor}).About(b.cmd, b.doctor, nil)
	b.append(t, taken, b.report(b.patient, b.here))
	doctor.gets(taken)
	doctor.closes(4403)
}

func TestSession_ClosesADisabledPersonWithoutWaitingForThemToRead(t *testing.T) {
	t.Parallel()
	logs := &logLines{}
	b := setup(t, func(c *realtime.Config) { c.Logger = slog.New(slog.NewTextHandler(logs, nil)) })
	c := b.open(t, b.doctor, narrow)
	var many []event.Event
	for range 3000 {
		many = append(many, b.report(b.patient, b.here))
	}
	b.append(t, append(many, b.disabled(b.doctor))...)
	require.Eventually(t, func() bool { return strings.Contains(logs.String(), "code=4403") }, patience, time.Millisecond)
	events := 0
	for {
		f, err := c.read()
		if err != nil {
			require.True(t, websocket.IsCloseError(err, 4403), err)
			break
		}
		events += len(f.Events)
	}
	require.Less(t, events, 1000, "only what was on its way already")
}

// logLines collects log lines.
type logLines struct {
	mu sync.Mutex
	strings.Builder
}

func (l *logLines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.Builder.Write(p)
}

func (l *logLines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.Builder.String()
}

func TestSession_ClosesWhenTheTokenExpiresUnlessItIsRefreshed(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.tokens = map[string]uuid.UUID{"mine": b.patient, "theirs": b.doctor}
	b.expires = time.Now().Add(3 * time.Second)
	lazy, eager := b.dial(t, b.patient), b.dial(t, b.patient)
	eager.says(ask{Type: "refresh", ID: "1", Token: "theirs"})
	f := eager.control()
	require.Equal(t, []string{"error", "1", "forbidden", "token"}, []string{f.Type, f.ID, f.Code, f.Field})
	eager.says(ask{Type: "refresh", ID: "2", Token: "forged"})
	require.Equal(t, "unauthenticated", eager.control().Code)
	eager.says(ask{Type: "refresh", ID: "3", Token: "mine"})
	require.Equal(t, frame{Type: "refreshed", ID: "3"}, eager.control())

	lazy.closes(4401)
	report := b.report(b.patient, b.here)
	b.append(t, report)
	eager.gets(report)

	b.mu.Lock()
	b.tokensExpires = time.Now().Add(300 * time.Millisecond)
	b.mu.Unlock()
	eager.says(ask{Type: "refresh", ID: "4", Token: "mine"})
	require.Equal(t, "refreshed", eager.control().Type)
	eager.closes(4401)

	require.Equal(t, 401, b.refused(t, b.patient), "the token was expired before")
}
