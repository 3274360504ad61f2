package httpapi

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/uuid"

	"carewire/internal/care"
	"carewire/internal/clinic/ehr"
	"carewire/internal/event"
)

// recordsPath is where the collections of records are.
const recordsPath = "/api/ehr/"

// addKinds serves records of every kind. A kind is its file in care/ehr, its line in the event catalog, and its line here.
func (s *Server) addKinds() {
	addRecords[ehr.LabReport](s)
	addRecords[ehr.Prescription](s)
	addRecords[ehr.VitalSigns](s)
	addRecords[ehr.Allergy](s)
	addRecords[ehr.Condition](s)
	addRecords[ehr.Immunization](s)
	addRecords[ehr.Procedure](s)
	addRecords[ehr.ImagingReport](s)
	addRecords[ehr.ClinicalNote](s)
	addRecords[ehr.MedicalHistory](s)
}

// recordRoutes say how one kind of record is served.
type recordRoutes[B any] struct {
	kind *ehr.Kind[B]
	// path is the collection's; one and many are what one is called in sentences, with its article, and several; schema is
	// the body's name in the specification.
	path, one, many, schema string
}

// recordMeta is what a record has besides its body.
type recordMeta struct {
	ID        uuid.UUID `json:"id" format:"uuid"`
	Version   int64     `json:"version" doc:"1 for the first; the ETag is this number in quotes."`
	CreatedAt time.Time `json:"createdAt" format:"date-time"`
	CreatedBy string    `json:"createdBy" doc:"The id of who wrote the first version: a person's, or system:<part>."`
	UpdatedAt time.Time `json:"updatedAt" format:"date-time"`
	UpdatedBy string    `json:"updatedBy" doc:"The id of who wrote this version."`
	Reason    string    `json:"reason,omitempty" doc:"Why this version was written, where it amends or retracts."`
}

// recordView is a record as it is answered: the fields of its body, and recordMeta's beside them.
type recordView[B any] ehr.Record[B]

// MarshalJSON writes the id and the version first, then the body's fields, then who wrote it when.
func (v recordView[B]) MarshalJSON() ([]byte, error) {
	head, err := json.Marshal(struct {
		ID      uuid.UUID `json:"id"`
		Version int64     `json:"version"`
	}{v.ID, v.Version})
	if err != nil {
		return nil, err
	}
	body, err := json.Marshal(v.Body)
	if err != nil {
		return nil, err
	}
	tail, err := json.Marshal(struct {
		CreatedAt time.Time `json:"createdAt"`
		CreatedBy string    `json:"createdBy"`
		UpdatedAt time.Time `json:"updatedAt"`
		UpdatedBy string    `json:"updatedBy"`
		Reason    string    `json:"reason,omitempty"`
	}{v.CreatedAt.UTC(), v.CreatedBy, v.UpdatedAt.UTC(), v.UpdatedBy, v.Reason})
	if err != nil {
		return nil, err
	}
	joined := [][]byte{head[1 : len(head)-1], body[1 : len(body)-1], tail[1 : len(tail)-1]}
	joined = slices.DeleteFunc(joined, func(b []byte) bool { return len(b) == 0 })
	return slices.Concat([]byte("{"), bytes.Join(joined, []byte(",")), []byte("}")), nil
}

// Schema is that of the body with recordMeta's fields added, under a name of its own.
func (v recordView[B]) Schema(r huma.Registry) *huma.Schema {
	bodyType := reflect.TypeFor[B]()
	name := bodyType.Name() + "Record"
	if _, ok := r.Map()[name]; !ok {
		body, meta := huma.SchemaFromType(r, bodyType), huma.SchemaFromType(r, reflect.TypeFor[recordMeta]())
		properties := maps.Clone(body.Properties)
		maps.Copy(properties, meta.Properties)
		r.Map()[name] = &huma.Schema{
			Type: huma.TypeObject, Properties: properties, AdditionalProperties: false,
			Required: slices.Concat(body.Required, meta.Required),
		}
	}
	return &huma.Schema{Ref: schemaPrefix + name}
}

// recordOutput is one version of a record.
type recordOutput[B any] struct {
	Status   int
	ETag     string `header:"ETag"`
	Location string `header:"Location"`
	Body     recordView[B]
}

