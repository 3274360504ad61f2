package rest_test

import (
	"encoding/json"
	"maps"
	"net/http"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
)

// with gives the body with one field set, or removed when value is nil.
func with(body map[string]any, field string, value any) map[string]any {
	changed := maps.Clone(body)
	if value == nil {
		delete(changed, field)
	} else {
		changed[field] = value
	}
	return changed
}

// secret stands for what a client may send by mistake and no answer may repeat.
const secret = "Haemochromatosis-7731"

func TestBadInput_GetsAProblemThatNamesTheFieldAndNeverRepeatsTheValue(t *testing.T) {
	t.Parallel()
	b := setup(t)
	good := b.report()
	text, err := json.Marshal(good)
	require.NoError(t, err)
	raw := func(old, replacement string) string { return strings.Replace(string(text), old, replacement, 1) }
	result := func(field string, value any) map[string]any {
		r := with(good["results"].([]any)[0].(map[string]any), field, value)
		return with(good, "results", []any{good["results"].([]any)[0], r})
	}
	loinc := func(code any) map[string]any { return map[string]any{"system": "http://loinc.org", "code": code} }
	for _, row := range []struct {
		name   string
		body   any
		status int
		code   string
		field  string
	}{
		{"no body", "", 400, "malformed", ""},
		{"half a body", `{"patientId": `, 400, "malformed", ""},
		{"no JSON", `patientId=` + secret, 400, "malformed", ""},
		{"two values", string(text) + string(text), 400, "malformed", ""},
		{"bytes that are no UTF-8", raw("Potassium", "Pot\xffassium"), 400, "malformed", ""},
		{"an array", "[" + string(text) + "]", 422, "invalid", "body"},
		{"a text", `"` + secret + `"`, 422, "invalid", "body"},
		{"null", `null`, 422, "invalid", "body"},
		{"an unknown field", with(good, "sekret", secret), 422, "invalid", "sekret"},
		{"a field in another case", raw(`"patientId"`, `"PatientId"`), 422, "invalid", "PatientId"},
		{"a field twice", raw(`"status":`, `"status":"preliminary","status":`), 422, "invalid", "status"},
		{"a field twice, once escaped", raw(`"status":`, `"statu\u0073":"preliminary","status":`), 422, "invalid", "status"},
		{"an object twice, to be merged", raw(`"code":{`, `"code":{"code":"x"},"code":{`), 422, "invalid", "code"},
		{"a field twice below", raw(`"system":`, `"system":"s","system":`), 422, "invalid", "code.system"},
		{"a field twice in an unknown one", raw(`"status":`, `"x":{"y":1,"y":2},"status":`), 422, "invalid", "x.y"},
		{"a field with a letter that folds", raw(`"status":`, "\"\u017ftatus\":\"final\",\"status\":"), 422, "invalid", "\u017ftatus"},
		{"objects nested deep", raw(`"status":`, `"x":`+strings.Repeat(`{"a":`, 40)+"1"+strings.Repeat("}", 40)+`,"status":`), 400, "malformed", ""},
		{"an unknown field below", result("code", map[string]any{"system": "s", "code": "c", "bogus": secret}), 422, "invalid", "results[1].code.bogus"},
		{"a missing field", with(good, "status", nil), 422, "invalid", "status"},
		{"a missing field below", result("value", nil), 422, "invalid", "results[1].value"},
		{"a number for a text", with(good, "status", 7), 422, "invalid", "status"},
		{"a text for a list", with(good, "results", secret), 422, "invalid", "results"},
		{"null for a list", raw(`"results":[`, `"results":null,"x":[`), 422, "invalid", "results"},
		{"a malformed id", with(good, "patientId", secret), 422, "invalid", "patientId"},
		{"an id that looks like another form of one", with(good, "patientId", secret+strings.Repeat("0", 45-len(secret))), 422, "invalid", "patientId"},
		{"an id that is a number", with(good, "patientId", 7), 422, "invalid", "patientId"},
		{"an unknown patient", with(good, "patientId", uuid.New()), 422, "invalid", "patientId"},
		{"an unknown doctor", with(good, "doctorId", uuid.New()), 422, "invalid", "doctorId"},
		{"an unknown status", with(good, "status", secret), 422, "invalid", "status"},
		{"an empty text", with(good, "code", loinc("")), 422, "invalid", "code.code"},
		{"an overlong text", with(good, "code", loinc(strings.Repeat("9", 5000))), 422, "invalid", "code.code"},
		{"a NUL", with(good, "code", loinc("a\x00b")), 422, "invalid", "code.code"},
		{"a NUL in a list", result("unit", "m\x00l"), 422, "invalid", "results[1].unit"},
		{"a NUL in a name", with(good, "a\x00b", "x"), 422, "invalid", "a?b"},
		{"a date that is none", with(good, "effectiveAt", secret), 422, "invalid", "effectiveAt"},
		{"a date far away", with(good, "effectiveAt", "9999-12-31T23:59:59Z"), 422, "invalid", "effectiveAt"},
		{"a list for a value", result("value", []int{1}), 422, "invalid", "results[1].value"},
		{"a truth for a value", result("value", true), 422, "invalid", "results[1].value"},
		{"half a code for a value", result("value", map[string]any{"code": secret}), 422, "invalid", "results[1].value"},
		{"a number beyond all", raw("4.10", "1e999"), 422, "invalid", "results[0].value"},
		{"a number of too many digits", raw("4.10", "0."+strings.Repeat("7", 60)), 422, "invalid", "results[0].value"},
		{"an interpretation that is none", result("interpretation", "ZZ"), 422, "invalid", "results[1].interpretation"},
		{"a body too large", with(good, "status", strings.Repeat("x", 2<<20)), 413, "too_large", ""},
		{"depth without end", strings.Repeat("[", 20_000), 400, "malformed", ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			w := b.do(doctor, http.MethodPost, "/api/ehr/lab-reports", row.body)
			fields := requireProblem(t, w, row.status, row.code)
			require.NotContains(t, w.Body.String(), secret[:6])
			if row.field != "" {
				require.Contains(t, fields, row.field, "%s", w.Body)
			}
		})
	}
	require.NotContains(t, b.log.String(), secret[:6], "nor does a log")
	require.Zero(t, b.events("ehr.lab_report.created"))
}

