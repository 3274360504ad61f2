package directory_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"carewire/internal/care"
	"carewire/internal/clinic/directory"
)

func TestDevice_BelongsToTheLastPersonWhoRegisteredItsToken(t *testing.T) {
	t.Parallel()
	b := setup(t)
	n := b.Mark(t)
	first, err := b.dir.RegisterDevice(t.Context(), by(b.patient), "ios", "token-1")
	require.NoError(t, err)
	require.True(t, first.Created)
	again, err := b.dir.RegisterDevice(t.Context(), by(b.patient), "ios", "token-1")
	require.NoError(t, err)
	require.False(t, again.Created)
	require.Equal(t, first.ID, again.ID)
	require.True(t, again.LastSeenAt.After(first.LastSeenAt))
	require.Equal(t, []string{"device.registered"}, types(b.EventsSince(t, n)))

	moved, err := b.dir.RegisterDevice(t.Context(), by(b.nurse), "ios", "token-1")
	require.NoError(t, err)
	require.True(t, moved.Created)
	events := b.EventsSince(t, n+1)
	require.Equal(t, []string{"device.removed", "device.registered"}, types(events))
	require.Equal(t, &b.patient.UserID, events[0].Person)
	require.Equal(t, "taken_over", events[0].Data["reason"])
	require.Equal(t, "device/"+moved.ID.String(), events[1].Subject)
	list, err := b.dir.ListDevices(t.Context(), b.patient)
	require.NoError(t, err)
	require.Empty(t, list)

	n = b.Mark(t)
	requireCode(t, b.dir.DeleteDevice(t.Context(), by(b.patient), moved.ID), care.NotFound)
	require.Equal(t, []string{"access.denied"}, types(b.EventsSince(t, n)))
	require.NoError(t, b.dir.DeleteDevice(t.Context(), by(b.nurse), moved.ID))
	require.Equal(t, "device.removed", b.EventsSince(t, n)[1].Type)
	requireCode(t, b.dir.DeleteDevice(t.Context(), by(b.nurse), moved.ID), care.NotFound)

	_, err = b.dir.RegisterDevice(t.Context(), by(b.nurse), "fax", "a b")
	requireCode(t, err, care.Invalid, "platform", "token")
	_, err = b.dir.RegisterDevice(t.Context(), seed, "ios", "token-2")
	requireCode(t, err, care.Forbidden)
}

func TestDevice_BeyondTheLimitReplacesTheLeastRecentlySeen(t *testing.T) {
	t.Parallel()
	b := setup(t)
	register := func(i int) directory.Device {
		d, err := b.dir.RegisterDevice(t.Context(), by(b.patient), "ios", fmt.Sprintf("token-%d", i))
		require.NoError(t, err)
		return d
	}
	first, second := register(0), register(1)
	for i := 2; i < directory.MaxDevices; i++ {
		register(i)
	}
	require.False(t, register(0).Created, "it was seen again")
	n := b.Mark(t)
	newest := register(directory.MaxDevices)
	events := b.EventsSince(t, n)
	require.Equal(t, []string{"device.removed", "device.registered"}, types(events))
	require.Equal(t, []any{second.ID.String(), "too_many"}, []any{events[0].Data["deviceId"], events[0].Data["reason"]})
	list, err := b.dir.ListDevices(t.Context(), b.patient)
	require.NoError(t, err)
	require.Len(t, list, directory.MaxDevices)
	require.Equal(t, []uuid.UUID{first.ID, newest.ID}, []uuid.UUID{list[0].ID, list[len(list)-1].ID})
}

func TestDevice_ConcurrentRegistrationsCreateOneDevice(t *testing.T) {
	t.Parallel()
	b := setup(t)
	n := b.Mark(t)
	var group sync.WaitGroup
	errs := make([]error, 6)
	for i := range errs {
		actor := []care.Actor{b.patient, b.nurse}[i%2]
		group.Go(func() { _, errs[i] = b.dir.RegisterDevice(t.Context(), by(actor), "android", "shared") })
	}
	group.Wait()
	for _, err := range errs {
		require.NoError(t, err)
	}
	balance := 0
	for _, e := range b.EventsSince(t, n) {
		if e.Type == "device.registered" {
			balance++
		} else {
			balance--
		}
		require.Contains(t, []int{0, 1}, balance, "one owner at a time")
	}
	require.Equal(t, 1, balance)
}

