package httpapi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"net/url"
	"reflect"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/uuid"

	"carewire/internal/care"
	"carewire/internal/clinic/intake"
	"carewire/internal/event"
)

// The media types of CloudEvents 1.0 over HTTP.
const (
	mediaJSON  = "application/json"
	mediaEvent = "application/cloudevents+json"
	mediaBatch = "application/cloudevents-batch+json"
)

const (
	// maxEvent is the largest event that is taken in, in bytes: as much as the outbox holds.
	maxEvent = 16 << 10
	// maxBatch is how many events a batch may have.
	maxBatch = 100
	// binaryPrefix begins the headers that carry an event's attributes in binary mode.
	binaryPrefix = "ce-"
)

// ExternalEvent is an event of another system as CloudEvents 1.0 has it. Attributes that are not kept are refused.
type ExternalEvent struct {
	SpecVersion     string         `json:"specversion" enum:"1.0"`
	ID              uuid.UUID      `json:"id" format:"uuid" doc:"Of the system's own making. What comes again with the same id and content is accepted again and told of once."`
	Type            string         `json:"type" maxLength:"100" doc:"One of those that are declared as external." example:"device.reading_received"`
	Source          string         `json:"source" maxLength:"200" doc:"/services/<id of the service account>, and which part of the system speaks, if it has parts." example:"/services/0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b/ward-3"`
	Subject         string         `json:"subject" maxLength:"150" doc:"What it is about: one of the data's ids, with its name before it." example:"reading/0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b"`
	Time            *time.Time     `json:"time,omitempty" format:"date-time" doc:"When it happened, at most 30 days ago; left out: now."`
	DataContentType string         `json:"datacontenttype,omitempty" enum:"application/json"`
	ClinicID        *uuid.UUID     `json:"clinicid,omitempty" format:"uuid" doc:"data.clinicId once more."`
	PersonID        *uuid.UUID     `json:"personid,omitempty" format:"uuid" doc:"data.userId once more."`
	Traceparent     string         `json:"traceparent,omitempty" pattern:"^00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$" doc:"W3C Trace Context."`
	Data            map[string]any `json:"data" doc:"What the type says there is: nothing more and nothing less."`
}

// Accepted names the events that are taken in, in the order in which they came.
type Accepted struct {
	Accepted []AcceptedEvent `json:"accepted"`
}

// AcceptedEvent is one of them.
type AcceptedEvent struct {
	ID uuid.UUID `json:"id" format:"uuid"`
}

// eventsInput is a request in any of the three modes. Its body was checked to be JSON.
type eventsInput struct {
	RawBody   []byte `contentType:"application/cloudevents+json"`
	mediaType string
	// twice is a header of binary mode that was given more than once.
	twice string
	// attributes are the headers of binary mode.
	attributes map[string]string
}

// Resolve reads the headers that say in which mode the event is; huma calls it.
func (in *eventsInput) Resolve(ctx huma.Context) []error {
	in.mediaType, _, _ = mime.ParseMediaType(ctx.Header("Content-Type")) // It was checked before.
	in.attributes = map[string]string{}
	ctx.EachHeader(func(name, value string) {
		if attribute, ok := strings.CutPrefix(strings.ToLower(name), binaryPrefix); ok {
			if _, there := in.attributes[attribute]; there {
				in.twice = name
			}
			in.attributes[attribute] = value
		}
	})
	return nil
}

func (s *Server) addEvents() {
	schemas := newEventSchemas(s.api.OpenAPI().Components.Schemas)
	type output struct{ Body Accepted }
	const path = "/api/events"
	register(s, operation{
		id: "append-events", method: http.MethodPost, path: path, tag: "integration", summary: "Append events of another system", status: http.StatusAccepted,
		repeatable: true,
		description: "Takes in what another system says happened: one CloudEvents 1.0 event in structured mode, up to 100 in a batch (all or none), or one in binary mode, whose attributes are `ce-` headers and whose body is the data. " +
			"For service accounts. The types are: " + strings.Join(event.ExternalTypes(), ", ") + ". Sending an event again is harmless.",
		refusals: []care.Code{care.Forbidden, care.Conflict},
	}, care.EventAppend, func(ctx context.Context, in *eventsInput) (*output, error) {
		events, err := schemas.read(in)
		if err != nil {
			return nil, err
		}
		if err := s.cfg.Intake.Append(ctx, commandOf(ctx), events); err != nil {
			return nil, err
		}
		out := &output{}
		for _, e := range events {
			out.Body.Accepted = append(out.Body.Accepted, AcceptedEvent{e.ID})
		}
		return out, nil
	})
	// huma knows one media type for a body that it does not decode itself.
	s.api.OpenAPI().Paths[path].Post.RequestBody.Content = schemas.content()
}

