package httpapi

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"

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

func addRecordAmend[B any](s *Server, k recordRoutes[B]) {
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
	register(s, operation{
		id: "amend-" + k.schema, method: http.MethodPost, path: k.path + "/{id}/amend", tag: "records", kept: true,
		summary: "Amend " + k.one, description: words, refusals: changeRefusals,
	}, care.RecordAmend, once(func(ctx context.Context, in *amendInput) (*recordOutput[B], error) {
		version, err := parseETag(in.IfMatch)
		if err != nil {
			return nil, err
		}
		r, err := k.kind.Amend(ctx, commandOf(ctx), in.ID, version, in.Body.Reason, in.Body.Record)
		if err != nil {
			return nil, inRecord(err)
		}
		return newRecordOutput(http.StatusOK, r), nil
	}, func(ctx context.Context, in *amendInput, done *care.ReplayError) (*recordOutput[B], error) {
		r, err := k.kind.GetVersion(ctx, commandOf(ctx), in.ID, done.Version)
		return newRecordOutput(http.StatusOK, r), err
	}))
}

func addRecordRetract[B any](s *Server, k recordRoutes[B]) {
	type retractInput struct {
		ID      uuid.UUID `path:"id" format:"uuid"`
		IfMatch string    `header:"If-Match" doc:"The ETag of the version that is retracted. Required."`
		Body    Retraction
	}
	register(s, operation{
		id: "retract-" + k.schema, method: http.MethodPost, path: k.path + "/{id}/retract", tag: "records", kept: true,
		summary:     "Retract " + k.one,
		description: "Says that the record was entered in error, and keeps why. Nothing is deleted: it can be read, with its versions, and nothing else can be done with it. " + correctors(k.kind.Spec(), care.RecordRetract),
		refusals:    changeRefusals,
	}, care.RecordRetract, once(func(ctx context.Context, in *retractInput) (*recordOutput[B], error) {
		version, err := parseETag(in.IfMatch)
		if err != nil {
			return nil, err
		}
		r, err := k.kind.Retract(ctx, commandOf(ctx), in.ID, version, in.Body.Reason)
		if err != nil {
			return nil, err
		}
		return newRecordOutput(http.StatusOK, r), nil
	}, func(ctx context.Context, in *retractInput, done *care.ReplayError) (*recordOutput[B], error) {
		r, err := k.kind.GetVersion(ctx, commandOf(ctx), in.ID, done.Version)
		return newRecordOutput(http.StatusOK, r), err
	}))
}

// addRecordAcknowledge adds the route for the kinds that can hold a critical finding.
func addRecordAcknowledge[B any](s *Server, k recordRoutes[B]) {
	if !k.kind.CanBeCritical() {
		return
	}
	type acknowledgeInput struct {
		ID      uuid.UUID `path:"id" format:"uuid"`
		IfMatch string    `header:"If-Match" doc:"The ETag of the version that one has read. Left out, the version that stands is acknowledged."`
	}
	register(s, operation{
		id: "acknowledge-" + k.schema, method: http.MethodPost, path: k.path + "/{id}/acknowledge", tag: "records", kept: true,
		summary: "Acknowledge the critical finding of " + k.one,
		description: "Says that the caller, who is the doctor whom the record names or another doctor of the care team, has seen the critical finding. " +
			"The patient, who could neither read the record nor was told of it until now, can and is. The doctor whom the record names does the same by reading it. " +
			"409 where no finding waits for a review.",
		refusals: changeRefusals,
	}, care.RecordAcknowledge, once(func(ctx context.Context, in *acknowledgeInput) (*recordOutput[B], error) {
		version, err := parseOptionalETag(in.IfMatch)
		if err != nil {
			return nil, err
		}
		r, err := k.kind.Acknowledge(ctx, commandOf(ctx), in.ID, version)
		if err != nil {
			return nil, err
		}
		return newRecordOutput(http.StatusOK, r), nil
	}, func(ctx context.Context, in *acknowledgeInput, _ *care.ReplayError) (*recordOutput[B], error) {
		r, err := k.kind.Current(ctx, commandOf(ctx), in.ID)
		if err != nil {
			return nil, err
		}
		return newRecordOutput(http.StatusOK, r), nil
	}))
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
		if f.Field != "reason" && f.Field != keyHeader {
			placed.Fields[i].Field = "record." + f.Field
		}
	}
	return &placed
}
