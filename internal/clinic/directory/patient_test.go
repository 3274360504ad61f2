package directory_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"carewire/internal/care"
	"carewire/internal/clinic/directory"
)

func TestNameWords_IgnoreCaseAccentsAndApostrophes(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for name, want := range map[string][]string{
		"Maria da Silva":         {"da", "maria", "silva"},
		"José-María  O'Brien":    {"jose", "maria", "obrien"},
		"D’Arcy Müller-Lüdens":   {"darcy", "ludens", "muller"},
		"Søren Łukasz Æsir":      {"aesir", "lukasz", "soren"},
		"Groß ẞ Þór":             {"gross", "ss", "thor"},
		"ИВАНОВ Юрий":            {"иванов", "юрии"},
		"ΑΓΓΕΛΟΣ Παπαδόπουλος":   {"αγγελοσ", "παπαδοπουλοσ"},
		"Nguyễn Văn Ổn":          {"nguyen", "on", "van"},
		"ＦＵＬＬ width":             {"full", "width"},
		"王 小明":                   {"小明", "王"},
		"Anna Anna":              {"anna"},
		"...":                    {},
		"Smith (née Jones), Jr.": {"jones", "jr", "nee", "smith"},
	} {
		var words []string
		require.NoError(t, b.db.Owner.QueryRow(t.Context(), "SELECT name_words($1)", name).Scan(&words))
		require.ElementsMatch(t, want, words, name)
	}
}

// patientOf registers a patient of the clinic without an address.
func (b *testBundle) patientOf(t *testing.T, as care.Actor, in directory.NewUser) directory.User {
	t.Helper()
	in.Roles = []care.Role{care.Patient}
	if in.ClinicID == uuid.Nil {
		in.ClinicID = b.here
	}
	u, err := b.dir.CreateUser(t.Context(), by(as), in)
	require.NoError(t, err)
	return u
}

func TestCreateUser_APatientWithoutAnAddressReceivesNoInvitation(t *testing.T) {
	t.Parallel()
	b := setup(t)
	u := b.patientOf(t, b.admin, directory.NewUser{GivenName: "Walk", FamilyName: "In", BirthDate: "1984-03-14", Sex: "female", MedicalRecordNumber: "A-1"})
	require.Empty(t, u.Email)
	got, err := b.dir.GetUser(t.Context(), by(b.doctor), u.ID)
	require.NoError(t, err)
	require.Equal(t, []string{"", "1984-03-14", "female"}, []string{got.Email, got.BirthDate, got.Sex})
	require.Equal(t, []directory.MedicalRecordNumber{{ClinicID: b.here, Number: "A-1"}}, got.MedicalRecordNumbers)
	var invitations, linkable int
	require.NoError(t, b.db.Owner.QueryRow(t.Context(), "SELECT count(*) FROM invitations WHERE user_id = $1", u.ID).Scan(&invitations))
	require.Zero(t, invitations)
	require.NoError(t, b.db.Owner.QueryRow(t.Context(), "SELECT count(*) FROM users WHERE user_address_state(users, 'email', false) = 'none' AND id = $1", u.ID).Scan(&linkable))
	require.Equal(t, 1, linkable)
	_, err = b.dir.RequestVerification(t.Context(), by(b.actor(t, u.ID)), "email", "")
	requireCode(t, err, care.Conflict, "channel")
	err = b.dir.GrantMembership(t.Context(), by(b.admin), directory.MembershipInput{UserID: u.ID, ClinicID: &b.here, Role: care.Nurse})
	requireCode(t, err, care.Invalid, "role")
	// An empty address does not match a person without an address.
	_, err = b.dir.GetActorByIdentity(t.Context(), directory.Identity{Issuer: issuer, Subject: uuid.NewString(), EmailVerified: true})
	requireCode(t, err, care.Unauthenticated)

	_, err = b.dir.CreateUser(t.Context(), by(b.admin), directory.NewUser{GivenName: "B", FamilyName: "C", ClinicID: b.here, Roles: []care.Role{care.Patient}, MedicalRecordNumber: "A-1"})
	requireCode(t, err, care.Conflict, "medicalRecordNumber")
	elsewhere := b.patientOf(t, b.other, directory.NewUser{GivenName: "B", FamilyName: "C", ClinicID: b.there, MedicalRecordNumber: "A-1"})
	require.Equal(t, "A-1", elsewhere.MedicalRecordNumbers[0].Number, "another clinic has numbers of its own")
}

