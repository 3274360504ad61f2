package rest_test

import (
	"encoding/json"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
)

// potassium writes a lab report with the value and no flag, and reports whether it raised the alarm.
func (b *bundle) potassium(value, unit string) bool {
	b.t.Helper()
	before := b.events("ehr.lab_report.critical")
	report := b.report()
	result := report["results"].([]any)[0].(map[string]any)
	delete(result, "interpretation")
	result["value"] = json.Number(value)
	if result["unit"] = unit; unit == "" {
		delete(result, "unit")
	}
	w := b.do(doctor, http.MethodPost, "/api/ehr/lab-reports", report)
	require.Equal(b.t, http.StatusCreated, w.Code, "%s", w.Body)
	return b.events("ehr.lab_report.critical") > before
}

func (b *bundle) limits() string { return "/api/clinics/" + b.clinicID.String() + "/critical-limits" }

// limit gives the limit in force for the code and unit, or nil.
func (b *bundle) limit(code, unit string) map[string]any {
	b.t.Helper()
	w := b.do(nurse, http.MethodGet, b.limits(), nil)
	require.Equal(b.t, http.StatusOK, w.Code, "%s", w.Body)
	for _, item := range decode(b.t, w)["items"].([]any) {
		if l := item.(map[string]any); l["code"] == code && l["unit"] == unit {
			return l
		}
	}
	return nil
}

func TestCriticalLimits_OfAClinicReplaceTheBuiltInOnes(t *testing.T) {
	t.Parallel()
	b := setup(t)
	require.True(t, b.potassium("6.2", "mmol/L"))
	require.False(t, b.potassium("6.0", "mmol/L"))
	require.Equal(t, map[string]any{
		"codeSystem": "http://loinc.org", "code": "2823-3", "unit": "mmol/L", "low": 2.8, "high": 6.2, "source": "built-in", "reference": "Kost, JAMA 1990;263:704",
	}, b.limit("2823-3", "mmol/L"))

	w := b.do(doctor, http.MethodPut, b.limits()+"/2823-3?unit=mmol/L", map[string]any{"high": 6})
	require.Equal(t, http.StatusOK, w.Code, "%s", w.Body)
	set := b.limit("2823-3", "mmol/L")
	require.Equal(t, "clinic", set["source"])
	require.Equal(t, b.ids[doctor].String(), set["updatedBy"])
	require.NotContains(t, set, "low")
	require.True(t, b.potassium("6.0", "mmol/L"), "the first write after the change is judged by it")
	require.False(t, b.potassium("2.0", "mmol/L"), "the clinic's limit is the whole of it")
	require.True(t, b.potassium("6.2", "meq/L"), "another unit keeps what is built in")
	require.Equal(t, 1, b.events("clinic.critical_limits_changed"))
	require.Equal(t, http.StatusOK, b.do(admin, http.MethodPut, b.limits()+"/2823-3?unit=mmol/L", map[string]any{"high": 6}).Code)
	require.Equal(t, 1, b.events("clinic.critical_limits_changed"), "nothing changed")

	for range 2 {
		require.Equal(t, http.StatusNoContent, b.do(admin, http.MethodDelete, b.limits()+"/2823-3?unit=mmol/L", nil).Code)
	}
	require.Equal(t, 2, b.events("clinic.critical_limits_changed"))
	require.Equal(t, "built-in", b.limit("2823-3", "mmol/L")["source"])
	require.False(t, b.potassium("6.0", "mmol/L"))
	require.True(t, b.potassium("2.0", "mmol/L"))

	// A code without any, and results without a unit.
	require.Equal(t, http.StatusOK, b.do(admin, http.MethodPut, b.limits()+"/2823-3?unit=1", map[string]any{"low": 1, "high": 5}).Code)
	require.True(t, b.potassium("5.5", ""))
	require.False(t, b.potassium("4.5", ""))
}