func TestBadInput_SaysWhereJSONGoesWrong(t *testing.T) {
	t.Parallel()
	b := setup(t)
	w := b.do(doctor, http.MethodPost, "/api/ehr/lab-reports", "{\n  \"status\": \"final\",\n  oops\n}")
	requireProblem(t, w, 400, "malformed")
	require.Contains(t, decode(t, w)["detail"], "line 3, column 3")
}

func TestBadInput_InPathQueryAndHeadersIsRefusedToo(t *testing.T) {
	t.Parallel()
	b := setup(t)
	path := b.writeReport()
	for _, row := range []struct {
		name, as, method, path string
		headers                []string
		status                 int
		code, field            string
	}{
		{"a malformed id", doctor, "GET", "/api/ehr/lab-reports/" + secret, nil, 422, "invalid", "id"},
		{"an id of bytes", doctor, "GET", "/api/ehr/lab-reports/%00", nil, 422, "invalid", "id"},
		{"an unknown id", doctor, "GET", "/api/ehr/lab-reports/" + uuid.NewString(), nil, 404, "not_found", ""},
		{"a malformed device", doctor, "DELETE", "/api/me/devices/7", nil, 422, "invalid", "id"},
		{"an unknown parameter", doctor, "GET", "/api/ehr/lab-reports?patientID=" + uuid.NewString(), nil, 422, "invalid", "patientID"},
		{"a malformed filter", doctor, "GET", "/api/ehr/lab-reports?patientId=" + secret, nil, 422, "invalid", "patientId"},
		{"a limit of nothing", doctor, "GET", "/api/ehr/lab-reports?limit=0", nil, 422, "invalid", "limit"},
		{"a limit too high", doctor, "GET", "/api/ehr/lab-reports?limit=201", nil, 422, "invalid", "limit"},
		{"a limit that is none", doctor, "GET", "/api/ehr/lab-reports?limit=ten", nil, 422, "invalid", "limit"},
		{"a parameter twice", doctor, "GET", "/api/ehr/lab-reports?limit=1&limit=2", nil, 422, "invalid", "limit"},
		{"a made-up cursor", doctor, "GET", "/api/ehr/lab-reports?cursor=" + secret, nil, 422, "invalid", "cursor"},
		{"a cursor of bytes", doctor, "GET", "/api/ehr/lab-reports?cursor=%00", nil, 422, "invalid", "cursor"},
		{"a cursor that is no UTF-8", doctor, "GET", "/api/notifications?cursor=%ff", nil, 422, "invalid", "cursor"},
		{"a made-up inbox cursor", doctor, "GET", "/api/notifications?cursor=" + secret, nil, 422, "invalid", "cursor"},
		{"a broken escape", doctor, "GET", "/api/notifications?cursor=%zz", nil, 400, "malformed", ""},
		{"a state for all but operators", doctor, "GET", "/api/notifications?state=failed", nil, 422, "invalid", "state"},
		{"a state that is none", operator, "GET", "/api/notifications?state=" + secret, nil, 422, "invalid", "state"},
		{"a role that is none", admin, "GET", "/api/users?role=king", nil, 422, "invalid", "role"},
		{"no subject", auditor, "GET", "/api/audit", nil, 422, "invalid", "subject"},
		{"a malformed subject", auditor, "GET", "/api/audit?subject=" + secret, nil, 422, "invalid", "subject"},
		{"an unknown route", doctor, "GET", "/api/nothing", nil, 404, "not_found", ""},
		{"a slash too many", doctor, "GET", "/api/me/", nil, 404, "not_found", ""},
		{"a method that it has not", doctor, "DELETE", "/api/me", nil, 405, "method_not_allowed", ""},
		{"a made-up method", doctor, "BREW", path, nil, 405, "method_not_allowed", ""},
		{"another content type", doctor, "POST", "/api/ehr/lab-reports", []string{"Content-Type", "text/xml"}, 415, "unsupported_media_type", ""},
		{"another charset", doctor, "POST", "/api/ehr/lab-reports", []string{"Content-Type", "application/json; charset=latin1"}, 415, "unsupported_media_type", ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			w := b.do(row.as, row.method, row.path, nil, row.headers...)
			fields := requireProblem(t, w, row.status, row.code)
			require.NotContains(t, w.Body.String(), secret)
			if row.field != "" {
				require.Equal(t, []string{row.field}, fields, "%s", w.Body)
			}
			if row.status == http.StatusMethodNotAllowed {
				require.Contains(t, w.Header().Get("Allow"), http.MethodGet)
			}
		})
	}
}

func TestBadInput_ABodyWithoutATypeIsTakenForJSON(t *testing.T) {
	t.Parallel()
	b := setup(t)
	req := b.request(doctor, http.MethodPost, "/api/ehr/lab-reports", b.report())
	req.Header.Del("Content-Type")
	require.Equal(t, http.StatusCreated, b.send(req).Code)
}

func TestBadInput_AtMostOneMebibyteIsRead(t *testing.T) {
	t.Parallel()
	b := setup(t)
	text, err := json.Marshal(b.report())
	require.NoError(t, err)
	pad := func(n int) string { return string(text) + strings.Repeat(" ", n-len(text)) }
	require.Equal(t, http.StatusCreated, b.do(doctor, http.MethodPost, "/api/ehr/lab-reports", pad(1<<20)).Code)
	requireProblem(t, b.do(doctor, http.MethodPost, "/api/ehr/lab-reports", pad(1<<20+1)), 413, "too_large")
}
