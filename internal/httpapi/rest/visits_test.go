package rest_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
)

// startOf is when the n-th appointment starts.
func (b *bundle) startOf(n int) time.Time {
	b.t.Helper()
	at, err := time.Parse(time.RFC3339, b.appointment(n)["startsAt"].(string))
	require.NoError(b.t, err)
	return at
}

// step does a transition by version, and gives the status that came of it.
func (b *bundle) step(as, path, move string, version, want int, body any) *httptest.ResponseRecorder {
	b.t.Helper()
	w := b.do(as, http.MethodPost, path+"/"+move, body, "If-Match", etagOf(version))
	require.Equal(b.t, want, w.Code, "%s as %s: %s", move, as, w.Body)
	if want == http.StatusConflict {
		requireProblem(b.t, w, 409, "conflict")
	}
	return w
}

// list gives the ids that a list of appointments shows.
func (b *bundle) list(as, query string) []string {
	b.t.Helper()
	w := b.do(as, http.MethodGet, "/api/appointments?"+query, nil)
	require.Equal(b.t, http.StatusOK, w.Code, "%s", w.Body)
	ids := []string{}
	for _, item := range decode(b.t, w)["items"].([]any) {
		ids = append(ids, item.(map[string]any)["id"].(string))
	}
	return ids
}

// eventData gives the data of the latest event of the type.
func (b *bundle) eventData(typ string) map[string]any {
	b.t.Helper()
	var data []byte
	require.NoError(b.t, b.db.Owner.QueryRow(b.t.Context(), `SELECT data FROM outbox WHERE type = $1 ORDER BY id DESC LIMIT 1`, typ).Scan(&data))
	var m map[string]any
	require.NoError(b.t, json.Unmarshal(data, &m))
	return m
}

func idIn(path string) string { return path[strings.LastIndexByte(path, '/')+1:] }

func TestTransitions_EachHaveATimeWindow(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.alwaysOpen()
	zone, err := time.LoadLocation("Europe/Berlin")
	require.NoError(t, err)
	start := b.startOf(0)
	end := start.Add(30 * time.Minute)
	year, month, day := start.In(zone).Date()
	midnight := time.Date(year, month, day, 0, 0, 0, 0, zone)
	dayEnds := midnight.AddDate(0, 0, 1)
	if dayEnds.Before(end) {
		dayEnds = end
	}
	for name, c := range map[string]struct {
		moves []string
		as    string
		move  string
		// from and until are the first moment at which it can be done and the first at which it no longer can; zero is unbounded.
		from, until time.Time
	}{
		"check-in on the day":              {nil, nurse, "check-in", midnight, dayEnds},
		"complete once it has begun":       {[]string{"check-in"}, doctor, "complete", start, time.Time{}},
		"no-show once it has begun":        {nil, nurse, "no-show", start, time.Time{}},
		"a patient confirms before it":     {nil, patient, "confirm", time.Time{}, start},
		"the desk confirms until its end":  {nil, receptionist, "confirm", time.Time{}, end},
		"a patient cancels before it":      {nil, patient, "cancel", time.Time{}, start},
		"the desk cancels until its end":   {nil, receptionist, "cancel", time.Time{}, end},
		"a confirmed one, the patient too": {[]string{"confirm"}, patient, "cancel", time.Time{}, start},
	} {
		try := func(now time.Time, want int) {
			path := b.book(0)
			version := 1
			for _, move := range c.moves {
				b.atTime(start, func() { b.step(nurse, path, move, version, 200, nil) })
				version++
			}
			b.atTime(now, func() {
				w := b.do(c.as, http.MethodPost, path+"/"+c.move, nil, "If-Match", etagOf(version))
				require.Equal(t, want, w.Code, "%s at %s: %s", name, now, w.Body)
				if want == http.StatusConflict {
					require.Contains(t, decode(t, w)["detail"], "allowed")
				}
			})
			_, err := b.db.Owner.Exec(t.Context(), `DELETE FROM appointments`)
			require.NoError(t, err)
		}
		if !c.from.IsZero() {
			try(c.from.Add(-time.Second), http.StatusConflict)
			try(c.from, http.StatusOK)
		} else {
			try(time.Now(), http.StatusOK)
		}
		if !c.until.IsZero() {
			try(c.until.Add(-time.Second), http.StatusOK)
			try(c.until, http.StatusConflict)
			try(c.until.AddDate(1, 0, 0), http.StatusConflict)
		}
	}
}

