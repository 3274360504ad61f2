package e2e_test

import (
	"context"
	"encoding/json"
	"net/http"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"carewire/internal/e2e/apiclient"
)

// client returns the generated client with the demo person's token.
func (c *clinic) client(as string) *apiclient.ClientWithResponses {
	c.t.Helper()
	token := c.token(as)
	client, err := apiclient.NewClientWithResponses(c.url, apiclient.WithRequestEditorFn(func(_ context.Context, r *http.Request) error {
		r.Header.Set("Authorization", "Bearer "+token)
		return nil
	}))
	require.NoError(c.t, err)
	return client
}

// potassium returns a report with one result of that value, in the generated client's types.
func potassium(t *testing.T, patientID, clinicID uuid.UUID, value json.Number) apiclient.LabReport {
	t.Helper()
	result := apiclient.Result{Code: apiclient.Coding{System: "http://loinc.org", Code: "2823-3"}, Unit: new("mmol/L"), Interpretation: new("N")}
	require.NoError(t, result.Value.FromResultValue0(value))
	return apiclient.LabReport{
		PatientId: patientID, ClinicId: clinicID, Status: "final", EffectiveAt: "2026-03-14T09:30:00Z",
		Code: apiclient.Coding{System: "http://loinc.org", Code: "24323-8"}, Results: []apiclient.Result{result},
	}
}

func valueOf(t *testing.T, r *apiclient.LabReportRecord) json.Number {
	t.Helper()
	require.Len(t, r.Results, 1)
	value, err := r.Results[0].Value.AsResultValue0()
	require.NoError(t, err)
	return value
}

func TestGeneratedClient_WritesReadsAndReplacesARecord(t *testing.T) {
	t.Parallel()
	c, ctx := openClinic(t), t.Context()
	asDoctor := c.client(doctor)

	me, err := c.client(patient).MeWithResponse(ctx)
	require.NoError(t, err)
	require.NotNil(t, me.JSON200, "%s", me.Body)
	require.Equal(t, patient, *me.JSON200.Email)
	require.Equal(t, apiclient.MembershipRolePatient, me.JSON200.Memberships[0].Role)
	patientID, clinicID := me.JSON200.Id, *me.JSON200.Memberships[0].ClinicId

	// A draft can be replaced; a released report would be amended.
	draft, changed := potassium(t, patientID, clinicID, "4.10"), potassium(t, patientID, clinicID, "4.20")
	draft.Status = "preliminary"
	made, err := asDoctor.CreateLabReportWithResponse(ctx, &apiclient.CreateLabReportParams{}, draft)
	require.NoError(t, err)
	require.NotNil(t, made.JSON201, "%s", made.Body)
	require.Equal(t, "/api/ehr/lab-reports/"+made.JSON201.Id.String(), *made.Headers201.Location)
	require.Equal(t, `"1"`, *made.Headers201.ETag)
	require.NotEmpty(t, *made.Headers201.XRequestId)
	id := made.JSON201.Id

	hidden, err := c.client(patient).GetLabReportWithResponse(ctx, id, nil)
	require.NoError(t, err)
	require.Equal(t, http.StatusNotFound, hidden.StatusCode(), "a draft does not exist for its patient")
	got, err := asDoctor.GetLabReportWithResponse(ctx, id, nil)
	require.NoError(t, err)
	require.Equal(t, json.Number("4.10"), valueOf(t, got.JSON200))
	unchanged, err := asDoctor.GetLabReportWithResponse(ctx, id, &apiclient.GetLabReportParams{IfNoneMatch: got.Headers200.ETag})
	require.NoError(t, err)
	require.Equal(t, http.StatusNotModified, unchanged.StatusCode())

	list, err := asDoctor.ListLabReportWithResponse(ctx, &apiclient.ListLabReportParams{PatientId: &patientID, Limit: new(int64(1))})
	require.NoError(t, err)
	require.Len(t, list.JSON200.Items, 1)
	require.Equal(t, id, list.JSON200.Items[0].Id)

	replaced, err := asDoctor.ReplaceLabReportWithResponse(ctx, id, &apiclient.ReplaceLabReportParams{IfMatch: got.Headers200.ETag}, changed)
	require.NoError(t, err)
	require.NotNil(t, replaced.JSON200, "%s", replaced.Body)
	require.Equal(t, int64(2), replaced.JSON200.Version)
	require.Equal(t, json.Number("4.20"), valueOf(t, replaced.JSON200))
	require.Equal(t, `"2"`, *replaced.Headers200.ETag)
	seen, err := c.client(patient).GetLabReportWithResponse(ctx, id, nil)
	require.NoError(t, err)
	require.NotNil(t, seen.JSON200, "%s", seen.Body)
	require.Equal(t, json.Number("4.20"), valueOf(t, seen.JSON200))
}

