package directory_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"carewire/internal/care"
	"carewire/internal/clinic/directory"
)

func input(u directory.User) directory.UserInput {
	return directory.UserInput{
		Email: u.Email, GivenName: u.GivenName, FamilyName: u.FamilyName, Phone: u.Phone, Locale: u.Locale, TimeZone: u.TimeZone, Status: u.Status,
		BirthDate: u.BirthDate, Sex: u.Sex, MedicalRecordNumbers: u.MedicalRecordNumbers,
	}
}

func TestCreateUser_CommitsThePersonTheirRolesAndTheEvents(t *testing.T) {
	t.Parallel()
	b := setup(t)
	n := b.Mark(t)
	in := newUser(b.here, care.Patient, care.Nurse)
	u, err := b.dir.CreateUser(t.Context(), by(b.admin), in)
	require.NoError(t, err)
	require.Equal(t, strings.ToLower(in.Email), u.Email)
	require.Equal(t, int64(1), u.Version)
	require.Len(t, u.Memberships, 2)
	events := b.EventsSince(t, n)
	require.Equal(t, []string{"user.created", "membership.granted", "membership.granted"}, types(events))
	require.Equal(t, "user/"+u.ID.String(), events[0].Subject)
	require.Equal(t, "admin", events[0].ActorRole)
	require.Equal(t, &b.here, events[0].Clinic)
	require.Equal(t, &u.ID, events[1].Person)
	require.Equal(t, map[string]any{"userId": u.ID.String(), "clinicId": b.here.String(), "role": "patient"}, events[1].Data)
	require.False(t, events[0].Imported)
	require.True(t, b.EventsSince(t, 0)[0].Imported, "what the seed makes is marked")

	again := newUser(b.here, care.Patient)
	again.Email = strings.ToUpper(in.Email)
	n = b.Mark(t)
	_, err = b.dir.CreateUser(t.Context(), by(b.admin), again)
	requireCode(t, err, care.Conflict, "email")
	require.NotContains(t, err.Error(), u.ID.String())
	require.Empty(t, b.EventsSince(t, n))
}

func TestCreateUser_RollsBackWhenItsEventsCannotBeAppended(t *testing.T) {
	t.Parallel()
	b := setup(t)
	// The constraint makes the outbox reject the last event.
	b.Exec(t, "ALTER TABLE outbox ADD CONSTRAINT outbox_broken CHECK (type <> 'membership.granted') NOT VALID")
	n := b.Mark(t)
	in := newUser(b.here, care.Patient)
	_, err := b.dir.CreateUser(t.Context(), by(b.admin), in)
	require.Error(t, err)
	require.Empty(t, b.EventsSince(t, n))
	var people int
	require.NoError(t, b.db.Owner.QueryRow(t.Context(), "SELECT count(*) FROM users WHERE email = $1", strings.ToLower(in.Email)).Scan(&people))
	require.Zero(t, people)
}

