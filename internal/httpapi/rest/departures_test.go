package rest_test

import (
	"net/http"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
)

func TestDepartures_LeaveAppointmentsThatAreToldFoundAndReassigned(t *testing.T) {
	t.Parallel()
	b := setup(t)
	colleague := b.colleague()
	booked, confirmed, past := b.book(0), b.book(2), b.book(4)
	b.step(patient, confirmed, "confirm", 1, 200, nil)
	_, err := b.db.Owner.Exec(t.Context(), `UPDATE appointments SET starts_at = now() - interval '2 hours', ends_at = now() - interval '1 hour' WHERE id = $1`, idIn(past))
	require.NoError(t, err)
	require.Empty(t, b.list(receptionist, "needsAttention=true"))
	w := b.do(admin, http.MethodDelete, "/api/clinics/"+b.clinicID.String()+"/members/"+b.ids[doctor].String()+"/doctor", nil)
	require.Less(t, w.Code, 300, "%s", w.Body)
	require.Equal(t, 2, b.events("appointment.needs_attention"), "those to come, and not the one that is over")
	require.Equal(t, "doctor_left", b.eventData("appointment.needs_attention")["reason"])
	require.Equal(t, []string{idIn(booked), idIn(confirmed)}, b.list(receptionist, "needsAttention=true"))
	require.Equal(t, []string{idIn(confirmed)}, b.list(receptionist, "needsAttention=true&status=confirmed"))

	for _, who := range []string{patient, receptionist} {
		require.Contains(t, decode(t, b.step(who, booked, "confirm", 1, 409, nil))["detail"], "doctor_left")
	}
	b.atTime(b.startOf(2), func() {
		require.Contains(t, decode(t, b.step(nurse, confirmed, "check-in", 2, 409, nil))["detail"], "doctor_left")
	})
	for name, c := range map[string]struct {
		as   string
		to   any
		code int
	}{
		"a patient":           {patient, colleague, 403},
		"nobody":              {receptionist, uuid.New(), 422},
		"no doctor":           {receptionist, b.ids[nurse], 422},
		"the one that it has": {receptionist, b.ids[doctor], 422},
		"the patient":         {receptionist, b.ids[patient], 422},
	} {
		require.Equal(t, c.code, b.do(c.as, http.MethodPost, confirmed+"/reassign", map[string]any{"doctorId": c.to}, "If-Match", `"2"`).Code, name)
	}
	taken := b.appointment(2)
	taken["doctorId"], taken["patientId"] = colleague, b.patient2()
	busy := b.do(receptionist, http.MethodPost, "/api/appointments", taken)
	require.Equal(t, http.StatusCreated, busy.Code, "%s", busy.Body)
	to := map[string]any{"doctorId": colleague}
	require.Equal(t, []string{"startsAt"}, requireProblem(t, b.do(receptionist, http.MethodPost, confirmed+"/reassign", to, "If-Match", `"2"`), 409, "conflict"))
	b.step(receptionist, busy.Header().Get("Location"), "cancel", 1, 200, nil)
	w = b.step(nurse, confirmed, "reassign", 2, 200, to)
	require.Equal(t, []any{"booked", colleague.String()}, []any{decode(t, w)["status"], decode(t, w)["doctorId"]})
	data := b.eventData("appointment.reassigned")
	require.Equal(t, []any{b.ids[doctor].String(), colleague.String()}, []any{data["previousDoctorId"], data["doctorId"]})
	b.step(patient, confirmed, "confirm", 3, 200, nil)
	require.Equal(t, []string{idIn(booked)}, b.list(receptionist, "needsAttention=true"))
}

// patient2 is another patient of the clinic.
func (b *bundle) patient2() uuid.UUID {
	b.t.Helper()
	w := b.do(admin, http.MethodPost, "/api/users", map[string]any{"email": "second@demo.example", "givenName": "C", "familyName": "D", "clinicId": b.clinicID, "roles": []string{"patient"}})
	require.Equal(b.t, http.StatusCreated, w.Code, "%s", w.Body)
	return uuid.MustParse(decode(b.t, w)["id"].(string))
}

func TestDepartures_OfPeopleWhoAreDisabledAreToldToo(t *testing.T) {
	t.Parallel()
	b := setup(t)
	disable := func(id uuid.UUID) {
		t.Helper()
		path := "/api/users/" + id.String()
		got := b.do(admin, http.MethodGet, path, nil)
		u := decode(t, got)
		body := map[string]any{"email": u["email"], "givenName": u["givenName"], "familyName": u["familyName"], "locale": u["locale"], "timeZone": u["timeZone"], "status": "disabled"}
		w := b.do(admin, http.MethodPut, path, body, "If-Match", got.Header().Get("ETag"))
		require.Equal(t, http.StatusOK, w.Code, "%s", w.Body)
	}
	second := b.patient2()
	in := b.appointment(0)
	in["patientId"] = second
	w := b.do(receptionist, http.MethodPost, "/api/appointments", in)
	require.Equal(t, http.StatusCreated, w.Code, "%s", w.Body)
	b.book(2)
	disable(second)
	require.Equal(t, "patient_disabled", b.eventData("appointment.needs_attention")["reason"])
	require.Contains(t, decode(t, b.step(receptionist, w.Header().Get("Location"), "confirm", 1, 409, nil))["detail"], "patient_disabled")
	disable(b.ids[doctor])
	require.Equal(t, 3, b.events("appointment.needs_attention"))
	require.Equal(t, "doctor_disabled", b.eventData("appointment.needs_attention")["reason"])
	require.Len(t, b.list(receptionist, "needsAttention=true"), 2)
}
