package rest_test

import (
	"net/http"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
)

func TestSignIns_AWrongOneIsSeenAndTakenAway(t *testing.T) {
	t.Parallel()
	b := setup(t)
	require.Equal(t, http.StatusOK, b.do(nurse, http.MethodGet, "/api/me", nil).Code)
	path := "/api/users/" + b.ids[nurse].String() + "/sign-ins"
	list := decode(t, b.do(admin, http.MethodGet, path, nil))["items"].([]any)
	require.Len(t, list, 1)
	one := path + "/" + list[0].(map[string]any)["id"].(string)
	requireProblem(t, b.do(nurse, http.MethodDelete, one, nil), 403, "forbidden")
	requireProblem(t, b.do(patient, http.MethodDelete, one, nil), 404, "not_found")
	requireProblem(t, b.do(admin, http.MethodDelete, path+"/"+uuid.NewString(), nil), 404, "not_found")
	require.Equal(t, http.StatusNoContent, b.do(operator, http.MethodDelete, one, nil).Code)
	requireProblem(t, b.do(nurse, http.MethodGet, "/api/me", nil), 401, "unauthenticated")
	require.Equal(t, 1, b.events("user.sign_in_unlinked"))
	require.Empty(t, decode(t, b.do(admin, http.MethodGet, path, nil))["items"])
}

func TestUsers_RegisteringAnAddressOfAnotherClinicTellsNothingAndEndsInOnePerson(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.elsewhere()
	require.Equal(t, http.StatusOK, b.do(otherPatient, http.MethodGet, "/api/me", nil).Code)
	register := func(email string) map[string]any {
		w := b.do(receptionist, http.MethodPost, "/api/users", map[string]any{"email": email, "givenName": "N", "familyName": "W", "clinicId": b.clinicID, "roles": []string{"patient"}})
		require.Equal(t, http.StatusCreated, w.Code, "%s", w.Body)
		read := b.do(receptionist, http.MethodGet, w.Header().Get("Location"), nil)
		require.Equal(t, http.StatusOK, read.Code)
		require.Equal(t, decode(t, w), decode(t, read))
		return decode(t, w)
	}
	known, unknown := register(otherPatient), register("nobody@demo.example")
	id := uuid.MustParse(known["id"].(string))
	require.NotEqual(t, b.ids[otherPatient], id)
	for _, own := range []string{"id", "email", "createdAt", "updatedAt"} {
		require.NotEmpty(t, known[own])
		delete(known, own)
		delete(unknown, own)
	}
	require.Equal(t, unknown, known)
	requireProblem(t, b.do(receptionist, http.MethodPost, "/api/users", map[string]any{"email": otherPatient, "givenName": "N", "familyName": "W", "clinicId": b.clinicID, "roles": []string{"patient"}}), 409, "conflict")

	// The desk goes on at once, and the report is the known person's once they have accepted.
	report := b.report()
	report["patientId"] = id
	w := b.do(doctor, http.MethodPost, "/api/ehr/lab-reports", report)
	require.Equal(t, http.StatusCreated, w.Code, "%s", w.Body)
	place := w.Header().Get("Location")
	requireProblem(t, b.do(otherPatient, http.MethodGet, place, nil), 404, "not_found")
	w = b.accept(otherPatient, b.issued("user/"+id.String(), id))
	require.Equal(t, http.StatusOK, w.Code, "%s", w.Body)
	require.Equal(t, b.ids[otherPatient].String(), decode(t, w)["userId"])
	require.Len(t, decode(t, b.do(otherPatient, http.MethodGet, "/api/me", nil))["memberships"], 2)
	w = b.do(otherPatient, http.MethodGet, place, nil)
	require.Equal(t, http.StatusOK, w.Code, "%s", w.Body)
	require.Equal(t, b.ids[otherPatient].String(), decode(t, w)["patientId"])
}

func TestRoles_AnAdministratorDoesNotGiveThemToThemselves(t *testing.T) {
	t.Parallel()
	b := setup(t)
	clinic := "/api/clinics/" + b.clinicID.String()
	requireProblem(t, b.do(admin, http.MethodPost, clinic+"/members", map[string]any{"userId": b.ids[admin], "role": "doctor"}), 403, "forbidden")
	requireProblem(t, b.do(admin, http.MethodPost, clinic+"/invitations", map[string]any{"email": admin, "roles": []string{"doctor"}}), 403, "forbidden")
	b.exec(`INSERT INTO memberships (id, user_id, clinic_id, role) VALUES (gen_random_uuid(), $1, $2, 'doctor')`, b.ids[admin], b.clinicID)
	team := "/api/patients/" + b.ids[patient].String() + "/care-team/" + b.clinicID.String() + "/" + b.ids[admin].String()
	requireProblem(t, b.do(admin, http.MethodPut, team, nil), 403, "forbidden")
	b.exec(`INSERT INTO memberships (id, user_id, clinic_id, role) VALUES (gen_random_uuid(), $1, $2, 'admin')`, b.ids[nurse], b.clinicID)
	require.Equal(t, http.StatusCreated, b.do(nurse, http.MethodPut, team, nil).Code)
}
