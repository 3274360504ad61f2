package realtime_test

import (
	"context"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"carewire/internal/care"
	"carewire/internal/event"
	"carewire/internal/realtime"
)

// browser signs in a person's browser and returns the session's id.
func (b *bundle) browser(tb testing.TB, user uuid.UUID) (id uuid.UUID) {
	tb.Helper()
	require.NoError(tb, b.db.Owner.QueryRow(context.Background(),
		"INSERT INTO web_sessions (digest, user_id, expires_at) VALUES (sha256(gen_random_uuid()::text::bytea), $1, now() + interval '1 hour') RETURNING id", user).Scan(&id))
	return id
}

// closed returns the event of a session that ended.
func (b *bundle) closed(session, user uuid.UUID) event.Event {
	return event.New(b.cmd, "session.closed", care.Ref{Kind: "session", ID: session}, event.Session{
		SessionID: session, UserID: user, Reason: "signed_out",
	}).About(b.cmd, user, nil)
}

func TestSession_OfABrowserEndsWithItOnEveryInstance(t *testing.T) {
	t.Parallel()
	b := setup(t)
	first := b.url
	b.start(t)
	b.expires = time.Now().Add(time.Hour)
	mine, other := b.browser(t, b.nurse), b.browser(t, b.nurse)
	ended := []*client{b.openAt(t, first, b.nurse, bySession(mine)), b.openAt(t, b.url, b.nurse, bySession(mine)), b.openAt(t, first, b.nurse, bySession(mine), narrow)}
	kept := []*client{b.openAt(t, first, b.nurse, bySession(other)), b.openAt(t, b.url, b.nurse), b.openAt(t, first, b.doctor)}
	for _, c := range append(append([]*client{}, ended...), kept...) {
		require.Equal(t, "hello", c.next().Type)
	}
	before, after := b.report(b.patient, b.here), b.report(b.patient, b.here)
	b.append(t, before, b.closed(mine, b.nurse), after)
	for _, c := range ended {
		c.gets(before)
		c.closes(4401)
	}
	for _, c := range kept {
		c.gets(before, after)
	}
}

func TestSession_ThatIsClosedDoesNotWaitForItsClientToRead(t *testing.T) {
	t.Parallel()
	logs := &logLines{}
	b := setup(t, func(c *realtime.Config) { c.Logger = slog.New(slog.NewTextHandler(logs, nil)) })
	b.expires = time.Now().Add(time.Hour)
	session := b.browser(t, b.doctor)
	b.open(t, b.doctor, bySession(session), narrow)
	var many []event.Event
	for range 3000 {
		many = append(many, b.report(b.patient, b.here))
	}
	b.append(t, append(many, b.closed(session, b.doctor))...)
	require.Eventually(t, func() bool { return strings.Contains(logs.String(), "code=4401") }, patience, time.Millisecond)
}

func TestServe_RefusesASessionThatHasEndedWhileItsEventWaits(t *testing.T) {
	t.Parallel()
	b := setup(t)
	session := b.browser(t, b.nurse)
	b.exec(t, "DELETE FROM web_sessions WHERE id = $1", session)
	require.Equal(t, 401, b.refused(t, b.nurse, bySession(session)))
}

// signingOut ends the session right after the lookup.
type signingOut struct {
	directory
	then func(session uuid.UUID)
}

func (r signingOut) HasSession(ctx context.Context, id uuid.UUID) (bool, error) {
	open, err := r.directory.HasSession(ctx, id)
	r.then(id)
	return open, err
}

func TestSession_ThatIsClosedWhileItsSocketOpensEndsIt(t *testing.T) {
	t.Parallel()
	for name, ring := range map[string]int{"known from memory": 8192, "known from the database": 2} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var b *bundle
			b = setup(t, func(c *realtime.Config) {
				c.Limits.RingEvents = ring
				c.Authorizer = signingOut{c.Authorizer.(directory), func(session uuid.UUID) {
					b.exec(t, "DELETE FROM web_sessions WHERE id = $1", session)
					b.append(t, b.closed(session, b.nurse), b.report(b.patient, b.here), b.report(b.patient, b.here))
					require.Eventually(t, func() bool { return b.hub.Stats().Position == 4 }, patience, time.Millisecond)
				}}
			})
			b.append(t, b.report(b.patient, b.here))
			require.Eventually(t, func() bool { return b.hub.Stats().Position == 1 }, patience, time.Millisecond)
			b.expires = time.Now().Add(time.Hour)
			c := b.open(t, b.nurse, bySession(b.browser(t, b.nurse)))
			require.Equal(t, "hello", c.next().Type)
			f, err := c.read()
			require.Error(t, err, "%+v", f)
			require.ErrorContains(t, err, "4401")
		})
	}
}

