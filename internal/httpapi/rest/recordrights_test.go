package rest_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"carewire/internal/care"
	"carewire/internal/clinic/directory"
	"carewire/internal/httpapi/rest"
)

const otherDoctor = "doctor-4@demo.example"

// anotherDoctor makes a doctor of the clinic, on the patient's care team or not.
func (b *bundle) anotherDoctor(email string, onCareTeam bool) {
	b.t.Helper()
	ctx, seeder := b.t.Context(), care.Command{Actor: care.SystemActor("seed"), Imported: true}
	b.ids[email] = uuid.New()
	_, err := b.cfg.Directory.CreateUser(ctx, seeder, directory.NewUser{ID: b.ids[email], Email: email, EmailVerified: true, GivenName: "Dora", FamilyName: "Winter"})
	require.NoError(b.t, err)
	require.NoError(b.t, b.cfg.Directory.GrantMembership(ctx, seeder, directory.MembershipInput{UserID: b.ids[email], Role: care.Doctor, ClinicID: &b.clinicID}))
	if onCareTeam {
		_, err := b.db.Owner.Exec(ctx, `INSERT INTO care_team (patient_id, clinic_id, member_id) VALUES ($1, $2, $3)`, b.ids[patient], b.clinicID, b.ids[email])
		require.NoError(b.t, err)
	}
}

// morphine is a prescription in the doctor's name.
func (b *bundle) morphine(status string) map[string]any {
	return map[string]any{
		"patientId": b.ids[patient], "clinicId": b.clinicID, "doctorId": b.ids[doctor], "status": status, "effectiveAt": "2026-03-14T09:30:00Z", "intent": "order",
		"code": map[string]any{"system": "http://www.nlm.nih.gov/research/umls/rxnorm", "code": "892645"}, "dosage": "One tablet in the morning",
	}
}

// requireDenied asserts a refusal that is audited, once and by this action.
func (b *bundle) requireDenied(action care.Action, do func() *httptest.ResponseRecorder) {
	b.t.Helper()
	before := b.events("access.denied")
	requireProblem(b.t, do(), 403, "forbidden")
	require.Equal(b.t, before+1, b.events("access.denied"))
	var last string
	require.NoError(b.t, b.db.Owner.QueryRow(b.t.Context(), `SELECT data ->> 'action' FROM outbox WHERE type = 'access.denied' ORDER BY id DESC LIMIT 1`).Scan(&last))
	require.Equal(b.t, string(action), last)
}

const prescriptions = "/api/ehr/prescriptions"

func TestPrescription_IsDraftedByANurseAndReleasedByTheDoctorWhomItNames(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for _, status := range []string{"active", "on-hold", "completed", "stopped"} {
		b.requireDenied(care.RecordRelease, func() *httptest.ResponseRecorder {
			return b.do(nurse, http.MethodPost, prescriptions, b.morphine(status))
		})
	}
	require.Equal(t, []string{"doctorId"}, requireProblem(t, b.do(nurse, http.MethodPost, prescriptions, with(b.morphine("active"), "doctorId", b.ids[nurse])), 422, "invalid"))
	made := b.do(nurse, http.MethodPost, prescriptions, b.morphine("draft"))
	require.Equal(t, http.StatusCreated, made.Code, "%s", made.Body)
	path := made.Header().Get("Location")
	b.requireDenied(care.RecordRelease, func() *httptest.ResponseRecorder {
		return b.do(nurse, http.MethodPut, path, b.morphine("active"), "If-Match", `"1"`)
	})
	w := b.do(nurse, http.MethodPut, path, with(b.morphine("draft"), "dosage", "Two tablets"), "If-Match", `"1"`)
	require.Equal(t, http.StatusOK, w.Code, "a draft is changed by the care team: %s", w.Body)
	w = b.do(doctor, http.MethodPut, path, b.morphine("active"), "If-Match", `"2"`)
	require.Equal(t, http.StatusOK, w.Code, "%s", w.Body)

	released := b.do(patient, http.MethodGet, path, nil)
	require.Equal(t, "active", decode(t, released)["status"])
	b.requireDenied(care.RecordMove, func() *httptest.ResponseRecorder {
		return b.do(nurse, http.MethodPut, path, b.morphine("stopped"), "If-Match", `"3"`)
	})
	for verb, action := range map[string]care.Action{"/amend": care.RecordAmend, "/retract": care.RecordRetract} {
		body := map[string]any{"reason": "A slip."}
		if verb == "/amend" {
			body["record"] = with(b.morphine("active"), "dosage", "Ten tablets")
		}
		b.requireDenied(action, func() *httptest.ResponseRecorder {
			return b.do(nurse, http.MethodPost, path+verb, body, "If-Match", `"3"`)
		})
	}
	w = b.do(doctor, http.MethodPut, path, b.morphine("stopped"), "If-Match", `"3"`)
	require.Equal(t, http.StatusOK, w.Code, "%s", w.Body)
}

