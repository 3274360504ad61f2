package rest

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/google/uuid"

	"carewire/internal/care"
	"carewire/internal/clinic/ehr"
	"carewire/internal/httpapi"
)

// Amendment is a corrected record with the reason.
type Amendment[B any] struct {
	Reason string `json:"reason" minLength:"1" maxLength:"1000" doc:"The reason for the correction; kept with the version." example:"The sample had been mixed up."`
	Record B      `json:"record" doc:"The whole corrected record."`
}

// Retraction is the reason of a retraction.
type Retraction struct {
	Reason string `json:"reason" minLength:"1" maxLength:"1000" doc:"The reason why the record is wrong; kept with the version." example:"Written for the wrong patient."`
}

// changeRefusals are the refusals of every change of a record.
var changeRefusals = []care.Code{care.Forbidden, care.NotFound, care.Conflict, care.PreconditionFailed, care.PreconditionRequired}

// neverDeleted is the detail of the answer to DELETE on a record.
const neverDeleted = "records are never deleted; retract the record with POST to its path followed by /retract"

// correctors describes who may amend or retract a record of the kind.
func correctors(spec ehr.Spec, action care.Action) string {
	words := "For the record's doctor, doctors of the care team, and a doctor who wrote it"
	if care.AllowedOn(spec.Name, action, care.Nurse, care.Author) {
		words += ", and a nurse of the care team who released it"
	}
	return words + "."
}

func registerRecordAmend[B any](api *httpapi.Server, k recordRoutes[B]) {
	spec := k.kind.Spec()
	words := "Writes a new version that corrects a released record, with the reason. The status does not change."
	if len(spec.Corrected) > 0 {
		words = "Writes a new version that corrects a released record, with the reason. Its new status is one of: " +
			strings.Join(spec.Corrected, ", ") + "."
	}
	if len(spec.Released) > 0 {
		words += " Only records with a status of " + strings.Join(spec.Released, ", ") +
			" can be amended; replace others with PUT."
	}
	words += " " + correctors(spec, care.RecordAmend)
	type amendInput struct {
		ID      uuid.UUID `path:"id" format:"uuid"`
		IfMatch string    `header:"If-Match" doc:"The ETag of the version to correct. Required."`
		Body    Amendment[B]
	}
	httpapi.RegisterIdempotent(api, httpapi.Operation{
		ID: "amend-" + k.schema, Method: http.MethodPost, Path: k.path + "/{id}/amend",
		Tag: "records", Action: care.RecordAmend,
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
		IfMatch string    `header:"If-Match" doc:"The ETag of the version to retract. Required."`
		Body    Retraction
	}
	httpapi.RegisterIdempotent(api, httpapi.Operation{
		ID: "retract-" + k.schema, Method: http.MethodPost, Path: k.path + "/{id}/retract",
		Tag: "records", Action: care.RecordRetract,
		CachedActor: true,
		Summary:     "Retract " + k.one,
		Description: "Marks the record as entered in error, with the reason. Nothing is deleted: the record and its " +
			"versions can be read, but not changed. " + correctors(k.kind.Spec(), care.RecordRetract),
		Refusals: changeRefusals,
	}, func(ctx context.Context, in *retractInput) (*recordOutput[B], error) {
		return withVersion(in.IfMatch, func(version int64) (*recordOutput[B], error) {
			return currentRecord(k.kind.Retract(ctx, httpapi.CommandOf(ctx), in.ID, version, in.Body.Reason))
		})
	}, func(ctx context.Context, in *retractInput, done *care.ReplayError) (*recordOutput[B], error) {
		return currentRecord(k.kind.GetVersion(ctx, httpapi.CommandOf(ctx), in.ID, done.Version))
	})
}

// registerRecordAcknowledge adds the route, for kinds that can have a critical finding.
func registerRecordAcknowledge[B any](api *httpapi.Server, k recordRoutes[B]) {
	if !k.kind.CanBeCritical() {
		return
	}
	type acknowledgeInput struct {
		ID      uuid.UUID `path:"id" format:"uuid"`
		IfMatch string    `header:"If-Match" doc:"The ETag of the version that was read. The default is the current version."`
	}
	httpapi.RegisterIdempotent(api, httpapi.Operation{
		ID: "acknowledge-" + k.schema, Method: http.MethodPost, Path: k.path + "/{id}/acknowledge",
		Tag: "records", Action: care.RecordAcknowledge,
		CachedActor: true,
		Summary:     "Acknowledge the critical finding of " + k.one,
		Description: "Records that the caller, the record's doctor or another doctor of the care team, has seen the critical finding. " +
			"The patient is then notified and can read the record. When the record's doctor reads it, that has the same effect. " +
			"Returns 409 if no finding waits for a review.",
		Refusals: changeRefusals,
	}, func(ctx context.Context, in *acknowledgeInput) (*recordOutput[B], error) {
		return withOptionalVersion(in.IfMatch, func(version int64) (*recordOutput[B], error) {
			return currentRecord(k.kind.Acknowledge(ctx, httpapi.CommandOf(ctx), in.ID, version))
		})
	}, func(ctx context.Context, in *acknowledgeInput, _ *care.ReplayError) (*recordOutput[B], error) {
		return currentRecord(k.kind.Current(ctx, httpapi.CommandOf(ctx), in.ID))
	})
}

// inRecord returns the error with its fields below record, their place in an amendment.
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
