package rest_test

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
)

// register registers a patient of the clinic as the receptionist and returns the answer.
func (b *bundle) register(more map[string]any) map[string]any {
	b.t.Helper()
	w := b.do(receptionist, http.MethodPost, "/api/users", b.walkIn(more))
	require.Equal(b.t, http.StatusCreated, w.Code, "%s", w.Body)
	return decode(b.t, w)
}

// walkIn is a patient without an email address.
func (b *bundle) walkIn(more map[string]any) map[string]any {
	return merged(map[string]any{"givenName": "Maria", "familyName": "Silva", "clinicId": b.clinicID, "roles": []string{"patient"}}, more)
}

func TestRecords_ALateResultIsWrittenAboutWhoIsOrWasAPatient(t *testing.T) {
	t.Parallel()
	for name, gone := range map[string]func(b *bundle){
		"whose role was taken": func(b *bundle) {
			w := b.do(admin, http.MethodDelete, "/api/clinics/"+b.clinicID.String()+"/members/"+b.ids[patient].String()+"/patient", nil)
			require.Less(b.t, w.Code, 300, "%s", w.Body)
		},
		"whose account is disabled": func(b *bundle) { b.exec("UPDATE users SET status = 'disabled' WHERE id = $1", b.ids[patient]) },
		"who has died": func(b *bundle) {
			w := b.do(doctor, http.MethodPost, "/api/users/"+b.ids[patient].String()+"/deceased", map[string]any{"date": "2026-02-28"})
			require.Equal(b.t, http.StatusOK, w.Code, "%s", w.Body)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			gone(b)
			path := b.writeReport()
			require.Equal(t, http.StatusOK, b.do(doctor, http.MethodGet, path, nil).Code)
			b.exec("DELETE FROM care_team WHERE member_id = $1", b.ids[nurse])
			requireProblem(t, b.do(nurse, http.MethodPost, "/api/ehr/lab-reports", with(b.report(), "doctorId", b.ids[doctor])), 403, "forbidden")
			fields := requireProblem(t, b.do(doctor, http.MethodPost, "/api/ehr/lab-reports", with(b.report(), "patientId", uuid.New())), 422, "invalid")
			require.Equal(t, []string{"patientId"}, fields)
			fields = requireProblem(t, b.do(doctor, http.MethodPost, "/api/conversations", b.conversation()), 422, "invalid")
			require.Equal(t, []string{"patientId"}, fields, "a conversation needs an active patient")
			booking := map[string]any{"patientId": b.ids[patient], "clinicId": b.clinicID, "doctorId": b.ids[doctor], "startsAt": "2027-03-01T09:00:00Z", "endsAt": "2027-03-01T09:30:00Z"}
			fields = requireProblem(t, b.do(receptionist, http.MethodPost, "/api/appointments", booking), 422, "invalid")
			require.Equal(t, []string{"patientId"}, fields, "and so does an appointment")
		})
	}
}

func TestRecords_NoneIsWrittenAboutAnIDThatWasMergedIntoAnother(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.exec("UPDATE memberships SET revoked_at = now() WHERE user_id = $1", b.ids[patient])
	b.exec("UPDATE users SET status = 'disabled', merged_into = $2 WHERE id = $1", b.ids[patient], b.ids[nurse])
	fields := requireProblem(t, b.do(doctor, http.MethodPost, "/api/ehr/lab-reports", b.report()), 422, "invalid")
	require.Equal(t, []string{"patientId"}, fields)
}

