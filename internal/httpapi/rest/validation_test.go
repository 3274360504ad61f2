package rest_test

import (
	"encoding/json"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"carewire/internal/httpapi/problem"
)

func TestValidation_SaysWhatAFieldMustBeInASentence(t *testing.T) {
	t.Parallel()
	b := setup(t)
	member := "/api/clinics/" + b.clinicID.String() + "/members/" + b.ids[doctor].String() + "/"
	report := func(field string, value any) map[string]any {
		r := b.report()
		r[field] = value
		return r
	}
	for _, c := range []struct {
		method, path string
		body         any
		field, says  string
	}{
		{http.MethodDelete, member + "king", nil, "role", `must be one of "patient, doctor, nurse, receptionist, admin"`},
		{http.MethodGet, "/api/clinics/nowhere", nil, "id", "must be a UUID"},
		{http.MethodGet, "/api/ehr/lab-reports?limit=0", nil, "limit", "must be: number >= 1"},
		{http.MethodPost, "/api/ehr/lab-reports", report("effectiveAt", "noon"), "effectiveAt", "must be a year, a month, a day or an RFC 3339 date and time, such as 2019, 2019-03, 2019-03-15 or 2026-03-14T09:30:00Z"},
		{http.MethodPost, "/api/ehr/lab-reports", report("effectiveAt", "2019-02-29"), "effectiveAt", "is not a day of the calendar"},
		{http.MethodPost, "/api/ehr/lab-reports", report("effectiveAt", "2019-03-15T10:00:00"), "effectiveAt", "must have a time zone, such as 2026-03-14T09:30:00Z or 2026-03-14T09:30:00+01:00"},
		{http.MethodPost, "/api/ehr/lab-reports", report("colour", "red"), "colour", "is unknown; remove it or correct its spelling"},
	} {
		w := b.do(admin, c.method, c.path, c.body)
		require.Equal(t, http.StatusUnprocessableEntity, w.Code, "%s", w.Body)
		var p problem.Problem
		require.NoError(t, json.Unmarshal(w.Body.Bytes(), &p))
		require.Equal(t, []problem.FieldProblem{{Field: c.field, Message: c.says}}, p.Errors, c.path)
	}
}
