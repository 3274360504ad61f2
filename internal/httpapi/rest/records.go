package rest

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"reflect"
	"strings"
	"time"

	"github.com/google/uuid"

	"carewire/internal/care"
	"carewire/internal/clinic/ehr"
	"carewire/internal/event"
	"carewire/internal/httpapi"
	"carewire/internal/outbox"
)

// recordsPath is the path above the collections of records.
const recordsPath = "/api/ehr/"

// recordKinds returns the kinds of records that are served. A kind is its file in clinic/ehr, its
// line in the event catalog, and its line here.
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

// recordKind is a kind of records and the function that registers its routes.
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

// recordRoutes describes the routes of one kind of records.
type recordRoutes[B any] struct {
	kind *ehr.Kind[B]
	// path is the path of the collection. one is the name of a record with its article, many the
	// plural; schema is the name of the body's schema.
	path, one, many, schema string
}

// recordOutput is one version of a record.
type recordOutput[B any] = versioned[recordView[B]]

// RecordPage is one page of a list of records.
type RecordPage[B any] struct {
	Items []recordView[B] `json:"items"`
	Next  string          `json:"next,omitempty" doc:"The cursor of the next page; left out on the last one."`
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
	api.AddCollection(recordCollection(kind, k.path))
	registerRecordWrites(api, k)
	registerRecordAmend(api, k)
	registerRecordRetract(api, k)
	registerRecordAcknowledge(api, k)
	registerRecordReads(api, k)
	registerRecordHistory(api, k)
	k.restrictStatus(api)
}

// restrictStatus limits the status in the kind's schemas and in the filter of its list to the
// kind's own. A struct tag cannot list them, because all kinds share the field.
func (k recordRoutes[B]) restrictStatus(api *httpapi.Server) {
	statuses, doc := k.kind.Spec().Statuses(), api.OpenAPI()
	var example struct{ Status string }
	if err := json.Unmarshal([]byte(k.kind.Spec().Example), &example); err != nil {
		panic(fmt.Sprintf("the example of %s: %v", k.one, err)) // It is a constant.
	}
	for _, name := range []string{k.schema, k.schema + "Record"} {
		status := *doc.Components.Schemas.Map()[name].Properties["status"]
		restrict(&status, statuses)
		status.Examples = []any{example.Status}
		doc.Components.Schemas.Map()[name].Properties["status"] = &status
	}
	for _, p := range doc.Paths[k.path].Get.Parameters {
		if p.Name == "status" {
			restrict(p.Schema, statuses)
		}
	}
}

// releasers describes who may release a record of the kind.
func releasers(spec ehr.Spec) string {
	who := "its doctor only; others write a draft"
	switch {
	case care.AllowedOn(spec.Name, care.RecordRelease, care.Doctor, care.SameClinic):
		who = "the patient's care team and all doctors of the clinic"
	case care.AllowedOn(spec.Name, care.RecordRelease, care.Doctor, care.CareTeam):
		who = "the patient's care team and its doctor"
	}
	return "A release, after which others rely on it and the patient can read it, is possible for " + who + "."
}