// eventSchemas hold what an event is checked against: the envelope, and the data of each type.
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

// content documents the three media types.
func (v *eventSchemas) content() map[string]*huma.MediaType {
	most := maxBatch
	one := &huma.MediaType{Schema: v.envelope}
	datas := &huma.Schema{Description: "In binary mode, with `ce-` headers: the data of one of the types. Without: as application/cloudevents+json.", OneOf: []*huma.Schema{v.envelope}}
	for _, name := range event.ExternalTypes() {
		datas.OneOf = append(datas.OneOf, v.data[name])
	}
	return map[string]*huma.MediaType{
		mediaEvent: one,
		mediaBatch: {Schema: &huma.Schema{Type: huma.TypeArray, Items: v.envelope, MaxItems: &most}},
		mediaJSON:  {Schema: datas},
	}
}

// read gives the events of a request, each checked against its schemas.
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

// structured makes the structured form of an event in binary mode (CloudEvents HTTP binding 1.0, section 3.1). A header's
// value is percent-encoded where it is not plain ASCII.
func structured(in *eventsInput) (json.RawMessage, error) {
	if in.twice != "" {
		return nil, care.InvalidField(fieldName(in.twice), "is given twice; give it once")
	}
	parts := map[string]any{}
	for name, value := range in.attributes {
		text, err := url.PathUnescape(value)
		if err != nil {
			return nil, care.InvalidField(fieldName(binaryPrefix+name), "has a percent sign that begins no escape")
		}
		parts[name] = text
	}
	parts["data"] = json.RawMessage(in.RawBody)
	return json.Marshal(parts)
}

// one checks one event and reads it.
func (v *eventSchemas) one(path string, raw json.RawMessage) (intake.Event, error) {
	if len(raw) > maxEvent {
		refused := care.Errorf(care.TooLarge, "an event is larger than %d bytes", maxEvent)
		refused.Fields = []care.FieldError{{Field: eventField(path), Message: "is too large: send ids, and keep the rest where it is"}}
		return intake.Event{}, refused
	}
	if err := v.check(path, v.envelope, raw); err != nil {
		return intake.Event{}, err
	}
	var e ExternalEvent
	var parts struct{ Data json.RawMessage }
	if err := errors.Join(json.Unmarshal(raw, &e), json.Unmarshal(raw, &parts)); err != nil {
		return intake.Event{}, care.InvalidField(eventField(path), "cannot be read: a value has not the form that its field requires")
	}
	d, err := intake.Declared(path+"type", e.Type)
	if err != nil {
		return intake.Event{}, err
	}
	if err := v.check(path+"data.", v.data[e.Type], parts.Data); err != nil {
		return intake.Event{}, err
	}
	data, err := d.Decode(parts.Data)
	if err != nil {
		return intake.Event{}, care.InvalidField(path+"data", "cannot be read: a value has not the form that its field requires")
	}
	in := intake.Event{
		Path: path, ID: e.ID, Type: e.Type, Source: e.Source, Subject: e.Subject, Data: data,
		ClinicID: e.ClinicID, PersonID: e.PersonID, Traceparent: e.Traceparent,
	}
	if e.Time != nil {
		in.Time = *e.Time
	}
	return in, nil
}

// check holds a JSON value against a schema. Everything that is wrong with it is said, with the path before each field.
func (v *eventSchemas) check(path string, schema *huma.Schema, raw json.RawMessage) error {
	var value any
	if err := json.Unmarshal(raw, &value); err != nil {
		return care.InvalidField(eventField(path), "cannot be read")
	}
	res := &huma.ValidateResult{}
	huma.Validate(v.registry, schema, huma.NewPathBuffer([]byte("body"), len("body")), huma.ModeWriteToServer, value, res)
	var wrong care.FieldErrors
	for _, err := range res.Errors {
		detail, ok := errors.AsType[*huma.ErrorDetail](err)
		if !ok {
			continue
		}
		f := fieldProblem(detail.Location, detail.Message)
		if f.Field == "body" {
			wrong.Add(eventField(path), "%s", f.Message)
		} else {
			wrong.Add(path+f.Field, "%s", f.Message)
		}
	}
	return wrong.Err()
}

// eventField names the whole of what stands at the path.
func eventField(path string) string {
	if path == "" {
		return "body"
	}
	return strings.TrimSuffix(path, ".")
}
