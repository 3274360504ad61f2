package rest_test

import (
	"net/http"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
)

// elsewhere makes a second clinic with an administrator and a patient, and gives its id.
func (b *bundle) elsewhere() uuid.UUID {
	b.t.Helper()
	id := uuid.New()
	_, err := b.db.Owner.Exec(b.t.Context(), `INSERT INTO clinics (id, name, time_zone) VALUES ($1, 'Other Clinic', 'UTC')`, id)
	require.NoError(b.t, err)
	for email, role := range map[string]string{otherAdmin: "admin", otherPatient: "patient"} {
		b.ids[email] = uuid.New()
		_, err := b.db.Owner.Exec(b.t.Context(), `WITH u AS (
				INSERT INTO users (id, email, email_verified, given_name, family_name) VALUES ($1::uuid, $2, true, 'Otto', 'Other') RETURNING id
			) INSERT INTO memberships (id, user_id, clinic_id, role) SELECT gen_random_uuid(), $1::uuid, $3, $4`, b.ids[email], email, id, role)
		require.NoError(b.t, err)
	}
	return id
}

const (
	otherAdmin   = "admin@other.example"
	otherPatient = "patient@other.example"
)

func TestClinics_AreSeenByWhoBelongsAndByOperators(t *testing.T) {
	t.Parallel()
	b := setup(t)
	other := b.elsewhere()
	for who, want := range map[string]int{patient: 1, doctor: 1, admin: 1, operator: 2, auditor: 0} {
		w := b.do(who, http.MethodGet, "/api/clinics", nil)
		require.Equal(t, http.StatusOK, w.Code, "%s", w.Body)
		require.Len(t, decode(t, w)["items"], want, who)
	}
	own := b.do(patient, http.MethodGet, "/api/clinics/"+b.clinicID.String(), nil)
	require.Equal(t, map[string]any{"id": b.clinicID.String(), "version": 1.0, "name": "Demo Clinic", "timeZone": "Europe/Berlin"}, decode(t, own))
	require.Equal(t, http.StatusOK, b.do(operator, http.MethodGet, "/api/clinics/"+other.String(), nil).Code)
	before := b.events("access.denied")
	for _, id := range []string{other.String(), uuid.NewString()} {
		requireProblem(t, b.do(admin, http.MethodGet, "/api/clinics/"+id, nil), 404, "not_found")
	}
	requireProblem(t, b.do(auditor, http.MethodGet, "/api/clinics/"+other.String(), nil), 404, "not_found")
	require.Equal(t, before+3, b.events("access.denied"))
	require.Equal(t, []string{"id"}, requireProblem(t, b.do(admin, http.MethodGet, "/api/clinics/mine", nil), 422, "invalid"))
	requireProblem(t, b.do("", http.MethodGet, "/api/clinics", nil), 401, "unauthenticated")
}

func TestClinics_AreListedInPages(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.elsewhere()
	first := decode(t, b.do(operator, http.MethodGet, "/api/clinics?limit=1", nil))
	require.Len(t, first["items"], 1)
	second := decode(t, b.do(operator, http.MethodGet, "/api/clinics?limit=1&cursor="+first["next"].(string), nil))
	require.Len(t, second["items"], 1)
	require.NotEqual(t, first["items"], second["items"])
	require.NotContains(t, second, "next")
	require.Equal(t, []string{"cursor"}, requireProblem(t, b.do(operator, http.MethodGet, "/api/clinics?cursor=x", nil), 422, "invalid"))
}

func TestClinics_AreRegisteredAndChangedByOperators(t *testing.T) {
	t.Parallel()
	b := setup(t)
	body := map[string]any{"name": "Harbour Clinic", "timeZone": "Europe/Lisbon"}
	before := b.events("clinic.created")
	w := b.do(operator, http.MethodPost, "/api/clinics", body)
	require.Equal(t, http.StatusCreated, w.Code, "%s", w.Body)
	require.Equal(t, `"1"`, w.Header().Get("ETag"))
	created := decode(t, w)
	path := "/api/clinics/" + created["id"].(string)
	require.Equal(t, path, w.Header().Get("Location"))
	require.Equal(t, created, decode(t, b.do(operator, http.MethodGet, path, nil)))
	require.Equal(t, before+1, b.events("clinic.created"))

	require.Equal(t, []string{"name"}, requireProblem(t, b.do(operator, http.MethodPost, "/api/clinics", map[string]any{"name": "harbour clinic", "timeZone": "UTC"}), 409, "conflict"))
	require.Equal(t, []string{"timeZone"}, requireProblem(t, b.do(operator, http.MethodPost, "/api/clinics", map[string]any{"name": "Mars", "timeZone": "Mars"}), 422, "invalid"))
	denied := b.events("access.denied")
	for _, who := range []string{admin, doctor, patient, auditor} {
		requireProblem(t, b.do(who, http.MethodPost, "/api/clinics", body), 403, "forbidden")
		requireProblem(t, b.do(who, http.MethodPut, path, body, "If-Match", `"1"`), 403, "forbidden")
	}
	require.Equal(t, denied+8, b.events("access.denied"))

	body["name"] = "Harbour Clinic North"
	requireProblem(t, b.do(operator, http.MethodPut, path, body), 428, "precondition_required")
	requireProblem(t, b.do(operator, http.MethodPut, path, body, "If-Match", `"7"`), 412, "precondition_failed")
	w = b.do(operator, http.MethodPut, path, body, "If-Match", `"1"`)
	require.Equal(t, http.StatusOK, w.Code, "%s", w.Body)
	require.Equal(t, `"2"`, w.Header().Get("ETag"))
	require.Equal(t, "Harbour Clinic North", decode(t, w)["name"])
	body["name"] = "demo clinic"
	require.Equal(t, []string{"name"}, requireProblem(t, b.do(operator, http.MethodPut, path, body, "If-Match", `"2"`), 409, "conflict"))
	requireProblem(t, b.do(operator, http.MethodPut, "/api/clinics/"+uuid.NewString(), body, "If-Match", `"1"`), 404, "not_found")
}

