package directory_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"carewire/internal/care"
	"carewire/internal/clinic/directory"
)

const issuer = "https://idp.example"

// sent returns the token in a message about the subject to the person.
func (b *testBundle) sent(t *testing.T, subject string, person uuid.UUID) string {
	t.Helper()
	token, _, err := directory.NewSecrets(b.db.Worker).Issue(t.Context(), "email", subject, person)
	require.NoError(t, err)
	require.NotEmpty(t, token)
	return token
}

// welcome registers a person at the clinic and returns them with the token of their welcome
// message.
func (b *testBundle) welcome(t *testing.T, admin care.Actor, in directory.NewUser) (directory.User, string) {
	t.Helper()
	u, err := b.dir.CreateUser(t.Context(), by(admin), in)
	require.NoError(t, err)
	return u, b.sent(t, "user/"+u.ID.String(), u.ID)
}

func (b *testBundle) accept(t *testing.T, id directory.Identity, token string) (uuid.UUID, error) {
	t.Helper()
	return b.dir.AcceptInvitation(t.Context(), care.Command{}, id, token)
}

// signIn returns an identity with a new subject.
func signIn(email string, verified bool) directory.Identity {
	return directory.Identity{Issuer: issuer, Subject: uuid.NewString(), Email: email, EmailVerified: verified}
}

// proved verifies the person's address and returns it.
func (b *testBundle) proved(t *testing.T, who care.Actor) string {
	t.Helper()
	b.Exec(t, "UPDATE users SET email_verified = true WHERE id = $1", who.UserID)
	return b.email(t, who)
}

func TestAcceptInvitation_StaffRolesRequireTheVerifiedAddress(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for _, role := range care.ClinicRoles {
		in := newUser(b.here, role)
		u, token := b.welcome(t, b.admin, in)
		for _, stranger := range []directory.Identity{signIn("other@mail.example", false), signIn("other@mail.example", true), signIn(in.Email, false), signIn("", true)} {
			if role == care.Patient {
				break
			}
			n := b.Mark(t)
			_, err := b.accept(t, stranger, token)
			requireCode(t, err, care.Forbidden)
			require.Empty(t, b.EventsSince(t, n))
			_, err = b.dir.GetActorByIdentity(t.Context(), directory.Identity{Issuer: issuer, Subject: stranger.Subject})
			requireCode(t, err, care.Unauthenticated)
		}
		own := signIn(in.Email, true)
		if role == care.Patient {
			own = signIn("other@mail.example", false)
		}
		got, err := b.accept(t, own, token)
		require.NoError(t, err, role)
		require.Equal(t, u.ID, got)
	}
}

func TestAcceptInvitation_StaffRolesRequireTheVerifiedAddressOfAPatientToo(t *testing.T) {
	t.Parallel()
	b := setup(t)
	in := newUser(b.there, care.Patient)
	u, token := b.welcome(t, b.other, in)
	bearer := signIn("other@mail.example", true)
	_, err := b.accept(t, bearer, token)
	require.NoError(t, err)

	invite := func(role care.Role) string {
		i, err := b.dir.CreateInvitation(t.Context(), by(b.admin), b.here, directory.NewInvitation{Email: in.Email, Roles: []care.Role{role}})
		require.NoError(t, err)
		return b.sent(t, "invitation/"+i.ID.String(), u.ID)
	}
	_, err = b.accept(t, bearer, invite(care.Doctor))
	requireCode(t, err, care.Forbidden)
	_, err = b.accept(t, bearer, invite(care.Patient))
	require.NoError(t, err)
	bearer.Email = in.Email
	_, err = b.accept(t, bearer, invite(care.Doctor))
	require.NoError(t, err)
	require.ElementsMatch(t, []care.Membership{{ClinicID: &b.there, Role: care.Patient}, {ClinicID: &b.here, Role: care.Patient}, {ClinicID: &b.here, Role: care.Doctor}}, b.actor(t, u.ID).Memberships)
}