func registerRecordWrites[B any](api *httpapi.Server, k recordRoutes[B]) {
	type createInput struct{ Body B }
	httpapi.RegisterIdempotent(api, httpapi.Operation{
		ID: "create-" + k.schema, Method: http.MethodPost, Path: k.path, Tag: "records", Action: care.RecordCreate,
		Status: http.StatusCreated, CachedActor: true,
		Summary: "Create " + k.one,
		Description: fmt.Sprintf("Creates %s of a patient of the clinic. The record and its event commit together. If `doctorId` "+
			"is left out, it is the caller if they are a doctor. `status` is one of %s. %s",
			k.one, strings.Join(k.kind.Spec().Statuses(), ", "), releasers(k.kind.Spec())),
		Refusals: []care.Code{care.Forbidden, care.Conflict},
	}, func(ctx context.Context, in *createInput) (*recordOutput[B], error) {
		return k.created(k.kind.Create(ctx, httpapi.CommandOf(ctx), in.Body))
	}, func(ctx context.Context, _ *createInput, done *care.ReplayError) (*recordOutput[B], error) {
		return k.created(k.kind.GetVersion(ctx, httpapi.CommandOf(ctx), httpapi.ReplayedID(done), done.Version))
	})

	type replaceInput struct {
		ID      uuid.UUID `path:"id" format:"uuid"`
		IfMatch string    `header:"If-Match" doc:"The ETag of the version to replace. Required."`
		Body    B
	}
	httpapi.Register(api, httpapi.Operation{
		ID: "replace-" + k.schema, Method: http.MethodPut, Path: k.path + "/{id}",
		Tag: "records", Action: care.RecordReplace,
		CachedActor: true,
		Summary:     "Replace " + k.one,
		Description: "Writes a new version of the whole record; earlier versions are kept. If the status cannot follow the " +
			"current one, the answer is 409 and lists those that can. A stale `If-Match` returns 412 with the current ETag. " +
			"Of a released record only the status can change. " + releasers(k.kind.Spec()),
		Refusals: changeRefusals,
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
		DoctorID  uuid.UUID `query:"doctorId" format:"uuid" doc:"Only records with this responsible doctor."`
		AuthorID  uuid.UUID `query:"authorId" format:"uuid" doc:"Only records created by this person."`
		Status    string    `query:"status" maxLength:"40" doc:"Only records with this status."`
		Code      string    `query:"code" maxLength:"301" doc:"Only records with this code: system|code, or a code of any system." example:"http://loinc.org|24323-8"`
		From      time.Time `query:"from" format:"date-time" doc:"Only records with an effectiveAt at this time or later."`
		To        time.Time `query:"to" format:"date-time" doc:"Only records with an effectiveAt before this time."`
		httpapi.Paging
	}
	type listOutput struct{ Body RecordPage[B] }
	httpapi.Register(api, httpapi.Operation{
		ID: "list-" + k.schema, Method: http.MethodGet, Path: k.path, Tag: "records", Action: care.RecordRead,
		CachedActor: true,
		Summary:     "List " + k.many,
		Description: "The records that the caller may see, latest `effectiveAt` first. The list is audited for each patient in it. " +
			shortPages + " So may a page of a caller with more than 1,000 patients, also without filters.",
		Refusals: []care.Code{care.Forbidden, care.NotFound, care.Invalid},
	}, func(ctx context.Context, in *listInput) (*listOutput, error) {
		page, err := k.kind.List(ctx, httpapi.CommandOf(ctx), ehr.Filter{
			PatientID: in.PatientID, ClinicID: in.ClinicID, DoctorID: in.DoctorID, AuthorID: in.AuthorID, Status: in.Status, Code: in.Code,
			From: in.From, To: in.To, Cursor: in.Cursor, Limit: in.Limit,
		})
		return &listOutput{RecordPage[B]{views(page.Items), page.Next}}, err
	})

	type getInput struct {
		ID          uuid.UUID `path:"id" format:"uuid"`
		IfNoneMatch string    `header:"If-None-Match" doc:"The ETag of a known version: returns 304 if it is current. That is also a read, and audited."`
	}
	httpapi.Register(api, httpapi.Operation{
		ID: "get-" + k.schema, Method: http.MethodGet, Path: k.path + "/{id}",
		Tag: "records", Action: care.RecordRead,
		CachedActor: true,
		Summary:     "Get " + k.one,
		Description: "The current version. Returns 404 if the caller may not see the record. Both are audited.",
		Also:        map[int]string{http.StatusNotModified: "The version in If-None-Match is current."},
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
		ID: "history-" + k.schema, Method: http.MethodGet, Path: k.path + "/{id}/history",
		Tag: "records", Action: care.RecordRead,
		CachedActor: true,
		Summary:     "List the versions of " + k.one,
		Description: "Newest first, each with its author and time, and the reason of an amendment or a retraction.",
		Refusals:    []care.Code{care.NotFound, care.Invalid},
	}, func(ctx context.Context, in *historyInput) (*historyOutput, error) {
		page, err := k.kind.ListVersions(ctx, httpapi.CommandOf(ctx), in.ID, ehr.HistoryPage{Cursor: in.Cursor, Limit: in.Limit})
		return &historyOutput{RecordPage[B]{views(page.Items), page.Next}}, err
	})

	type versionInput struct {
		ID          uuid.UUID `path:"id" format:"uuid"`
		Version     int64     `path:"version" minimum:"1" doc:"The version; the first is 1."`
		IfNoneMatch string    `header:"If-None-Match" doc:"The ETag of a known version: returns 304 if it is this one. That is also a read, and audited."`
	}
	httpapi.Register(api, httpapi.Operation{
		ID: "version-" + k.schema, Method: http.MethodGet, Path: k.path + "/{id}/history/{version}",
		Tag: "records", Action: care.RecordRead,
		CachedActor: true,
		Summary:     "Get a version of " + k.one,
		Description: "The current version or an earlier one.",
		Also:        map[int]string{http.StatusNotModified: "If-None-Match has this version."},
		Refusals:    []care.Code{care.NotFound, care.Invalid},
	}, func(ctx context.Context, in *versionInput) (*recordOutput[B], error) {
		r, err := k.kind.GetVersion(ctx, httpapi.CommandOf(ctx), in.ID, in.Version)
		return unlessMatched(in.IfNoneMatch, r.Version, recordView[B](r)), err
	})
}
