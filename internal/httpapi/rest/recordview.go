package rest

import (
	"bytes"
	"encoding/json"
	"maps"
	"reflect"
	"slices"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/uuid"

	"carewire/internal/clinic/ehr"
	"carewire/internal/httpapi/openapi"
)

// recordMeta is the metadata of a record.
type recordMeta struct {
	ID        uuid.UUID `json:"id" format:"uuid"`
	Version   int64     `json:"version" doc:"The first version is 1; the ETag is this number in quotes."`
	CreatedAt time.Time `json:"createdAt" format:"date-time"`
	CreatedBy string    `json:"createdBy" doc:"The id of the author of the first version: a person's, or system:<part>."`
	UpdatedAt time.Time `json:"updatedAt" format:"date-time"`
	UpdatedBy string    `json:"updatedBy" doc:"The id of the author of this version."`
	Reason    string    `json:"reason,omitempty" doc:"The reason for this version, if it is an amendment or a retraction."`
}

// recordView is the JSON form of a record: the fields of its body and of recordMeta.
type recordView[B any] ehr.Record[B]

// MarshalJSON implements json.Marshaler. It writes the id and the version first, then the body's
// fields, then authors and times.
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

// Schema implements huma.SchemaProvider: the schema of the body with the fields of recordMeta.
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
	return &huma.Schema{Ref: openapi.SchemaPrefix + name}
}

// numberSchema is the schema of a number that keeps its digits.
type numberSchema struct{}

// Schema implements huma.SchemaProvider.
func (numberSchema) Schema(huma.Registry) *huma.Schema { return &huma.Schema{Type: huma.TypeNumber} }

// timeSchema is the schema of a time that may be a partial date.
type timeSchema struct{}

// Schema implements huma.SchemaProvider: a year, a month, a day, or an RFC 3339 date and time.
func (timeSchema) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{
		Type: huma.TypeString, Description: "A year, a month, a day, or an RFC 3339 date and time.", Examples: []any{"2026-03-14T09:30:00Z", "2019-03"},
	}
}

// valueSchema is the schema of a result's value.
type valueSchema struct{}

// Schema implements huma.SchemaProvider: a number, a text or a code.
func (valueSchema) Schema(r huma.Registry) *huma.Schema {
	one, most := 1, 2000
	return &huma.Schema{
		Description: "A number, a text, or a code.",
		OneOf: []*huma.Schema{
			{Type: huma.TypeNumber},
			{Type: huma.TypeString, MinLength: &one, MaxLength: &most},
			r.Schema(reflect.TypeFor[ehr.Coding](), true, "Coding"),
		},
	}
}