func TestPreferences_AreEnabledByDefault(t *testing.T) {
	t.Parallel()
	b := setup(t)
	list, err := b.dir.GetPreferences(t.Context(), b.patient)
	require.NoError(t, err)
	require.Len(t, list.Items, 6*5)
	for _, p := range list.Items {
		require.True(t, p.Enabled)
	}
	off := directory.Preference{Category: "clinical", Channel: "email"}
	require.NoError(t, b.dir.UpdatePreference(t.Context(), by(b.patient), off))
	list, err = b.dir.GetPreferences(t.Context(), b.patient)
	require.NoError(t, err)
	require.Equal(t, directory.Preference{Category: "clinical", Channel: "email", Setting: care.SettingOff, Source: care.SourcePerson}, list.Items[0])
	require.True(t, list.Items[1].Enabled)
	off.Enabled = true
	require.NoError(t, b.dir.UpdatePreference(t.Context(), by(b.patient), off))
	list, err = b.dir.GetPreferences(t.Context(), b.patient)
	require.NoError(t, err)
	require.True(t, list.Items[0].Enabled)
	err = b.dir.UpdatePreference(t.Context(), by(b.patient), directory.Preference{Category: "gossip", Channel: "pigeon"})
	requireCode(t, err, care.Invalid, "category", "channel")
}

func TestSession_StoresOnlyADigestAndEnds(t *testing.T) {
	t.Parallel()
	b := setup(t)
	secret, expiresAt, err := b.dir.CreateSession(t.Context(), by(b.doctor), time.Hour)
	require.NoError(t, err)
	require.Len(t, secret, 43)
	session, err := b.dir.GetSessionActor(t.Context(), secret)
	require.NoError(t, err)
	require.Equal(t, b.doctor, session.Actor)
	require.True(t, expiresAt.Equal(session.ExpiresAt))
	var stored string
	require.NoError(t, b.db.Owner.QueryRow(t.Context(), "SELECT s::text FROM web_sessions AS s").Scan(&stored))
	require.NotContains(t, stored, secret)
	n := b.Mark(t)
	id, err := b.dir.DeleteSession(t.Context(), care.Command{CorrelationID: "c"}, secret)
	require.NoError(t, err)
	require.Equal(t, session.ID, id)
	_, err = b.dir.GetSessionActor(t.Context(), secret)
	requireCode(t, err, care.Unauthenticated)
	id, err = b.dir.DeleteSession(t.Context(), care.Command{}, secret)
	require.NoError(t, err)
	require.Equal(t, uuid.Nil, id, "it has ended already")
	b.requireClosed(t, n, session, "signed_out", "none")

	ended, _, err := b.dir.CreateSession(t.Context(), by(b.doctor), -time.Second)
	require.NoError(t, err)
	_, err = b.dir.GetSessionActor(t.Context(), ended)
	requireCode(t, err, care.Unauthenticated)
	var gone uuid.UUID
	require.NoError(t, b.db.Owner.QueryRow(t.Context(), "SELECT id FROM web_sessions").Scan(&gone))
	n = b.Mark(t)
	swept, err := b.dir.Sweep(t.Context())
	require.NoError(t, err)
	require.Equal(t, int64(1), swept)
	b.requireClosed(t, n, directory.Session{ID: gone, Actor: b.doctor}, "expired", "system")
}