func TestSession_ThatIsClosedWhileItsSocketOpensDoesNotWaitForItsClientToRead(t *testing.T) {
	t.Parallel()
	logs := &logLines{}
	var b *bundle
	b = setup(t, func(c *realtime.Config) {
		c.Logger = slog.New(slog.NewTextHandler(logs, nil))
		c.Authorizer = signingOut{c.Authorizer.(directory), func(session uuid.UUID) {
			b.append(t, b.closed(session, b.doctor))
			require.Eventually(t, func() bool { return b.hub.Stats().Position == 3001 }, patience, time.Millisecond)
		}}
	})
	cursor := b.dial(t, b.doctor).cursor
	var many []event.Event
	for range 3000 {
		many = append(many, b.report(b.patient, b.here))
	}
	b.append(t, many...)
	b.expires = time.Now().Add(time.Hour)
	b.open(t, b.doctor, bySession(b.browser(t, b.doctor)), resume(cursor), narrow)
	require.Eventually(t, func() bool { return strings.Contains(logs.String(), "code=4401") }, patience, time.Millisecond)
}

func TestSession_OfABrowserLimitsARefreshedSocket(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.tokens = map[string]uuid.UUID{"mine": b.nurse}
	b.expires = time.Now().Add(2 * time.Second)
	c := b.dial(t, b.nurse, bySession(b.browser(t, b.nurse)))
	b.mu.Lock()
	b.tokensExpires = time.Now().Add(time.Hour)
	b.mu.Unlock()
	c.says(ask{Type: "refresh", ID: "1", Token: "mine"})
	require.Equal(t, "refreshed", c.control().Type)
	c.closes(4401)
}

func TestCloseSession_ClosesItsSocketsOfThisInstanceWithoutAnEvent(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.expires = time.Now().Add(time.Hour)
	session := b.browser(t, b.nurse)
	c, other := b.dial(t, b.nurse, bySession(session)), b.dial(t, b.nurse)
	b.hub.CloseSession(session)
	b.hub.CloseSession(uuid.Nil)
	c.closes(4401)
	report := b.report(b.patient, b.here)
	b.append(t, report)
	other.gets(report)
}

// broken returns an event about the person, if there is one, with incomplete data.
func (b *bundle) broken(typ string, person *uuid.UUID, subject, data string) event.Event {
	e := b.updated(b.stranger, b.here)
	e.Type, e.Subject, e.Data, e.PersonID, e.ClinicID = typ, subject, []byte(data), person, nil
	return e
}

func TestRights_ThatAnUnreadableEventMayHaveRevokedAreNotKept(t *testing.T) {
	t.Parallel()
	b := setup(t)
	id := uuid.NewString()
	for name, e := range map[string]event.Event{
		"a role that is no text":        b.broken("membership.revoked", &b.doctor, "membership/"+id, `{"userId":"`+b.doctor.String()+`","clinicId":null,"role":7}`),
		"no role":                       b.broken("membership.revoked", &b.doctor, "membership/"+id, `{"userId":"`+b.doctor.String()+`","clinicId":null,"role":""}`),
		"another clinic than its own":   b.broken("membership.revoked", &b.doctor, "membership/"+id, `{"userId":"`+b.doctor.String()+`","clinicId":"`+id+`","role":"doctor"}`),
		"another person than its own":   b.broken("membership.revoked", &b.doctor, "membership/"+id, `{"userId":"`+id+`","clinicId":null,"role":"doctor"}`),
		"a patient who is no id":        b.broken("care_team.left", &b.patient, "patient/"+id, `{"userId":null,"clinicId":"`+id+`","memberId":"`+b.doctor.String()+`"}`),
		"a conversation that is no id":  b.broken("chat.participant_left", &b.doctor, "conversation/x", `{"conversationId":"","userId":"","clinicId":"","patientId":""}`),
		"a session that is no id":       b.broken("session.closed", &b.doctor, "session/x", `{"sessionId":5,"userId":"","reason":""}`),
		"a session without an id":       b.broken("session.closed", &b.doctor, "session/x", `{"sessionId":null,"userId":"`+b.doctor.String()+`","reason":""}`),
		"a role given that is no text":  b.broken("membership.granted", &b.doctor, "membership/"+id, `{"userId":[],"clinicId":null,"role":{}}`),
		"a person who is not the event": b.broken("session.closed", &b.doctor, "session/x", `{"sessionId":"`+id+`","userId":"`+id+`","reason":""}`),
	} {
		t.Run(name, func(t *testing.T) {
			doctor, nurse := b.dial(t, b.doctor), b.dial(t, b.nurse)
			before, after := b.report(b.stranger, b.here), b.report(b.stranger, b.here)
			b.append(t, before, e, after)
			doctor.gets(before)
			doctor.closes(1012)
			nurse.gets(before, after)
		})
	}
}

