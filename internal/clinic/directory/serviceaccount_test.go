package directory_test

import (
	"context"
	"log/slog"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"carewire/internal/care"
	"carewire/internal/clinic/directory"
	"carewire/internal/outbox"
)

var gateway = directory.Identity{Issuer: "https://idp.example", Subject: "gateway"}

// account registers another system at the clinic as its administrator, and activates it as that
// system.
func (b *testBundle) account(t *testing.T) directory.ServiceAccount {
	t.Helper()
	a := b.claim(t, b.admin, b.here, gateway.Subject)
	a, err := b.dir.ActivateServiceAccount(t.Context(), care.Command{}, gateway, a.ActivationCode)
	require.NoError(t, err)
	return a
}

// claim registers a client at the clinic.
func (b *testBundle) claim(t *testing.T, admin care.Actor, clinic uuid.UUID, clientID string) directory.ServiceAccount {
	t.Helper()
	a, err := b.dir.CreateServiceAccount(t.Context(), by(admin), directory.NewServiceAccount{
		ClinicID: clinic, Name: "Gateway of Ward 3", Issuer: gateway.Issuer, ClientID: clientID,
	})
	require.NoError(t, err)
	require.Equal(t, directory.Pending, a.Status)
	require.NotEmpty(t, a.ActivationCode)
	return a
}

func TestServiceAccount_EventsContainNoNames(t *testing.T) {
	t.Parallel()
	b := setup(t)
	n := b.Mark(t)
	a := b.account(t)
	require.Equal(t, directory.Active, a.Status)
	require.Equal(t, b.admin.ID, a.CreatedBy)
	same, err := b.dir.UpdateServiceAccount(t.Context(), by(b.admin), a.ID, 2, directory.ServiceAccountInput{Name: a.Name, Status: directory.Active})
	require.NoError(t, err)
	require.Equal(t, a, same, "nothing changed: no version, no event")
	off, err := b.dir.UpdateServiceAccount(t.Context(), by(b.admin), a.ID, 2, directory.ServiceAccountInput{Name: "Old gateway", Status: directory.Disabled})
	require.NoError(t, err)
	require.NotNil(t, off.DisabledAt)
	on, err := b.dir.UpdateServiceAccount(t.Context(), by(b.admin), a.ID, 3, directory.ServiceAccountInput{Name: "Old gateway", Status: directory.Active})
	require.NoError(t, err)
	require.Nil(t, on.DisabledAt)

	events := b.EventsSince(t, n)
	require.Equal(t, []string{"service_account.created", "service_account.activated", "service_account.disabled", "service_account.updated"}, types(events))
	for i, e := range events {
		require.Equal(t, "service_account/"+a.ID.String(), e.Subject)
		require.Equal(t, new(int64(i+1)), e.Version)
		require.Equal(t, &b.here, e.Clinic)
		require.Nil(t, e.Person)
		require.Equal(t, map[bool]string{true: "service", false: "admin"}[i == 1], e.ActorRole)
		require.Equal(t, a.ID.String(), e.Data["serviceAccountId"])
	}
	require.Equal(t, []any{"name", "status"}, events[2].Data["changed"])
	var all string
	require.NoError(t, b.db.Owner.QueryRow(t.Context(), "SELECT string_agg(o::text, E'\\n') FROM outbox AS o").Scan(&all))
	require.NotContains(t, all, "Ward 3")
	require.NotContains(t, all, gateway.Issuer)
}

