package rest_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"carewire/internal/auth/authtest"
)

// accept accepts an invitation with the sign-in of that address.
func (b *bundle) accept(email, token string) *httptest.ResponseRecorder {
	b.t.Helper()
	return b.do(email, http.MethodPost, "/api/invitations/accept", map[string]any{"token": token})
}

// registered makes a new patient and gives their id and the token of the welcome's link.
func (b *bundle) registered() (uuid.UUID, string) {
	b.t.Helper()
	w := b.do(receptionist, http.MethodPost, "/api/users", map[string]any{"email": "new@demo.example", "givenName": "N", "familyName": "W", "clinicId": b.clinicID, "roles": []string{"patient"}})
	require.Equal(b.t, http.StatusCreated, w.Code, "%s", w.Body)
	id := uuid.MustParse(decode(b.t, w)["id"].(string))
	return id, b.issued("user/"+id.String(), id)
}

const private = "private@mail.example"

func TestInvitations_ANewPersonSignsInFirstByTheLinkWithWhateverAddress(t *testing.T) {
	t.Parallel()
	b := setup(t)
	id, token := b.registered()
	require.Len(t, token, 43)
	require.Empty(t, b.issued("user/"+id.String(), b.ids[admin]), "it is for the person alone")
	requireProblem(t, b.do(private, http.MethodGet, "/api/me", nil), 401, "unauthenticated")
	requireProblem(t, b.accept("", token), 401, "unauthenticated")
	requireProblem(t, b.accept(private, strings.Repeat("x", len(token))), 404, "not_found")
	require.Equal(t, http.StatusOK, b.do(doctor, http.MethodGet, "/api/me", nil).Code)
	requireProblem(t, b.accept(doctor, token), 409, "conflict")

	w := b.accept(private, token)
	require.Equal(t, http.StatusOK, w.Code, "%s", w.Body)
	me := decode(t, b.do(private, http.MethodGet, "/api/me", nil))
	require.Equal(t, []any{id.String(), "new@demo.example"}, []any{me["id"], me["email"]})
	require.Equal(t, []int{1, 1}, []int{b.events("invitation.accepted"), b.events("user.contact_verified")})
	require.Equal(t, http.StatusOK, b.accept(private, token).Code, "again changes nothing")
	requireProblem(t, b.accept("second@mail.example", token), 409, "conflict")
	require.Equal(t, 1, b.events("invitation.accepted"))
	require.Empty(t, b.issued("user/"+id.String(), id), "there is nothing left to accept")
}

func TestInvitations_EndAfterSevenDaysAndWithTheAddress(t *testing.T) {
	t.Parallel()
	b := setup(t)
	id, token := b.registered()
	b.exec(`UPDATE invitations SET expires_at = now()`)
	requireProblem(t, b.accept(private, token), 409, "conflict")
	b.exec(`UPDATE invitations SET expires_at = now() + interval '1 day'`)
	path := "/api/users/" + id.String()
	body := map[string]any{"email": "corrected@demo.example", "givenName": "N", "familyName": "W", "locale": "en", "timeZone": "UTC", "status": "active"}
	w := b.do(admin, http.MethodPut, path, body, "If-Match", `"1"`)
	require.Equal(t, http.StatusOK, w.Code, "%s", w.Body)
	requireProblem(t, b.accept(private, token), 404, "not_found")
	token = b.issued("user/"+id.String(), id)
	body["status"] = "disabled"
	require.Equal(t, http.StatusOK, b.do(admin, http.MethodPut, path, body, "If-Match", `"2"`).Code)
	requireProblem(t, b.accept(private, token), 403, "forbidden")
}

func TestInvitations_ALinkIsAcceptedBySigningInWithABrowser(t *testing.T) {
	t.Parallel()
	p := authtest.NewProvider(t, doctor, audience)
	b := setup(t, withProvider(t, p))
	id := b.ids[patient]
	b.exec(`INSERT INTO invitations (id, clinic_id, user_id, roles, created_by, expires_at) VALUES ($1, $2, $1, '{}', '', now() + interval '1 day')`, id, b.clinicID)
	token := b.issued("user/"+id.String(), id)
	begun := b.do("", http.MethodGet, "/login?invitation="+token, nil)
	require.Equal(t, http.StatusSeeOther, begun.Code, "%s", begun.Body)
	require.NotContains(t, begun.Header().Get("Location"), token, "it is not the provider's to know")
	callback := p.Approve(t, begun.Header().Get("Location"), map[string]any{"email": private, "sub": "somebody-new"})
	done := b.send(carry(httptest.NewRequest(http.MethodGet, callback, nil), begun))
	require.Equal(t, http.StatusSeeOther, done.Code, "%s", done.Body)
	require.Equal(t, 1, b.events("invitation.accepted"))
	me := b.send(carry(httptest.NewRequest(http.MethodGet, "/api/me", nil), done))
	require.Equal(t, id.String(), decode(t, me)["id"])
	require.NotContains(t, b.log.String(), token)
}