func TestRights_AreReadAgainAfterAnEventWithoutAPerson(t *testing.T) {
	t.Parallel()
	id := uuid.NewString()
	for name, tc := range map[string]struct {
		ring  int
		event func(b *bundle) event.Event
	}{
		"a membership": {8192, func(b *bundle) event.Event {
			return b.broken("membership.revoked", nil, "membership/"+id, `{"userId":"x","clinicId":null,"role":""}`)
		}},
		"an account": {8192, func(b *bundle) event.Event { return b.broken("user.disabled", nil, "user/"+id, `{"userId":null}`) }},
		"a care team": {8192, func(b *bundle) event.Event {
			return b.broken("care_team.left", &b.patient, "patient/"+id, `{"userId":"`+id+`","clinicId":"`+id+`","memberId":"x"}`)
		}},
		"a care team, read behind the ring": {2, func(b *bundle) event.Event {
			return b.broken("care_team.left", nil, "patient/"+id, `{"userId":"","clinicId":"","memberId":""}`)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t, func(c *realtime.Config) { c.Limits.RingEvents = tc.ring })
			conversation := b.converse(t)
			rooms := rooms("patient:"+b.patient.String(), "conversation:"+conversation.String())
			gone := b.person(t, b.here, care.Nurse)
			doctor, nurse, disabled := b.dial(t, b.doctor, rooms), b.dial(t, b.nurse, rooms), b.dial(t, gone)
			for _, c := range []*client{doctor, nurse} {
				require.Equal(t, "subscribed", c.control().Type)
				require.Equal(t, "subscribed", c.control().Type)
			}
			// No event has the other rights that the doctor loses, and the third person's
			// account.
			b.member(t, b.doctor, b.other, care.Doctor)
			b.exec(t, "UPDATE memberships SET revoked_at = now() WHERE user_id = $1 AND clinic_id = $2", b.doctor, b.here)
			b.exec(t, "DELETE FROM care_team WHERE member_id = $1", b.doctor)
			b.exec(t, "UPDATE conversation_participants SET left_at = now() WHERE user_id = $1", b.doctor)
			b.exec(t, "UPDATE users SET status = 'disabled' WHERE id = $1", gone)
			before, after, elsewhere := b.report(b.patient, b.here), b.report(b.patient, b.here), b.report(b.patient, b.other)
			written := b.message(conversation)
			b.append(t, before, tc.event(b), after, written, elsewhere, b.device(b.stranger), b.device(b.stranger))
			doctor.gets(before)
			left := map[string]string{}
			for range 2 {
				f := doctor.next()
				left[f.Room] = f.Type + ": " + f.Reason
			}
			require.Equal(t, map[string]string{
				"patient:" + b.patient.String():         "unsubscribed: no longer on the care team",
				"conversation:" + conversation.String(): "unsubscribed: no longer in the conversation",
			}, left)
			doctor.gets(elsewhere)
			nurse.gets(before, after, written)
			disabled.gets(before)
			disabled.closes(4403)

			// After it, changes count at their positions as usual.
			last := b.report(b.stranger, b.other)
			b.append(t, b.membership("membership.granted", b.doctor, b.here, care.Nurse), b.report(b.patient, b.here), b.membership("membership.revoked", b.doctor, b.here, care.Nurse),
				b.report(b.patient, b.here), last)
			require.Equal(t, "membership.granted", doctor.event().Type)
			require.Equal(t, "ehr.lab_report.created", doctor.event().Type)
			require.Equal(t, "membership.revoked", doctor.event().Type)
			doctor.gets(last)
		})
	}
}

// failing fails the first lookups of rights after a socket has opened.
type failing struct {
	directory
	fails chan struct{}
}

func (r failing) GetActor(ctx context.Context, id uuid.UUID) (care.Actor, error) {
	select {
	case <-r.fails:
		return care.Actor{}, care.Errorf(care.Unavailable, "the database is away")
	default:
		return r.directory.GetActor(ctx, id)
	}
}

func TestRights_PauseTheSocketUntilTheyCanBeReadAgain(t *testing.T) {
	t.Parallel()
	fails := make(chan struct{}, 3)
	b := setup(t, func(c *realtime.Config) {
		c.Authorizer, c.Limits.Tick = failing{c.Authorizer.(directory), fails}, 10*time.Millisecond
	})
	c := b.dial(t, b.nurse)
	for range 3 {
		fails <- struct{}{}
	}
	report := b.report(b.patient, b.here)
	b.append(t, b.broken("user.disabled", nil, "user/x", `{"userId":null}`), report)
	c.gets(report)
	require.Empty(t, fails)
}