func TestTransitions_NobodyCancelsWhoIsCheckedInOrBooksWhatIsOver(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.alwaysOpen()
	path := b.book(0)
	b.atTime(b.startOf(0), func() {
		b.step(nurse, path, "check-in", 1, 200, nil)
		for _, who := range []string{patient, receptionist} {
			b.step(who, path, "cancel", 2, 409, nil)
		}
	})
	w := b.do(patient, http.MethodPost, "/api/appointments", b.appointment(2))
	require.Equal(t, http.StatusCreated, w.Code, "%s", w.Body)
	request := w.Header().Get("Location")
	b.atTime(b.startOf(2), func() {
		b.step(receptionist, request, "book", 1, 409, nil)
		b.step(patient, request, "cancel", 1, 409, nil)
	})
	b.atTime(b.startOf(9), func() { b.step(receptionist, request, "cancel", 1, 200, nil) })

	moved := b.book(4)
	past := map[string]any{"startsAt": b.startOf(2).Format(time.RFC3339), "endsAt": b.startOf(3).Format(time.RFC3339)}
	b.atTime(b.startOf(3), func() {
		w := b.do(receptionist, http.MethodPost, moved+"/reschedule", past, "If-Match", `"1"`)
		require.Equal(t, []string{"startsAt"}, requireProblem(t, w, 422, "invalid"))
	})
}

func TestReschedule_ToTheSameTimeIsNoChange(t *testing.T) {
	t.Parallel()
	b := setup(t)
	path := b.book(0)
	b.step(patient, path, "confirm", 1, 200, nil)
	before := b.events("appointment.rescheduled")
	same := map[string]any{"startsAt": b.appointment(0)["startsAt"], "endsAt": b.appointment(0)["endsAt"]}
	for _, body := range []map[string]any{same, {"startsAt": b.appointment(0)["startsAt"]}} {
		w := b.step(receptionist, path, "reschedule", 2, 200, body)
		require.Equal(t, `"2"`, w.Header().Get("ETag"))
		require.Equal(t, "confirmed", decode(t, w)["status"])
	}
	require.Equal(t, before, b.events("appointment.rescheduled"))
	w := b.step(receptionist, path, "reschedule", 2, 200, map[string]any{"startsAt": b.appointment(5)["startsAt"]})
	require.Equal(t, b.appointment(5)["endsAt"], decode(t, w)["endsAt"], "as long as before")
	require.Equal(t, "booked", decode(t, w)["status"])
}

func TestReversal_TakesASlipBackOnTheSameDayWithItsReason(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.colleague()
	start := b.startOf(0)
	reason := map[string]any{"reason": "Marked the wrong Ms Winter."}
	reversed := func(path string, version int, from, to string) {
		t.Helper()
		w := b.step(receptionist, path, "reverse", version, 200, reason)
		require.Equal(t, to, decode(t, w)["status"])
		data := b.eventData("appointment.reversed")
		require.Equal(t, []any{from, to}, []any{data["fromStatus"], data["status"]})
		require.NotContains(t, fmt.Sprint(data), "Winter")
	}

	missed := b.book(0)
	b.step(patient, missed, "confirm", 1, 200, nil)
	b.atTime(start, func() { b.step(nurse, missed, "no-show", 2, 200, nil) })
	requireProblem(t, b.do(patient, http.MethodPost, missed+"/reverse", reason, "If-Match", `"3"`), 403, "forbidden")
	require.Equal(t, []string{"reason"}, requireProblem(t, b.do(nurse, http.MethodPost, missed+"/reverse", map[string]any{"reason": ""}, "If-Match", `"3"`), 422, "invalid"))
	require.Equal(t, []string{"reason"}, requireProblem(t, b.do(nurse, http.MethodPost, missed+"/reverse", map[string]any{"reason": " \n"}, "If-Match", `"3"`), 422, "invalid"))
	reversed(missed, 3, "no_show", "confirmed")
	b.atTime(start, func() {
		b.step(nurse, missed, "no-show", 4, 200, nil)
		b.step(nurse, missed, "check-in", 5, 200, nil) // Ten minutes late.
		b.step(nurse, missed, "complete", 6, 200, nil)
	})
	reversed(missed, 7, "completed", "checked_in")
	b.step(nurse, missed, "reverse", 8, 409, reason)

	cancelled := b.book(2)
	b.step(patient, cancelled, "cancel", 1, 200, nil)
	b.atTime(time.Now().AddDate(0, 0, 1), func() { b.step(nurse, cancelled, "reverse", 2, 409, reason) })
	other := b.book(2)
	w := b.step(nurse, cancelled, "reverse", 2, 409, reason)
	require.Equal(t, []string{"startsAt"}, requireProblem(t, w, 409, "conflict"))
	b.step(nurse, other, "cancel", 1, 200, nil)
	reversed(cancelled, 2, "cancelled", "booked")
	_, err := b.db.Owner.Exec(t.Context(), `UPDATE appointments SET starts_at = now() - interval '2 hours', ends_at = now() - interval '1 hour' WHERE id = $1`, idIn(other))
	require.NoError(t, err)
	b.step(nurse, other, "reverse", 2, 409, reason)

	kept := decode(t, b.do(admin, http.MethodGet, missed+"/reversals", nil))["items"].([]any)
	require.Len(t, kept, 2)
	require.Equal(t, []any{"completed", "checked_in", reason["reason"]}, []any{kept[1].(map[string]any)["from"], kept[1].(map[string]any)["to"], kept[1].(map[string]any)["reason"]})
	requireProblem(t, b.do(patient, http.MethodGet, missed+"/reversals", nil), 403, "forbidden")
	requireProblem(t, b.do(admin, http.MethodGet, "/api/appointments/"+uuid.NewString()+"/reversals", nil), 404, "not_found")
	require.NotContains(t, b.log.String(), "Winter")
}