func TestMembers_AreGivenAndTakenRolesByTheClinicsAdmin(t *testing.T) {
	t.Parallel()
	b := setup(t)
	other := b.elsewhere()
	path := "/api/clinics/" + b.clinicID.String() + "/members"
	body := func(who, role string) map[string]any { return map[string]any{"userId": b.ids[who], "role": role} }
	w := b.do(admin, http.MethodPost, path, body(nurse, "doctor"))
	require.Equal(t, http.StatusCreated, w.Code, "%s", w.Body)
	place := w.Header().Get("Location")
	require.Equal(t, path+"/"+b.ids[nurse].String()+"/doctor", place)
	require.Equal(t, []string{"role"}, requireProblem(t, b.do(admin, http.MethodPost, path, body(nurse, "doctor")), 409, "conflict"))
	require.Len(t, decode(t, b.do(nurse, http.MethodGet, "/api/me", nil))["memberships"], 2)

	before := b.events("access.denied")
	for name, c := range map[string]struct {
		as, path string
		body     any
		status   int
		code     string
	}{
		"a doctor":                         {doctor, path, body(nurse, "admin"), 403, "forbidden"},
		"a receptionist, of staff":         {receptionist, path, body(nurse, "admin"), 403, "forbidden"},
		"another's admin":                  {otherAdmin, path, body(otherPatient, "patient"), 403, "forbidden"},
		"somebody of another clinic":       {admin, path, body(otherPatient, "patient"), 404, "not_found"},
		"a clinic that is not the admin's": {admin, "/api/clinics/" + other.String() + "/members", body(nurse, "nurse"), 403, "forbidden"},
		"nobody":                           {admin, path, map[string]any{"userId": uuid.New(), "role": "nurse"}, 404, "not_found"},
	} {
		requireProblem(t, b.do(c.as, http.MethodPost, c.path, c.body), c.status, c.code)
		require.Equal(t, before+1, b.events("access.denied"), name)
		before++
	}
	require.Equal(t, []string{"role"}, requireProblem(t, b.do(admin, http.MethodPost, path, body(nurse, "operator")), 422, "invalid"))
	require.Equal(t, http.StatusCreated, b.do(receptionist, http.MethodPost, path, body(nurse, "patient")).Code, "a receptionist registers patients")

	requireProblem(t, b.do(receptionist, http.MethodDelete, place, nil), 403, "forbidden")
	requireProblem(t, b.do(otherAdmin, http.MethodDelete, place, nil), 403, "forbidden")
	w = b.do(admin, http.MethodDelete, place, nil)
	require.Equal(t, http.StatusNoContent, w.Code, "%s", w.Body)
	requireProblem(t, b.do(admin, http.MethodDelete, place, nil), 404, "not_found")
	require.Equal(t, []string{"role"}, requireProblem(t, b.do(admin, http.MethodDelete, path+"/"+b.ids[admin].String()+"/admin", nil), 409, "conflict"))
	require.Equal(t, 1, b.events("membership.revoked"))
}

func TestUsers_AReceptionistRegistersPatientsOnly(t *testing.T) {
	t.Parallel()
	b := setup(t)
	user := func(email string, roles ...string) map[string]any {
		return map[string]any{"email": email, "givenName": "Neu", "familyName": "Person", "clinicId": b.clinicID, "roles": roles}
	}
	require.Equal(t, http.StatusCreated, b.do(receptionist, http.MethodPost, "/api/users", user("one@demo.example", "patient")).Code)
	before := b.events("access.denied")
	requireProblem(t, b.do(receptionist, http.MethodPost, "/api/users", user("two@demo.example", "patient", "doctor")), 403, "forbidden")
	requireProblem(t, b.do(doctor, http.MethodPost, "/api/users", user("two@demo.example", "patient")), 403, "forbidden")
	require.Equal(t, before+2, b.events("access.denied"))
}

