package rest_test

import (
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"carewire/internal/care"
)

// appointment is a valid appointment of the clinic's patient, the n-th half hour from the day after tomorrow on.
func (b *bundle) appointment(n int) map[string]any {
	at := time.Now().UTC().Truncate(time.Hour).Add(48*time.Hour + time.Duration(n)*30*time.Minute)
	return map[string]any{
		"patientId": b.ids[patient], "clinicId": b.clinicID, "doctorId": b.ids[doctor],
		"startsAt": at.Format(time.RFC3339), "endsAt": at.Add(30 * time.Minute).Format(time.RFC3339),
	}
}

// alwaysOpen sets the hours of all doctors to whole days.
func (b *bundle) alwaysOpen() {
	b.t.Helper()
	for _, sql := range []string{
		`INSERT INTO doctor_hours (id, version, clinic_id, doctor_id, updated_at, updated_by)
			SELECT gen_random_uuid(), 1, clinic_id, user_id, now(), '' FROM memberships WHERE role = 'doctor' ON CONFLICT DO NOTHING`,
		`INSERT INTO doctor_hours_spans (clinic_id, doctor_id, weekday, opens_at, closes_at)
			SELECT clinic_id, doctor_id, weekday, '00:00', '24:00' FROM doctor_hours CROSS JOIN generate_series(1, 7) AS weekday ON CONFLICT DO NOTHING`,
	} {
		_, err := b.db.Owner.Exec(b.t.Context(), sql)
		require.NoError(b.t, err)
	}
}

// beginNow moves the one appointment so that it began a moment ago.
func (b *bundle) beginNow() {
	b.t.Helper()
	_, err := b.db.Owner.Exec(b.t.Context(), `UPDATE appointments SET starts_at = now() - interval '1 minute', ends_at = now() + interval '29 minutes'`)
	require.NoError(b.t, err)
}

// colleague is another doctor of the clinic.
func (b *bundle) colleague() uuid.UUID {
	b.t.Helper()
	const email = "colleague@demo.example"
	if b.ids[email] == uuid.Nil {
		w := b.do(admin, http.MethodPost, "/api/users", map[string]any{"email": email, "givenName": "C", "familyName": "D", "clinicId": b.clinicID, "roles": []string{"doctor"}})
		require.Equal(b.t, http.StatusCreated, w.Code, "%s", w.Body)
		b.ids[email] = uuid.MustParse(decode(b.t, w)["id"].(string))
	}
	return b.ids[email]
}

