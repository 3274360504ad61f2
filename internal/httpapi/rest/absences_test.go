package rest_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
)

func TestAbsences_TakeFromTheHoursAndOpeningsAdd(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.alwaysOpen()
	colleague := b.colleague()
	path := "/api/clinics/" + b.clinicID.String() + "/absences"
	absence := func(kind string, from, to int, doctorID any) map[string]any {
		body := map[string]any{"kind": kind, "startsAt": b.startOf(from).Format(time.RFC3339), "endsAt": b.startOf(to).Format(time.RFC3339), "note": "Summer leave"}
		if doctorID != nil {
			body["doctorId"] = doctorID
		}
		return body
	}
	b.book(3)
	w := b.do(doctor, http.MethodPost, path, absence("leave", 2, 6, b.ids[doctor]))
	require.Equal(t, http.StatusCreated, w.Code, "%s", w.Body)
	leave := decode(t, w)
	require.InDelta(t, 1, leave["affected"], 0)
	require.Equal(t, path+"/"+leave["id"].(string), w.Header().Get("Location"))
	data := b.eventData("doctor.absence_added")
	require.Equal(t, []any{b.ids[doctor].String(), "leave"}, []any{data["doctorId"], data["kind"]})
	require.NotContains(t, fmt.Sprint(data), "Summer")
	require.Len(t, b.list(receptionist, "needsAttention=true&clinicId="+b.clinicID.String()), 1)

	ask := func(n int) int { return b.do(patient, http.MethodPost, "/api/appointments", b.appointment(n)).Code }
	require.Equal(t, http.StatusConflict, ask(2))
	require.Equal(t, http.StatusConflict, ask(5))
	require.Equal(t, http.StatusCreated, ask(6), "its end is not part of it")
	requireProblem(t, b.do(receptionist, http.MethodPost, "/api/appointments", b.appointment(4)), 409, "conflict")

	for name, c := range map[string]struct {
		as   string
		body map[string]any
		code int
	}{
		"a doctor for another":    {doctor, absence("leave", 2, 6, colleague), 403},
		"a doctor for the clinic": {doctor, absence("closed", 2, 6, nil), 403},
		"a nurse":                 {nurse, absence("closed", 2, 6, nil), 403},
		"a patient":               {patient, absence("closed", 2, 6, nil), 403},
		"leave of nobody":         {receptionist, absence("leave", 2, 6, nil), 422},
		"an opening of nobody":    {receptionist, absence("opening", 2, 6, nil), 422},
		"no doctor":               {receptionist, absence("leave", 2, 6, b.ids[nurse]), 404},
		"the wrong way round":     {receptionist, absence("leave", 6, 2, b.ids[doctor]), 422},
		"over":                    {receptionist, absence("leave", -200, -100, b.ids[doctor]), 422},
		"another kind":            {receptionist, absence("holiday", 2, 6, b.ids[doctor]), 422},
		"a note that goes on for ever": {receptionist, func() map[string]any {
			body := absence("leave", 2, 6, b.ids[doctor])
			body["note"] = strings.Repeat("x", 201)
			return body
		}(), 422},
	} {
		require.Equal(t, c.code, b.do(c.as, http.MethodPost, path, c.body).Code, name)
	}
	w = b.do(admin, http.MethodPost, path, absence("closed", 20, 30, nil))
	require.Equal(t, http.StatusCreated, w.Code, "%s", w.Body)
	closed := decode(t, w)["id"].(string)
	other := b.appointment(25)
	other["doctorId"] = colleague
	requireProblem(t, b.do(receptionist, http.MethodPost, "/api/appointments", other), 409, "conflict")

	page := decode(t, b.do(nurse, http.MethodGet, path+"?limit=1", nil))
	require.Len(t, page["items"], 1)
	page = decode(t, b.do(nurse, http.MethodGet, path+"?cursor="+page["next"].(string), nil))
	require.Equal(t, closed, page["items"].([]any)[0].(map[string]any)["id"])
	require.Len(t, decode(t, b.do(nurse, http.MethodGet, path+"?doctorId="+colleague.String(), nil))["items"], 1, "the clinic's, not the other doctor's")
	requireProblem(t, b.do(patient, http.MethodGet, path, nil), 403, "forbidden")
	requireProblem(t, b.do(doctor, http.MethodDelete, path+"/"+closed, nil), 403, "forbidden")
	requireProblem(t, b.do(admin, http.MethodDelete, path+"/"+uuid.NewString(), nil), 404, "not_found")
	require.Equal(t, http.StatusNoContent, b.do(doctor, http.MethodDelete, path+"/"+leave["id"].(string), nil).Code)
	require.Equal(t, 1, b.events("doctor.absence_removed"))
	require.Equal(t, http.StatusCreated, ask(2))
	require.Empty(t, b.list(receptionist, "needsAttention=true&clinicId="+b.clinicID.String()))

	hours := "/api/clinics/" + b.clinicID.String() + "/doctors/" + b.ids[doctor].String() + "/hours"
	require.Equal(t, http.StatusOK, b.do(doctor, http.MethodPut, hours, map[string]any{"openings": []any{}}, "If-Match", `"1"`).Code)
	require.Equal(t, http.StatusConflict, ask(50))
	require.Equal(t, http.StatusCreated, b.do(doctor, http.MethodPost, path, absence("opening", 50, 54, b.ids[doctor])).Code)
	day := b.startOf(50)
	found := decode(t, b.do(patient, http.MethodGet, "/api/appointments/availability?clinicId="+b.clinicID.String()+"&doctorId="+b.ids[doctor].String()+"&date="+inBerlin(t, day), nil))
	require.NotEmpty(t, found["free"], "what was added is offered")
	require.Equal(t, http.StatusCreated, ask(50))
	require.Equal(t, http.StatusCreated, ask(53))
	require.Equal(t, http.StatusConflict, ask(54))
}

func inBerlin(t *testing.T, at time.Time) string {
	t.Helper()
	zone, err := time.LoadLocation("Europe/Berlin")
	require.NoError(t, err)
	return at.In(zone).Format(time.DateOnly)
}
