package e2e_test

import (
	"encoding/json"
	"maps"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// with returns the report with one field set, or removed if value is nil.
func with(report map[string]any, field string, value any) map[string]any {
	changed := maps.Clone(report)
	if value == nil {
		delete(changed, field)
	} else {
		changed[field] = value
	}
	return changed
}

func TestBadInput_GetsAProblemThatNamesTheFieldAndWritesNothing(t *testing.T) {
	t.Parallel()
	c := openClinic(t)
	good := c.report()
	_, otherClinicID := c.me(otherDoctor)
	otherPatient, _ := c.me("patient@other.example")
	unknown := "0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b"
	const secret = "Haemochromatosis-7731"
	text, err := json.Marshal(good)
	require.NoError(t, err)

	for _, row := range []struct {
		name   string
		as     string
		body   any
		status int
		field  string
	}{
		{"malformed JSON", doctor, `{"patientId": `, 400, ""},
		{"not JSON at all", doctor, `patientId=1`, 400, ""},
		{"two values", doctor, string(text) + string(text), 400, ""},
		{"an unknown field", doctor, with(good, "sekret", secret), 422, "sekret"},
		{"a wrong type", doctor, with(good, "status", 7), 422, "status"},
		{"a missing field", doctor, with(good, "status", nil), 422, "status"},
		{"an unknown status", doctor, with(good, "status", secret), 422, "status"},
		{"an unknown patient", doctor, with(good, "patientId", unknown), 422, "patientId"},
		{"a malformed id", doctor, with(good, "patientId", secret), 422, "patientId"},
		{"another clinic's patient", doctor, with(good, "patientId", otherPatient), 422, "patientId"},
		{"another clinic", doctor, with(good, "clinicId", otherClinicID), 403, ""},
		{"an unknown doctor", doctor, with(good, "doctorId", unknown), 422, "doctorId"},
		{"an overlong string", doctor, with(good, "code", map[string]any{"system": "http://loinc.org", "code": strings.Repeat("9", 5000)}), 422, "code.code"},
		{"a NUL byte", doctor, with(good, "code", map[string]any{"system": "http://loinc.org", "code": "a\x00b"}), 422, "code.code"},
		{"a date that is none", doctor, with(good, "effectiveAt", "yesterday"), 422, "effectiveAt"},
		{"results of a wrong form", doctor, with(good, "results", []any{map[string]any{"code": map[string]any{"system": "s", "code": "c"}, "value": []int{1}}}), 422, "results[0].value"},
		{"a huge body", doctor, with(good, "status", strings.Repeat("x", 2<<20)), 413, ""},
		{"without a token", "", good, 401, ""},
		{"by a receptionist", receptionist, good, 403, ""},
		{"by a patient", patient, good, 403, ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			a := c.do(row.as, http.MethodPost, "/api/ehr/lab-reports", row.body)
			require.Equal(t, row.status, a.status, "%s", a.body)
			require.Contains(t, a.header.Get("Content-Type"), "application/problem+json")
			require.NotContains(t, string(a.body), secret, "a problem never repeats a value")
			problem := a.decode(t)
			require.NotEmpty(t, problem["code"])
			require.NotEmpty(t, problem["detail"])
			if row.field != "" {
				errs := problem["errors"].([]any)
				var fields []string
				for _, e := range errs {
					fields = append(fields, e.(map[string]any)["field"].(string))
				}
				require.Contains(t, fields, row.field, "%s", a.body)
			}
		})
	}
	var records int
	require.NoError(t, c.db.Owner.QueryRow(t.Context(), `SELECT count(*) FROM records`).Scan(&records))
	require.Zero(t, records, "nothing half-written")
}

func TestBadInput_StaleAndMissingVersionsAreRejected(t *testing.T) {
	t.Parallel()
	c := openClinic(t)
	path := "/api/ehr/lab-reports/" + c.writeReport()
	report := with(c.report(), "status", "amended")
	amendment := map[string]any{"reason": "A slip.", "record": report}
	require.Equal(t, http.StatusPreconditionRequired, c.do(doctor, http.MethodPost, path+"/amend", amendment).status)
	ok := c.do(doctor, http.MethodPost, path+"/amend", amendment, "If-Match", `"1"`)
	require.Equal(t, http.StatusOK, ok.status, "%s", ok.body)
	require.Equal(t, `"2"`, ok.header.Get("ETag"))
	require.Equal(t, http.StatusPreconditionRequired, c.do(doctor, http.MethodPut, path, report).status)
	for _, stale := range []answer{
		c.do(doctor, http.MethodPost, path+"/amend", amendment, "If-Match", `"1"`), c.do(doctor, http.MethodPut, path, report, "If-Match", `"1"`),
	} {
		require.Equal(t, http.StatusPreconditionFailed, stale.status)
		require.Equal(t, `"2"`, stale.header.Get("ETag"), "the current one")
	}
	require.Equal(t, http.StatusBadRequest, c.do(doctor, http.MethodPut, path, report, "If-Match", `one`).status)

	history := c.do(doctor, http.MethodGet, path+"/history", nil)
	require.Equal(t, http.StatusOK, history.status, "%s", history.body)
	require.Len(t, history.decode(t)["items"], 2)
	first := c.do(patient, http.MethodGet, path+"/history/1", nil)
	require.Equal(t, http.StatusOK, first.status)
	require.Equal(t, "final", first.decode(t)["status"])
}

func TestBadInput_InvalidTokensReturnTheReason(t *testing.T) {
	t.Parallel()
	c := openClinic(t)
	good := c.token(doctor)
	parts := strings.Split(good, ".")
	for name, token := range map[string]string{
		"garbage":          "garbage",
		"forged signature": parts[0] + "." + parts[1] + "." + strings.Repeat("A", len(parts[2])),
		"no signature":     "eyJhbGciOiJub25lIn0." + parts[1] + ".",
	} {
		a := c.do("", http.MethodGet, "/api/me", nil, "Authorization", "Bearer "+token)
		require.Equal(t, http.StatusUnauthorized, a.status, "%s: %s", name, a.body)
		require.Contains(t, a.header.Get("WWW-Authenticate"), "Bearer", name)
		require.NotEmpty(t, a.decode(t)["code"])
	}
}

func TestBadInput_UnknownRoutesAndMethodsReturnProblems(t *testing.T) {
	t.Parallel()
	c := openClinic(t)
	a := c.do(doctor, http.MethodGet, "/api/nothing", nil)
	require.Equal(t, http.StatusNotFound, a.status)
	require.Contains(t, a.header.Get("Content-Type"), "application/problem+json")
	a = c.do(doctor, http.MethodDelete, "/api/me", nil)
	require.Equal(t, http.StatusMethodNotAllowed, a.status)
	require.Contains(t, a.header.Get("Allow"), http.MethodGet)
}