func TestUpdateUser_ChangesDemographicsAndNumbersInOneVersion(t *testing.T) {
	t.Parallel()
	b := setup(t)
	u := b.patientOf(t, b.admin, directory.NewUser{GivenName: "A", FamilyName: "B", MedicalRecordNumber: "1"})
	in := input(u)
	in.BirthDate, in.Sex = "1950-01-02", "unknown"
	in.MedicalRecordNumbers = []directory.MedicalRecordNumber{{ClinicID: b.here, Number: "2"}}
	n := b.Mark(t)
	got, err := b.dir.UpdateUser(t.Context(), by(b.admin), u.ID, u.Version, in)
	require.NoError(t, err)
	require.Equal(t, u.Version+1, got.Version)
	require.Equal(t, []any{"birthDate", "sex", "medicalRecordNumbers"}, b.EventsSince(t, n)[0].Data["changed"])
	read, err := b.dir.GetUser(t.Context(), by(b.admin), u.ID)
	require.NoError(t, err)
	require.Equal(t, in.MedicalRecordNumbers, read.MedicalRecordNumbers)
	n = b.Mark(t)
	_, err = b.dir.UpdateUser(t.Context(), by(b.admin), u.ID, got.Version, in)
	require.NoError(t, err)
	require.Empty(t, b.EventsSince(t, n), "nothing changed")

	in.MedicalRecordNumbers = []directory.MedicalRecordNumber{{ClinicID: b.there, Number: "2"}, {ClinicID: b.here, Number: "3"}, {ClinicID: b.here, Number: "4"}}
	_, err = b.dir.UpdateUser(t.Context(), by(b.admin), u.ID, got.Version, in)
	requireCode(t, err, care.Invalid, "medicalRecordNumbers[0].clinicId", "medicalRecordNumbers[2].clinicId")
	in.MedicalRecordNumbers = nil
	got, err = b.dir.UpdateUser(t.Context(), by(b.admin), u.ID, got.Version, in)
	require.NoError(t, err)
	require.Empty(t, got.MedicalRecordNumbers)
}

func TestUpdateUser_ReceptionistsCorrectPatientsButNotTheirSignIn(t *testing.T) {
	t.Parallel()
	b := setup(t)
	desk := b.person(t, b.here, care.Receptionist)
	u, err := b.dir.GetUser(t.Context(), by(b.admin), b.patient.UserID)
	require.NoError(t, err)
	in := input(u)
	in.Phone, in.Locale, in.TimeZone = new("+12015550199"), "fr", "Europe/Paris"
	got, err := b.dir.UpdateUser(t.Context(), by(desk), u.ID, u.Version, in)
	require.NoError(t, err)
	require.Equal(t, "+12015550199", *got.Phone)
	for field, change := range map[string]func(*directory.UserInput){
		"email":  func(in *directory.UserInput) { in.Email = "other@x.example" },
		"status": func(in *directory.UserInput) { in.Status = directory.Disabled },
	} {
		other := in
		change(&other)
		_, err = b.dir.UpdateUser(t.Context(), by(desk), u.ID, got.Version, other)
		requireCode(t, err, care.Forbidden, field)
	}
	for _, colleague := range []care.Actor{b.nurse, b.person(t, b.here, care.Patient, care.Nurse)} {
		u, err := b.dir.GetUser(t.Context(), by(b.admin), colleague.UserID)
		require.NoError(t, err)
		in := input(u)
		in.Phone = nil
		_, err = b.dir.UpdateUser(t.Context(), by(desk), u.ID, u.Version, in)
		requireCode(t, err, care.Forbidden)
	}
}

