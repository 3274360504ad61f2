package httpapi_test

import (
	"maps"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// appointment is a valid appointment of the clinic's patient, the n-th half hour from the day after tomorrow on.
func (b *bundle) appointment(n int) map[string]any {
	at := time.Now().UTC().Truncate(time.Hour).Add(48*time.Hour + time.Duration(n)*30*time.Minute)
	return map[string]any{
		"patientId": b.ids[patient], "clinicId": b.clinicID, "doctorId": b.ids[doctor],
		"startsAt": at.Format(time.RFC3339), "endsAt": at.Add(30 * time.Minute).Format(time.RFC3339),
	}
}

func TestAppointments_GoFromTheWishToTheVisitByVersion(t *testing.T) {
	t.Parallel()
	b := setup(t)
	w := b.do(patient, http.MethodPost, "/api/appointments", b.appointment(0))
	require.Equal(t, http.StatusCreated, w.Code, "%s", w.Body)
	require.Equal(t, `"1"`, w.Header().Get("ETag"))
	created := decode(t, w)
	path := "/api/appointments/" + created["id"].(string)
	require.Equal(t, path, w.Header().Get("Location"))
	require.ElementsMatch(t, []string{
		"id", "version", "patientId", "clinicId", "doctorId", "status", "startsAt", "endsAt", "createdAt", "createdBy", "updatedAt", "updatedBy",
	}, slices.Collect(maps.Keys(created)))
	require.Equal(t, "requested", created["status"])
	require.Equal(t, b.appointment(0)["startsAt"], created["startsAt"])

	for i, step := range []struct{ who, move, status string }{
		{receptionist, "book", "booked"},
		{patient, "confirm", "confirmed"},
		{nurse, "check-in", "checked_in"},
		{doctor, "complete", "completed"},
	} {
		w := b.do(step.who, http.MethodPost, path+"/"+step.move, nil, "If-Match", etagOf(i+1))
		require.Equal(t, http.StatusOK, w.Code, "%s: %s", step.move, w.Body)
		require.Equal(t, etagOf(i+2), w.Header().Get("ETag"))
		require.Equal(t, step.status, decode(t, w)["status"])
	}
	got := b.do(patient, http.MethodGet, path, nil)
	require.Equal(t, http.StatusOK, got.Code)
	require.Equal(t, `"5"`, got.Header().Get("ETag"))
	require.Equal(t, http.StatusNotModified, b.do(patient, http.MethodGet, path, nil, "If-None-Match", `"5"`).Code)
	require.Equal(t, 2, b.events("record.read"))
	refused := b.do(receptionist, http.MethodPost, path+"/cancel", nil, "If-Match", `"5"`)
	requireProblem(t, refused, 409, "conflict")
	require.Contains(t, decode(t, refused)["detail"], "the appointment is completed")
}

func etagOf(version int) string { return `"` + string(rune('0'+version)) + `"` }

func TestAppointments_AreChangedByVersionOnly(t *testing.T) {
	t.Parallel()
	b := setup(t)
	path := b.book(0)
	moved := b.appointment(3)
	for _, key := range []string{"patientId", "clinicId", "doctorId"} {
		delete(moved, key)
	}
	for _, c := range []struct {
		move string
		body any
	}{{"cancel", nil}, {"reschedule", moved}} {
		requireProblem(t, b.do(receptionist, http.MethodPost, path+"/"+c.move, c.body), 428, "precondition_required")
		require.Equal(t, []string{"If-Match"}, requireProblem(t, b.do(receptionist, http.MethodPost, path+"/"+c.move, c.body, "If-Match", `W/"1"`), 422, "invalid"))
		stale := b.do(receptionist, http.MethodPost, path+"/"+c.move, c.body, "If-Match", `"7"`)
		requireProblem(t, stale, 412, "precondition_failed")
		require.Equal(t, `"1"`, stale.Header().Get("ETag"), "the current one")
	}
	w := b.do(receptionist, http.MethodPost, path+"/reschedule", moved, "If-Match", `"1"`)
	require.Equal(t, http.StatusOK, w.Code, "%s", w.Body)
	require.Equal(t, moved["startsAt"], decode(t, w)["startsAt"])
	require.Equal(t, 1, b.events("appointment.rescheduled"))
	requireProblem(t, b.do(patient, http.MethodPost, path+"/reschedule", moved, "If-Match", `"2"`), 403, "forbidden")
	require.Equal(t, http.StatusMethodNotAllowed, b.do(receptionist, http.MethodDelete, path, nil).Code)
}

// book books the n-th appointment as the receptionist and gives its path.
func (b *bundle) book(n int) string {
	b.t.Helper()
	w := b.do(receptionist, http.MethodPost, "/api/appointments", b.appointment(n))
	require.Equal(b.t, http.StatusCreated, w.Code, "%s", w.Body)
	require.Equal(b.t, "booked", decode(b.t, w)["status"])
	return w.Header().Get("Location")
}

func TestAppointments_AtATimeThatIsTakenAreRefusedWithTheSlot(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.book(0)
	w := b.do(nurse, http.MethodPost, "/api/appointments", b.appointment(0))
	require.Equal(t, []string{"startsAt"}, requireProblem(t, w, 409, "conflict"))
	require.Contains(t, w.Body.String(), "the doctor is taken from "+b.appointment(0)["startsAt"].(string))
	bad := b.appointment(1)
	bad["endsAt"] = bad["startsAt"]
	require.Equal(t, []string{"endsAt"}, requireProblem(t, b.do(nurse, http.MethodPost, "/api/appointments", bad), 422, "invalid"))
	bad["endsAt"] = "tomorrow"
	require.Equal(t, []string{"endsAt"}, requireProblem(t, b.do(nurse, http.MethodPost, "/api/appointments", bad), 422, "invalid"))
	delete(bad, "endsAt")
	require.Equal(t, []string{"endsAt"}, requireProblem(t, b.do(nurse, http.MethodPost, "/api/appointments", bad), 422, "invalid"))
}

func TestAppointments_AreListedByWhoAndWhen(t *testing.T) {
	t.Parallel()
	b := setup(t)
	var paths []string
	for n := range 4 {
		paths = append(paths, b.book(n))
	}
	query := "?patientId=" + b.ids[patient].String() + "&doctorId=" + b.ids[doctor].String() + "&clinicId=" + b.clinicID.String() +
		"&from=" + b.appointment(1)["startsAt"].(string) + "&to=" + b.appointment(3)["startsAt"].(string) + "&limit=1"
	var got []string
	cursor := ""
	for {
		w := b.do(patient, http.MethodGet, "/api/appointments"+query+cursor, nil)
		require.Equal(t, http.StatusOK, w.Code, "%s", w.Body)
		page := decode(t, w)
		for _, item := range page["items"].([]any) {
			got = append(got, "/api/appointments/"+item.(map[string]any)["id"].(string))
		}
		if page["next"] == nil {
			break
		}
		cursor = "&cursor=" + page["next"].(string)
	}
	require.Equal(t, paths[1:3], got)
	require.Equal(t, []string{"from"}, requireProblem(t, b.do(nurse, http.MethodGet, "/api/appointments?from=now", nil), 422, "invalid"))
	requireProblem(t, b.do(operator, http.MethodGet, "/api/appointments", nil), 403, "forbidden")
	requireProblem(t, b.do(operator, http.MethodGet, paths[0], nil), 404, "not_found")
	require.Equal(t, 2, b.events("access.denied"))
}