func TestDeceased_NobodySignsInAsThePersonUntilItIsWithdrawn(t *testing.T) {
	t.Parallel()
	b := setup(t)
	path := "/api/users/" + b.ids[patient].String() + "/deceased"
	require.Equal(t, http.StatusOK, b.do(patient, http.MethodGet, "/api/me", nil).Code)
	require.Equal(t, []string{"date"}, requireProblem(t, b.do(receptionist, http.MethodPost, path, map[string]any{"date": "2999-01-01"}), 422, "invalid"))
	died := b.do(receptionist, http.MethodPost, path, map[string]any{"date": "2026-02-28"}, "Idempotency-Key", "k1")
	require.Equal(t, http.StatusOK, died.Code, "%s", died.Body)
	require.Equal(t, "2026-02-28", decode(t, died)["deceasedOn"])
	require.Equal(t, "active", decode(t, died)["status"])
	again := b.do(receptionist, http.MethodPost, path, map[string]any{"date": "2026-02-28"}, "Idempotency-Key", "k1")
	require.Equal(t, http.StatusOK, again.Code, "%s", again.Body)
	require.Equal(t, 1, b.events("user.deceased"))
	requireProblem(t, b.do(patient, http.MethodGet, "/api/me", nil), 403, "forbidden")
	require.Equal(t, "2026-02-28", decode(t, b.do(nurse, http.MethodGet, "/api/users/"+b.ids[patient].String(), nil))["deceasedOn"])
	requireProblem(t, b.do(nurse, http.MethodPost, path+"/withdraw", map[string]any{"reason": "x"}), 403, "forbidden")
	require.Equal(t, []string{"reason"}, requireProblem(t, b.do(admin, http.MethodPost, path+"/withdraw", map[string]any{"reason": ""}), 422, "invalid"))
	back := b.do(admin, http.MethodPost, path+"/withdraw", map[string]any{"reason": "Another patient."})
	require.Equal(t, http.StatusOK, back.Code, "%s", back.Body)
	require.Nil(t, decode(t, back)["deceasedOn"])
	require.Equal(t, http.StatusOK, b.do(patient, http.MethodGet, "/api/me", nil).Code)
	requireProblem(t, b.do(admin, http.MethodPost, path+"/withdraw", map[string]any{"reason": "Again."}), 409, "conflict")
}

func TestDeceased_IsRecordedOfAFormerPatientAndRepeatedByItsKey(t *testing.T) {
	t.Parallel()
	b := setup(t)
	w := b.do(admin, http.MethodDelete, "/api/clinics/"+b.clinicID.String()+"/members/"+b.ids[patient].String()+"/patient", nil)
	require.Less(t, w.Code, 300, "%s", w.Body)
	for range 2 {
		died := b.do(doctor, http.MethodPost, "/api/users/"+b.ids[patient].String()+"/deceased", map[string]any{"date": "2026-02-28"}, "Idempotency-Key", "k1")
		require.Equal(t, http.StatusOK, died.Code, "%s", died.Body)
		require.Equal(t, "2026-02-28", decode(t, died)["deceasedOn"])
	}
	require.Equal(t, 1, b.events("user.deceased"))
}

func TestUsers_TheDeskCorrectsAPatientAndThePatientThemselves(t *testing.T) {
	t.Parallel()
	b := setup(t)
	path := "/api/users/" + b.ids[patient].String()
	read := b.do(receptionist, http.MethodGet, path, nil)
	details := map[string]any{"email": patient, "givenName": "Paula", "familyName": "Patient", "phone": "+1 201 555 0142", "locale": "de", "timeZone": "Europe/Berlin", "status": "active"}
	put := func(as string, body map[string]any, tag string) *httptest.ResponseRecorder {
		return b.do(as, http.MethodPut, path, body, "If-Match", tag)
	}
	changed := put(receptionist, details, read.Header().Get("ETag"))
	require.Equal(t, http.StatusOK, changed.Code, "%s", changed.Body)
	require.Equal(t, "+12015550142", decode(t, changed)["phone"])
	tag := changed.Header().Get("ETag")
	require.Equal(t, []string{"email"}, requireProblem(t, put(receptionist, with(details, "email", "other@demo.example"), tag), 403, "forbidden"))
	require.Equal(t, []string{"status"}, requireProblem(t, put(receptionist, with(details, "status", "disabled"), tag), 403, "forbidden"))
	for _, as := range []string{doctor, nurse, patient} { // They read the person and do not change them.
		requireProblem(t, put(as, details, tag), 403, "forbidden")
	}
	b.elsewhere()
	requireProblem(t, put(otherAdmin, details, tag), 404, "not_found")

	me := b.do(patient, http.MethodGet, "/api/me", nil)
	own := map[string]any{"phone": "+12015550143", "whatsApp": "+12015550144", "locale": "fr", "timeZone": "Europe/Paris"}
	requireProblem(t, b.do(patient, http.MethodPut, "/api/me", own), 428, "precondition_required")
	requireProblem(t, b.do(patient, http.MethodPut, "/api/me", own, "If-Match", `"99"`), 412, "precondition_failed")
	mine := b.do(patient, http.MethodPut, "/api/me", own, "If-Match", me.Header().Get("ETag"))
	require.Equal(t, http.StatusOK, mine.Code, "%s", mine.Body)
	for name, value := range own {
		require.Equal(t, value, decode(t, mine)[name])
	}
	require.Equal(t, []string{"phone"}, requireProblem(t, b.do(patient, http.MethodPut, "/api/me", with(own, "phone", "123"), "If-Match", mine.Header().Get("ETag")), 422, "invalid"))
	requireProblem(t, b.do(patient, http.MethodPut, "/api/me", with(own, "email", "x@demo.example"), "If-Match", mine.Header().Get("ETag")), 422, "invalid")
}

