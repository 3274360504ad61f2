package rest

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"reflect"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"carewire/internal/care"
	"carewire/internal/clinic/intake"
	"carewire/internal/event"
	"carewire/internal/httpapi"
	"carewire/internal/httpapi/problem"
	"carewire/internal/jsonform"
)

// eventSchemas are the schemas of events: the envelope, and the data of each type.
type eventSchemas struct {
	registry huma.Registry
	envelope *huma.Schema
	data     map[string]*huma.Schema
}

func newEventSchemas(registry huma.Registry) *eventSchemas {
	v := &eventSchemas{registry, registry.Schema(reflect.TypeFor[ExternalEvent](), true, ""), map[string]*huma.Schema{}}
	for _, name := range event.ExternalTypes() {
		d, _ := event.Lookup(name)
		v.data[name] = registry.Schema(reflect.TypeOf(d.Payload), true, "")
	}
	return v
}

// content returns the documentation of the three media types.
func (v *eventSchemas) content() map[string]*huma.MediaType {
	most := maxBatch
	one := &huma.MediaType{Schema: v.envelope}
	datas := &huma.Schema{Description: "In binary mode, with `ce-` headers: the data of one of the types. Without these headers: like application/cloudevents+json.", OneOf: []*huma.Schema{v.envelope}}
	for _, name := range event.ExternalTypes() {
		datas.OneOf = append(datas.OneOf, v.data[name])
	}
	return map[string]*huma.MediaType{
		mediaEvent: one,
		mediaBatch: {Schema: &huma.Schema{Type: huma.TypeArray, Items: v.envelope, MaxItems: &most}},
		mediaJSON:  {Schema: datas},
	}
}

// read returns the events of a request, validated against their schemas.
func (v *eventSchemas) read(in *eventsInput) ([]intake.Event, error) {
	if in.mediaType == mediaBatch {
		return v.batch(in.RawBody)
	}
	body := json.RawMessage(in.RawBody)
	if in.mediaType != mediaEvent && len(in.attributes) > 0 {
		var err error
		if body, err = structured(in); err != nil {
			return nil, err
		}
	}
	e, err := v.one("", body)
	return []intake.Event{e}, err
}

func (v *eventSchemas) batch(body []byte) ([]intake.Event, error) {
	var list []json.RawMessage
	if err := json.Unmarshal(body, &list); err != nil || len(list) == 0 || len(list) > maxBatch {
		return nil, care.InvalidField("body", "must be a list of 1 to %d events", maxBatch)
	}
	events := make([]intake.Event, len(list))
	var wrong care.FieldErrors
	for i, item := range list {
		var err error
		events[i], err = v.one(fmt.Sprintf("[%d].", i), item)
		refused, ok := errors.AsType[*care.Error](err)
		switch {
		case err != nil && (!ok || refused.Code != care.Invalid):
			return nil, err
		case err != nil:
			wrong = append(wrong, refused.Fields...)
		}
	}
	return events, wrong.Err()
}

// structured returns the structured form of an event in binary mode (CloudEvents HTTP binding 1.0,
// section 3.1). The value of a header is percent-encoded if it is not plain ASCII.
func structured(in *eventsInput) (json.RawMessage, error) {
	if in.duplicate != "" {
		return nil, care.InvalidField(problem.FieldName(in.duplicate), "duplicate header; send it once")
	}
	parts := map[string]any{}
	for name, value := range in.attributes {
		text, err := url.PathUnescape(value)
		if err != nil {
			return nil, care.InvalidField(problem.FieldName(binaryPrefix+name), "invalid percent-encoding")
		}
		parts[name] = text
	}
	parts["data"] = json.RawMessage(in.RawBody)
	return json.Marshal(parts)
}

// one validates an event and decodes it.
func (v *eventSchemas) one(path string, raw json.RawMessage) (intake.Event, error) {
	if len(raw) > maxEvent {
		refused := care.Errorf(care.TooLarge, "an event is larger than %d bytes", maxEvent)
		refused.Fields = []care.FieldError{{Field: eventField(path), Message: "is too large: send ids only"}}
		return intake.Event{}, refused
	}
	raw = jsonform.Canonical(raw, reflect.TypeFor[ExternalEvent]())
	if err := v.check(path, v.envelope, raw); err != nil {
		return intake.Event{}, err
	}
	if at, ok := jsonform.InvalidTime(raw, reflect.TypeFor[ExternalEvent]()); ok {
		return intake.Event{}, care.InvalidField(path+at, "%s", httpapi.TimeForm)
	}
	var e ExternalEvent
	var parts struct{ Data json.RawMessage }
	if err := errors.Join(json.Unmarshal(raw, &e), json.Unmarshal(raw, &parts)); err != nil {
		return intake.Event{}, care.InvalidField(eventField(path), "invalid JSON value for its field")
	}
	d, err := intake.Declared(path+"type", e.Type)
	if err != nil {
		return intake.Event{}, err
	}
	payload := jsonform.Canonical(parts.Data, reflect.TypeOf(d.Payload))
	if err := v.check(path+"data.", v.data[e.Type], payload); err != nil {
		return intake.Event{}, err
	}
	if at, ok := jsonform.InvalidTime(payload, reflect.TypeOf(d.Payload)); ok {
		return intake.Event{}, care.InvalidField(path+"data."+at, "%s", httpapi.TimeForm)
	}
	data, err := d.Decode(payload)
	if err != nil {
		return intake.Event{}, care.InvalidField(path+"data", "invalid JSON value for its field")
	}
	in := intake.Event{
		Path: path, ID: e.ID, Type: e.Type, Source: event.CanonicalIDs(e.Source), Subject: event.CanonicalIDs(e.Subject), Data: data,
		ClinicID: e.ClinicID, PersonID: e.PersonID, Traceparent: e.Traceparent,
	}
	if e.Time != nil {
		in.Time = *e.Time
	}
	return in, nil
}

// check validates a JSON value against a schema. It reports all errors, with the path before each
// field.
func (v *eventSchemas) check(path string, schema *huma.Schema, raw json.RawMessage) error {
	var value any
	if err := json.Unmarshal(raw, &value); err != nil {
		return care.InvalidField(eventField(path), "invalid JSON")
	}
	res := &huma.ValidateResult{}
	huma.Validate(v.registry, schema, huma.NewPathBuffer([]byte("body"), len("body")), huma.ModeWriteToServer, value, res)
	var wrong care.FieldErrors
	for _, err := range res.Errors {
		detail, ok := errors.AsType[*huma.ErrorDetail](err)
		if !ok {
			continue
		}
		f := httpapi.FieldProblemOf(detail.Location, detail.Message)
		if f.Field == "body" {
			wrong.Add(eventField(path), "%s", f.Message)
		} else {
			wrong.Add(path+f.Field, "%s", f.Message)
		}
	}
	return wrong.Err()
}

// eventField returns the name of the whole value at the path.
func eventField(path string) string {
	if path == "" {
		return "body"
	}
	return strings.TrimSuffix(path, ".")
}
