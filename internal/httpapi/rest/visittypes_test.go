package rest_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
)

func TestVisitTypes_GiveAppointmentsTheirLengthAndListsAFilter(t *testing.T) {
	t.Parallel()
	b := setup(t)
	path := "/api/clinics/" + b.clinicID.String() + "/visit-types"
	w := b.do(receptionist, http.MethodPost, path, map[string]any{"name": "First visit", "durationMinutes": 45})
	require.Equal(t, http.StatusCreated, w.Code, "%s", w.Body)
	require.Equal(t, `"1"`, w.Header().Get("ETag"))
	first := decode(t, w)["id"].(string)
	require.Equal(t, []string{"name"}, requireProblem(t, b.do(admin, http.MethodPost, path, map[string]any{"name": "first visit", "durationMinutes": 5}), 409, "conflict"))
	require.Equal(t, []string{"durationMinutes"}, requireProblem(t, b.do(admin, http.MethodPost, path, map[string]any{"name": "Short", "durationMinutes": 4}), 422, "invalid"))
	require.Equal(t, []string{"durationMinutes"}, requireProblem(t, b.do(admin, http.MethodPost, path, map[string]any{"name": "Long", "durationMinutes": 481}), 422, "invalid"), "longer than the clinic allows")
	for _, who := range []string{patient, nurse, doctor} {
		requireProblem(t, b.do(who, http.MethodPost, path, map[string]any{"name": "Mine", "durationMinutes": 5}), 403, "forbidden")
		require.Len(t, decode(t, b.do(who, http.MethodGet, path, nil))["items"], 1)
	}
	in := b.appointment(0)
	delete(in, "endsAt")
	in["visitType"] = first
	w = b.do(receptionist, http.MethodPost, "/api/appointments", in)
	require.Equal(t, http.StatusCreated, w.Code, "%s", w.Body)
	made := decode(t, w)
	require.Equal(t, []any{first, b.startOf(0).Add(45 * time.Minute).Format(time.RFC3339)}, []any{made["visitType"], made["endsAt"]})
	plain := b.book(2)
	require.Equal(t, []string{made["id"].(string)}, b.list(patient, "visitType="+first))
	require.Len(t, b.list(patient, "status=booked,confirmed"), 2)
	require.Empty(t, b.list(patient, "status=requested"))
	b.step(patient, plain, "confirm", 1, 200, nil)
	require.Equal(t, []string{idIn(plain)}, b.list(receptionist, "status=confirmed&clinicId="+b.clinicID.String()))
	require.Len(t, b.list(receptionist, "status=booked&doctorId="+b.ids[doctor].String()+"&visitType="+first), 1)
	require.Equal(t, []string{"status[0]"}, requireProblem(t, b.do(nurse, http.MethodGet, "/api/appointments?status=gone", nil), 422, "invalid"))

	b.openDaily()
	query := "/api/appointments/availability?clinicId=" + b.clinicID.String() + "&doctorId=" + b.ids[doctor].String() + "&date=" + inBerlin(t, b.startOf(480))
	found := decode(t, b.do(patient, http.MethodGet, query+"&visitType="+first, nil))
	require.InDelta(t, 45, found["durationMinutes"], 0)

	change := map[string]any{"name": "Check-up", "durationMinutes": 20, "active": true}
	requireProblem(t, b.do(admin, http.MethodPut, path+"/"+first, change), 428, "precondition_required")
	requireProblem(t, b.do(admin, http.MethodPut, path+"/"+first, change, "If-Match", `"9"`), 412, "precondition_failed")
	w = b.do(admin, http.MethodPut, path+"/"+first, change, "If-Match", `"1"`)
	require.Equal(t, http.StatusOK, w.Code, "%s", w.Body)
	require.Equal(t, `"2"`, w.Header().Get("ETag"))
	require.Equal(t, http.StatusNoContent, b.do(admin, http.MethodDelete, path+"/"+first, nil).Code)
	in = b.appointment(6)
	in["visitType"] = first
	require.Equal(t, []string{"visitType"}, requireProblem(t, b.do(receptionist, http.MethodPost, "/api/appointments", in), 422, "invalid"), "it is no longer offered")
	require.Equal(t, []string{"visitType"}, requireProblem(t, b.do(patient, http.MethodGet, query+"&visitType="+first, nil), 422, "invalid"))
	require.Equal(t, []string{made["id"].(string)}, b.list(patient, "visitType="+first), "those that have it keep it")
	require.Equal(t, 1, b.events("visit_type.created"))
	require.Equal(t, 2, b.events("visit_type.updated"))
	requireProblem(t, b.do(admin, http.MethodPut, path+"/"+uuid.NewString(), change, "If-Match", `"1"`), 404, "not_found")
}