func TestUpdateSelf_ChangesOnesOwnDetailsAndUnverifiesThem(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.Exec(t, "UPDATE users SET phone_verified = true WHERE id = $1", b.patient.UserID)
	me, err := b.dir.GetSelf(t.Context(), b.patient)
	require.NoError(t, err)
	_, err = b.dir.UpdateSelf(t.Context(), by(b.patient), 0, directory.SelfInput{Locale: "en", TimeZone: "UTC"})
	requireCode(t, err, care.PreconditionRequired)
	_, err = b.dir.UpdateSelf(t.Context(), by(b.patient), me.Version+1, directory.SelfInput{Locale: "en", TimeZone: "UTC"})
	requireCode(t, err, care.PreconditionFailed)
	_, err = b.dir.UpdateSelf(t.Context(), by(b.patient), me.Version, directory.SelfInput{Phone: new("123"), Locale: "german!", TimeZone: "Local"})
	requireCode(t, err, care.Invalid, "phone", "locale", "timeZone")
	n := b.Mark(t)
	got, err := b.dir.UpdateSelf(t.Context(), by(b.patient), me.Version, directory.SelfInput{Phone: new("+1 201 555 0142"), Locale: me.Locale, TimeZone: me.TimeZone})
	require.NoError(t, err)
	require.Equal(t, "+12015550142", *got.Phone)
	require.Equal(t, me.Version+1, got.Version)
	require.Equal(t, []any{"phone"}, b.EventsSince(t, n)[0].Data["changed"])
	contacts, err := b.dir.ListContacts(t.Context(), by(b.patient))
	require.NoError(t, err)
	require.Contains(t, contacts, directory.Contact{Channel: "sms", Address: "+12015550142"})
	_, err = b.dir.UpdateSelf(t.Context(), by(care.SystemActor("x")), 1, directory.SelfInput{})
	requireCode(t, err, care.Forbidden)
}

func TestCreateUser_WarnsOfAPossibleDuplicate(t *testing.T) {
	t.Parallel()
	b := setup(t)
	known := b.patientOf(t, b.admin, directory.NewUser{GivenName: "José", FamilyName: "García Núñez", BirthDate: "1970-05-06", Phone: new("+12015550111")})
	b.patientOf(t, b.other, directory.NewUser{GivenName: "Far", FamilyName: "Away", BirthDate: "1970-05-06", Phone: new("+12015550122"), ClinicID: b.there})
	n := b.Mark(t)
	for what, in := range map[string]directory.NewUser{
		"name and birth date":        {GivenName: "garcia", FamilyName: "JOSE Nunez", BirthDate: "1970-05-06"},
		"phone":                      {GivenName: "Another", FamilyName: "Name", Phone: new("+1 201 555 0111")},
		"the phone as WhatsApp":      {GivenName: "Another", FamilyName: "Name", WhatsApp: new("+12015550111")},
		"phone, with an own address": {Email: "own@x.example", GivenName: "José", FamilyName: "García", Phone: new("+12015550111")},
	} {
		in.ClinicID, in.Roles = b.here, []care.Role{care.Patient}
		_, err := b.dir.CreateUser(t.Context(), by(b.admin), in)
		requireCode(t, err, care.PossibleDuplicate)
		var e *care.Error
		require.ErrorAs(t, err, &e, what)
		require.Equal(t, []uuid.UUID{known.ID}, e.Duplicates, what)
	}
	require.Empty(t, b.EventsSince(t, n))
	for what, in := range map[string]directory.NewUser{
		"another birth date":  {GivenName: "José", FamilyName: "García Núñez", BirthDate: "1970-05-07"},
		"no birth date":       {GivenName: "José", FamilyName: "García Núñez"},
		"another clinic's":    {GivenName: "Far", FamilyName: "Away", BirthDate: "1970-05-06", Phone: new("+12015550122")},
		"somebody else's day": {GivenName: "Other", FamilyName: "Name", BirthDate: "1970-05-06"},
	} {
		require.NotZero(t, b.patientOf(t, b.admin, in).ID, what)
	}
	n = b.Mark(t)
	b.patientOf(t, b.admin, directory.NewUser{GivenName: "Child", FamilyName: "García", Phone: new("+12015550111"), AllowDuplicate: true})
	require.Equal(t, []any{known.ID.String()}, b.EventsSince(t, n)[0].Data["duplicateIds"], "that the caller insisted is audited")
}

func TestCreateUser_WarnsOneOfTwoConcurrentRegistrations(t *testing.T) {
	t.Parallel()
	b := setup(t)
	codes := make(chan care.Code, 4)
	for range cap(codes) {
		go func() {
			_, err := b.dir.CreateUser(t.Context(), by(b.admin), directory.NewUser{GivenName: "Ana", FamilyName: "Lima", BirthDate: "2001-02-03", ClinicID: b.here, Roles: []care.Role{care.Patient}})
			codes <- care.CodeOf(err)
		}()
	}
	count := map[care.Code]int{}
	for range cap(codes) {
		count[<-codes]++
	}
	require.Equal(t, map[care.Code]int{"": 1, care.PossibleDuplicate: 3}, count)
}