func TestUsers_APatientWithoutAnAddressIsRegisteredAndToldApart(t *testing.T) {
	t.Parallel()
	b := setup(t)
	u := b.register(map[string]any{"birthDate": "1984-03-14", "sex": "female", "medicalRecordNumber": "A-10042"})
	path := "/api/users/" + u["id"].(string)
	got := decode(t, b.do(doctor, http.MethodGet, path, nil))
	require.NotContains(t, got, "email")
	require.Equal(t, []any{"1984-03-14", "female"}, []any{got["birthDate"], got["sex"]})
	require.Equal(t, []any{map[string]any{"clinicId": b.clinicID.String(), "number": "A-10042"}}, got["medicalRecordNumbers"])
	require.Equal(t, []string{"email"}, requireProblem(t, b.do(admin, http.MethodPost, "/api/users", b.walkIn(map[string]any{"roles": []string{"nurse"}})), 422, "invalid"))
	require.Equal(t, []string{"medicalRecordNumber"}, requireProblem(t, b.do(receptionist, http.MethodPost, "/api/users", b.walkIn(map[string]any{"medicalRecordNumber": "A-10042"})), 409, "conflict"))
	require.Equal(t, []string{"email"}, requireProblem(t, b.do(receptionist, http.MethodPost, "/api/clinics/"+b.clinicID.String()+"/invitations", map[string]any{"roles": []string{"patient"}}), 422, "invalid"))
	for field, value := range map[string]any{"birthDate": "14.03.1984", "sex": "f", "medicalRecordNumber": ""} {
		require.Equal(t, []string{field}, requireProblem(t, b.do(receptionist, http.MethodPost, "/api/users", b.walkIn(map[string]any{field: value})), 422, "invalid"))
	}
	for _, private := range []string{"1984-03-14", "female", "A-10042", "Silva"} {
		var n int
		require.NoError(t, b.db.Owner.QueryRow(t.Context(), "SELECT count(*) FROM outbox AS o WHERE o::text LIKE '%' || $1 || '%'", private).Scan(&n))
		require.Zero(t, n, private)
	}
}

func TestUsers_AreFoundWithinTheClinicAndTheSearchIsAudited(t *testing.T) {
	t.Parallel()
	b := setup(t)
	first := b.register(map[string]any{"givenName": "María José", "birthDate": "1984-03-14", "medicalRecordNumber": "A 7"})
	second := b.register(map[string]any{"givenName": "Mariana", "familyName": "Sáez", "birthDate": "1990-01-01"})
	found := func(as, query string) (ids []any) {
		w := b.do(as, http.MethodGet, "/api/users?"+query, nil)
		require.Equal(t, http.StatusOK, w.Code, "%s", w.Body)
		for _, item := range decode(t, w)["items"].([]any) {
			ids = append(ids, item.(map[string]any)["id"])
		}
		return ids
	}
	clinic := "clinicId=" + b.clinicID.String() + "&"
	n := b.events("user.searched")
	for _, as := range []string{receptionist, admin, doctor, nurse} {
		require.Equal(t, []any{first["id"]}, found(as, clinic+"name=jose%20SILVA"))
		require.Equal(t, []any{first["id"], second["id"]}, found(as, "name=mari"))
		require.Equal(t, []any{second["id"]}, found(as, clinic+"name=saez&birthDate=1990-01-01"))
		require.Equal(t, []any{first["id"]}, found(as, clinic+"number=A%207"))
		require.Empty(t, found(as, clinic+"name=nobody"))
	}
	require.Equal(t, n+20, b.events("user.searched"), "each search, also one that finds nobody")
	page := decode(t, b.do(admin, http.MethodGet, "/api/users?name=mari&limit=1", nil))
	require.Len(t, page["items"], 1)
	require.Equal(t, []any{second["id"]}, found(admin, "name=mari&limit=1&cursor="+page["next"].(string)))
	requireProblem(t, b.do(patient, http.MethodGet, "/api/users?name=mari", nil), 403, "forbidden")
	b.elsewhere()
	require.Empty(t, found(otherAdmin, "name=mari"))
	requireProblem(t, b.do(otherAdmin, http.MethodGet, "/api/users?"+clinic+"name=mari", nil), 403, "forbidden")
	require.Equal(t, []string{"name"}, requireProblem(t, b.do(admin, http.MethodGet, "/api/users?name=%25", nil), 422, "invalid"))
}