func TestPrescription_IsNotReleasedInAnotherDoctorsName(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.anotherDoctor(otherDoctor, true)
	b.requireDenied(care.RecordRelease, func() *httptest.ResponseRecorder {
		return b.do(otherDoctor, http.MethodPost, prescriptions, b.morphine("active"))
	})
	path := b.do(otherDoctor, http.MethodPost, prescriptions, b.morphine("draft")).Header().Get("Location")
	b.requireDenied(care.RecordRelease, func() *httptest.ResponseRecorder {
		return b.do(otherDoctor, http.MethodPut, path, b.morphine("active"), "If-Match", `"1"`)
	})
	own := with(b.morphine("active"), "doctorId", b.ids[otherDoctor])
	b.requireDenied(care.RecordRelease, func() *httptest.ResponseRecorder { return b.do(doctor, http.MethodPut, path, own, "If-Match", `"1"`) })
	w := b.do(otherDoctor, http.MethodPut, path, own, "If-Match", `"1"`)
	require.Equal(t, http.StatusOK, w.Code, "a doctor of the care team takes it over: %s", w.Body)

	// Nor is a released one put under another's name.
	b.requireDenied(care.RecordRelease, func() *httptest.ResponseRecorder {
		return b.do(otherDoctor, http.MethodPost, path+"/amend", map[string]any{"reason": "A slip.", "record": b.morphine("active")}, "If-Match", `"2"`)
	})
	w = b.do(doctor, http.MethodPut, path, with(own, "status", "stopped"), "If-Match", `"2"`)
	require.Equal(t, http.StatusOK, w.Code, "a doctor of the care team stops what is harmful: %s", w.Body)
}

func TestRecord_ReleasedByADoctorIsNotCorrectedByANurse(t *testing.T) {
	t.Parallel()
	b := setup(t)
	const notes = "/api/ehr/clinical-notes"
	note := map[string]any{
		"patientId": b.ids[patient], "clinicId": b.clinicID, "doctorId": b.ids[doctor], "status": "final", "effectiveAt": "2026-03-14T09:30:00Z",
		"code": map[string]any{"system": "http://loinc.org", "code": "11506-3"}, "sections": []any{map[string]any{"text": "Well."}},
	}
	amendment := map[string]any{"reason": "A slip.", "record": with(note, "status", "amended")}
	requireDenied := func(path, version string) {
		t.Helper()
		b.requireDenied(care.RecordAmend, func() *httptest.ResponseRecorder {
			return b.do(nurse, http.MethodPost, path+"/amend", amendment, "If-Match", version)
		})
		b.requireDenied(care.RecordRetract, func() *httptest.ResponseRecorder {
			return b.do(nurse, http.MethodPost, path+"/retract", map[string]any{"reason": "A slip."}, "If-Match", version)
		})
	}
	signed := b.do(doctor, http.MethodPost, notes, note).Header().Get("Location")
	requireDenied(signed, `"1"`)

	begun := b.do(nurse, http.MethodPost, notes, with(note, "status", "preliminary")).Header().Get("Location")
	require.Equal(t, http.StatusOK, b.do(doctor, http.MethodPut, begun, note, "If-Match", `"1"`).Code)
	requireDenied(begun, `"2"`) // That a nurse began it makes it none of theirs once a doctor signed it.

	draft := b.do(doctor, http.MethodPost, notes, with(note, "status", "preliminary")).Header().Get("Location")
	b.requireDenied(care.RecordRetract, func() *httptest.ResponseRecorder {
		return b.do(nurse, http.MethodPut, draft, with(note, "status", "entered-in-error"), "If-Match", `"1"`)
	})

	own := b.do(nurse, http.MethodPost, notes, note)
	require.Equal(t, http.StatusCreated, own.Code, "%s", own.Body)
	w := b.do(nurse, http.MethodPost, own.Header().Get("Location")+"/amend", amendment, "If-Match", `"1"`)
	require.Equal(t, http.StatusOK, w.Code, "what a nurse signed, they correct: %s", w.Body)
	b.anotherDoctor(otherDoctor, true)
	w = b.do(otherDoctor, http.MethodPost, own.Header().Get("Location")+"/retract", map[string]any{"reason": "A slip."}, "If-Match", `"2"`)
	require.Equal(t, http.StatusOK, w.Code, "and so do the doctors of the care team: %s", w.Body)
}