func TestCriticalLimits_CountForWhatIsReplacedAndAmended(t *testing.T) {
	t.Parallel()
	b := setup(t)
	vitals := map[string]any{
		"patientId": b.ids[patient], "clinicId": b.clinicID, "status": "preliminary", "effectiveAt": "2026-03-14T09:30:00Z",
		"code": map[string]any{"system": "http://loinc.org", "code": "8867-4"}, "value": 100, "unit": "/min",
	}
	path := b.do(doctor, http.MethodPost, "/api/ehr/vital-signs", vitals).Header().Get("Location")
	require.Equal(t, http.StatusOK, b.do(admin, http.MethodPut, b.limits()+"/8867-4?unit=%2Fmin", map[string]any{"high": 110}).Code)
	w := b.do(doctor, http.MethodPut, path, with(with(vitals, "value", 109), "status", "final"), "If-Match", `"1"`)
	require.Equal(t, http.StatusOK, w.Code, "%s", w.Body)
	require.Zero(t, b.events("ehr.vital_signs.critical"))
	amendment := map[string]any{"reason": "A slip.", "record": with(with(vitals, "value", 111), "status", "corrected")}
	w = b.do(doctor, http.MethodPost, path+"/amend", amendment, "If-Match", `"2"`)
	require.Equal(t, http.StatusOK, w.Code, "%s", w.Body)
	require.Equal(t, 1, b.events("ehr.vital_signs.critical"))
}

func TestCriticalLimits_AreExactOnEveryInstance(t *testing.T) {
	t.Parallel()
	b := setup(t)
	require.False(t, b.potassium("6.0", "mmol/L"), "this instance keeps what there is")
	another := b.other()
	for i, high := range []float64{6, 7, 6} {
		w := another.do(admin, http.MethodPut, b.limits()+"/2823-3?unit=mmol/L", map[string]any{"high": high})
		require.Equal(t, http.StatusOK, w.Code, "%s", w.Body)
		require.Equal(t, high == 6, b.potassium("6.0", "mmol/L"), "change %d", i+1)
	}

	// A request with a key is judged again, too, and carried out once.
	require.Equal(t, http.StatusOK, another.do(admin, http.MethodPut, b.limits()+"/2823-3?unit=mmol/L", map[string]any{"high": 4}).Code)
	alarms, written := b.events("ehr.lab_report.critical"), b.events("ehr.lab_report.created")
	first := b.do(doctor, http.MethodPost, "/api/ehr/lab-reports", b.report(), "Idempotency-Key", "judged-again")
	require.Equal(t, http.StatusCreated, first.Code, "%s", first.Body)
	again := b.do(doctor, http.MethodPost, "/api/ehr/lab-reports", b.report(), "Idempotency-Key", "judged-again")
	require.JSONEq(t, first.Body.String(), again.Body.String())
	require.Equal(t, []int{alarms + 1, written + 1}, []int{b.events("ehr.lab_report.critical"), b.events("ehr.lab_report.created")})
}

func TestCriticalLimits_RefuseWhatCannotBeALimit(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for path, c := range map[string]struct {
		body   map[string]any
		fields []string
	}{
		"/2823-3?unit=mmol/L&":       {map[string]any{}, []string{"low"}},
		"/2823-3?unit=mmol/L":        {map[string]any{"low": 6, "high": 6}, []string{"low"}},
		"/2823-4?unit=mmol/L":        {map[string]any{"high": 6}, []string{"code"}},
		"/2823-3?unit=a%20bit":       {map[string]any{"high": 6}, []string{"unit"}},
		"/2823-3":                    {map[string]any{"high": 6}, []string{"unit"}},
		"/2823-3?unit=g/L":           {map[string]any{"high": 1e13}, []string{"high"}},
		"/2823-3?unit=g%2Fdl":        {map[string]any{"high": "six"}, []string{"high"}},
		"/x?unit=g/L&codeSystem=%20": {map[string]any{"high": 6}, []string{"codeSystem"}},
	} {
		require.Equal(t, c.fields, requireProblem(t, b.do(admin, http.MethodPut, b.limits()+path, c.body), 422, "invalid"), path)
	}
	require.Zero(t, b.events("clinic.critical_limits_changed"))
	requireProblem(t, b.do(nurse, http.MethodPut, b.limits()+"/2823-3?unit=mmol/L", map[string]any{"high": 6}), 403, "forbidden")
	requireProblem(t, b.do(patient, http.MethodGet, b.limits(), nil), 403, "forbidden")
}