func TestListUsers_SearchesOneClinicAndAuditsTheFilters(t *testing.T) {
	t.Parallel()
	b := setup(t)
	silva := b.patientOf(t, b.admin, directory.NewUser{GivenName: "María", FamilyName: "da Silva", BirthDate: "1984-03-14", MedicalRecordNumber: "A 7"})
	silvana := b.patientOf(t, b.admin, directory.NewUser{GivenName: "Silvana", FamilyName: "Marques", BirthDate: "1984-03-14"})
	b.patientOf(t, b.other, directory.NewUser{GivenName: "Maria", FamilyName: "Silva", BirthDate: "1984-03-14", MedicalRecordNumber: "A 7", ClinicID: b.there})
	for what, c := range map[string]struct {
		filter directory.UserFilter
		found  []uuid.UUID
		by     []any
	}{
		"a word":             {directory.UserFilter{Name: "MARIA"}, []uuid.UUID{silva.ID}, []any{"name"}},
		"beginnings":         {directory.UserFilter{Name: "mar silv"}, []uuid.UUID{silva.ID, silvana.ID}, []any{"name"}},
		"a birth date":       {directory.UserFilter{BirthDate: "1984-03-14"}, []uuid.UUID{silva.ID, silvana.ID}, []any{"birthDate"}},
		"both":               {directory.UserFilter{Name: "silvana", BirthDate: "1984-03-14"}, []uuid.UUID{silvana.ID}, []any{"name", "birthDate"}},
		"a number":           {directory.UserFilter{Number: "A 7"}, []uuid.UUID{silva.ID}, []any{"number"}},
		"a number's, unlike": {directory.UserFilter{Number: "A 7", Name: "silvana"}, nil, []any{"name", "number"}},
		"a role":             {directory.UserFilter{Name: "silva", Role: care.Nurse}, nil, []any{"name", "role"}},
		"the middle":         {directory.UserFilter{Name: "ilva"}, nil, []any{"name"}},
		"a wildcard":         {directory.UserFilter{Name: "s%a"}, nil, []any{"name"}},
	} {
		for _, actor := range []care.Actor{b.admin, b.doctor, b.nurse} {
			n := b.Mark(t)
			page, err := b.dir.ListUsers(t.Context(), by(actor), c.filter)
			require.NoError(t, err, what)
			var found []uuid.UUID
			for _, item := range page.Items {
				found = append(found, item.ID)
			}
			require.Equal(t, c.found, found, what)
			events := b.EventsSince(t, n)
			require.Equal(t, []string{"user.searched"}, types(events), what)
			require.Equal(t, c.by, events[0].Data["filters"], what)
			require.Len(t, events[0].Data["userIds"], len(c.found), what)
			require.Equal(t, &b.here, events[0].Clinic)
			text := fmt.Sprint(events[0].Data)
			for _, private := range []string{"aria", "ARIA", "ilva", "1984-03-14", "A 7"} {
				require.NotContains(t, text, private)
			}
		}
	}
	page, err := b.dir.ListUsers(t.Context(), by(b.admin), directory.UserFilter{Name: "silva"})
	require.NoError(t, err)
	require.Equal(t, []string{"1984-03-14", "A 7"}, []string{page.Items[0].BirthDate, page.Items[0].MedicalRecordNumber})
	first, err := b.dir.ListUsers(t.Context(), by(b.admin), directory.UserFilter{Name: "mar", Limit: 1})
	require.NoError(t, err)
	second, err := b.dir.ListUsers(t.Context(), by(b.admin), directory.UserFilter{Name: "mar", Limit: 1, Cursor: first.Next})
	require.NoError(t, err)
	require.Equal(t, []uuid.UUID{silva.ID, silvana.ID}, []uuid.UUID{first.Items[0].ID, second.Items[0].ID})
	require.Empty(t, second.Next)

	_, err = b.dir.ListUsers(t.Context(), by(b.patient), directory.UserFilter{Name: "silva"})
	requireCode(t, err, care.Forbidden)
	_, err = b.dir.ListUsers(t.Context(), by(b.admin), directory.UserFilter{Name: "silva", ClinicID: b.there})
	requireCode(t, err, care.Forbidden)
	_, err = b.dir.ListUsers(t.Context(), by(b.admin), directory.UserFilter{Name: "--", BirthDate: "x", Number: strings.Repeat("1", 65)})
	requireCode(t, err, care.Invalid, "name", "birthDate", "number")
	both := b.admin
	both.Memberships = append(both.Memberships, care.Membership{ClinicID: &b.there, Role: care.Nurse})
	_, err = b.dir.ListUsers(t.Context(), by(both), directory.UserFilter{Name: "silva"})
	requireCode(t, err, care.Invalid, "clinicId")
}