func TestCreateUser_ReportsEachInvalidValue(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for name, c := range map[string]struct {
		break_ func(u *directory.NewUser)
		fields []string
	}{
		"nothing":          {func(u *directory.NewUser) { *u = directory.NewUser{ClinicID: b.here, Roles: u.Roles} }, []string{"givenName", "familyName"}},
		"no email":         {func(u *directory.NewUser) { u.Email, u.Roles = "", []care.Role{care.Patient, care.Nurse} }, []string{"email"}},
		"a sex":            {func(u *directory.NewUser) { u.Sex = "f" }, []string{"sex"}},
		"a birth date":     {func(u *directory.NewUser) { u.BirthDate = "14.3.1984" }, []string{"birthDate"}},
		"an early birth":   {func(u *directory.NewUser) { u.BirthDate = "1849-12-31" }, []string{"birthDate"}},
		"a birth to come":  {func(u *directory.NewUser) { u.BirthDate = time.Now().AddDate(0, 0, 3).Format(time.DateOnly) }, []string{"birthDate"}},
		"a long number":    {func(u *directory.NewUser) { u.MedicalRecordNumber = strings.Repeat("1", 65) }, []string{"medicalRecordNumber"}},
		"a nurse's number": {func(u *directory.NewUser) { u.MedicalRecordNumber, u.Roles = "1", []care.Role{care.Nurse} }, []string{"medicalRecordNumber"}},
		"an email":         {func(u *directory.NewUser) { u.Email = "Ada <ada@x.example>" }, []string{"email"}},
		"a phone":          {func(u *directory.NewUser) { u.Phone = new("030 123456") }, []string{"phone"}},
		"a locale":         {func(u *directory.NewUser) { u.Locale = "german!" }, []string{"locale"}},
		"a time zone":      {func(u *directory.NewUser) { u.TimeZone = "Europe/Atlantis" }, []string{"timeZone"}},
		"the server zone":  {func(u *directory.NewUser) { u.TimeZone = "Local" }, []string{"timeZone"}},
		"a NUL byte":       {func(u *directory.NewUser) { u.GivenName = "A\x00" }, []string{"givenName"}},
		"invalid UTF-8":    {func(u *directory.NewUser) { u.FamilyName = "\xff" }, []string{"familyName"}},
		"a long name":      {func(u *directory.NewUser) { u.FamilyName = strings.Repeat("é", 201) }, []string{"familyName"}},
		"no role":          {func(u *directory.NewUser) { u.Roles = nil }, []string{"roles"}},
		"a platform role":  {func(u *directory.NewUser) { u.Roles = []care.Role{care.Operator} }, []string{"roles[0]"}},
		"a role twice":     {func(u *directory.NewUser) { u.Roles = []care.Role{care.Nurse, care.Nurse} }, []string{"roles[1]"}},
	} {
		in := newUser(b.here, care.Patient)
		c.break_(&in)
		n := b.Mark(t)
		_, err := b.dir.CreateUser(t.Context(), by(b.admin), in)
		requireCode(t, err, care.Invalid, c.fields...)
		require.Empty(t, b.EventsSince(t, n), name)
	}
}

func TestUserActions_FollowTheAccessTable(t *testing.T) {
	t.Parallel()
	b := setup(t)
	receptionist := b.person(t, b.here, care.Receptionist)
	neighbour := b.person(t, b.here, care.Patient)
	auditor, err := b.dir.CreateUser(t.Context(), seed, directory.NewUser{Email: "auditor@x.example", GivenName: "A", FamilyName: "B"})
	require.NoError(t, err)
	require.NoError(t, b.dir.GrantMembership(t.Context(), seed, directory.MembershipInput{UserID: auditor.ID, Role: care.Auditor}))
	for name, c := range map[string]struct {
		actor                care.Actor
		create, read, update care.Code
		list                 care.Code
	}{
		"the admin":       {b.admin, "", "", "", ""},
		"another's admin": {b.other, care.Forbidden, care.NotFound, care.NotFound, care.Forbidden},
		"a doctor":        {b.doctor, care.Forbidden, "", care.Forbidden, ""},
		"a nurse":         {b.nurse, care.Forbidden, "", care.Forbidden, ""},
		// They register patients and correct their details.
		"a receptionist":   {receptionist, "", "", "", ""},
		"the person":       {b.patient, care.Forbidden, "", care.Forbidden, care.Forbidden},
		"another patient":  {neighbour, care.Forbidden, care.NotFound, care.NotFound, care.Forbidden},
		"an auditor":       {b.actor(t, auditor.ID), care.Forbidden, care.NotFound, care.NotFound, care.Forbidden},
		"another program":  {care.Actor{ID: "gateway"}, care.Forbidden, care.NotFound, care.NotFound, care.Forbidden},
		"the seed, though": {care.SystemActor("seed"), "", care.NotFound, care.NotFound, care.Forbidden},
	} {
		current, err := b.dir.GetUser(t.Context(), by(b.admin), b.patient.UserID)
		require.NoError(t, err)
		details := input(current)
		details.GivenName += "a"
		for what, do := range map[string]struct {
			code  care.Code
			do    func() error
			event string
		}{
			"create": {c.create, func() error {
				_, err := b.dir.CreateUser(t.Context(), by(c.actor), newUser(b.here, care.Patient))
				return err
			}, "user.created"},
			"read": {c.read, func() error {
				_, err := b.dir.GetUser(t.Context(), by(c.actor), b.patient.UserID)
				return err
			}, "record.read"},
			"update": {c.update, func() error {
				_, err := b.dir.UpdateUser(t.Context(), by(c.actor), b.patient.UserID, current.Version, details)
				return err
			}, "user.updated"},
			"list": {c.list, func() error {
				_, err := b.dir.ListUsers(t.Context(), by(c.actor), directory.UserFilter{ClinicID: b.here})
				return err
			}, "user.searched"},
		} {
			n := b.Mark(t)
			err := do.do()
			events := b.EventsSince(t, n)
			switch {
			case do.code != "":
				requireCode(t, err, do.code)
				require.Equal(t, []string{"access.denied"}, types(events), "%s: %s", name, what)
			case c.actor.UserID == b.patient.UserID:
				require.NoError(t, err, "%s: %s", name, what)
				require.Empty(t, events, "%s: %s", name, what)
			default:
				require.NoError(t, err, "%s: %s", name, what)
				require.Equal(t, do.event, events[0].Type, "%s: %s", name, what)
			}
		}
	}
}