func TestRequests_KeepToTheDoctorsHoursAndTheClinicsBounds(t *testing.T) {
	t.Parallel()
	b := setup(t)
	hours := "/api/clinics/" + b.clinicID.String() + "/doctors/" + b.ids[doctor].String() + "/hours"
	zone, err := time.LoadLocation("Europe/Berlin")
	require.NoError(t, err)
	day := time.Now().In(zone).AddDate(0, 0, 7)
	for day.Weekday() != time.Wednesday {
		day = day.AddDate(0, 0, 1)
	}
	at := func(days, hour, minutes, length int) map[string]any {
		in := b.appointment(0)
		start := time.Date(day.Year(), day.Month(), day.Day()+days, hour, minutes, 0, 0, zone)
		in["startsAt"], in["endsAt"] = start.Format(time.RFC3339), start.Add(time.Duration(length)*time.Minute).Format(time.RFC3339)
		return in
	}
	ask := func(in map[string]any) *httptest.ResponseRecorder {
		return b.do(patient, http.MethodPost, "/api/appointments", in)
	}
	outside := func(in map[string]any, said string) {
		t.Helper()
		w := ask(in)
		require.Equal(t, []string{"startsAt"}, requireProblem(t, w, 409, "conflict"), said)
		require.NotEmpty(t, decode(t, w)["detail"])
	}
	outside(at(0, 3, 0, 30), "before the default hours")
	outside(at(4, 10, 0, 30), "a Sunday")
	outside(at(0, 16, 45, 30), "beyond the evening")
	require.Equal(t, []string{"endsAt"}, requireProblem(t, ask(at(0, 9, 0, 4)), 422, "invalid"), "shorter than 5 minutes")
	require.Equal(t, http.StatusCreated, ask(at(0, 9, 0, 5)).Code, "what availability offers can be asked for")

	week := map[string]any{"openings": []any{
		map[string]any{"weekday": "wednesday", "opensAt": "08:00", "closesAt": "12:00"}, map[string]any{"weekday": "wednesday", "opensAt": "12:00", "closesAt": "19:00"},
	}}
	require.Equal(t, http.StatusOK, b.do(doctor, http.MethodPut, hours, week).Code)
	require.Equal(t, http.StatusCreated, ask(at(0, 11, 30, 60)).Code, "openings that touch are one")
	outside(at(1, 10, 0, 30), "a Thursday")
	require.Equal(t, []string{"endsAt"}, requireProblem(t, ask(at(0, 8, 0, 481)), 422, "invalid"), "longer than a clinic allows that has not said")
	settings := "/api/clinics/" + b.clinicID.String() + "/settings"
	require.Equal(t, http.StatusOK, b.do(admin, http.MethodPut, settings, map[string]any{"criticalHoldMinutes": 0, "appointmentMaxMinutes": 45}).Code)
	require.Equal(t, []string{"endsAt"}, requireProblem(t, ask(at(0, 14, 0, 46)), 422, "invalid"))
	require.Equal(t, http.StatusCreated, ask(at(0, 14, 0, 45)).Code)

	require.Equal(t, http.StatusOK, b.do(doctor, http.MethodPut, hours, map[string]any{"openings": []any{}}, "If-Match", `"1"`).Code)
	outside(at(0, 10, 0, 30), "a doctor who sees nobody")
}