func TestListUsers_FindsARenamedPersonByTheNewName(t *testing.T) {
	t.Parallel()
	b := setup(t)
	u := b.patientOf(t, b.admin, directory.NewUser{GivenName: "Anna", FamilyName: "Oldname"})
	in := input(u)
	in.FamilyName = "Newname"
	_, err := b.dir.UpdateUser(t.Context(), by(b.admin), u.ID, u.Version, in)
	require.NoError(t, err)
	for name, n := range map[string]int{"oldname": 0, "newname": 1, "anna new": 1} {
		page, err := b.dir.ListUsers(t.Context(), by(b.admin), directory.UserFilter{Name: name})
		require.NoError(t, err)
		require.Len(t, page.Items, n, name)
	}
}

func TestListUsers_UsesIndexesAmongManyPeople(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.Exec(t, `INSERT INTO users (id, given_name, family_name, birth_date, phone)
		SELECT gen_random_uuid(), 'Given' || i, 'Family' || i, DATE '1950-01-01' + i % 20000, '+1201555' || lpad(i::text, 4, '0') FROM generate_series(1, 9000) AS i`)
	b.Exec(t, `INSERT INTO memberships (id, user_id, clinic_id, role) SELECT gen_random_uuid(), id, $1, 'patient' FROM users WHERE email IS NULL`, b.here)
	b.Exec(t, "ANALYZE users; ANALYZE memberships; ANALYZE person_words")
	for _, call := range []string{
		"SELECT * FROM people_find($1, 'Given77 fam', NULL, '', '', $2, 51)", "SELECT * FROM people_find($1, '', '1950-06-06', '', '', $2, 51)",
		"SELECT * FROM patient_duplicates($1, 'Given77 Family77', '1950-06-06', ARRAY['+12015550077', $2::text])",
	} {
		tx, err := b.db.Owner.Begin(t.Context())
		require.NoError(t, err)
		_, err = tx.Exec(t.Context(), "SELECT set_config('carewire.scope', 'system', true)")
		require.NoError(t, err)
		var before, after int64
		const scanned = "SELECT coalesce(sum(seq_tup_read), 0)::bigint FROM pg_stat_xact_user_tables WHERE relname IN ('users', 'memberships', 'person_words')"
		require.NoError(t, tx.QueryRow(t.Context(), scanned).Scan(&before))
		_, err = tx.Exec(t.Context(), call, b.here, uuid.Nil)
		require.NoError(t, err)
		require.NoError(t, tx.QueryRow(t.Context(), scanned).Scan(&after))
		require.Equal(t, before, after, "%s reads a whole table", call)
		require.NoError(t, tx.Rollback(t.Context()))
	}
	var n int
	require.NoError(t, b.db.App.QueryRow(t.Context(), "SELECT count(*) FROM people_find($1, 'Given', NULL, '', '', $2, 51)", b.here, uuid.Nil).Scan(&n))
	require.Zero(t, n, "without a scope")
}