func TestUpdateUser_EventListsChangedFieldsWithoutValues(t *testing.T) {
	t.Parallel()
	b := setup(t)
	u, err := b.dir.GetUser(t.Context(), by(b.admin), b.patient.UserID)
	require.NoError(t, err)
	in := input(u)
	n := b.Mark(t)
	same, err := b.dir.UpdateUser(t.Context(), by(b.admin), u.ID, 1, in)
	require.NoError(t, err)
	require.Equal(t, u, same)
	require.Empty(t, b.EventsSince(t, n), "nothing changed: no version, no event")

	in.FamilyName, in.Phone = "Featherstone", nil
	next, err := b.dir.UpdateUser(t.Context(), by(b.admin), u.ID, 1, in)
	require.NoError(t, err)
	require.Equal(t, int64(2), next.Version)
	e := b.EventsSince(t, n)[0]
	require.Equal(t, "user.updated", e.Type)
	require.Equal(t, new(int64(2)), e.Version)
	require.Equal(t, map[string]any{"userId": u.ID.String(), "changed": []any{"familyName", "phone"}}, e.Data)

	_, err = b.dir.UpdateUser(t.Context(), by(b.admin), u.ID, 1, in)
	requireCode(t, err, care.PreconditionFailed)
	var refused *care.Error
	require.ErrorAs(t, err, &refused)
	require.Equal(t, int64(2), refused.Version)
	_, err = b.dir.UpdateUser(t.Context(), by(b.admin), u.ID, 0, in)
	requireCode(t, err, care.PreconditionRequired)
	in.Email = b.email(t, b.doctor)
	_, err = b.dir.UpdateUser(t.Context(), by(b.admin), u.ID, 2, in)
	requireCode(t, err, care.Conflict, "email")
}

func TestUpdateUser_DisablingEndsSessions(t *testing.T) {
	t.Parallel()
	b := setup(t)
	secret, _, err := b.dir.CreateSession(t.Context(), by(b.nurse), time.Hour)
	require.NoError(t, err)
	ticket, _, err := b.dir.CreateTicket(t.Context(), directory.Session{Actor: b.nurse, ExpiresAt: time.Now().Add(time.Hour)})
	require.NoError(t, err)
	u, err := b.dir.GetUser(t.Context(), by(b.admin), b.nurse.UserID)
	require.NoError(t, err)
	in := input(u)
	in.Status = directory.Disabled
	n := b.Mark(t)
	_, err = b.dir.UpdateUser(t.Context(), by(b.admin), u.ID, 1, in)
	require.NoError(t, err)
	require.Equal(t, []string{"user.disabled", "session.closed"}, types(b.EventsSince(t, n)))
	require.Equal(t, "disabled", b.EventsSince(t, n)[1].Data["reason"])
	_, err = b.dir.GetSessionActor(t.Context(), secret)
	requireCode(t, err, care.Unauthenticated)
	_, err = b.dir.RedeemTicket(t.Context(), ticket)
	requireCode(t, err, care.Unauthenticated)
	_, err = b.dir.GetActor(t.Context(), b.nurse.UserID)
	requireCode(t, err, care.Forbidden)

	in.Status = directory.Active
	_, err = b.dir.UpdateUser(t.Context(), by(b.admin), u.ID, 2, in)
	require.NoError(t, err)
	require.Equal(t, []any{"status"}, b.EventsSince(t, n)[2].Data["changed"])

	own, err := b.dir.GetUser(t.Context(), by(b.admin), b.admin.UserID)
	require.NoError(t, err)
	mine := input(own)
	mine.Status = directory.Disabled
	_, err = b.dir.UpdateUser(t.Context(), by(b.admin), own.ID, 1, mine)
	requireCode(t, err, care.Invalid, "status")
}

