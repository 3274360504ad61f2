package rest_test

import (
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestRecords_AreAnsweredWithBodyVersionAndWhoWroteThem(t *testing.T) {
	t.Parallel()
	b := setup(t)
	w := b.do(doctor, http.MethodPost, "/api/ehr/lab-reports", b.report())
	require.Equal(t, http.StatusCreated, w.Code, "%s", w.Body)
	require.Equal(t, `"1"`, w.Header().Get("ETag"))
	created := decode(t, w)
	require.Equal(t, "/api/ehr/lab-reports/"+created["id"].(string), w.Header().Get("Location"))
	require.ElementsMatch(t, []string{
		"id", "version", "patientId", "clinicId", "doctorId", "status", "code", "effectiveAt", "results", "createdAt", "createdBy", "updatedAt", "updatedBy",
	}, slices.Collect(maps.Keys(created)))
	require.Equal(t, b.ids[doctor].String(), created["doctorId"], "an acting doctor is it")
	require.Equal(t, b.ids[doctor].String(), created["createdBy"])
	require.Contains(t, w.Body.String(), `"value":4.10`, "digits stay as they were written")
	require.True(t, strings.HasPrefix(w.Body.String(), `{"id":`))

	got := b.do(patient, http.MethodGet, w.Header().Get("Location"), nil)
	require.Equal(t, http.StatusOK, got.Code)
	require.Equal(t, `"1"`, got.Header().Get("ETag"))
	require.Equal(t, "no-store", got.Header().Get("Cache-Control"))
	require.JSONEq(t, w.Body.String(), got.Body.String())
}

func TestRecords_OfEveryKindAreServedAlike(t *testing.T) {
	t.Parallel()
	b := setup(t)
	body := b.report()
	delete(body, "results")
	maps.Copy(body, map[string]any{"status": "active", "intent": "order", "dosage": "One tablet in the morning"})
	w := b.do(doctor, http.MethodPost, "/api/ehr/prescriptions", body)
	require.Equal(t, http.StatusCreated, w.Code, "%s", w.Body)
	list := decode(t, b.do(patient, http.MethodGet, "/api/ehr/prescriptions?limit=1", nil))
	require.Len(t, list["items"], 1)
	require.Equal(t, http.StatusNotFound, b.do(patient, http.MethodGet, strings.Replace(w.Header().Get("Location"), "prescriptions", "lab-reports", 1), nil).Code)
}

func TestRecords_AreReplacedByVersionOnly(t *testing.T) {
	t.Parallel()
	b := setup(t)
	report := b.report()
	report["status"] = "preliminary"
	path := b.do(doctor, http.MethodPost, "/api/ehr/lab-reports", report).Header().Get("Location")
	requireProblem(t, b.do(doctor, http.MethodPut, path, report), 428, "precondition_required")
	require.Equal(t, []string{"If-Match"}, requireProblem(t, b.do(doctor, http.MethodPut, path, report, "If-Match", `1`), 400, "malformed"))
	for _, other := range []string{`"one"`, `"0"`, `"-1"`, `"2", "3"`, `W/"1"`, `"99999999999999999999"`, `"01"`} {
		requireProblem(t, b.do(doctor, http.MethodPut, path, report, "If-Match", other), 412, "precondition_failed")
	}
	w := b.do(doctor, http.MethodPut, path, report, "If-Match", `"1"`)
	require.Equal(t, http.StatusOK, w.Code, "%s", w.Body)
	require.Equal(t, `"2"`, w.Header().Get("ETag"))
	stale := b.do(doctor, http.MethodPut, path, report, "If-Match", `"1"`)
	requireProblem(t, stale, 412, "precondition_failed")
	require.Equal(t, `"2"`, stale.Header().Get("ETag"), "the current one")

	history := decode(t, b.do(doctor, http.MethodGet, path+"/history", nil))
	require.Len(t, history["items"], 2)
	first := b.do(doctor, http.MethodGet, path+"/history/1", nil)
	require.Equal(t, "preliminary", decode(t, first)["status"])
	requireProblem(t, b.do(doctor, http.MethodGet, path+"/history/3", nil), 404, "not_found")
	require.Equal(t, []string{"version"}, requireProblem(t, b.do(doctor, http.MethodGet, path+"/history/0", nil), 422, "invalid"))
	require.Equal(t, []string{"version"}, requireProblem(t, b.do(doctor, http.MethodGet, path+"/history/x", nil), 422, "invalid"))
}

func TestRecords_AnsweredWith304AreAuditedReadsToo(t *testing.T) {
	t.Parallel()
	b := setup(t)
	path := b.writeReport()
	for i, tags := range []string{`"1"`, `W/"1"`, `"7", "1"`, `*`} {
		w := b.do(patient, http.MethodGet, path, nil, "If-None-Match", tags)
		require.Equal(t, http.StatusNotModified, w.Code, tags)
		require.Empty(t, w.Body.String())
		require.Equal(t, `"1"`, w.Header().Get("ETag"))
		require.Equal(t, i+1, b.events("record.read"))
	}
	require.Equal(t, http.StatusOK, b.do(patient, http.MethodGet, path, nil, "If-None-Match", `"2"`).Code)
}

func TestRecords_AreASecretToStrangersAndTheAskingIsAudited(t *testing.T) {
	t.Parallel()
	b := setup(t)
	path := b.writeReport()
	for i, who := range []string{receptionist, admin, operator, auditor} {
		w := b.do(who, http.MethodGet, path, nil)
		requireProblem(t, w, 404, "not_found")
		require.NotContains(t, w.Body.String(), "Potassium")
		require.Equal(t, i+1, b.events("access.denied"), who)
	}
	missing := b.do(doctor, http.MethodGet, "/api/ehr/lab-reports/0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b", nil)
	hidden := b.do(receptionist, http.MethodGet, path, nil)
	require.Equal(t, decode(t, missing)["detail"], decode(t, hidden)["detail"], "what is hidden looks like what is not there")
}

func TestRecords_ArePagedThroughWithoutLossOrRepeat(t *testing.T) {
	t.Parallel()
	b := setup(t)
	want := map[string]bool{}
	for range 5 {
		want[strings.TrimPrefix(b.writeReport(), "/api/ehr/lab-reports/")] = true
	}
	got := map[string]bool{}
	cursor := ""
	for {
		var page struct {
			Items []struct{ ID string }
			Next  string
		}
		w := b.do(patient, http.MethodGet, "/api/ehr/lab-reports?limit=2&patientId="+b.ids[patient].String()+"&cursor="+cursor, nil)
		require.NoError(t, json.Unmarshal(w.Body.Bytes(), &page), "%s", w.Body)
		for _, item := range page.Items {
			require.False(t, got[item.ID], "twice")
			got[item.ID] = true
		}
		if cursor = page.Next; cursor == "" {
			break
		}
	}
	require.Equal(t, want, got)
}