// RecordPage is one page of a list of records.
type RecordPage[B any] struct {
	Items []recordView[B] `json:"items"`
	Next  string          `json:"next,omitempty" doc:"The cursor of the page after this one; left out on the last."`
}

func newRecordOutput[B any](status int, r ehr.Record[B]) *recordOutput[B] {
	return &recordOutput[B]{Status: status, ETag: etag(r.Version), Body: recordView[B](r)}
}

func createdRecord[B any](k recordRoutes[B], r ehr.Record[B]) *recordOutput[B] {
	out := newRecordOutput(http.StatusCreated, r)
	out.Location = location(k.path, r.ID.String())
	return out
}

func views[B any](records []ehr.Record[B]) []recordView[B] {
	all := make([]recordView[B], len(records))
	for i, r := range records {
		all[i] = recordView[B](r)
	}
	return all
}

// addRecords adds the routes of one kind of record.
func addRecords[B any, P ehr.BodyOf[B]](s *Server) {
	kind := ehr.NewKind[B, P](s.cfg.Writer)
	spec := kind.Spec()
	k := recordRoutes[B]{
		kind: kind, path: recordsPath + spec.Path, schema: reflect.TypeFor[B]().Name(),
		one: event.WithArticle(spec.Name), many: strings.ReplaceAll(spec.Path, "-", " "),
	}
	s.kinds = append(s.kinds, spec)
	s.collections[spec.Name] = k.path
	addRecordWrites(s, k)
	addRecordAmend(s, k)
	addRecordRetract(s, k)
	addRecordAcknowledge(s, k)
	addRecordReads(s, k)
	addRecordHistory(s, k)
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

func addRecordWrites[B any](s *Server, k recordRoutes[B]) {
	type createInput struct{ Body B }
	register(s, operation{
		id: "create-" + k.schema, method: http.MethodPost, path: k.path, tag: "records", kept: true, status: http.StatusCreated,
		summary:     "Write " + k.one,
		description: fmt.Sprintf("Writes %s about a patient of the clinic. The record and the event that tells of it commit together. Without `doctorId` an acting doctor is it. `status` is one of %s. %s", k.one, strings.Join(k.kind.Spec().Statuses(), ", "), releasers(k.kind.Spec())),
		refusals:    []care.Code{care.Forbidden, care.Conflict},
	}, care.RecordCreate, once(func(ctx context.Context, in *createInput) (*recordOutput[B], error) {
		r, err := k.kind.Create(ctx, commandOf(ctx), in.Body)
		return createdRecord(k, r), err
	}, func(ctx context.Context, _ *createInput, done *care.ReplayError) (*recordOutput[B], error) {
		r, err := k.kind.GetVersion(ctx, commandOf(ctx), idOf(done), done.Version)
		return createdRecord(k, r), err
	}))

	type replaceInput struct {
		ID      uuid.UUID `path:"id" format:"uuid"`
		IfMatch string    `header:"If-Match" doc:"The ETag of the version that is replaced. Required."`
		Body    B
	}
	register(s, operation{
		id: "replace-" + k.schema, method: http.MethodPut, path: k.path + "/{id}", tag: "records", kept: true,
		summary:     "Replace " + k.one,
		description: "Writes a new version of the whole record. The versions before are kept. A status that cannot follow the one before is answered with 409, which says what can; a stale `If-Match` with 412 and the current ETag. A released record keeps its content: its status alone moves on. " + releasers(k.kind.Spec()),
		refusals:    changeRefusals,
	}, care.RecordReplace, func(ctx context.Context, in *replaceInput) (*recordOutput[B], error) {
		version, err := parseETag(in.IfMatch)
		if err != nil {
			return nil, err
		}
		r, err := k.kind.Update(ctx, commandOf(ctx), in.ID, version, in.Body)
		if err != nil {
			return nil, err
		}
		return newRecordOutput(http.StatusOK, r), nil
	})
}

func addRecordReads[B any](s *Server, k recordRoutes[B]) {
	type listInput struct {
		PatientID uuid.UUID `query:"patientId" format:"uuid" doc:"Only records about this patient."`
		ClinicID  uuid.UUID `query:"clinicId" format:"uuid" doc:"Only records of this clinic."`
		DoctorID  uuid.UUID `query:"doctorId" format:"uuid" doc:"Only records that this doctor answers for."`
		AuthorID  uuid.UUID `query:"authorId" format:"uuid" doc:"Only records whose first version this person wrote."`
		Status    string    `query:"status" maxLength:"40" doc:"Only records of this status."`
		Code      string    `query:"code" maxLength:"301" doc:"Only records of this code: system|code, or a code of any system." example:"http://loinc.org|24323-8"`
		From      time.Time `query:"from" format:"date-time" doc:"Only records that were true then or later."`
		To        time.Time `query:"to" format:"date-time" doc:"Only records that were true before then."`
		Paging
	}
	type listOutput struct{ Body RecordPage[B] }
	register(s, operation{
		id: "list-" + k.schema, method: http.MethodGet, path: k.path, tag: "records", kept: true,
		summary:     "List " + k.many,
		description: "The records that the caller may see, the newest `effectiveAt` first. Being shown a list is audited, for each patient in it.",
		refusals:    []care.Code{care.Forbidden, care.NotFound, care.Invalid},
	}, care.RecordRead, func(ctx context.Context, in *listInput) (*listOutput, error) {
		page, err := k.kind.List(ctx, commandOf(ctx), ehr.Filter{
			PatientID: in.PatientID, ClinicID: in.ClinicID, DoctorID: in.DoctorID, AuthorID: in.AuthorID, Status: in.Status, Code: in.Code,
			From: in.From, To: in.To, Cursor: in.Cursor, Limit: in.Limit,
		})
		return &listOutput{RecordPage[B]{views(page.Items), page.Next}}, err
	})

	type getInput struct {
		ID          uuid.UUID `path:"id" format:"uuid"`
		IfNoneMatch string    `header:"If-None-Match" doc:"The ETag of the version that one has: 304 when it is still the current one. That is a read too, and audited."`
	}
	register(s, operation{
		id: "get-" + k.schema, method: http.MethodGet, path: k.path + "/{id}", tag: "records", kept: true,
		summary:     "Read " + k.one,
		also:        map[int]string{http.StatusNotModified: "The version in If-None-Match is still the current one."},
		description: "The current version. A record that the caller may not see is answered like one that is not there. Both are audited.",
		refusals:    []care.Code{care.NotFound, care.Invalid},
	}, care.RecordRead, func(ctx context.Context, in *getInput) (*recordOutput[B], error) {
		r, err := k.kind.Get(ctx, commandOf(ctx), in.ID)
		if err != nil {
			return nil, err
		}
		if matchesETag(in.IfNoneMatch, r.Version) {
			return newRecordOutput(http.StatusNotModified, r), nil
		}
		return newRecordOutput(http.StatusOK, r), nil
	})
}

func addRecordHistory[B any](s *Server, k recordRoutes[B]) {
	type historyInput struct {
		ID uuid.UUID `path:"id" format:"uuid"`
		Paging
	}
	type historyOutput struct{ Body RecordPage[B] }
	register(s, operation{
		id: "history-" + k.schema, method: http.MethodGet, path: k.path + "/{id}/history", tag: "records", kept: true,
		summary:     "Read the versions of " + k.one,
		description: "The newest first, each with who wrote it, when, and why where it amends or retracts.",
		refusals:    []care.Code{care.NotFound, care.Invalid},
	}, care.RecordRead, func(ctx context.Context, in *historyInput) (*historyOutput, error) {
		page, err := k.kind.ListVersions(ctx, commandOf(ctx), in.ID, ehr.HistoryPage{Cursor: in.Cursor, Limit: in.Limit})
		return &historyOutput{RecordPage[B]{views(page.Items), page.Next}}, err
	})

	type versionInput struct {
		ID      uuid.UUID `path:"id" format:"uuid"`
		Version int64     `path:"version" minimum:"1" doc:"Which version: 1 is the first."`
	}
	register(s, operation{
		id: "version-" + k.schema, method: http.MethodGet, path: k.path + "/{id}/history/{version}", tag: "records", kept: true,
		summary:     "Read one version of " + k.one,
		description: "One version, the current or one before it.",
		refusals:    []care.Code{care.NotFound, care.Invalid},
	}, care.RecordRead, func(ctx context.Context, in *versionInput) (*recordOutput[B], error) {
		r, err := k.kind.GetVersion(ctx, commandOf(ctx), in.ID, in.Version)
		if err != nil {
			return nil, err
		}
		return newRecordOutput(http.StatusOK, r), nil
	})
}
