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
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/uuid"

	"carewire/internal/care"
	"carewire/internal/care/ehr"
)

// recordRoutes say how one kind of record is served.
type recordRoutes[B any] struct {
	kind *ehr.Kind[B]
	// path is the collection's, name what one is called in sentences, schema the body's name in the specification.
	path, name, schema string
}

// recordMeta is what a record has besides its body.
type recordMeta struct {
	ID        uuid.UUID `json:"id" format:"uuid"`
	Version   int64     `json:"version" doc:"1 for the first; the ETag is this number in quotes."`
	CreatedAt time.Time `json:"createdAt" format:"date-time"`
	CreatedBy string    `json:"createdBy" doc:"The id of who wrote the first version: a person's, or system:<part>."`
	UpdatedAt time.Time `json:"updatedAt" format:"date-time"`
	UpdatedBy string    `json:"updatedBy" doc:"The id of who wrote this version."`
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
	}{v.CreatedAt.UTC(), v.CreatedBy, v.UpdatedAt.UTC(), v.UpdatedBy})
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
func addRecords[B any](s *Server, k recordRoutes[B]) {
	s.collections[k.kind.Name()] = k.path
	addRecordWrites(s, k)
	addRecordReads(s, k)
	addRecordHistory(s, k)
}

func addRecordWrites[B any](s *Server, k recordRoutes[B]) {
	type createInput struct{ Body B }
	register(s, operation{
		id: "create-" + k.schema, method: http.MethodPost, path: k.path, tag: "records", status: http.StatusCreated,
		summary:     "Write a " + k.name,
		description: fmt.Sprintf("Writes a %s about a patient of the clinic. The record and the event that tells of it commit together. Without `doctorId` an acting doctor is it.", k.name),
		refusals:    []care.Code{care.Forbidden, care.Conflict},
	}, care.RecordCreate, once(func(ctx context.Context, in *createInput) (*recordOutput[B], error) {
		r, err := k.kind.Create(ctx, commandOf(ctx), in.Body)
		return createdRecord(k, r), err
	}, func(ctx context.Context, _ *createInput, done *care.ReplayError) (*recordOutput[B], error) {
		r, err := k.kind.Version(ctx, commandOf(ctx), idOf(done), done.Version)
		return createdRecord(k, r), err
	}))

	type replaceInput struct {
		ID      uuid.UUID `path:"id" format:"uuid"`
		IfMatch string    `header:"If-Match" doc:"The ETag of the version that is replaced. Required."`
		Body    B
	}
	register(s, operation{
		id: "replace-" + k.schema, method: http.MethodPut, path: k.path + "/{id}", tag: "records",
		summary:     "Replace a " + k.name,
		description: "Writes a new version of the whole record. The versions before are kept. A stale `If-Match` is answered with 412 and the current ETag.",
		refusals:    []care.Code{care.Forbidden, care.NotFound, care.PreconditionFailed, care.PreconditionRequired},
	}, care.RecordReplace, func(ctx context.Context, in *replaceInput) (*recordOutput[B], error) {
		version, err := parseETag(in.IfMatch)
		if err != nil {
			return nil, err
		}
		r, err := k.kind.Replace(ctx, commandOf(ctx), in.ID, version, in.Body)
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
		Paging
	}
	type listOutput struct{ Body RecordPage[B] }
	register(s, operation{
		id: "list-" + k.schema, method: http.MethodGet, path: k.path, tag: "records",
		summary:     "List " + k.name + "s",
		description: "The records that the caller may see, the newest `effectiveAt` first. Being shown a list is audited, for each patient in it.",
		refusals:    []care.Code{care.Forbidden, care.NotFound, care.Invalid},
	}, care.RecordRead, func(ctx context.Context, in *listInput) (*listOutput, error) {
		page, err := k.kind.List(ctx, commandOf(ctx), ehr.Filter{PatientID: in.PatientID, ClinicID: in.ClinicID, Cursor: in.Cursor, Limit: in.Limit})
		return &listOutput{RecordPage[B]{views(page.Items), page.Next}}, err
	})

	type getInput struct {
		ID          uuid.UUID `path:"id" format:"uuid"`
		IfNoneMatch string    `header:"If-None-Match" doc:"The ETag of the version that one has: 304 when it is still the current one. That is a read too, and audited."`
	}
	register(s, operation{
		id: "get-" + k.schema, method: http.MethodGet, path: k.path + "/{id}", tag: "records",
		summary:     "Read a " + k.name,
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
	}
	type historyOutput struct{ Body RecordPage[B] }
	register(s, operation{
		id: "history-" + k.schema, method: http.MethodGet, path: k.path + "/{id}/history", tag: "records",
		summary:     "Read the versions of a " + k.name,
		description: "The newest first, at most 500.",
		refusals:    []care.Code{care.NotFound, care.Invalid},
	}, care.RecordRead, func(ctx context.Context, in *historyInput) (*historyOutput, error) {
		records, err := k.kind.History(ctx, commandOf(ctx), in.ID)
		return &historyOutput{RecordPage[B]{Items: views(records)}}, err
	})

	type versionInput struct {
		ID      uuid.UUID `path:"id" format:"uuid"`
		Version int64     `path:"version" minimum:"1"`
	}
	register(s, operation{
		id: "version-" + k.schema, method: http.MethodGet, path: k.path + "/{id}/history/{version}", tag: "records",
		summary:     "Read one version of a " + k.name,
		description: "One version, the current or one before it.",
		refusals:    []care.Code{care.NotFound, care.Invalid},
	}, care.RecordRead, func(ctx context.Context, in *versionInput) (*recordOutput[B], error) {
		r, err := k.kind.Version(ctx, commandOf(ctx), in.ID, in.Version)
		if err != nil {
			return nil, err
		}
		return newRecordOutput(http.StatusOK, r), nil
	})
}