func TestRoles_AreGrantedByAnotherPerson(t *testing.T) {
	t.Parallel()
	b := setup(t)
	own := directory.MembershipInput{UserID: b.admin.UserID, ClinicID: &b.here, Role: care.Doctor}
	n := b.Mark(t)
	requireCode(t, b.dir.GrantMembership(t.Context(), by(b.admin), own), care.Forbidden)
	own.Role = care.Patient
	requireCode(t, b.dir.GrantMembership(t.Context(), by(b.admin), own), care.Forbidden)
	_, err := b.dir.CreateInvitation(t.Context(), by(b.admin), b.here, directory.NewInvitation{Email: b.email(t, b.admin), Roles: []care.Role{care.Doctor}})
	requireCode(t, err, care.Forbidden)
	require.Equal(t, []string{"access.denied", "access.denied", "access.denied"}, types(b.EventsSince(t, n)))

	second := b.person(t, b.here, care.Admin)
	own.Role = care.Doctor
	require.NoError(t, b.dir.GrantMembership(t.Context(), by(second), own))
	b.admin = b.actor(t, b.admin.UserID)
	n = b.Mark(t)
	_, err = b.dir.AddCareTeamMember(t.Context(), by(b.admin), b.team(b.admin, b.patient, b.here))
	requireCode(t, err, care.Forbidden)
	require.Equal(t, []string{"access.denied"}, types(b.EventsSince(t, n)))
	_, err = b.dir.AddCareTeamMember(t.Context(), by(second), b.team(b.admin, b.patient, b.here))
	require.NoError(t, err)
}

func TestCreateUser_DoesNotRevealWhoIsKnownElsewhere(t *testing.T) {
	t.Parallel()
	b := setup(t)
	known, fresh := newUser(b.there, care.Patient), newUser(b.there, care.Patient)
	known.Email = b.proved(t, b.patient)
	var answers []directory.User
	var told [][]string
	for _, in := range []directory.NewUser{known, fresh} {
		n := b.Mark(t)
		u, err := b.dir.CreateUser(t.Context(), by(b.other), in)
		require.NoError(t, err)
		told = append(told, types(b.EventsSince(t, n)))
		same, err := b.dir.GetUser(t.Context(), by(b.other), u.ID)
		require.NoError(t, err)
		require.Equal(t, u, same, "it can be read")
		page, err := b.dir.ListUsers(t.Context(), by(b.other), directory.UserFilter{ClinicID: b.there, Role: care.Patient})
		require.NoError(t, err)
		require.Equal(t, u.ID, page.Items[len(page.Items)-1].ID, "and is listed")
		require.Equal(t, uuid.Version(7), u.ID.Version())
		require.WithinDuration(t, u.CreatedAt, time.Unix(u.ID.Time().UnixTime()), time.Second, "the id has the time of the row")
		u.ID, u.Email, u.Phone, u.CreatedAt, u.UpdatedAt = uuid.Nil, "", nil, time.Time{}, time.Time{}
		answers = append(answers, u)
	}
	require.Equal(t, answers[1], answers[0])
	require.Equal(t, told[1], told[0])

	_, err := b.dir.CreateUser(t.Context(), by(b.other), known)
	requireCode(t, err, care.Conflict, "email")
	u, err := b.dir.GetUser(t.Context(), by(b.admin), b.nurse.UserID)
	require.NoError(t, err)
	in := input(u)
	in.Email = b.email(t, b.other)
	_, err = b.dir.UpdateUser(t.Context(), by(b.admin), u.ID, u.Version, in)
	require.NoError(t, err, "an address of elsewhere is taken when a person's is changed, too")
}

