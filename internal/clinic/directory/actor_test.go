package directory_test

import (
	"context"
	"log/slog"
	"strings"
	"sync"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"carewire/internal/care"
	"carewire/internal/clinic/directory"
	"carewire/internal/outbox"
)

func TestGetActorByIdentity_LinksAVerifiedEmailOnce(t *testing.T) {
	t.Parallel()
	b := setup(t)
	email := b.email(t, b.doctor)
	id := directory.Identity{Issuer: "https://idp.example", Subject: "s-1", Email: email}
	_, err := b.dir.GetActorByIdentity(t.Context(), id)
	requireCode(t, err, care.Unauthenticated)
	id.EmailVerified, id.Email = true, strings.ToUpper(email)
	a, err := b.dir.GetActorByIdentity(t.Context(), id)
	require.NoError(t, err)
	require.Equal(t, b.doctor, a)

	id.Email, id.EmailVerified = "", false
	a, err = b.dir.GetActorByIdentity(t.Context(), id)
	require.NoError(t, err, "once linked, the subject is enough")
	require.Equal(t, b.doctor.UserID, a.UserID)

	second := directory.Identity{Issuer: "https://idp.example", Subject: "s-2", Email: email, EmailVerified: true}
	_, err = b.dir.GetActorByIdentity(t.Context(), second)
	requireCode(t, err, care.Unauthenticated)
	second.Issuer = "https://other.example"
	_, err = b.dir.GetActorByIdentity(t.Context(), second)
	require.NoError(t, err, "another provider may be linked too")

	_, err = b.dir.GetActorByIdentity(t.Context(), directory.Identity{Issuer: "i", Subject: "s", Email: "nobody@x.example", EmailVerified: true})
	requireCode(t, err, care.Unauthenticated)
}

func TestGetActorByIdentity_LinksOnceForConcurrentSignIns(t *testing.T) {
	t.Parallel()
	b := setup(t)
	id := directory.Identity{Issuer: "i", Subject: "s", Email: b.email(t, b.nurse), EmailVerified: true}
	var group sync.WaitGroup
	errs := make([]error, 6)
	for i := range errs {
		group.Go(func() { _, errs[i] = b.dir.GetActorByIdentity(t.Context(), id) })
	}
	group.Wait()
	for _, err := range errs {
		require.NoError(t, err)
	}
}

// queries counts the queries sent to the database.
type queries struct{ n int }

func (q *queries) TraceQueryStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceQueryStartData) context.Context {
	q.n++
	return ctx
}

func (q *queries) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}

// counting returns a directory on a connection whose queries are counted.
func (b *testBundle) counting(t *testing.T) (*directory.Service, *queries) {
	t.Helper()
	counted := &queries{}
	config := b.db.App.Config()
	config.MaxConns, config.ConnConfig.Tracer = 1, counted
	pool, err := pgxpool.NewWithConfig(t.Context(), config)
	require.NoError(t, err)
	t.Cleanup(pool.Close)
	require.NoError(t, pool.Ping(t.Context()))
	counted.n = 0
	return directory.New(outbox.NewWriter(pool, outbox.NewWaker(pool, slog.New(slog.DiscardHandler)))), counted
}

func TestGetActorByIdentity_IsOneQueryWhenLinked(t *testing.T) {
	t.Parallel()
	b := setup(t)
	id := directory.Identity{Issuer: "i", Subject: "s", Email: b.email(t, b.nurse), EmailVerified: true}
	_, err := b.dir.GetActorByIdentity(t.Context(), id)
	require.NoError(t, err)

	dir, counted := b.counting(t)
	_, err = dir.GetActorByIdentity(t.Context(), id)
	require.NoError(t, err)
	require.Equal(t, 1, counted.n)
}

func TestGetActorByIdentity_OfManyAtOnceTakesFewQueries(t *testing.T) {
	t.Parallel()
	b := setup(t)
	nurse := directory.Identity{Issuer: "i", Subject: "nurse", Email: b.email(t, b.nurse), EmailVerified: true}
	doctor := directory.Identity{Issuer: "i", Subject: "doctor", Email: b.email(t, b.doctor), EmailVerified: true}
	for _, id := range []directory.Identity{nurse, doctor} {
		_, err := b.dir.GetActorByIdentity(t.Context(), id)
		require.NoError(t, err)
	}
	dir, counted := b.counting(t)
	// The first query hangs on a lock.
	lock, err := b.db.Owner.Begin(t.Context())
	require.NoError(t, err)
	_, err = lock.Exec(t.Context(), "LOCK TABLE identities")
	require.NoError(t, err)
	var called, returned sync.WaitGroup
	for i := range 60 {
		who, want := nurse, b.nurse.UserID
		if i%2 == 1 {
			who, want = doctor, b.doctor.UserID
		}
		called.Add(1)
		returned.Go(func() {
			called.Done()
			if a, err := dir.GetActorByIdentity(t.Context(), who); err != nil || a.UserID != want || len(a.Memberships) != 1 {
				t.Errorf("%s: %+v, %v", who.Subject, a, err)
			}
		})
	}
	called.Wait()
	require.NoError(t, lock.Rollback(t.Context()))
	returned.Wait()
	require.Less(t, counted.n, 30)
}

