package rest

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"

	"carewire/internal/httpapi"

	"github.com/google/uuid"

	"carewire/internal/care"
	"carewire/internal/clinic/ehr"
)

// Amendment is a corrected record and why it was corrected.
type Amendment[B any] struct {
	Reason string `json:"reason" minLength:"1" maxLength:"1000" doc:"Why the record is corrected; kept with the version." example:"The sample had been mixed up."`
	Record B      `json:"record" doc:"The whole record as it should be."`
}

// Retraction is why a record should never have been made.
type Retraction struct {
	Reason string `json:"reason" minLength:"1" maxLength:"1000" doc:"Why the record was entered in error; kept with the version." example:"Written for the wrong patient."`
}

// changeRefusals are how a change of a record can be refused.
var changeRefusals = []care.Code{care.Forbidden, care.NotFound, care.Conflict, care.PreconditionFailed, care.PreconditionRequired}

// neverDeleted answers who would delete a record.
const neverDeleted = "a record is never deleted: POST to its path with /retract behind it says that it was entered in error, and why"

// correctors says in words who may amend or retract a record of the kind.
func correctors(spec ehr.Spec, action care.Action) string {
	words := "It is for the doctor whom the record names, for doctors of the care team, and for a doctor who wrote it"
	if care.AllowedOn(spec.Name, action, care.Nurse, care.Author) {
		words += ", and for a nurse of the care team who released it"
	}
	return words + "."
}

func registerRecordAmend[B any](api *httpapi.Server, k recordRoutes[B]) {
	spec := k.kind.Spec()
	words := "Writes a new version that corrects what others rely on, and keeps why. The status stays what it is."
	if len(spec.Corrected) > 0 {
		words = "Writes a new version that corrects what others rely on, and keeps why. Its status says so: " + strings.Join(spec.Corrected, ", ") + "."
	}
	if len(spec.Released) > 0 {
		words += " What can be amended is " + strings.Join(spec.Released, ", ") + "; what others do not rely on yet is replaced with PUT."
	}
	words += " " + correctors(spec, care.RecordAmend)
	type amendInput struct {
		ID      uuid.UUID `path:"id" format:"uuid"`
		IfMatch string    `header:"If-Match" doc:"The ETag of the version that is corrected. Required."`
		Body    Amendment[B]
	}
	httpapi.RegisterIdempotent(api, httpapi.Operation{
		ID: "amend-" + k.schema, Method: http.MethodPost, Path: k.path + "/{id}/amend", Tag: "records", Action: care.RecordAmend,
		CachedActor: true,
		Summary:     "Amend " + k.one,
		Description: words,
		Refusals:    changeRefusals,
	}, func(ctx context.Context, in *amendInput) (*recordOutput[B], error) {
		return withVersion(in.IfMatch, func(version int64) (*recordOutput[B], error) {
			r, err := k.kind.Amend(ctx, httpapi.CommandOf(ctx), in.ID, version, in.Body.Reason, in.Body.Record)
			return currentRecord(r, inRecord(err))
		})
	}, func(ctx context.Context, in *amendInput, done *care.ReplayError) (*recordOutput[B], error) {
		return currentRecord(k.kind.GetVersion(ctx, httpapi.CommandOf(ctx), in.ID, done.Version))
	})
}

func registerRecordRetract[B any](api *httpapi.Server, k recordRoutes[B]) {
	type retractInput struct {
		ID      uuid.UUID `path:"id" format:"uuid"`
		IfMatch string    `header:"If-Match" doc:"The ETag of the version that is retracted. Required."`
		Body    Retraction
	}
	httpapi.RegisterIdempotent(api, httpapi.Operation{
		ID: "retract-" + k.schema, Method: http.MethodPost, Path: k.path + "/{id}/retract", Tag: "records", Action: care.RecordRetract,
		CachedActor: true,
		Summary:     "Retract " + k.one,
		Description: "Says that the record was entered in error, and keeps why. Nothing is deleted: it can be read, with its versions, and nothing else can be done with it. " + correctors(k.kind.Spec(), care.RecordRetract),
		Refusals:    changeRefusals,
	}, func(ctx context.Context, in *retractInput) (*recordOutput[B], error) {
		return withVersion(in.IfMatch, func(version int64) (*recordOutput[B], error) {
			return currentRecord(k.kind.Retract(ctx, httpapi.CommandOf(ctx), in.ID, version, in.Body.Reason))
		})
	}, func(ctx context.Context, in *retractInput, done *care.ReplayError) (*recordOutput[B], error) {
		return currentRecord(k.kind.GetVersion(ctx, httpapi.CommandOf(ctx), in.ID, done.Version))
	})
}

// registerRecordAcknowledge adds the route for the kinds that can hold a critical finding.
func registerRecordAcknowledge[B any](api *httpapi.Server, k recordRoutes[B]) {
	if !k.kind.CanBeCritical() {
		return
	}
	type acknowledgeInput struct {
		ID      uuid.UUID `path:"id" format:"uuid"`
		IfMatch string    `header:"If-Match" doc:"The ETag of the version that one has read. Left out, the version that stands is acknowledged."`
	}
	httpapi.RegisterIdempotent(api, httpapi.Operation{
		ID: "acknowledge-" + k.schema, Method: http.MethodPost, Path: k.path + "/{id}/acknowledge", Tag: "records", Action: care.RecordAcknowledge,
		CachedActor: true,
		Summary:     "Acknowledge the critical finding of " + k.one,
		Description: "Says that the caller, who is the doctor whom the record names or another doctor of the care team, has seen the critical finding. " +
			"The patient, who could neither read the record nor was told of it until now, can and is. The doctor whom the record names does the same by reading it. " +
			"409 where no finding waits for a review.",
		Refusals: changeRefusals,
	}, func(ctx context.Context, in *acknowledgeInput) (*recordOutput[B], error) {
		version, err := httpapi.ParseOptionalETag(in.IfMatch)
		if err != nil {
			return nil, err
		}
		return currentRecord(k.kind.Acknowledge(ctx, httpapi.CommandOf(ctx), in.ID, version))
	}, func(ctx context.Context, in *acknowledgeInput, _ *care.ReplayError) (*recordOutput[B], error) {
		return currentRecord(k.kind.Current(ctx, httpapi.CommandOf(ctx), in.ID))
	})
}

// inRecord names the fields at fault as they stand in an amendment: below record.
func inRecord(err error) error {
	refusal, ok := errors.AsType[*care.Error](err)
	if !ok || len(refusal.Fields) == 0 {
		return err
	}
	placed := *refusal
	placed.Fields = slices.Clone(refusal.Fields)
	for i, f := range placed.Fields {
		if f.Field != "reason" && f.Field != httpapi.KeyHeader {
			placed.Fields[i].Field = "record." + f.Field
		}
	}
	return &placed
}