func TestAcceptInvitation_MergesTheRegisteredPersonIntoOneKnownElsewhere(t *testing.T) {
	t.Parallel()
	b := setup(t)
	in := newUser(b.there, care.Patient)
	in.Email = b.proved(t, b.patient)
	own := signIn(in.Email, true)
	_, err := b.dir.GetActorByIdentity(t.Context(), own)
	require.NoError(t, err)
	u, token := b.welcome(t, b.other, in)
	dentist := b.person(t, b.there, care.Doctor)
	_, err = b.dir.AddCareTeamMember(t.Context(), by(b.other), directory.CareTeamMember{PatientID: u.ID, ClinicID: b.there, MemberID: dentist.UserID})
	require.NoError(t, err)

	_, err = b.accept(t, signIn("stranger@mail.example", true), token)
	requireCode(t, err, care.Conflict)
	second := signIn(in.Email, true)
	_, err = b.accept(t, second, token)
	requireCode(t, err, care.Conflict)

	n := b.Mark(t)
	for range 2 {
		got, err := b.accept(t, own, token)
		require.NoError(t, err, "again changes nothing")
		require.Equal(t, b.patient.UserID, got)
	}
	require.Equal(t, []string{"invitation.accepted", "membership.revoked", "membership.granted", "care_team.left", "care_team.joined", "user.merged"}, types(b.EventsSince(t, n)))
	merged := b.EventsSince(t, n)[5]
	require.Equal(t, map[string]any{"userId": b.patient.UserID.String(), "mergedId": u.ID.String()}, merged.Data)
	require.Equal(t, []any{"user/" + u.ID.String(), new(int64(2)), &b.patient.UserID, &b.there}, []any{merged.Subject, merged.Version, merged.Person, merged.Clinic})
	require.ElementsMatch(t, []care.Membership{{ClinicID: &b.here, Role: care.Patient}, {ClinicID: &b.there, Role: care.Patient}}, b.actor(t, b.patient.UserID).Memberships)
	_, err = b.dir.GetActor(t.Context(), u.ID)
	requireCode(t, err, care.Forbidden)
	_, err = b.dir.GetUser(t.Context(), by(b.other), u.ID)
	requireCode(t, err, care.NotFound)
	joined, err := b.dir.GetUser(t.Context(), by(b.other), b.patient.UserID)
	require.NoError(t, err)
	require.Len(t, joined.Memberships, 1, "what they are elsewhere is not shown")
	team, err := b.dir.ListCareTeam(t.Context(), by(b.other), b.patient.UserID)
	require.NoError(t, err)
	require.Len(t, team, 1)
}

// stays are the columns that keep the id of a merged person: they are historical, or the service
// updates them.
var stays = []string{
	"appointment_departures.person_id", "contact_verifications.user_id", "deaths.user_id", "deliveries.recipient_id", "devices.user_id", "digest_items.recipient_id", "digests.recipient_id", "escalations.done_by", "identities.user_id", "invitations.user_id",
	"medical_record_numbers.user_id", "memberships.user_id", "notifications.recipient_id", "person_times.user_id", "person_words.user_id", "preferences.user_id", "socket_tickets.user_id", "suppressions.user_id", "throttles.recipient_id", "unlinked_sign_ins.user_id",
	"users.merged_into", "web_sessions.user_id",
}