func TestGetActor_ReadsCurrentRolesAndRejectsDisabledPeople(t *testing.T) {
	t.Parallel()
	b := setup(t)
	m := directory.MembershipInput{UserID: b.nurse.UserID, ClinicID: &b.here, Role: care.Nurse}
	require.NoError(t, b.dir.RevokeMembership(t.Context(), by(b.admin), m))
	require.Empty(t, b.actor(t, b.nurse.UserID).Memberships)
	b.Exec(t, "UPDATE users SET status = 'disabled' WHERE id = $1", b.doctor.UserID)
	_, err := b.dir.GetActor(t.Context(), b.doctor.UserID)
	requireCode(t, err, care.Forbidden)
	_, err = b.dir.GetActor(t.Context(), uuid.New())
	requireCode(t, err, care.Unauthenticated)
}

func TestRevokeMembership_CutsOffTheMessageAboutTheGrant(t *testing.T) {
	t.Parallel()
	b := setup(t)
	nurse := b.person(t, b.here, care.Nurse)
	require.Zero(t, b.Count(t, "subject_cutoffs"))
	require.NoError(t, b.dir.RevokeMembership(t.Context(), by(b.admin), directory.MembershipInput{UserID: nurse.UserID, ClinicID: &b.here, Role: care.Nurse}))
	require.Equal(t, 1, b.Count(t, "subject_cutoffs WHERE subject LIKE 'membership/%' AND version = 2 AND cause_type = 'membership.revoked'"))
}

func TestOnCareTeam_RequiresTheTeamTheRoleAndAnActivePerson(t *testing.T) {
	t.Parallel()
	b := setup(t)
	on := func(member care.Actor) []uuid.UUID {
		clinics, err := b.dir.OnCareTeam(t.Context(), member.UserID, b.patient.UserID)
		require.NoError(t, err)
		return clinics
	}
	require.Empty(t, on(b.doctor))
	for _, member := range []care.Actor{b.doctor, b.nurse, b.nurse} {
		_, err := b.dir.AddCareTeamMember(t.Context(), seed, directory.CareTeamMember{PatientID: b.patient.UserID, ClinicID: b.here, MemberID: member.UserID})
		require.NoError(t, err)
	}
	require.Equal(t, []uuid.UUID{b.here}, on(b.doctor))
	require.Equal(t, []uuid.UUID{b.here}, on(b.nurse))

	m := directory.MembershipInput{UserID: b.nurse.UserID, ClinicID: &b.here, Role: care.Nurse}
	require.NoError(t, b.dir.RevokeMembership(t.Context(), by(b.admin), m))
	require.Empty(t, on(b.nurse))
	require.NoError(t, b.dir.GrantMembership(t.Context(), seed, m))
	require.Empty(t, on(b.nurse), "a role granted again does not restore the old patients")
	b.Exec(t, "UPDATE users SET status = 'disabled' WHERE id = $1", b.doctor.UserID)
	require.Empty(t, on(b.doctor))
}

func TestGetSelf_ReturnsOneselfWithMemberships(t *testing.T) {
	t.Parallel()
	b := setup(t)
	require.NoError(t, b.dir.GrantMembership(t.Context(), seed, directory.MembershipInput{UserID: b.doctor.UserID, Role: care.Auditor}))
	me, err := b.dir.GetSelf(t.Context(), b.actor(t, b.doctor.UserID))
	require.NoError(t, err)
	require.Equal(t, []care.Membership{{ClinicID: &b.here, Role: care.Doctor}, {Role: care.Auditor}}, me.Memberships)
	require.Equal(t, "Wilhelmina", me.GivenName)
	_, err = b.dir.GetSelf(t.Context(), care.SystemActor("seed"))
	requireCode(t, err, care.Forbidden)
}