func TestBookings_OutsideTheHoursNeedAnOverrideThatIsTold(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.book(40) // Nobody set the hours: the clinic books as it likes.
	path := "/api/clinics/" + b.clinicID.String() + "/doctors/" + b.ids[doctor].String() + "/hours"
	requested := func() string {
		w := b.do(patient, http.MethodPost, "/api/appointments", b.appointment(20))
		require.Equal(t, http.StatusCreated, w.Code, "%s", w.Body)
		return w.Header().Get("Location")
	}
	b.alwaysOpen()
	request := requested()
	require.Equal(t, http.StatusOK, b.do(doctor, http.MethodPut, path, map[string]any{"openings": []any{}}, "If-Match", `"1"`).Code)
	in := b.appointment(0)
	w := b.do(receptionist, http.MethodPost, "/api/appointments", in)
	require.Equal(t, []string{"startsAt"}, requireProblem(t, w, 409, "conflict"))
	require.Contains(t, w.Body.String(), "override")
	in["override"] = true
	require.Equal(t, []string{"override"}, requireProblem(t, b.do(patient, http.MethodPost, "/api/appointments", in), 422, "invalid"))
	w = b.do(receptionist, http.MethodPost, "/api/appointments", in)
	require.Equal(t, http.StatusCreated, w.Code, "%s", w.Body)
	require.Equal(t, true, b.eventData("appointment.booked")["override"])
	made := w.Header().Get("Location")

	to := map[string]any{"startsAt": b.appointment(2)["startsAt"]}
	b.step(receptionist, made, "reschedule", 1, 409, to)
	to["override"] = true
	b.step(receptionist, made, "reschedule", 1, 200, to)
	require.Equal(t, true, b.eventData("appointment.rescheduled")["override"])

	b.step(receptionist, request, "book", 1, 409, nil)
	w = b.do(receptionist, http.MethodPost, request+"/book?override=true", nil, "If-Match", `"1"`)
	require.Equal(t, http.StatusOK, w.Code, "%s", w.Body)

	long := b.appointment(60)
	long["endsAt"] = b.startOf(80).Format(time.RFC3339)
	long["override"] = true
	require.Equal(t, http.StatusCreated, b.do(receptionist, http.MethodPost, "/api/appointments", long).Code, "ten hours, where the clinic allows eight")
	long["endsAt"] = b.startOf(60).Add(time.Minute).Format(time.RFC3339)
	require.Equal(t, []string{"endsAt"}, requireProblem(t, b.do(receptionist, http.MethodPost, "/api/appointments", long), 422, "invalid"), "no less than 5 minutes")
}

func TestRequests_ForOneTimeAreOneAndThereAreNoMoreThanTen(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.alwaysOpen()
	answers := make(chan *httptest.ResponseRecorder, 20)
	var wg sync.WaitGroup
	for range cap(answers) {
		req := b.request(patient, http.MethodPost, "/api/appointments", b.appointment(0))
		wg.Go(func() { answers <- b.send(req) })
	}
	wg.Wait()
	close(answers)
	first, refused := "", []string{}
	for w := range answers {
		if w.Code == http.StatusCreated {
			require.Empty(t, first, "one wins")
			first = decode(t, w)["id"].(string)
			continue
		}
		requireProblem(t, w, 409, "conflict")
		refused = append(refused, decode(t, w)["detail"].(string))
	}
	for _, detail := range refused {
		require.Contains(t, detail, first, "it names the first")
	}
	require.Equal(t, 1, b.events("appointment.requested"))
	half := b.appointment(0)
	half["endsAt"] = b.startOf(0).Add(10 * time.Minute).Format(time.RFC3339)
	requireProblem(t, b.do(patient, http.MethodPost, "/api/appointments", half), 409, "conflict")

	for n := 1; n < 10; n++ {
		w := b.do(patient, http.MethodPost, "/api/appointments", b.appointment(n))
		require.Equal(t, http.StatusCreated, w.Code, "%s", w.Body)
	}
	w := b.do(patient, http.MethodPost, "/api/appointments", b.appointment(10))
	requireProblem(t, w, 409, "conflict")
	require.Contains(t, decode(t, w)["detail"], "10 open requests")
	b.step(patient, "/api/appointments/"+first, "cancel", 1, 200, nil)
	require.Equal(t, http.StatusCreated, b.do(patient, http.MethodPost, "/api/appointments", b.appointment(10)).Code)
}