func TestServiceAccount_IsForTheClinicsAdministratorsOnly(t *testing.T) {
	t.Parallel()
	b := setup(t)
	a := b.account(t)
	for name, c := range map[string]struct {
		actor        care.Actor
		create, list care.Code
		one          care.Code
	}{
		"the admin":       {b.admin, care.Conflict, "", ""},
		"another's admin": {b.other, care.Forbidden, care.Forbidden, care.NotFound},
		"a doctor":        {b.doctor, care.Forbidden, care.Forbidden, care.NotFound},
		"the patient":     {b.patient, care.Forbidden, care.Forbidden, care.NotFound},
		"the system itself": {
			care.ServiceActor(a.ID, []care.Membership{{ClinicID: &b.here, Role: care.Service}}), care.Forbidden, care.Forbidden, care.NotFound,
		},
	} {
		for what, do := range map[string]struct {
			code care.Code
			do   func() error
		}{
			"create": {c.create, func() error {
				_, err := b.dir.CreateServiceAccount(t.Context(), by(c.actor), directory.NewServiceAccount{ClinicID: b.here, Name: "x", Issuer: gateway.Issuer, ClientID: gateway.Subject})
				return err
			}},
			"list": {c.list, func() error {
				_, err := b.dir.ListServiceAccounts(t.Context(), by(c.actor), b.here, "", 0)
				return err
			}},
			"read": {c.one, func() error {
				_, err := b.dir.GetServiceAccount(t.Context(), by(c.actor), a.ID)
				return err
			}},
			"replace": {c.one, func() error {
				_, err := b.dir.UpdateServiceAccount(t.Context(), by(c.actor), a.ID, 2, directory.ServiceAccountInput{Name: a.Name, Status: a.Status})
				return err
			}},
		} {
			n := b.Mark(t)
			err := do.do()
			require.Equal(t, do.code, care.CodeOf(err), "%s: %s: %v", name, what, err)
			if do.code == care.Forbidden || do.code == care.NotFound {
				require.Equal(t, []string{"access.denied"}, types(b.EventsSince(t, n)), "%s: %s", name, what)
			}
		}
	}
	_, err := b.dir.GetServiceAccount(t.Context(), by(b.admin), uuid.New())
	requireCode(t, err, care.NotFound)
}

func TestServiceAccount_ReportsInvalidFields(t *testing.T) {
	t.Parallel()
	b := setup(t)
	a := b.account(t)
	_, err := b.dir.CreateServiceAccount(t.Context(), by(b.admin), directory.NewServiceAccount{ClinicID: b.here, Name: "a\x00", Issuer: "", ClientID: "two words"})
	requireCode(t, err, care.Invalid, "name", "issuer", "clientId")
	in := directory.ServiceAccountInput{Name: strings.Repeat("x", 201), Status: "gone"}
	_, err = b.dir.UpdateServiceAccount(t.Context(), by(b.admin), a.ID, 2, in)
	requireCode(t, err, care.Invalid, "name", "status")
	_, err = b.dir.UpdateServiceAccount(t.Context(), by(b.admin), a.ID, 0, in)
	requireCode(t, err, care.PreconditionRequired)
	_, err = b.dir.UpdateServiceAccount(t.Context(), by(b.admin), a.ID, 7, in)
	requireCode(t, err, care.PreconditionFailed)
	_, err = b.dir.ListServiceAccounts(t.Context(), by(b.admin), uuid.Nil, "x", 1000)
	requireCode(t, err, care.Invalid, "limit", "cursor")
}

func TestServiceAccount_AClientIsRegisteredOnceAndTheConflictNamesIt(t *testing.T) {
	t.Parallel()
	b := setup(t)
	a := b.account(t)
	in := directory.NewServiceAccount{ClinicID: b.here, Name: "Again", Issuer: gateway.Issuer, ClientID: gateway.Subject}
	_, err := b.dir.CreateServiceAccount(t.Context(), by(b.admin), in)
	requireCode(t, err, care.Conflict, "clientId")
	require.ErrorContains(t, err, a.ID.String())
}

func TestListServiceAccounts_PagesThroughTheAdministratorsClinics(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for _, client := range []string{"a", "b", "c"} {
		_, err := b.dir.CreateServiceAccount(t.Context(), seed, directory.NewServiceAccount{ClinicID: b.here, Name: client, Issuer: "i", ClientID: client})
		require.NoError(t, err)
	}
	_, err := b.dir.CreateServiceAccount(t.Context(), seed, directory.NewServiceAccount{ClinicID: b.there, Name: "d", Issuer: "i", ClientID: "d"})
	require.NoError(t, err)
	first, err := b.dir.ListServiceAccounts(t.Context(), by(b.admin), uuid.Nil, "", 2)
	require.NoError(t, err)
	require.Len(t, first.Items, 2)
	rest, err := b.dir.ListServiceAccounts(t.Context(), by(b.admin), b.here, first.Next, 2)
	require.NoError(t, err)
	require.Len(t, rest.Items, 1)
	require.Empty(t, rest.Next)
	require.Equal(t, "c", rest.Items[0].ClientID)
}

