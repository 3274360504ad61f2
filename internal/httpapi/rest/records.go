package rest

import (
	"context"
	"fmt"
	"net/http"
	"reflect"
	"strings"
	"time"

	"carewire/internal/httpapi"
	"carewire/internal/outbox"

	"github.com/google/uuid"

	"carewire/internal/care"
	"carewire/internal/clinic/ehr"
	"carewire/internal/event"
)

// recordsPath is where the collections of records are.
const recordsPath = "/api/ehr/"

// recordKinds lists the kinds of records that are served. A kind is its file in clinic/ehr, its line in the event catalog, and its line here.
func recordKinds() []recordKind {
	return []recordKind{
		newRecordKind[ehr.LabReport](),
		newRecordKind[ehr.Prescription](),
		newRecordKind[ehr.VitalSigns](),
		newRecordKind[ehr.Allergy](),
		newRecordKind[ehr.Condition](),
		newRecordKind[ehr.Immunization](),
		newRecordKind[ehr.Procedure](),
		newRecordKind[ehr.ImagingReport](),
		newRecordKind[ehr.ClinicalNote](),
		newRecordKind[ehr.MedicalHistory](),
	}
}

// recordKind is a kind of records and what registers its routes.
type recordKind struct {
	spec     ehr.Spec
	register func(api *httpapi.Server, writer *outbox.Writer)
}

func newRecordKind[B any, P ehr.BodyOf[B]]() recordKind {
	return recordKind{ehr.NewKind[B, P](nil).Spec(), registerRecordKind[B, P]}
}

func registerRecords(api *httpapi.Server, writer *outbox.Writer) {
	for _, kind := range recordKinds() {
		kind.register(api, writer)
	}
	api.ExplainMethod(http.MethodDelete, recordsPath, neverDeleted)
}

// recordRoutes say how one kind of record is served.
type recordRoutes[B any] struct {
	kind *ehr.Kind[B]
	// path is the collection's; one and many are what one is called in sentences, with its article, and several; schema is
	// the body's name in the specification.
	path, one, many, schema string
}

// recordOutput is one version of a record.
type recordOutput[B any] = versioned[recordView[B]]

// RecordPage is one page of a list of records.
type RecordPage[B any] struct {
	Items []recordView[B] `json:"items"`
	Next  string          `json:"next,omitempty" doc:"The cursor of the page after this one; left out on the last."`
}

func currentRecord[B any](r ehr.Record[B], err error) (*recordOutput[B], error) {
	return newVersioned(http.StatusOK, r.Version, recordView[B](r)), err
}

func (k recordRoutes[B]) created(r ehr.Record[B], err error) (*recordOutput[B], error) {
	return newVersioned(http.StatusCreated, r.Version, recordView[B](r)).at(k.path, r.ID), err
}

func views[B any](records []ehr.Record[B]) []recordView[B] {
	all := make([]recordView[B], len(records))
	for i, r := range records {
		all[i] = recordView[B](r)
	}
	return all
}

// registerRecordKind adds the routes of one kind of record.
func registerRecordKind[B any, P ehr.BodyOf[B]](api *httpapi.Server, writer *outbox.Writer) {
	kind := ehr.NewKind[B, P](writer)
	spec := kind.Spec()
	k := recordRoutes[B]{
		kind: kind, path: recordsPath + spec.Path, schema: reflect.TypeFor[B]().Name(),
		one: event.WithArticle(spec.Name), many: strings.ReplaceAll(spec.Path, "-", " "),
	}
	api.AddCollection(spec.Name, k.path)
	registerRecordWrites(api, k)
	registerRecordAmend(api, k)
	registerRecordRetract(api, k)
	registerRecordAcknowledge(api, k)
	registerRecordReads(api, k)
	registerRecordHistory(api, k)
}