// requireClosed asserts that the only event since the mark is the session's session.closed.
func (b *testBundle) requireClosed(t *testing.T, mark int, session directory.Session, reason, role string) {
	t.Helper()
	events := b.EventsSince(t, mark)
	require.Equal(t, []string{"session.closed"}, types(events))
	e := events[0]
	require.Equal(t, "session/"+session.ID.String(), e.Subject)
	require.Equal(t, session.Actor.UserID, *e.Person)
	require.Equal(t, role, e.ActorRole)
	require.Equal(t, map[string]any{"sessionId": session.ID.String(), "userId": session.Actor.UserID.String(), "reason": reason}, e.Data)
}

func TestTicket_EndsWithItsSession(t *testing.T) {
	t.Parallel()
	b := setup(t)
	var secrets []string
	var sessions []directory.Session
	for range 2 {
		secret, _, err := b.dir.CreateSession(t.Context(), by(b.nurse), time.Hour)
		require.NoError(t, err)
		session, err := b.dir.GetSessionActor(t.Context(), secret)
		require.NoError(t, err)
		secrets, sessions = append(secrets, secret), append(sessions, session)
	}
	issue := func(session directory.Session) string {
		ticket, _, err := b.dir.CreateTicket(t.Context(), session)
		require.NoError(t, err)
		return ticket
	}
	mine, other := issue(sessions[0]), issue(sessions[1])
	bearer := issue(directory.Session{Actor: b.nurse, ExpiresAt: sessions[0].ExpiresAt})
	for _, session := range sessions {
		is, err := b.dir.HasSession(t.Context(), session.ID)
		require.NoError(t, err)
		require.True(t, is)
	}

	_, err := b.dir.DeleteSession(t.Context(), care.Command{}, secrets[0])
	require.NoError(t, err)
	_, err = b.dir.RedeemTicket(t.Context(), mine)
	requireCode(t, err, care.Unauthenticated)
	_, _, err = b.dir.CreateTicket(t.Context(), sessions[0])
	requireCode(t, err, care.Unauthenticated)
	is, err := b.dir.HasSession(t.Context(), sessions[0].ID)
	require.NoError(t, err)
	require.False(t, is)

	taken, err := b.dir.RedeemTicket(t.Context(), other)
	require.NoError(t, err)
	require.Equal(t, sessions[1], taken)
	taken, err = b.dir.RedeemTicket(t.Context(), bearer)
	require.NoError(t, err)
	require.Equal(t, uuid.Nil, taken.ID)
}

func TestSweep_DeletesOldCodesAndInvitations(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for name, sql := range map[string]string{
		"codes": `INSERT INTO contact_verifications (id, user_id, channel, address, requested_at) SELECT gen_random_uuid(), $1, c, 'x', now() - i::interval
			FROM (VALUES ('email', '25 hours'), ('sms', '23 hours')) AS v (c, i)`,
		"tokens": `WITH i AS (INSERT INTO invitations (id, clinic_id, user_id, roles, created_by, expires_at)
			SELECT gen_random_uuid(), (SELECT id FROM clinics LIMIT 1), $1, '{nurse}', 'x', now() - d * interval '1 day' FROM generate_series(29, 31, 2) AS d RETURNING id)
			INSERT INTO invitation_tokens (digest, invitation_id) SELECT sha256(id::text::bytea), id FROM i`,
	} {
		_, err := b.db.Owner.Exec(t.Context(), sql, b.doctor.UserID)
		require.NoError(t, err, name)
	}
	n, err := b.dir.Sweep(t.Context())
	require.NoError(t, err)
	require.Equal(t, int64(2), n)
	var left string
	require.NoError(t, b.db.Owner.QueryRow(t.Context(), `SELECT concat_ws(' ', (SELECT string_agg(channel, ',') FROM contact_verifications),
		(SELECT count(*) FROM invitation_tokens), (SELECT count(*) FROM invitations))`).Scan(&left))
	require.Equal(t, "sms 1 2", left, "an invitation itself stays, for those who look who was invited")
}