func TestGetActorByIdentity_FindsAServiceAccountInTwoQueries(t *testing.T) {
	t.Parallel()
	b := setup(t)
	_, err := b.dir.GetActorByIdentity(t.Context(), gateway)
	requireCode(t, err, care.Unauthenticated)
	a := b.account(t)

	counted := &queries{}
	config := b.db.App.Config()
	config.MaxConns, config.ConnConfig.Tracer = 1, counted
	pool, err := pgxpool.NewWithConfig(t.Context(), config)
	require.NoError(t, err)
	t.Cleanup(pool.Close)
	require.NoError(t, pool.Ping(t.Context()))
	counted.n = 0
	actor, err := directory.New(outbox.NewWriter(pool, outbox.NewWaker(pool, slog.New(slog.DiscardHandler)))).GetActorByIdentity(context.Background(), gateway)
	require.NoError(t, err)
	require.Equal(t, 2, counted.n, "people are looked for first: they ask far more often")
	require.Equal(t, care.Actor{ID: "service:" + a.ID.String(), Memberships: []care.Membership{{ClinicID: &b.here, Role: care.Service}}}, actor)
	_, err = b.dir.GetSelf(t.Context(), actor)
	requireCode(t, err, care.Forbidden)

	other := gateway
	other.Issuer = "https://other.example"
	_, err = b.dir.GetActorByIdentity(t.Context(), other)
	requireCode(t, err, care.Unauthenticated)

	// An address in the token does not make it a person's token.
	other = gateway
	other.Email, other.EmailVerified = b.email(t, b.doctor), true
	same, err := b.dir.GetActorByIdentity(t.Context(), other)
	require.NoError(t, err)
	require.Equal(t, actor, same)

	_, err = b.dir.UpdateServiceAccount(t.Context(), by(b.admin), a.ID, 2, directory.ServiceAccountInput{Name: a.Name, Status: directory.Disabled})
	require.NoError(t, err)
	_, err = b.dir.GetActorByIdentity(t.Context(), other)
	requireCode(t, err, care.Forbidden)
	_, err = b.dir.UpdateServiceAccount(t.Context(), by(b.admin), a.ID, 3, directory.ServiceAccountInput{Name: a.Name, Status: directory.Active})
	require.NoError(t, err)
	_, err = b.dir.GetActorByIdentity(t.Context(), gateway)
	require.NoError(t, err)
}

func TestServiceAccount_RegistrationDoesNotClaimTheClient(t *testing.T) {
	t.Parallel()
	b := setup(t)
	person := directory.Identity{Issuer: gateway.Issuer, Subject: "person", Email: b.email(t, b.doctor), EmailVerified: true}
	stolen := b.claim(t, b.other, b.there, person.Subject)
	a, err := b.dir.GetActorByIdentity(t.Context(), person)
	require.NoError(t, err, "the doctor who has not signed in yet is not shut out")
	require.Equal(t, b.doctor.UserID, a.UserID)
	_, err = b.dir.ActivateServiceAccount(t.Context(), care.Command{}, person, stolen.ActivationCode)
	requireCode(t, err, care.Conflict)

	b.claim(t, b.other, b.there, gateway.Subject) // The other clinic is first.
	mine := b.claim(t, b.admin, b.here, gateway.Subject)
	_, err = b.dir.GetActorByIdentity(t.Context(), gateway)
	requireCode(t, err, care.Unauthenticated)
	_, err = b.dir.ActivateServiceAccount(t.Context(), care.Command{}, directory.Identity{Issuer: gateway.Issuer, Subject: "another"}, mine.ActivationCode)
	requireCode(t, err, care.NotFound)
	for range 2 {
		bound, err := b.dir.ActivateServiceAccount(t.Context(), care.Command{}, gateway, mine.ActivationCode)
		require.NoError(t, err, "doing it again changes nothing")
		require.Equal(t, int64(2), bound.Version)
		require.Empty(t, bound.ActivationCode)
	}
	a, err = b.dir.GetActorByIdentity(t.Context(), gateway)
	require.NoError(t, err)
	require.Equal(t, care.ServiceActor(mine.ID, []care.Membership{{ClinicID: &b.here, Role: care.Service}}), a)
}

func TestServiceAccount_AClientActsAtOneClinic(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.account(t)
	second := b.claim(t, b.other, b.there, gateway.Subject)
	_, err := b.dir.ActivateServiceAccount(t.Context(), care.Command{}, gateway, second.ActivationCode)
	requireCode(t, err, care.Conflict, "clientId")
	still, err := b.dir.GetServiceAccount(t.Context(), by(b.other), second.ID)
	require.NoError(t, err)
	require.Equal(t, directory.Pending, still.Status)
	require.Empty(t, still.ActivationCode, "a code is shown once")
}