func TestAppointments_GoFromTheWishToTheVisitByVersion(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.alwaysOpen()
	w := b.do(patient, http.MethodPost, "/api/appointments", b.appointment(0))
	require.Equal(t, http.StatusCreated, w.Code, "%s", w.Body)
	require.Equal(t, `"1"`, w.Header().Get("ETag"))
	created := decode(t, w)
	path := "/api/appointments/" + created["id"].(string)
	require.Equal(t, path, w.Header().Get("Location"))
	require.ElementsMatch(t, []string{
		"id", "version", "patientId", "clinicId", "doctorId", "status", "startsAt", "endsAt", "timeZone", "createdAt", "createdBy", "updatedAt", "updatedBy",
	}, slices.Collect(maps.Keys(created)))
	require.Equal(t, "requested", created["status"])
	require.Equal(t, "Europe/Berlin", created["timeZone"])
	require.Equal(t, b.appointment(0)["startsAt"], created["startsAt"])

	for i, step := range []struct{ who, move, status string }{
		{receptionist, "book", "booked"},
		{patient, "confirm", "confirmed"},
		{nurse, "check-in", "checked_in"},
		{doctor, "complete", "completed"},
	} {
		if step.move == "check-in" {
			b.beginNow()
		}
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
		requireProblem(t, b.do(receptionist, http.MethodPost, path+"/"+c.move, c.body, "If-Match", `W/"1"`), 412, "precondition_failed")
		require.Equal(t, []string{"If-Match"}, requireProblem(t, b.do(receptionist, http.MethodPost, path+"/"+c.move, c.body, "If-Match", `1`), 400, "malformed"))
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

// openDaily sets the doctor's hours to whole days, so that every half hour is one that can be had.
func (b *bundle) openDaily() string {
	b.t.Helper()
	var openings []any
	for _, day := range []string{"monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"} {
		openings = append(openings, map[string]any{"weekday": day, "opensAt": "00:00", "closesAt": "24:00"})
	}
	path := "/api/clinics/" + b.clinicID.String() + "/doctors/" + b.ids[doctor].String() + "/hours"
	w := b.do(receptionist, http.MethodPut, path, map[string]any{"openings": openings})
	require.Equal(b.t, http.StatusOK, w.Code, "%s", w.Body)
	require.Equal(b.t, `"1"`, w.Header().Get("ETag"))
	return path
}

func TestAppointments_ThatAreTakenAreAnsweredWithTheNextFreeTimes(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.openDaily()
	requested := b.do(patient, http.MethodPost, "/api/appointments", b.appointment(0))
	require.Equal(t, http.StatusCreated, requested.Code, "%s", requested.Body)
	b.book(0)
	moving := b.book(4)
	taken := b.appointment(0)
	slot := map[string]any{"startsAt": taken["startsAt"], "endsAt": taken["endsAt"]}
	for name, w := range map[string]*httptest.ResponseRecorder{
		"create":     b.do(nurse, http.MethodPost, "/api/appointments", taken),
		"wish":       b.do(patient, http.MethodPost, "/api/appointments", taken),
		"book":       b.do(nurse, http.MethodPost, requested.Header().Get("Location")+"/book", nil, "If-Match", `"1"`),
		"reschedule": b.do(nurse, http.MethodPost, moving+"/reschedule", slot, "If-Match", `"1"`),
	} {
		require.Equal(t, []string{"startsAt"}, requireProblem(t, w, 409, "conflict"), name)
		var p struct{ NextFree []care.Span }
		require.NoError(t, json.Unmarshal(w.Body.Bytes(), &p))
		require.Len(t, p.NextFree, 3, "%s: %s", name, w.Body)
		for i, free := range p.NextFree {
			require.Equal(t, b.appointment(i + 1)["startsAt"], free.StartsAt.UTC().Format(time.RFC3339), name)
			require.Equal(t, b.appointment(i + 1)["endsAt"], free.EndsAt.UTC().Format(time.RFC3339), name)
		}
		require.Regexp(t, `"nextFree":\[\{"startsAt":"[^"]+\+0[12]:00"`, w.Body.String(), "with the clinic's offset")
	}
	other := requireProblem(t, b.do(receptionist, http.MethodPost, moving+"/complete", nil, "If-Match", `"1"`), 409, "conflict")
	require.Empty(t, other)
}

func TestAppointments_TakeTimesOfAnyOffset(t *testing.T) {
	t.Parallel()
	b := setup(t)
	in := b.appointment(0)
	for _, field := range []string{"startsAt", "endsAt"} {
		at, err := time.Parse(time.RFC3339, in[field].(string))
		require.NoError(t, err)
		in[field] = at.In(time.FixedZone("", -9*3600-1800)).Format(time.RFC3339)
	}
	w := b.do(nurse, http.MethodPost, "/api/appointments", in)
	require.Equal(t, http.StatusCreated, w.Code, "%s", w.Body)
	require.Equal(t, b.appointment(0)["startsAt"], decode(t, w)["startsAt"])
	in["startsAt"] = strings.TrimSuffix(in["startsAt"].(string), "-09:30")
	require.Equal(t, []string{"startsAt"}, requireProblem(t, b.do(nurse, http.MethodPost, "/api/appointments", in), 422, "invalid"), "a time must say its offset")
}

func TestAppointments_OfManyAtOnceForOneTimeAreOne(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.openDaily()
	answers := make(chan *httptest.ResponseRecorder, 100)
	var wg sync.WaitGroup
	for i := range cap(answers) {
		req := b.request([]string{receptionist, nurse, doctor, admin}[i%4], http.MethodPost, "/api/appointments", b.appointment(0))
		wg.Go(func() { answers <- b.send(req) })
	}
	wg.Wait()
	close(answers)
	won := 0
	for w := range answers {
		if w.Code == http.StatusCreated {
			won++
			continue
		}
		require.Equal(t, []string{"startsAt"}, requireProblem(t, w, 409, "conflict"))
		require.Len(t, decode(t, w)["nextFree"], 3)
	}
	require.Equal(t, 1, won)
	require.Equal(t, 1, b.events("appointment.booked"))
}

func TestAvailability_IsForEverybodyOfTheClinic(t *testing.T) {
	t.Parallel()
	b := setup(t)
	query := "?clinicId=" + b.clinicID.String() + "&doctorId=" + b.ids[doctor].String() + "&date="
	path := "/api/appointments/availability" + query
	next := func(day time.Weekday) string {
		at := time.Now().AddDate(0, 0, 2)
		for at.Weekday() != day {
			at = at.AddDate(0, 0, 1)
		}
		return at.Format(time.DateOnly)
	}
	wednesday := decode(t, b.do(patient, http.MethodGet, path+next(time.Wednesday), nil))
	require.Equal(t, true, wednesday["defaultHours"])
	require.EqualValues(t, 30, wednesday["durationMinutes"])
	require.Equal(t, "Europe/Berlin", wednesday["timeZone"])
	require.Len(t, wednesday["free"], 16)
	first := wednesday["free"].([]any)[0].(map[string]any)
	require.Regexp(t, "^"+next(time.Wednesday)+`T09:00:00\+0[12]:00$`, first["startsAt"])
	require.Regexp(t, "^"+next(time.Wednesday)+`T09:30:00\+0[12]:00$`, first["endsAt"])
	require.Empty(t, decode(t, b.do(patient, http.MethodGet, path+next(time.Sunday), nil))["free"])
	require.Len(t, decode(t, b.do(nurse, http.MethodGet, path+next(time.Wednesday)+"&durationMinutes=240", nil))["free"], 2)

	in := b.appointment(0)
	in["startsAt"], in["endsAt"] = first["startsAt"], first["endsAt"]
	require.Equal(t, http.StatusCreated, b.do(nurse, http.MethodPost, "/api/appointments", in).Code)
	after := decode(t, b.do(patient, http.MethodGet, path+next(time.Wednesday), nil))
	require.Len(t, after["free"], 15)
	require.Equal(t, []any{first}, after["busy"], "when, and nothing else")

	// The days on which the clocks change have 23 and 25 hours.
	b.openDaily()
	for _, date := range []string{lastSunday(time.March), lastSunday(time.October)} {
		got := decode(t, b.do(patient, http.MethodGet, path+date, nil))
		want := 46
		if strings.Contains(date, "-10-") {
			want = 50
		}
		require.Len(t, got["free"], want, date)
	}
	requireProblem(t, b.do(operator, http.MethodGet, path+"2027-03-28", nil), 403, "forbidden")
	requireProblem(t, b.do("", http.MethodGet, path+"2027-03-28", nil), 401, "unauthenticated")
	require.Equal(t, []string{"date"}, requireProblem(t, b.do(patient, http.MethodGet, path+"today", nil), 422, "invalid"))
	require.Equal(t, []string{"durationMinutes"}, requireProblem(t, b.do(patient, http.MethodGet, path+"2027-03-28&durationMinutes=0", nil), 422, "invalid"))
	require.ElementsMatch(t, []string{"clinicId", "doctorId", "date"}, requireProblem(t, b.do(patient, http.MethodGet, "/api/appointments/availability", nil), 422, "invalid"))
	strange := strings.Replace(path, b.ids[doctor].String(), b.ids[nurse].String(), 1)
	requireProblem(t, b.do(patient, http.MethodGet, strange+"2027-03-28", nil), 404, "not_found")
	require.Equal(t, 2, b.events("access.denied"))
}

// lastSunday is that of the month, of the next year: when clocks change in Europe.
func lastSunday(month time.Month) string {
	day := time.Date(time.Now().Year()+1, month+1, 0, 0, 0, 0, 0, time.UTC)
	for day.Weekday() != time.Sunday {
		day = day.AddDate(0, 0, -1)
	}
	return day.Format(time.DateOnly)
}

func TestHours_AreReplacedByVersion(t *testing.T) {
	t.Parallel()
	b := setup(t)
	path := "/api/clinics/" + b.clinicID.String() + "/doctors/" + b.ids[doctor].String() + "/hours"
	w := b.do(patient, http.MethodGet, path, nil)
	require.Equal(t, http.StatusOK, w.Code, "%s", w.Body)
	require.Empty(t, w.Header().Get("ETag"))
	require.Equal(t, true, decode(t, w)["default"])
	require.Equal(t, path, b.openDaily())
	morning := map[string]any{"openings": []any{map[string]any{"weekday": "monday", "opensAt": "08:30", "closesAt": "12:00"}}}
	requireProblem(t, b.do(doctor, http.MethodPut, path, morning), 428, "precondition_required")
	stale := b.do(doctor, http.MethodPut, path, morning, "If-Match", `"3"`)
	requireProblem(t, stale, 412, "precondition_failed")
	require.Equal(t, `"1"`, stale.Header().Get("ETag"))
	w = b.do(doctor, http.MethodPut, path, morning, "If-Match", `"1"`)
	require.Equal(t, http.StatusOK, w.Code, "%s", w.Body)
	require.JSONEq(t, w.Body.String(), b.do(patient, http.MethodGet, path, nil).Body.String())
	require.Equal(t, 2, b.events("doctor.hours_changed"))
	requireProblem(t, b.do(patient, http.MethodPut, path, morning, "If-Match", `"2"`), 403, "forbidden")
	requireProblem(t, b.do(nurse, http.MethodPut, path, morning, "If-Match", `"2"`), 403, "forbidden")
	bad := map[string]any{"openings": []any{map[string]any{"weekday": "monday", "opensAt": "08:30", "closesAt": "25:00"}}}
	require.Equal(t, []string{"openings[0].closesAt"}, requireProblem(t, b.do(doctor, http.MethodPut, path, bad, "If-Match", `"2"`), 422, "invalid"))
	bad["openings"] = []any{map[string]any{"weekday": "someday", "opensAt": "08:30", "closesAt": "12:00"}}
	require.Equal(t, []string{"openings[0].weekday"}, requireProblem(t, b.do(doctor, http.MethodPut, path, bad, "If-Match", `"2"`), 422, "invalid"))
	require.Equal(t, []string{"openings"}, requireProblem(t, b.do(doctor, http.MethodPut, path, map[string]any{}, "If-Match", `"2"`), 422, "invalid"))
}