// releasers says in words who may release a record of the kind.
func releasers(spec ehr.Spec) string {
	who := "the doctor whom it names, and nobody else; others write a draft"
	switch {
	case care.AllowedOn(spec.Name, care.RecordRelease, care.Doctor, care.SameClinic):
		who = "the patient's care team and any doctor of the clinic"
	case care.AllowedOn(spec.Name, care.RecordRelease, care.Doctor, care.CareTeam):
		who = "the patient's care team and the doctor whom it names"
	}
	return "It is released, so that others rely on it and the patient reads it, by " + who + "."
}

func registerRecordWrites[B any](api *httpapi.Server, k recordRoutes[B]) {
	type createInput struct{ Body B }
	httpapi.RegisterIdempotent(api, httpapi.Operation{
		ID: "create-" + k.schema, Method: http.MethodPost, Path: k.path, Tag: "records", Action: care.RecordCreate,
		Status: http.StatusCreated, CachedActor: true,
		Summary:     "Write " + k.one,
		Description: fmt.Sprintf("Writes %s about a patient of the clinic. The record and the event that tells of it commit together. Without `doctorId` an acting doctor is it. `status` is one of %s. %s", k.one, strings.Join(k.kind.Spec().Statuses(), ", "), releasers(k.kind.Spec())),
		Refusals:    []care.Code{care.Forbidden, care.Conflict},
	}, func(ctx context.Context, in *createInput) (*recordOutput[B], error) {
		return k.created(k.kind.Create(ctx, httpapi.CommandOf(ctx), in.Body))
	}, func(ctx context.Context, _ *createInput, done *care.ReplayError) (*recordOutput[B], error) {
		return k.created(k.kind.GetVersion(ctx, httpapi.CommandOf(ctx), httpapi.ReplayedID(done), done.Version))
	})

	type replaceInput struct {
		ID      uuid.UUID `path:"id" format:"uuid"`
		IfMatch string    `header:"If-Match" doc:"The ETag of the version that is replaced. Required."`
		Body    B
	}
	httpapi.Register(api, httpapi.Operation{
		ID: "replace-" + k.schema, Method: http.MethodPut, Path: k.path + "/{id}", Tag: "records", Action: care.RecordReplace,
		CachedActor: true,
		Summary:     "Replace " + k.one,
		Description: "Writes a new version of the whole record. The versions before are kept. A status that cannot follow the one before is answered with 409, which says what can; a stale `If-Match` with 412 and the current ETag. A released record keeps its content: its status alone moves on. " + releasers(k.kind.Spec()),
		Refusals:    changeRefusals,
	}, func(ctx context.Context, in *replaceInput) (*recordOutput[B], error) {
		return withVersion(in.IfMatch, func(version int64) (*recordOutput[B], error) {
			return currentRecord(k.kind.Update(ctx, httpapi.CommandOf(ctx), in.ID, version, in.Body))
		})
	})
}