func TestPersonMerge_MovesEveryColumnThatNamesAPerson(t *testing.T) {
	t.Parallel()
	b := setup(t)
	from, into := b.person(t, b.there, care.Patient, care.Doctor), b.patient
	other := b.person(t, b.there, care.Patient, care.Doctor)
	for _, p := range [][2]care.Actor{{from, other}, {other, from}} { // Once as the patient, once as the doctor.
		b.Exec(t, `INSERT INTO records (id, kind, version, status, patient_id, clinic_id, doctor_id, code_system, code, effective_at, body, created_at, created_by, updated_at, updated_by)
			VALUES (gen_random_uuid(), 'condition', 1, 'active', $1::uuid, $3, $2::uuid, 's', 'c', now(), json_build_object('patientId', $1::uuid, 'doctorId', $2::uuid, 'n', 1.10), now(), 'x', now(), 'x')`, p[0].UserID, p[1].UserID, b.there)
		b.Exec(t, `INSERT INTO appointments (id, version, clinic_id, patient_id, doctor_id, status, starts_at, ends_at, historic, created_at, created_by, updated_at, updated_by)
			VALUES (gen_random_uuid(), 1, $3, $1, $2, 'completed', now(), now() + interval '1 hour', false, now(), 'x', now(), 'x')`, p[0].UserID, p[1].UserID, b.there)
		b.Exec(t, `INSERT INTO care_team (patient_id, clinic_id, member_id) VALUES ($1, $3, $2)`, p[0].UserID, p[1].UserID, b.there)
	}
	b.Exec(t, `WITH i AS (
			INSERT INTO invoices (id, version, clinic_id, patient_id, currency, status, total_minor, paid_minor, due_on, issued_at, created_at, created_by, updated_at, updated_by)
			VALUES (gen_random_uuid(), 1, $1, $2, 'EUR', 'issued', 1, 0, now(), now(), now(), 'x', now(), 'x') RETURNING id
		) INSERT INTO invoice_lines (invoice_id, line, description, quantity, unit_minor, amount_minor) SELECT i.id, 1, 'x', 1, 1, 1 FROM i`, b.there, from.UserID)
	b.Exec(t, `WITH c AS (
			INSERT INTO conversations (id, clinic_id, patient_id, subject, last_number, last_activity_at, created_at, created_by) VALUES (gen_random_uuid(), $1, $2, '', 1, now(), now(), 'x') RETURNING id
		), m AS (
			INSERT INTO conversation_messages (id, conversation_id, number, author_id, text, written_at) SELECT gen_random_uuid(), c.id, 1, $2, 'x', now() FROM c
		) INSERT INTO conversation_participants (conversation_id, user_id, joined_at, last_activity_at) SELECT c.id, $2, now(), now() FROM c`, b.there, from.UserID)
	b.Exec(t, `INSERT INTO doctor_hours (id, version, clinic_id, doctor_id, updated_at, updated_by) VALUES (gen_random_uuid(), 1, $1, $2, now(), 'x')`, b.there, from.UserID)
	b.Exec(t, `INSERT INTO absences (id, clinic_id, doctor_id, kind, starts_at, ends_at, note, created_at, created_by)
		VALUES (gen_random_uuid(), $1, $2, 'leave', now(), now() + interval '1 day', '', now(), 'x')`, b.there, from.UserID)
	b.Exec(t, `INSERT INTO doctor_hours_spans (clinic_id, doctor_id, weekday, opens_at, closes_at) VALUES ($1, $2, 1, '09:00', '12:00')`, b.there, from.UserID)

	var columns []string
	require.NoError(t, b.db.Owner.QueryRow(t.Context(), `SELECT array_agg(c.conrelid::regclass || '.' || a.attname ORDER BY 1)
		FROM pg_constraint AS c JOIN pg_attribute AS a ON a.attrelid = c.conrelid AND a.attnum = c.conkey[1]
		WHERE c.contype = 'f' AND c.conparentid = 0 AND c.confrelid = 'users'::regclass`).Scan(&columns))
	count := func(column string, who care.Actor) (n int) {
		table, name, _ := strings.Cut(column, ".")
		require.NoError(t, b.db.Owner.QueryRow(t.Context(), "SELECT count(*) FROM "+table+" WHERE "+name+" = $1", who.UserID).Scan(&n))
		return n
	}
	before := map[string]int{}
	for _, column := range columns {
		if !slices.Contains(stays, column) {
			before[column] = count(column, from)
			require.Positive(t, before[column], "%s has ids of people: update it in person_merge or list it in stays with the reason, and set it in this test", column)
		}
	}
	b.Exec(t, "SELECT person_merge($1, $2)", from.UserID, into.UserID)
	for column, n := range before {
		require.Zero(t, count(column, from), column)
		require.Equal(t, n, count(column, into), column)
	}
	var bodies int
	require.NoError(t, b.db.Owner.QueryRow(t.Context(), `SELECT count(*) FROM records
		WHERE body->>'patientId' = patient_id::text AND body->>'doctorId' = doctor_id::text AND body->>'n' = '1.10'`).Scan(&bodies))
	require.Equal(t, 2, bodies, "a body has the same data as its row, with all digits")
	var spans int
	require.NoError(t, b.db.Owner.QueryRow(t.Context(), "SELECT count(*) FROM doctor_hours_spans WHERE doctor_id = $1", into.UserID).Scan(&spans))
	require.Equal(t, 1, spans)
}

func TestAcceptInvitation_TheFirstOfTwoUnverifiedPeopleKeepsTheAddress(t *testing.T) {
	t.Parallel()
	b := setup(t)
	in := newUser(b.here, care.Patient)
	first, firstToken := b.welcome(t, b.admin, in)
	in.ClinicID = b.there
	second, secondToken := b.welcome(t, b.other, in)
	own := signIn(in.Email, true)
	got, err := b.accept(t, own, secondToken)
	require.NoError(t, err)
	require.Equal(t, second.ID, got)
	got, err = b.accept(t, own, firstToken)
	require.NoError(t, err)
	require.Equal(t, second.ID, got)
	require.Len(t, b.actor(t, second.ID).Memberships, 2)
	var into *uuid.UUID
	require.NoError(t, b.db.Owner.QueryRow(t.Context(), "SELECT merged_into FROM users WHERE id = $1", first.ID).Scan(&into))
	require.Equal(t, &second.ID, into)
}

