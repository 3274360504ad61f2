package rest_test

import (
	"encoding/json"
	"html"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"carewire/internal/httpapi/rest"
)

// pageOf is the path of the page of a record with that path in the API.
func pageOf(path string) string { return strings.Replace(path, "/api/ehr/", "/records/", 1) }

func TestRecordPage_ShowsTheRecordInWords(t *testing.T) {
	t.Parallel()
	b := setup(t)
	report := b.report()
	coding := func(code, display string) map[string]any {
		return map[string]any{"system": "http://loinc.org", "code": code, "display": display}
	}
	report["effectiveAt"] = "2026-07-14T22:30:00Z"
	report["results"] = []any{
		map[string]any{"code": coding("2823-3", "Potassium <b>"), "value": json.Number("5.60"), "unit": "mmol/L", "interpretation": "H", "referenceRange": map[string]any{"low": 3.5, "high": 5.1}},
		map[string]any{"code": coding("8310-5", "Temperature"), "value": 37, "unit": "Cel", "interpretation": "N", "referenceRange": map[string]any{"high": 37.5, "text": "in the mouth"}},
		map[string]any{"code": coding("5778-6", "Color"), "value": "yellow"},
	}
	w := b.do(doctor, http.MethodPost, "/api/ehr/lab-reports", report)
	require.Equal(t, http.StatusCreated, w.Code, "%s", w.Body)
	path := pageOf(w.Header().Get("Location"))
	page := b.do(patient, http.MethodGet, path, nil)
	require.Equal(t, http.StatusOK, page.Code, "%s", page.Body)
	requirePage(t, path, page)
	for _, want := range []string{
		"<h1>Comprehensive metabolic panel</h1>", "Lab report", "15 July 2026, 00:30", "Europe/Berlin", "Final", "Demo Clinic", "Paula Winter",
		"Potassium &lt;b&gt;", "5.60 mmol/L", "3.5 to 5.1 mmol/L", `class="high">High<`, "37 °C", "at most 37.5 °C (in the mouth)", ">Normal<", "yellow",
	} {
		require.Contains(t, page.Body.String(), want)
	}
	require.NotContains(t, page.Body.String(), "Potassium <b>")
	for _, other := range []string{"/records/lab_report/", "/records/lab-report/", "/records/LAB-REPORTS/"} {
		again := b.do(patient, http.MethodGet, other+strings.TrimPrefix(path, "/records/lab-reports/"), nil)
		require.Equal(t, http.StatusOK, again.Code, other)
	}
	for _, missing := range []string{"/records/lab-reports/x", "/records/nothing/" + uuid.NewString(), "/records/users/" + b.ids[patient].String(), "/records/nothing"} {
		requireProblem(t, b.do(patient, http.MethodGet, missing, nil), 404, "not_found")
	}
}

func TestRecordPage_HasEveryFieldOfEveryKind(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for _, spec := range rest.Kinds() {
		var body map[string]any
		require.NoError(t, json.Unmarshal([]byte(spec.Example), &body))
		body["patientId"], body["clinicId"], body["doctorId"] = b.ids[patient], b.clinicID, b.ids[doctor]
		w := b.do(doctor, http.MethodPost, "/api/ehr/"+spec.Path, body)
		require.Equal(t, http.StatusCreated, w.Code, "%s: %s", spec.Name, w.Body)
		page := b.do(doctor, http.MethodGet, pageOf(w.Header().Get("Location")), nil)
		require.Equal(t, http.StatusOK, page.Code, "%s: %s", spec.Name, page.Body)
		requirePage(t, spec.Name, page)
		for _, text := range displays(body) {
			require.Contains(t, html.UnescapeString(page.Body.String()), text, spec.Name)
		}
		list := b.do(doctor, http.MethodGet, "/records/"+spec.Path, nil)
		require.Equal(t, http.StatusOK, list.Code)
		require.Contains(t, list.Body.String(), pageOf(w.Header().Get("Location")))
	}
}

// displays are the display texts and the free texts of a body.
func displays(v any) (all []string) {
	switch v := v.(type) {
	case map[string]any:
		for name, part := range v {
			if text, ok := part.(string); ok && slices.Contains([]string{"display", "text", "title", "dosage", "note", "conclusion", "lotNumber"}, name) {
				all = append(all, text)
			}
			all = append(all, displays(part)...)
		}
	case []any:
		for _, part := range v {
			all = append(all, displays(part)...)
		}
	}
	return all
}