func TestTicket_IsValidOnceAndBriefly(t *testing.T) {
	t.Parallel()
	b := setup(t)
	until := time.Now().Add(time.Hour).UTC().Truncate(time.Microsecond)
	ticket, expiresAt, err := b.dir.CreateTicket(t.Context(), directory.Session{Actor: b.nurse, ExpiresAt: until})
	require.NoError(t, err)
	require.WithinDuration(t, time.Now().Add(directory.TicketLife), expiresAt, 10*time.Second)
	const takers = 5
	var group sync.WaitGroup
	errs := make([]error, takers)
	for i := range takers {
		group.Go(func() {
			var session directory.Session
			if session, errs[i] = b.dir.RedeemTicket(t.Context(), ticket); errs[i] == nil {
				if session.Actor.UserID != b.nurse.UserID || !session.ExpiresAt.Equal(until) {
					errs[i] = care.Errorf(care.Conflict, "another's ticket")
				}
			}
		})
	}
	group.Wait()
	good := 0
	for _, err := range errs {
		if err == nil {
			good++
			continue
		}
		requireCode(t, err, care.Unauthenticated)
	}
	require.Equal(t, 1, good)

	late, _, err := b.dir.CreateTicket(t.Context(), directory.Session{Actor: b.nurse, ExpiresAt: until})
	require.NoError(t, err)
	b.Exec(t, "UPDATE socket_tickets SET expires_at = now() - interval '1 second'")
	_, err = b.dir.RedeemTicket(t.Context(), late)
	requireCode(t, err, care.Unauthenticated)
	ended, _, err := b.dir.CreateTicket(t.Context(), directory.Session{Actor: b.nurse, ExpiresAt: time.Now().Add(-time.Second)})
	require.NoError(t, err)
	_, err = b.dir.RedeemTicket(t.Context(), ended)
	requireCode(t, err, care.Unauthenticated)
}

func TestMembership_IsManagedByTheClinicsAdmin(t *testing.T) {
	t.Parallel()
	b := setup(t)
	in := directory.MembershipInput{UserID: b.nurse.UserID, ClinicID: &b.here, Role: care.Doctor}
	n := b.Mark(t)
	require.NoError(t, b.dir.GrantMembership(t.Context(), by(b.admin), in))
	requireCode(t, b.dir.GrantMembership(t.Context(), by(b.admin), in), care.Conflict)
	require.NoError(t, b.dir.RevokeMembership(t.Context(), by(b.admin), in))
	requireCode(t, b.dir.RevokeMembership(t.Context(), by(b.admin), in), care.NotFound)
	events := b.EventsSince(t, n)
	require.Equal(t, []string{"membership.granted", "membership.revoked"}, types(events))
	require.Equal(t, events[0].Subject, events[1].Subject)
	require.Equal(t, []*int64{new(int64(1)), new(int64(2))}, []*int64{events[0].Version, events[1].Version})

	for name, c := range map[string]struct {
		actor care.Actor
		in    directory.MembershipInput
		code  care.Code
	}{
		"a doctor":                {b.doctor, in, care.Forbidden},
		"another's admin":         {b.other, in, care.Forbidden},
		"into one's own clinic":   {b.other, directory.MembershipInput{UserID: b.nurse.UserID, ClinicID: &b.there, Role: care.Nurse}, care.NotFound},
		"a platform role":         {b.admin, directory.MembershipInput{UserID: b.admin.UserID, Role: care.Operator}, care.Forbidden},
		"a person who is not":     {b.admin, directory.MembershipInput{UserID: uuid.New(), ClinicID: &b.here, Role: care.Nurse}, care.NotFound},
		"a role that is not one":  {b.admin, directory.MembershipInput{UserID: b.nurse.UserID, ClinicID: &b.here, Role: "king"}, care.Invalid},
		"a platform role, placed": {b.admin, directory.MembershipInput{UserID: b.nurse.UserID, ClinicID: &b.here, Role: care.Auditor}, care.Invalid},
	} {
		n := b.Mark(t)
		requireCode(t, b.dir.GrantMembership(t.Context(), by(c.actor), c.in), c.code)
		if c.code != care.Invalid {
			require.Equal(t, []string{"access.denied"}, types(b.EventsSince(t, n)), name)
		}
	}
}