func TestGetActorByIdentity_PrefersThePersonWhoVerifiedTheAddress(t *testing.T) {
	t.Parallel()
	b := setup(t)
	squatter := newUser(b.there, care.Patient)
	squat, token := b.welcome(t, b.other, squatter)
	theirs := signIn(squatter.Email, true)
	_, err := b.accept(t, theirs, token)
	require.NoError(t, err)
	in := newUser(b.here, care.Patient)
	u, err := b.dir.GetUser(t.Context(), by(b.other), squat.ID)
	require.NoError(t, err)
	changed := input(u)
	changed.Email = in.Email
	_, err = b.dir.UpdateUser(t.Context(), by(b.other), u.ID, u.Version, changed)
	require.NoError(t, err)

	rightful, _ := b.welcome(t, b.admin, in)
	own := signIn(in.Email, true)
	a, err := b.dir.GetActorByIdentity(t.Context(), own)
	require.NoError(t, err, "an address that another person received afterwards locks nobody out")
	require.Equal(t, rightful.ID, a.UserID)
	a, err = b.dir.GetActorByIdentity(t.Context(), theirs)
	require.NoError(t, err)
	require.Equal(t, squat.ID, a.UserID)

	in.ClinicID = b.there
	in.Email = b.email(t, b.nurse)
	mine := signIn(in.Email, true)
	a, err = b.dir.GetActorByIdentity(t.Context(), mine)
	require.NoError(t, err)
	require.Equal(t, b.nurse.UserID, a.UserID)
	_, token = b.welcome(t, b.other, in)
	_, err = b.dir.GetActorByIdentity(t.Context(), signIn(in.Email, true))
	requireCode(t, err, care.Unauthenticated)
	_, err = b.accept(t, signIn("stranger@mail.example", true), token)
	requireCode(t, err, care.Conflict)
	got, err := b.accept(t, mine, token)
	require.NoError(t, err)
	require.Equal(t, b.nurse.UserID, got)
}

func TestAcceptInvitation_GrantsNoRolesToTheInviter(t *testing.T) {
	t.Parallel()
	b := setup(t)
	// An administrator of two clinics registers a second account as a doctor at one of them, with
	// their address at the other.
	in := newUser(b.there, care.Admin)
	boss := b.person(t, b.there, care.Admin)
	in.Email = b.proved(t, boss)
	own := signIn(in.Email, true)
	_, err := b.dir.GetActorByIdentity(t.Context(), own)
	require.NoError(t, err)
	require.NoError(t, b.dir.GrantMembership(t.Context(), seed, directory.MembershipInput{UserID: boss.UserID, ClinicID: &b.here, Role: care.Admin}))
	boss = b.actor(t, boss.UserID)
	in.ClinicID, in.Roles = b.here, []care.Role{care.Doctor}
	_, err = b.dir.CreateUser(t.Context(), by(boss), in)
	requireCode(t, err, care.Conflict, "email")

	// Another address first, then their own: the administrator has a role there.
	in.Email = uuid.NewString() + "@x.example"
	self, err := b.dir.CreateUser(t.Context(), by(b.admin), in)
	require.NoError(t, err)
	b.Exec(t, "UPDATE users SET email = $2 WHERE id = $1", self.ID, b.email(t, boss))
	_, err = b.accept(t, own, b.sent(t, "user/"+self.ID.String(), self.ID))
	requireCode(t, err, care.Forbidden)
}