func TestInvitations_SomebodyOfAnotherClinicJoinsOnceTheyAccept(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.elsewhere()
	path := "/api/clinics/" + b.clinicID.String() + "/invitations"
	invite := func(as, email, role string) *httptest.ResponseRecorder {
		return b.do(as, http.MethodPost, path, map[string]any{"email": email, "roles": []string{role}})
	}
	w := invite(receptionist, otherPatient, "patient")
	require.Equal(t, http.StatusCreated, w.Code, "%s", w.Body)
	place := w.Header().Get("Location")
	known := decode(t, w)
	unknown := decode(t, invite(receptionist, "nobody@demo.example", "patient"))
	for _, answer := range []map[string]any{known, unknown} {
		for _, own := range []string{"id", "createdAt", "expiresAt"} {
			require.NotEmpty(t, answer[own])
			delete(answer, own)
		}
	}
	require.Equal(t, known, unknown, "nothing tells whether there is such a person")
	require.Equal(t, []int{2, 1}, []int{b.events("invitation.created"), b.events("user.invited")})
	b.exec(`UPDATE users SET email_verified = false WHERE id = $1`, b.ids[otherAdmin])
	require.Equal(t, http.StatusCreated, invite(admin, otherAdmin, "nurse").Code)
	require.Equal(t, 1, b.events("user.invited"), "an address that was not proved might be anybody's")

	token := b.issued(b.subject("user.invited"), b.ids[otherPatient])
	require.Len(t, decode(t, b.do(otherPatient, http.MethodGet, "/api/me", nil))["memberships"], 1)
	require.Equal(t, http.StatusOK, b.accept(otherPatient, token).Code)
	require.Len(t, decode(t, b.do(otherPatient, http.MethodGet, "/api/me", nil))["memberships"], 2)
	require.Equal(t, "accepted", decode(t, b.do(receptionist, http.MethodGet, place, nil))["status"])
	require.Equal(t, http.StatusOK, b.do(receptionist, http.MethodGet, "/api/users/"+b.ids[otherPatient].String(), nil).Code)
}

func TestInvitations_AreForWhoMayGiveTheRole(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.elsewhere()
	path := "/api/clinics/" + b.clinicID.String() + "/invitations"
	body := func(roles ...string) map[string]any { return map[string]any{"email": "x@demo.example", "roles": roles} }
	before := b.events("access.denied")
	for _, who := range []string{patient, doctor, nurse, otherAdmin, operator} {
		requireProblem(t, b.do(who, http.MethodPost, path, body("patient")), 403, "forbidden")
	}
	requireProblem(t, b.do(receptionist, http.MethodPost, path, body("patient", "admin")), 403, "forbidden")
	w := b.do(admin, http.MethodPost, path, body("nurse"))
	require.Equal(t, http.StatusCreated, w.Code, "%s", w.Body)
	requireProblem(t, b.do(receptionist, http.MethodGet, w.Header().Get("Location"), nil), 404, "not_found")
	requireProblem(t, b.do(otherAdmin, http.MethodGet, w.Header().Get("Location"), nil), 404, "not_found")
	requireProblem(t, b.do(admin, http.MethodGet, path+"/"+uuid.NewString(), nil), 404, "not_found")
	require.Equal(t, before+9, b.events("access.denied"))
	require.Equal(t, []string{"roles[1]"}, requireProblem(t, b.do(admin, http.MethodPost, path, body("nurse", "nurse")), 422, "invalid"))
	require.Equal(t, []string{"email"}, requireProblem(t, b.do(admin, http.MethodPost, path, map[string]any{"email": "nobody", "roles": []string{"nurse"}}), 422, "invalid"))
}