func TestServiceAccount_AVerifiedPersonTakesPrecedenceOverAPendingAccount(t *testing.T) {
	t.Parallel()
	b := setup(t)
	a, err := b.dir.CreateServiceAccount(t.Context(), seed, directory.NewServiceAccount{ClinicID: b.there, Name: "Old", Issuer: gateway.Issuer, ClientID: gateway.Subject})
	require.NoError(t, err)
	require.Equal(t, directory.Active, a.Status, "accounts of before there were codes, and the seed's, are active")
	person := directory.Identity{Issuer: gateway.Issuer, Subject: gateway.Subject, Email: b.email(t, b.doctor), EmailVerified: true}
	unverified, elsewhere := person, person
	unverified.EmailVerified, elsewhere.Email = false, "gateway@clinic.example"
	for _, program := range []directory.Identity{gateway, unverified, elsewhere} {
		actor, err := b.dir.GetActorByIdentity(t.Context(), program)
		require.NoError(t, err)
		require.Equal(t, "service:"+a.ID.String(), actor.ID)
	}
	for range 2 {
		actor, err := b.dir.GetActorByIdentity(t.Context(), person)
		require.NoError(t, err)
		require.Equal(t, b.doctor.UserID, actor.UserID)
	}
}

func TestServiceAccount_RegisteringAPersonWithItsAddressDoesNotTakeOverAnActiveAccount(t *testing.T) {
	t.Parallel()
	b := setup(t)
	a := b.account(t)
	in := newUser(b.there, care.Patient)
	in.Email = "gateway@iam.example"
	_, err := b.dir.CreateUser(t.Context(), by(b.other), in)
	require.NoError(t, err)
	as := gateway
	as.Email, as.EmailVerified = in.Email, true
	actor, err := b.dir.GetActorByIdentity(t.Context(), as)
	require.NoError(t, err)
	require.Equal(t, "service:"+a.ID.String(), actor.ID)
}

func TestServiceAccount_ACodeCanBeRenewedUntilTheActivation(t *testing.T) {
	t.Parallel()
	b := setup(t)
	a := b.claim(t, b.admin, b.here, gateway.Subject)
	b.Exec(t, "UPDATE service_accounts SET activation_expires_at = now() - interval '1 second' WHERE id = $1", a.ID)
	_, err := b.dir.ActivateServiceAccount(t.Context(), care.Command{}, gateway, a.ActivationCode)
	requireCode(t, err, care.Conflict, "code")
	_, err = b.dir.RenewActivationCode(t.Context(), by(b.other), a.ID)
	requireCode(t, err, care.NotFound)
	renewed, err := b.dir.RenewActivationCode(t.Context(), by(b.admin), a.ID)
	require.NoError(t, err)

	_, err = b.dir.UpdateServiceAccount(t.Context(), by(b.admin), a.ID, 2, directory.ServiceAccountInput{Name: a.Name, Status: directory.Active})
	requireCode(t, err, care.Invalid, "status")
	_, err = b.dir.UpdateServiceAccount(t.Context(), by(b.admin), a.ID, 2, directory.ServiceAccountInput{Name: a.Name, Status: directory.Disabled})
	require.NoError(t, err)
	_, err = b.dir.ActivateServiceAccount(t.Context(), care.Command{}, gateway, renewed.ActivationCode)
	requireCode(t, err, care.Forbidden)
	_, err = b.dir.UpdateServiceAccount(t.Context(), by(b.admin), a.ID, 3, directory.ServiceAccountInput{Name: a.Name, Status: directory.Pending})
	require.NoError(t, err)
	_, err = b.dir.ActivateServiceAccount(t.Context(), care.Command{}, gateway, renewed.ActivationCode)
	require.NoError(t, err)
	_, err = b.dir.RenewActivationCode(t.Context(), by(b.admin), a.ID)
	requireCode(t, err, care.Conflict)
	_, err = b.dir.UpdateServiceAccount(t.Context(), by(b.admin), a.ID, 5, directory.ServiceAccountInput{Name: a.Name, Status: directory.Pending})
	requireCode(t, err, care.Invalid, "status")
}