// reads returns what the reads and denials appended since the last call.
func (b *bundle) reads() []string {
	b.t.Helper()
	rows, err := b.db.Owner.Query(b.t.Context(), `WITH gone AS (
			DELETE FROM outbox WHERE type IN ('record.read', 'access.denied', 'ehr.lab_report.reviewed') RETURNING *)
		SELECT concat_ws(' ', type, subject, actor_id, actor_role, clinic_id, person_id, data) FROM gone ORDER BY id`)
	require.NoError(b.t, err)
	all, err := pgx.CollectRows(rows, pgx.RowTo[string])
	require.NoError(b.t, err)
	return all
}

// TestSubjectPages_ShowAndAuditWhatTheAPIDoes compares the page with the API, for each person and each state of a record.
func TestSubjectPages_ShowAndAuditWhatTheAPIDoes(t *testing.T) {
	t.Parallel()
	b := setup(t)
	write := func(change map[string]any) string {
		w := b.do(doctor, http.MethodPost, "/api/ehr/lab-reports", merged(b.report(), change))
		require.Equal(t, http.StatusCreated, w.Code, "%s", w.Body)
		return w.Header().Get("Location")
	}
	critical := map[string]any{"results": []any{map[string]any{
		"code": map[string]any{"system": "http://loinc.org", "code": "2823-3", "display": "Potassium"}, "value": 7.2, "unit": "mmol/L", "interpretation": "HH",
	}}}
	states := map[string]string{
		"released": write(nil), "draft": write(map[string]any{"status": "preliminary"}), "held": write(critical), "amended": write(nil), "retracted": write(nil),
	}
	amended := merged(b.report(), map[string]any{"status": "amended"})
	w := b.do(doctor, http.MethodPost, states["amended"]+"/amend", map[string]any{"reason": "a wrong unit", "record": amended}, "If-Match", `"1"`)
	if w.Code >= 400 { // The amended record is the body, with its reason.
		w = b.do(doctor, http.MethodPost, states["amended"]+"/amend", merged(amended, map[string]any{"reason": "a wrong unit"}), "If-Match", `"1"`)
	}
	require.Less(t, w.Code, 300, "%s", w.Body)
	w = b.do(doctor, http.MethodPost, states["retracted"]+"/retract", map[string]any{"reason": "another patient"}, "If-Match", `"1"`)
	require.Less(t, w.Code, 300, "%s", w.Body)
	b.reads()
	hidden := 0
	for state, path := range states {
		for _, who := range []string{patient, nurse, receptionist, admin, auditor, operator, doctor} {
			api := b.do(who, http.MethodGet, path, nil)
			audited := b.reads()
			page := b.do(who, http.MethodGet, pageOf(path), nil)
			name := state + " as " + who
			require.Equal(t, api.Code, page.Code, "%s: %s", name, page.Body)
			shown := b.reads()
			if who == nurse || who == doctor { // The name of the patient is another read.
				shown = slices.DeleteFunc(shown, func(s string) bool { return strings.HasPrefix(s, "record.read user/") })
			}
			if state == "held" && who == doctor { // The first read was the review.
				audited = slices.DeleteFunc(audited, func(s string) bool { return strings.HasPrefix(s, "ehr.lab_report.reviewed") })
			}
			require.Equal(t, audited, shown, name)
			require.NotEmpty(t, shown, name)
			if page.Code != http.StatusOK {
				hidden++
				require.NotContains(t, page.Body.String(), "Potassium", name)
				continue
			}
			masked := state == "retracted" && who == patient
			require.Equal(t, !masked, strings.Contains(page.Body.String(), "Potassium"), name)
			require.Equal(t, masked, strings.Contains(page.Body.String(), "<h1>Lab report</h1>"), name)
			require.Equal(t, state == "retracted", strings.Contains(page.Body.String(), "This record was entered in error."), name)
			require.Equal(t, state == "amended", strings.Contains(page.Body.String(), "a wrong unit"), name)
		}
	}
	require.GreaterOrEqual(t, hidden, 2+4*len(states), "the draft and the held one from the patient, all from the others")
	require.Equal(t, http.StatusOK, b.do(patient, http.MethodGet, pageOf(states["held"]), nil).Code, "the doctor has seen it now")
}

func TestAppointmentPage_IsInTheTimeOfTheClinic(t *testing.T) {
	t.Parallel()
	b := setup(t)
	_, err := b.db.Owner.Exec(t.Context(), `UPDATE users SET time_zone = 'America/New_York' WHERE id = $1`, b.ids[patient])
	require.NoError(t, err)
	input := b.appointmentInput()
	id := b.made(receptionist, "/api/appointments", input)
	page := b.do(patient, http.MethodGet, "/appointments/"+id, nil)
	require.Equal(t, http.StatusOK, page.Code, "%s", page.Body)
	requirePage(t, "appointment", page)
	berlin, err := time.LoadLocation("Europe/Berlin")
	require.NoError(t, err)
	at := input["startsAt"].(time.Time)
	require.Contains(t, page.Body.String(), at.In(berlin).Format("Monday, 2 January 2006"))
	require.Contains(t, page.Body.String(), at.In(berlin).Format("15:04")+" to "+at.Add(30*time.Minute).In(berlin).Format("15:04")+" (Europe/Berlin)")
	require.Contains(t, page.Body.String(), "(America/New_York)")
	require.Contains(t, page.Body.String(), "Booked")
	requireProblem(t, b.do(auditor, http.MethodGet, "/appointments/"+id, nil), 404, "not_found")
	require.Contains(t, b.do(patient, http.MethodGet, "/appointments", nil).Body.String(), "/appointments/"+id)
}