func registerRecordReads[B any](api *httpapi.Server, k recordRoutes[B]) {
	type listInput struct {
		PatientID uuid.UUID `query:"patientId" format:"uuid" doc:"Only records about this patient."`
		ClinicID  uuid.UUID `query:"clinicId" format:"uuid" doc:"Only records of this clinic."`
		DoctorID  uuid.UUID `query:"doctorId" format:"uuid" doc:"Only records that this doctor answers for."`
		AuthorID  uuid.UUID `query:"authorId" format:"uuid" doc:"Only records whose first version this person wrote."`
		Status    string    `query:"status" maxLength:"40" doc:"Only records of this status."`
		Code      string    `query:"code" maxLength:"301" doc:"Only records of this code: system|code, or a code of any system." example:"http://loinc.org|24323-8"`
		From      time.Time `query:"from" format:"date-time" doc:"Only records that were true then or later."`
		To        time.Time `query:"to" format:"date-time" doc:"Only records that were true before then."`
		httpapi.Paging
	}
	type listOutput struct{ Body RecordPage[B] }
	httpapi.Register(api, httpapi.Operation{
		ID: "list-" + k.schema, Method: http.MethodGet, Path: k.path, Tag: "records", Action: care.RecordRead,
		CachedActor: true,
		Summary:     "List " + k.many,
		Description: "The records that the caller may see, the newest `effectiveAt` first. Being shown a list is audited, for each patient in it.",
		Refusals:    []care.Code{care.Forbidden, care.NotFound, care.Invalid},
	}, func(ctx context.Context, in *listInput) (*listOutput, error) {
		page, err := k.kind.List(ctx, httpapi.CommandOf(ctx), ehr.Filter{
			PatientID: in.PatientID, ClinicID: in.ClinicID, DoctorID: in.DoctorID, AuthorID: in.AuthorID, Status: in.Status, Code: in.Code,
			From: in.From, To: in.To, Cursor: in.Cursor, Limit: in.Limit,
		})
		return &listOutput{RecordPage[B]{views(page.Items), page.Next}}, err
	})

	type getInput struct {
		ID          uuid.UUID `path:"id" format:"uuid"`
		IfNoneMatch string    `header:"If-None-Match" doc:"The ETag of the version that one has: 304 when it is still the current one. That is a read too, and audited."`
	}
	httpapi.Register(api, httpapi.Operation{
		ID: "get-" + k.schema, Method: http.MethodGet, Path: k.path + "/{id}", Tag: "records", Action: care.RecordRead,
		CachedActor: true,
		Summary:     "Read " + k.one,
		Description: "The current version. A record that the caller may not see is answered like one that is not there. Both are audited.",
		Also:        map[int]string{http.StatusNotModified: "The version in If-None-Match is still the current one."},
		Refusals:    []care.Code{care.NotFound, care.Invalid},
	}, func(ctx context.Context, in *getInput) (*recordOutput[B], error) {
		r, err := k.kind.Get(ctx, httpapi.CommandOf(ctx), in.ID)
		return unlessMatched(in.IfNoneMatch, r.Version, recordView[B](r)), err
	})
}

func registerRecordHistory[B any](api *httpapi.Server, k recordRoutes[B]) {
	type historyInput struct {
		ID uuid.UUID `path:"id" format:"uuid"`
		httpapi.Paging
	}
	type historyOutput struct{ Body RecordPage[B] }
	httpapi.Register(api, httpapi.Operation{
		ID: "history-" + k.schema, Method: http.MethodGet, Path: k.path + "/{id}/history", Tag: "records", Action: care.RecordRead,
		CachedActor: true,
		Summary:     "Read the versions of " + k.one,
		Description: "The newest first, each with who wrote it, when, and why where it amends or retracts.",
		Refusals:    []care.Code{care.NotFound, care.Invalid},
	}, func(ctx context.Context, in *historyInput) (*historyOutput, error) {
		page, err := k.kind.ListVersions(ctx, httpapi.CommandOf(ctx), in.ID, ehr.HistoryPage{Cursor: in.Cursor, Limit: in.Limit})
		return &historyOutput{RecordPage[B]{views(page.Items), page.Next}}, err
	})

	type versionInput struct {
		ID      uuid.UUID `path:"id" format:"uuid"`
		Version int64     `path:"version" minimum:"1" doc:"Which version: 1 is the first."`
	}
	httpapi.Register(api, httpapi.Operation{
		ID: "version-" + k.schema, Method: http.MethodGet, Path: k.path + "/{id}/history/{version}", Tag: "records", Action: care.RecordRead,
		CachedActor: true,
		Summary:     "Read one version of " + k.one,
		Description: "One version, the current or one before it.",
		Refusals:    []care.Code{care.NotFound, care.Invalid},
	}, func(ctx context.Context, in *versionInput) (*recordOutput[B], error) {
		return currentRecord(k.kind.GetVersion(ctx, httpapi.CommandOf(ctx), in.ID, in.Version))
	})
}