func TestUpdateUser_OneClinicCannotTakeOverAPersonOfTwo(t *testing.T) {
	t.Parallel()
	b := setup(t)
	require.NoError(t, b.dir.GrantMembership(t.Context(), seed, directory.MembershipInput{UserID: b.doctor.UserID, ClinicID: &b.there, Role: care.Doctor}))
	u, err := b.dir.GetUser(t.Context(), by(b.admin), b.doctor.UserID)
	require.NoError(t, err)
	require.Len(t, u.Memberships, 1, "what they are elsewhere is not shown")
	in := input(u)
	in.Email = "mine@attacker.example"
	n := b.Mark(t)
	_, err = b.dir.UpdateUser(t.Context(), by(b.admin), u.ID, 1, in)
	requireCode(t, err, care.Forbidden, "email")
	require.Equal(t, []string{"access.denied"}, types(b.EventsSince(t, n)))
	in = input(u)
	in.GivenName = "Ada"
	_, err = b.dir.UpdateUser(t.Context(), by(b.admin), u.ID, 1, in)
	require.NoError(t, err)
}

func TestListUsers_PagesThroughTheClinic(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.person(t, b.there, care.Patient)
	seen := map[uuid.UUID]bool{}
	f := directory.UserFilter{Limit: 3}
	for {
		page, err := b.dir.ListUsers(t.Context(), by(b.nurse), f)
		require.NoError(t, err)
		for _, u := range page.Items {
			require.False(t, seen[u.ID])
			seen[u.ID] = true
		}
		if f.Cursor = page.Next; f.Cursor == "" {
			break
		}
	}
	require.Len(t, seen, 4, "admin, doctor, nurse and patient of the clinic, none of the other clinic")
	page, err := b.dir.ListUsers(t.Context(), by(b.nurse), directory.UserFilter{ClinicID: b.here, Role: care.Doctor})
	require.NoError(t, err)
	require.Len(t, page.Items, 1)
	require.Equal(t, b.doctor.UserID, page.Items[0].ID)
	_, err = b.dir.ListUsers(t.Context(), by(b.nurse), directory.UserFilter{Limit: 1000, Role: "king", Cursor: "x"})
	requireCode(t, err, care.Invalid, "limit", "role", "cursor")
}

func TestOutbox_ContainsNoNamesOrAddresses(t *testing.T) {
	t.Parallel()
	b := setup(t)
	u, err := b.dir.CreateUser(t.Context(), by(b.admin), newUser(b.here, care.Patient))
	require.NoError(t, err)
	in := input(u)
	in.FamilyName, in.Email, in.Phone = "Featherstone", "featherstone@x.example", new("+12015550199")
	_, err = b.dir.UpdateUser(t.Context(), by(b.admin), u.ID, 1, in)
	require.NoError(t, err)
	_, err = b.dir.RegisterDevice(t.Context(), by(b.patient), "ios", "secret-push-token")
	require.NoError(t, err)
	var all string
	require.NoError(t, b.db.Owner.QueryRow(t.Context(), "SELECT string_agg(o::text, E'\\n') FROM outbox AS o").Scan(&all))
	for _, private := range []string{"Wilhelmina", "Murgatroyd", "Featherstone", "featherstone", "Clinic.example", "clinic.example", "+4930123", "+12015550199", "secret-push-token"} {
		require.NotContains(t, all, private)
	}
}