func TestInvoicePage_FormatsMoney(t *testing.T) {
	t.Parallel()
	b := setup(t)
	id := b.made(receptionist, "/api/billing/invoices", b.invoiceInput())
	page := b.do(patient, http.MethodGet, "/invoices/"+id, nil)
	require.Equal(t, http.StatusOK, page.Code, "%s", page.Body)
	requirePage(t, "invoice", page)
	for _, want := range []string{"Invoice 2026-1", "Blood panel", "4,250.00 EUR", "8,500.00 EUR", "19 %", "1,615.00 EUR", "10,115.00 EUR", "Issued"} {
		require.Contains(t, page.Body.String(), want)
	}
	yen := b.invoiceInput()
	yen["currency"], yen["number"] = "JPY", "2026-2"
	page = b.do(receptionist, http.MethodGet, "/invoices/"+b.made(receptionist, "/api/billing/invoices", yen), nil)
	require.Contains(t, page.Body.String(), "425,000 JPY")
	requireProblem(t, b.do(doctor, http.MethodGet, "/invoices/"+id, nil), 404, "not_found")
}

func TestConversationPage_MarksMessagesAsReadOnRequest(t *testing.T) {
	t.Parallel()
	b := setup(t)
	talk := b.made(patient, "/api/conversations", map[string]any{"patientId": b.ids[patient], "clinicId": b.clinicID, "subject": "Blood test"})
	b.made(doctor, "/api/conversations/"+talk+"/messages", map[string]any{"text": "Eat <nothing>.\nDrink water."})
	page := b.do(patient, http.MethodGet, "/conversations/"+talk, nil)
	require.Equal(t, http.StatusOK, page.Code, "%s", page.Body)
	requirePage(t, "conversation", page)
	require.Contains(t, page.Body.String(), "Eat &lt;nothing&gt;.\nDrink water.")
	require.Contains(t, page.Body.String(), "Care team")
	require.NotContains(t, page.Body.String(), `<li class="own"`)
	require.Contains(t, b.do(doctor, http.MethodGet, "/conversations/"+talk, nil).Body.String(), `<li class="own"`)
	unread := func() any { return decode(t, b.do(patient, http.MethodGet, "/api/conversations/"+talk, nil))["unread"] }
	require.InDelta(t, 1, unread(), 0, "looking at the page changes nothing")
	_, form, ok := strings.Cut(page.Body.String(), `name="message" value="`)
	require.True(t, ok)
	id, _, _ := strings.Cut(form, `"`)
	w := b.do(patient, http.MethodPost, "/conversations/"+talk+"/read", "message="+id, "Content-Type", "application/x-www-form-urlencoded")
	require.Equal(t, http.StatusSeeOther, w.Code, "%s", w.Body)
	require.Equal(t, "/conversations/"+talk, w.Header().Get("Location"))
	require.InDelta(t, 0, unread(), 0)
	requireProblem(t, b.do(admin, http.MethodGet, "/conversations/"+talk, nil), 404, "not_found")
}

func TestNotificationPage_LeadsToTheRecord(t *testing.T) {
	t.Parallel()
	d := dispatching(t)
	path := d.writeReport()
	d.plan()
	var id uuid.UUID
	require.NoError(t, d.db.Owner.QueryRow(t.Context(), `SELECT id FROM notifications WHERE recipient_id = $1`, d.ids[patient]).Scan(&id))
	page := d.do(patient, http.MethodGet, "/notifications/"+id.String(), nil)
	require.Equal(t, http.StatusOK, page.Code, "%s", page.Body)
	require.Contains(t, requirePage(t, "notification", page), pageOf(path))
	require.Contains(t, page.Body.String(), "Demo Clinic")
	require.Contains(t, page.Body.String(), "(Europe/Berlin)")
	require.Contains(t, d.do(patient, http.MethodGet, "/", nil).Body.String(), "/notifications/"+id.String())
	requireProblem(t, d.do(doctor, http.MethodGet, "/notifications/"+id.String(), nil), 404, "not_found")
}