func TestCareTeam_IsManagedOverREST(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.elsewhere()
	team := "/api/patients/" + b.ids[patient].String() + "/care-team"
	place := team + "/" + b.clinicID.String() + "/" + b.ids[doctor].String()
	report := b.writeReport()
	w := b.do(patient, http.MethodGet, team, nil)
	require.Equal(t, http.StatusOK, w.Code, "%s", w.Body)
	require.Len(t, decode(t, w)["items"], 2)
	require.Zero(t, b.events("record.read"), "their own")
	require.Equal(t, http.StatusOK, b.do(receptionist, http.MethodGet, team, nil).Code)
	require.Equal(t, 1, b.events("record.read"))

	require.Equal(t, http.StatusOK, b.do(admin, http.MethodPut, place, nil).Code, "on it already")
	nursePlace := team + "/" + b.clinicID.String() + "/" + b.ids[nurse].String()
	require.Equal(t, http.StatusOK, b.do(nurse, http.MethodGet, report, nil).Code)
	require.Equal(t, http.StatusNoContent, b.do(admin, http.MethodDelete, nursePlace, nil).Code)
	requireProblem(t, b.do(nurse, http.MethodGet, report, nil), 404, "not_found")
	requireProblem(t, b.do(admin, http.MethodDelete, nursePlace, nil), 404, "not_found")
	w = b.do(admin, http.MethodPut, nursePlace, nil)
	require.Equal(t, http.StatusCreated, w.Code, "%s", w.Body)
	require.Equal(t, http.StatusOK, b.do(nurse, http.MethodGet, report, nil).Code)
	require.Equal(t, []int{1, 1}, []int{b.events("care_team.joined"), b.events("care_team.left")})

	before := b.events("access.denied")
	for _, who := range []string{patient, doctor, receptionist, otherAdmin, operator} {
		requireProblem(t, b.do(who, http.MethodPut, place, nil), 403, "forbidden")
		requireProblem(t, b.do(who, http.MethodDelete, place, nil), 403, "forbidden")
	}
	for _, who := range []string{otherAdmin, otherPatient, operator} {
		requireProblem(t, b.do(who, http.MethodGet, team, nil), 404, "not_found")
	}
	require.Equal(t, before+13, b.events("access.denied"))
	wrong := team + "/" + b.clinicID.String() + "/" + b.ids[receptionist].String()
	require.Equal(t, []string{"memberId"}, requireProblem(t, b.do(admin, http.MethodPut, wrong, nil), 422, "invalid"))
	require.Equal(t, []string{"memberId"}, requireProblem(t, b.do(admin, http.MethodPut, team+"/"+b.clinicID.String()+"/x", nil), 422, "invalid"))
}

func TestClinicSettings_AreTheAdministratorsByVersionAndOthersKeepTheDefaults(t *testing.T) {
	t.Parallel()
	b := setup(t)
	other := b.elsewhere()
	path := "/api/clinics/" + b.clinicID.String() + "/settings"
	defaults := map[string]any{"clinicId": b.clinicID.String(), "version": 0.0, "criticalHoldMinutes": 1440.0, "appointmentMaxMinutes": 480.0}
	w := b.do(patient, http.MethodGet, path, nil)
	require.Equal(t, defaults, decode(t, w), "%s", w.Body)
	require.Empty(t, w.Header().Get("ETag"))
	set := map[string]any{"criticalHoldMinutes": 0, "appointmentMaxMinutes": 60}
	w = b.do(admin, http.MethodPut, path, set)
	require.Equal(t, http.StatusOK, w.Code, "%s", w.Body)
	require.Equal(t, `"1"`, w.Header().Get("ETag"))
	require.JSONEq(t, w.Body.String(), b.do(nurse, http.MethodGet, path, nil).Body.String())
	requireProblem(t, b.do(admin, http.MethodPut, path, set), 428, "precondition_required")
	stale := b.do(admin, http.MethodPut, path, set, "If-Match", `"2"`)
	requireProblem(t, stale, 412, "precondition_failed")
	require.Equal(t, `"1"`, stale.Header().Get("ETag"))
	require.Equal(t, http.StatusOK, b.do(admin, http.MethodPut, path, set, "If-Match", `"1"`).Code)
	require.Equal(t, 2, b.events("clinic.settings_changed"))

	for _, who := range []string{doctor, nurse, receptionist, patient, otherAdmin} {
		requireProblem(t, b.do(who, http.MethodPut, path, set, "If-Match", `"2"`), 403, "forbidden")
	}
	requireProblem(t, b.do(otherAdmin, http.MethodGet, path, nil), 404, "not_found")
	requireProblem(t, b.do(admin, http.MethodGet, "/api/clinics/"+other.String()+"/settings", nil), 404, "not_found")
	bad := map[string]any{"criticalHoldMinutes": -1, "appointmentMaxMinutes": 4}
	require.Equal(t, []string{"appointmentMaxMinutes", "criticalHoldMinutes"}, requireProblem(t, b.do(admin, http.MethodPut, path, bad, "If-Match", `"2"`), 422, "invalid"))
}