func TestUsers_APossibleDuplicateIsRefusedUntilTheCallerInsists(t *testing.T) {
	t.Parallel()
	b := setup(t)
	known := b.register(map[string]any{"phone": "+12015550111", "birthDate": "1984-03-14"})
	for _, more := range []map[string]any{{"phone": "+1 201 555 0111"}, {"familyName": "SILVÁ", "birthDate": "1984-03-14"}} {
		w := b.do(receptionist, http.MethodPost, "/api/users", b.walkIn(more))
		requireProblem(t, w, 409, "possible_duplicate")
		require.Equal(t, []any{known["id"]}, decode(t, w)["possibleDuplicates"])
		require.NotContains(t, w.Body.String(), "Silva")
	}
	second := b.register(map[string]any{"phone": "+12015550111", "allowDuplicate": true})
	var data map[string]any
	require.NoError(t, b.db.Owner.QueryRow(t.Context(), "SELECT data FROM outbox WHERE type = 'user.created' AND subject = $1", "user/"+second["id"].(string)).Scan(&data))
	require.Equal(t, []any{known["id"]}, data["duplicateIds"])
	b.elsewhere()
	elsewhere := b.do(otherAdmin, http.MethodGet, "/api/me", nil)
	clinic := decode(t, elsewhere)["memberships"].([]any)[0].(map[string]any)["clinicId"]
	w := b.do(otherAdmin, http.MethodPost, "/api/users", b.walkIn(map[string]any{"phone": "+12015550111", "clinicId": clinic}))
	require.Equal(t, http.StatusCreated, w.Code, "another clinic is told nothing: %s", w.Body)
}

func TestChat_WhoIsAddedSeesWhatFollowsAndTakesOutOnlyWhomTheyAdded(t *testing.T) {
	t.Parallel()
	b := setup(t)
	path := b.converse()
	before := b.message(patient, path)
	added := b.do(doctor, http.MethodPost, path+"/participants", map[string]any{"userId": b.ids[nurse]})
	require.Equal(t, http.StatusOK, added.Code, "%s", added.Body)
	after := b.message(patient, path)
	shown := func() (ids []any) {
		for _, item := range decode(t, b.do(nurse, http.MethodGet, path+"/messages", nil))["items"].([]any) {
			ids = append(ids, item.(map[string]any)["id"])
		}
		return ids
	}
	require.Equal(t, []any{after}, shown())
	requireProblem(t, b.do(nurse, http.MethodGet, path+"/messages/"+before, nil), 404, "not_found")
	require.EqualValues(t, 1, decode(t, b.do(nurse, http.MethodGet, path, nil))["unread"])
	people := decode(t, b.do(nurse, http.MethodGet, path, nil))["participants"].([]any)
	i := slices.IndexFunc(people, func(p any) bool { return p.(map[string]any)["userId"] == b.ids[nurse].String() })
	require.EqualValues(t, 2, people[i].(map[string]any)["seesFrom"])
	require.Equal(t, b.ids[doctor].String(), people[i].(map[string]any)["addedBy"])

	b.do(nurse, http.MethodPost, path+"/participants", map[string]any{"userId": b.ids[nurse], "history": true})
	require.Equal(t, []any{after}, shown(), "nobody shows themselves the history")
	b.do(doctor, http.MethodPost, path+"/participants", map[string]any{"userId": b.ids[nurse], "history": true})
	require.Equal(t, []any{after, before}, shown())

	requireProblem(t, b.do(nurse, http.MethodDelete, path+"/participants/"+b.ids[doctor].String(), nil), 403, "forbidden")
	require.Equal(t, http.StatusOK, b.do(doctor, http.MethodGet, path, nil).Code)
	require.Equal(t, http.StatusNoContent, b.do(nurse, http.MethodDelete, path+"/participants/"+b.ids[nurse].String(), nil).Code)
	requireProblem(t, b.do(nurse, http.MethodGet, path, nil), 404, "not_found")
}
