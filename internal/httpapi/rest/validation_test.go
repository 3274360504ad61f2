package rest_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"carewire/internal/care"
	"carewire/internal/httpapi"
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

// unencodable is a body that fails while it is encoded.
type unencodable struct {
	Begun string `json:"begun"`
}

func (unencodable) MarshalJSON() ([]byte, error) { return nil, errors.New("not encodable") }

func TestAnswer_IsWrittenWholeOrAsA500(t *testing.T) {
	t.Parallel()
	b := setup(t)
	w := b.do(patient, http.MethodGet, "/api/me", nil)
	require.Equal(t, strconv.Itoa(w.Body.Len()), w.Header().Get("Content-Length"))

	type output struct{ Body unencodable }
	registry := prometheus.NewRegistry()
	b.cfg.Registerer, b.cfg.Gatherer = registry, registry
	var err error
	b.server, err = httpapi.New(b.cfg.Config)
	require.NoError(t, err)
	httpapi.Register(b.server, httpapi.Operation{
		ID: "get-unencodable", Method: http.MethodGet, Path: "/api/unencodable", Tag: "me", Action: care.SelfManage, Summary: "Get what cannot be encoded", Description: "For this test.",
	}, func(context.Context, *struct{}) (*output, error) { return &output{}, nil })
	requireProblem(t, b.do(patient, http.MethodGet, "/api/unencodable", nil), 500, "internal")
}