func TestGeneratedClient_DecodesProblems(t *testing.T) {
	t.Parallel()
	c, ctx := openClinic(t), t.Context()
	asDoctor := c.client(doctor)
	me, err := c.client(patient).MeWithResponse(ctx)
	require.NoError(t, err)
	patientID, clinicID := me.JSON200.Id, *me.JSON200.Memberships[0].ClinicId
	report := potassium(t, patientID, clinicID, "4.1")
	report.Status = "preliminary"
	made, err := asDoctor.CreateLabReportWithResponse(ctx, &apiclient.CreateLabReportParams{}, report)
	require.NoError(t, err)
	id := made.JSON201.Id

	first := &apiclient.ReplaceLabReportParams{IfMatch: made.Headers201.ETag}
	replaced, err := asDoctor.ReplaceLabReportWithResponse(ctx, id, first, report)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, replaced.StatusCode(), "%s", replaced.Body)
	stale, err := asDoctor.ReplaceLabReportWithResponse(ctx, id, first, report)
	require.NoError(t, err)
	require.NotNil(t, stale.ApplicationproblemJSON412, "%s", stale.Body)
	require.Equal(t, "precondition_failed", stale.ApplicationproblemJSON412.Code)
	require.Equal(t, `"2"`, *stale.Headers412.ETag)
	require.Equal(t, *stale.Headers412.XRequestId, *stale.ApplicationproblemJSON412.RequestId)
	careless, err := asDoctor.ReplaceLabReportWithResponse(ctx, id, nil, report)
	require.NoError(t, err)
	require.Equal(t, "precondition_required", careless.ApplicationproblemJSON428.Code)

	report.Results[0].Code.Code = ""
	invalid, err := asDoctor.CreateLabReportWithResponse(ctx, &apiclient.CreateLabReportParams{}, report)
	require.NoError(t, err)
	require.NotNil(t, invalid.ApplicationproblemJSON422, "%s", invalid.Body)
	require.Equal(t, "results[0].code.code", (*invalid.ApplicationproblemJSON422.Errors)[0].Field)

	hidden, err := c.client("receptionist@demo.example").GetLabReportWithResponse(ctx, id, nil)
	require.NoError(t, err)
	require.Equal(t, "not_found", hidden.ApplicationproblemJSON404.Code)
	nobody, err := apiclient.NewClientWithResponses(c.url)
	require.NoError(t, err)
	refused, err := nobody.MeWithResponse(ctx)
	require.NoError(t, err)
	require.Equal(t, "unauthenticated", refused.ApplicationproblemJSON401.Code)
	require.Contains(t, *refused.Headers401.WWWAuthenticate, "Bearer")
}

func TestGeneratedClient_ReadsTheAuditTrailOfARecord(t *testing.T) {
	t.Parallel()
	c, ctx := openClinic(t), t.Context()
	id := c.writeReport()
	asAuditor := c.client(auditor)
	var created *apiclient.Event
	c.eventually("the event and its effects are in the ledger", func() bool {
		story, err := asAuditor.AuditWithResponse(ctx, &apiclient.AuditParams{Subject: "lab_report/" + id})
		require.NoError(t, err)
		require.NotNil(t, story.JSON200, "%s", story.Body)
		told := false
		for _, e := range story.JSON200.Items {
			if e.Type == "ehr.lab_report.created" {
				created = &e
			}
			told = told || (created != nil && e.Type == "notification.planned" && e.Causeid != nil && *e.Causeid == created.Id)
		}
		return told
	})
	require.Equal(t, id, created.Data["recordId"])
	require.NotNil(t, created.Position)
	inbox, err := c.client(patient).ListNotificationsWithResponse(ctx, nil)
	require.NoError(t, err)
	require.Equal(t, created.Id, inbox.JSON200.Items[0].EventId)
}
