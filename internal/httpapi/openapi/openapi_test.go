package openapi_test

import (
	"context"
	"encoding/json"
	"net/http"
	"testing"

	"github.com/danielgtaylor/huma/v2"
	"github.com/stretchr/testify/require"

	"carewire/internal/care"
	"carewire/internal/httpapi/openapi"
)

type input struct {
	Body struct {
		PatientID string `json:"patientId" format:"uuid"`
		Limit     int    `json:"limit,omitempty" default:"50"`
	}
}

type adapter struct{}

func (adapter) Handle(*huma.Operation, func(huma.Context)) {}

func (adapter) ServeHTTP(http.ResponseWriter, *http.Request) {}

func TestComplete_AddsExamplesHeadersAndTheAnswersToRefusals(t *testing.T) {
	t.Parallel()
	api := huma.NewAPI(openapi.Config("", "session", huma.DefaultJSONFormat), adapter{})
	huma.Register(api, huma.Operation{
		OperationID: "create", Method: http.MethodPost, Path: "/things", DefaultStatus: http.StatusNoContent,
		Errors: openapi.RefusalStatuses(http.MethodPost, []care.Code{care.Conflict}),
	}, func(context.Context, *input) (*struct{}, error) { return nil, nil })
	doc := api.OpenAPI()
	openapi.Complete(doc)

	require.Equal(t, "1", doc.Info.Version)
	op := doc.Paths["/things"].Post
	example, ok := op.RequestBody.Content["application/json"].Example.(map[string]any)
	require.True(t, ok)
	require.Len(t, example["patientId"], 36)
	require.Equal(t, "#/components/responses/Conflict", op.Responses["409"].Ref)
	require.Contains(t, op.Responses["204"].Headers, "X-Request-Id")
	conflict := doc.Components.Responses["Conflict"].Content["application/problem+json"]
	require.Contains(t, conflict.Examples, "conflict")
	field := doc.Components.Schemas.SchemaFromRef(op.RequestBody.Content["application/json"].Schema.Ref).Properties["limit"]
	require.Nil(t, field.Default)
	require.Equal(t, "The default is 50.", field.Description)

	encoded, err := openapi.JSON(doc)
	require.NoError(t, err)
	require.True(t, json.Valid(encoded))
	_, err = openapi.YAML(doc)
	require.NoError(t, err)
}

func TestRefusalStatuses_AddThoseOfTheMethodAndOfEveryRoute(t *testing.T) {
	t.Parallel()
	require.Equal(t, []int{400, 401, 404, 429, 500, 503}, openapi.RefusalStatuses(http.MethodGet, []care.Code{care.NotFound}))
	require.Equal(t, []int{400, 401, 413, 415, 422, 429, 500, 503}, openapi.RefusalStatuses(http.MethodPut, nil))
}