func TestSignIns_AreUnlinkedByThePersonsAdministrators(t *testing.T) {
	t.Parallel()
	b := setup(t)
	wrong := signIn(b.email(t, b.nurse), true)
	_, err := b.dir.GetActorByIdentity(t.Context(), wrong)
	require.NoError(t, err)
	secret, _, err := b.dir.CreateSession(t.Context(), by(b.nurse), time.Hour)
	require.NoError(t, err)
	list, err := b.dir.ListSignIns(t.Context(), by(b.admin), b.nurse.UserID)
	require.NoError(t, err)
	require.Len(t, list, 1)
	require.Equal(t, []string{issuer, wrong.Subject}, []string{list[0].Issuer, list[0].Subject})
	operator := care.Actor{ID: uuid.NewString(), UserID: uuid.New(), Memberships: []care.Membership{{Role: care.Operator}}}
	for _, c := range []struct {
		stranger care.Actor
		code     care.Code
	}{{b.other, care.NotFound}, {b.doctor, care.Forbidden}, {b.nurse, care.Forbidden}} {
		n := b.Mark(t)
		_, err := b.dir.ListSignIns(t.Context(), by(c.stranger), b.nurse.UserID)
		requireCode(t, err, c.code)
		requireCode(t, b.dir.UnlinkSignIn(t.Context(), by(c.stranger), b.nurse.UserID, list[0].ID), c.code)
		require.Equal(t, []string{"access.denied", "access.denied"}, types(b.EventsSince(t, n)))
	}
	requireCode(t, b.dir.UnlinkSignIn(t.Context(), by(operator), uuid.New(), list[0].ID), care.NotFound)
	requireCode(t, b.dir.UnlinkSignIn(t.Context(), by(operator), b.doctor.UserID, list[0].ID), care.NotFound)
	requireCode(t, b.dir.UnlinkSignIn(t.Context(), by(b.admin), b.admin.UserID, list[0].ID), care.Conflict)

	n := b.Mark(t)
	for range 2 {
		require.NoError(t, b.dir.UnlinkSignIn(t.Context(), by(b.admin), b.nurse.UserID, list[0].ID), "again changes nothing")
	}
	e := b.EventsSince(t, n)
	require.Equal(t, []string{"user.sign_in_unlinked", "session.closed"}, types(e))
	require.Equal(t, map[string]any{"signInId": list[0].ID.String(), "userId": b.nurse.UserID.String()}, e[0].Data)
	_, err = b.dir.GetSessionActor(t.Context(), secret)
	requireCode(t, err, care.Unauthenticated)
	_, err = b.dir.GetActorByIdentity(t.Context(), wrong)
	requireCode(t, err, care.Unauthenticated)
	right := signIn(b.email(t, b.nurse), true)
	_, err = b.dir.GetActorByIdentity(t.Context(), right)
	require.NoError(t, err, "the right one takes its place")
}

func TestSignIns_OfAPersonOfTwoClinicsAreUnlinkedByTheOperator(t *testing.T) {
	t.Parallel()
	b := setup(t)
	require.NoError(t, b.dir.GrantMembership(t.Context(), seed, directory.MembershipInput{UserID: b.doctor.UserID, ClinicID: &b.there, Role: care.Doctor}))
	own := signIn(b.email(t, b.doctor), true)
	_, err := b.dir.GetActorByIdentity(t.Context(), own)
	require.NoError(t, err)
	for _, admin := range []care.Actor{b.admin, b.other} {
		_, err = b.dir.ListSignIns(t.Context(), by(admin), b.doctor.UserID)
		requireCode(t, err, care.Forbidden)
	}
	operator := care.Actor{ID: uuid.NewString(), UserID: uuid.New(), Memberships: []care.Membership{{Role: care.Operator}}}
	list, err := b.dir.ListSignIns(t.Context(), by(operator), b.doctor.UserID)
	require.NoError(t, err)
	require.NoError(t, b.dir.UnlinkSignIn(t.Context(), by(operator), b.doctor.UserID, list[0].ID))
	_, err = b.dir.GetActorByIdentity(t.Context(), own)
	requireCode(t, err, care.Unauthenticated)
	i, err := b.dir.CreateInvitation(t.Context(), by(b.admin), b.here, directory.NewInvitation{Email: b.email(t, b.doctor), Roles: []care.Role{care.Doctor}})
	require.NoError(t, err)
	_, err = b.accept(t, own, b.sent(t, "invitation/"+i.ID.String(), b.doctor.UserID))
	require.NoError(t, err, "an invitation links it again")
	a, err := b.dir.GetActorByIdentity(t.Context(), own)
	require.NoError(t, err)
	require.Equal(t, b.doctor.UserID, a.UserID)
}