func TestRecordDeath_EndsSignInAndSessionsUntilWithdrawn(t *testing.T) {
	t.Parallel()
	b := setup(t)
	desk := b.person(t, b.here, care.Receptionist)
	secret, _, err := b.dir.CreateSession(t.Context(), by(b.patient), time.Hour)
	require.NoError(t, err)
	own := signIn(b.email(t, b.patient), true)
	kept, err := b.dir.GetCachedActor(t.Context(), own)
	require.NoError(t, err)
	n := b.Mark(t)
	u, err := b.dir.RecordDeath(t.Context(), by(desk), b.patient.UserID, directory.Death{Date: "2026-02-28"})
	require.NoError(t, err)
	require.Equal(t, []string{"2026-02-28", directory.Active}, []string{u.DeceasedOn, u.Status}, "the status stays")
	events := b.EventsSince(t, n)
	require.Equal(t, []string{"user.deceased", "session.closed"}, types(events))
	require.Equal(t, map[string]any{"userId": b.patient.UserID.String(), "changed": []any{"deceasedOn"}}, events[0].Data)
	_, err = b.dir.GetSessionActor(t.Context(), secret)
	requireCode(t, err, care.Unauthenticated)
	_, err = b.dir.GetActorByIdentity(t.Context(), own)
	requireCode(t, err, care.Forbidden)
	_, err = b.dir.ListContacts(t.Context(), by(kept))
	require.ErrorIs(t, err, care.ErrActorChanged, "whom an instance keeps is looked up again")

	n = b.Mark(t)
	_, err = b.dir.RecordDeath(t.Context(), by(desk), b.patient.UserID, directory.Death{Date: "2026-02-28"})
	require.NoError(t, err)
	require.Empty(t, b.EventsSince(t, n), "again")
	_, err = b.dir.RecordDeath(t.Context(), by(desk), b.patient.UserID, directory.Death{Date: "2026-02-27"})
	requireCode(t, err, care.Conflict, "date")
	_, err = b.dir.WithdrawDeath(t.Context(), by(b.doctor), b.patient.UserID, directory.DeathWithdrawal{Reason: " "})
	requireCode(t, err, care.Invalid, "reason")
	u, err = b.dir.WithdrawDeath(t.Context(), by(b.doctor), b.patient.UserID, directory.DeathWithdrawal{Reason: "Another patient's."})
	require.NoError(t, err)
	require.Empty(t, u.DeceasedOn)
	require.Equal(t, []string{"user.deceased_withdrawn"}, types(b.EventsSince(t, n)))
	_, err = b.dir.GetActorByIdentity(t.Context(), own)
	require.NoError(t, err)
	_, err = b.dir.WithdrawDeath(t.Context(), by(b.doctor), b.patient.UserID, directory.DeathWithdrawal{Reason: "Again."})
	requireCode(t, err, care.Conflict)
	var reason string
	require.NoError(t, b.db.Owner.QueryRow(t.Context(), "SELECT withdrawal_reason FROM deaths WHERE user_id = $1", b.patient.UserID).Scan(&reason))
	require.Equal(t, "Another patient's.", reason)
}

func TestRecordDeath_IsForTheClinicsOfPresentAndFormerPatients(t *testing.T) {
	t.Parallel()
	b := setup(t)
	former := b.person(t, b.here, care.Patient)
	require.NoError(t, b.dir.RevokeMembership(t.Context(), by(b.admin), directory.MembershipInput{UserID: former.UserID, ClinicID: &b.here, Role: care.Patient}))
	day := directory.Death{Date: "2026-02-28"}
	_, err := b.dir.RecordDeath(t.Context(), by(b.doctor), former.UserID, day)
	require.NoError(t, err)
	elsewhere := b.person(t, b.here, care.Patient)
	require.NoError(t, b.dir.GrantMembership(t.Context(), seed, directory.MembershipInput{UserID: elsewhere.UserID, ClinicID: &b.there, Role: care.Nurse}))
	for what, c := range map[string]struct {
		actor care.Actor
		id    uuid.UUID
		day   string
		code  care.Code
	}{
		"a stranger":                  {b.other, b.patient.UserID, day.Date, care.NotFound},
		"nobody":                      {b.admin, uuid.New(), day.Date, care.NotFound},
		"a nurse":                     {b.nurse, b.patient.UserID, day.Date, care.Forbidden},
		"the person":                  {b.patient, b.patient.UserID, day.Date, care.Forbidden},
		"somebody who is no patient":  {b.admin, b.doctor.UserID, day.Date, care.Forbidden},
		"who works at another clinic": {b.admin, elsewhere.UserID, day.Date, care.Forbidden},
		"a day to come":               {b.admin, b.patient.UserID, time.Now().AddDate(0, 0, 3).Format(time.DateOnly), care.Invalid},
		"no day":                      {b.admin, b.patient.UserID, "yesterday", care.Invalid},
	} {
		n := b.Mark(t)
		_, err := b.dir.RecordDeath(t.Context(), by(c.actor), c.id, directory.Death{Date: c.day})
		requireCode(t, err, c.code)
		if c.code != care.Invalid {
			require.Equal(t, []string{"access.denied"}, types(b.EventsSince(t, n)), what)
		}
	}
	born := b.patientOf(t, b.admin, directory.NewUser{GivenName: "A", FamilyName: "B", BirthDate: "2026-03-01"})
	_, err = b.dir.RecordDeath(t.Context(), by(b.admin), born.ID, day)
	requireCode(t, err, care.Invalid, "date")
}