func TestRecord_IsCorrectedByTheDoctorWhoWroteItWithoutTheCareTeam(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.anotherDoctor(otherDoctor, false)
	made := b.do(otherDoctor, http.MethodPost, "/api/ehr/lab-reports", with(b.report(), "doctorId", b.ids[doctor]))
	require.Equal(t, http.StatusCreated, made.Code, "who reports is seldom on the care team: %s", made.Body)
	path := made.Header().Get("Location")
	require.Equal(t, http.StatusOK, b.do(otherDoctor, http.MethodGet, path, nil).Code)
	require.Len(t, decode(t, b.do(otherDoctor, http.MethodGet, "/api/ehr/lab-reports?patientId="+b.ids[patient].String(), nil))["items"], 1)
	amendment := map[string]any{"reason": "A slip.", "record": with(with(b.report(), "status", "corrected"), "doctorId", b.ids[doctor])}
	w := b.do(otherDoctor, http.MethodPost, path+"/amend", amendment, "If-Match", `"1"`)
	require.Equal(t, http.StatusOK, w.Code, "%s", w.Body)
	theirs := b.writeReport()
	require.Equal(t, http.StatusNotFound, b.do(otherDoctor, http.MethodPost, theirs+"/retract", map[string]any{"reason": "A slip."}, "If-Match", `"1"`).Code)

	// What is no report is released by its doctor or the care team.
	condition := map[string]any{
		"patientId": b.ids[patient], "clinicId": b.clinicID, "doctorId": b.ids[doctor], "status": "active", "effectiveAt": "2026-03-14T09:30:00Z",
		"code": map[string]any{"system": "http://hl7.org/fhir/sid/icd-10", "code": "I10"},
	}
	w = b.do(otherDoctor, http.MethodPost, "/api/ehr/conditions", condition)
	requireProblem(t, w, 403, "forbidden")
	require.Contains(t, decode(t, w)["detail"], "name yourself in doctorId")
	require.Equal(t, http.StatusCreated, b.do(otherDoctor, http.MethodPost, "/api/ehr/conditions", with(condition, "doctorId", b.ids[otherDoctor])).Code, "a first contact")
}

func TestRecord_OfEachKindButPrescriptionsIsReleasedByANurse(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for _, spec := range rest.Kinds() {
		k := &kindTest{bundle: b, spec: spec, path: "/api/ehr/" + spec.Path}
		w := b.do(nurse, http.MethodPost, k.path, with(k.body(), "doctorId", b.ids[doctor]))
		if spec.Name == "prescription" {
			requireProblem(t, w, 403, "forbidden")
			require.Contains(t, decode(t, w)["detail"], "draft", "the refusal says what a nurse can do")
			continue
		}
		require.Equal(t, http.StatusCreated, w.Code, "%s: %s", spec.Name, w.Body)
	}
}
