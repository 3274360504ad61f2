package rest

import (
	"context"
	"mime"
	"net/http"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/uuid"

	"carewire/internal/care"
	"carewire/internal/clinic/intake"
	"carewire/internal/event"
	"carewire/internal/httpapi"
)

// The media types of CloudEvents 1.0 over HTTP.
const (
	mediaJSON  = "application/json"
	mediaEvent = "application/cloudevents+json"
	mediaBatch = "application/cloudevents-batch+json"
)

const (
	// maxEvent is the largest size of an event, in bytes: the limit of the outbox.
	maxEvent = 16 << 10
	// maxBatch is the largest number of events in a batch.
	maxBatch = 100
	// binaryPrefix is the prefix of the headers with an event's attributes in binary mode.
	binaryPrefix = "ce-"
)

// ExternalEvent is a CloudEvents 1.0 event of another system. Attributes that are not stored are
// refused.
type ExternalEvent struct {
	SpecVersion     string         `json:"specversion" enum:"1.0"`
	ID              uuid.UUID      `json:"id" format:"uuid" doc:"The id that the other system assigns. An event with the same id and content is accepted again, and appended once."`
	Type            string         `json:"type" maxLength:"100" doc:"An external event type." example:"device.reading_received"`
	Source          string         `json:"source" maxLength:"200" doc:"/services/<id of the service account>, optionally followed by a part of the system." example:"/services/0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b/ward-3"`
	Subject         string         `json:"subject" maxLength:"150" doc:"The subject: one of the ids in data, after its name." example:"reading/0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b"`
	Time            *time.Time     `json:"time,omitempty" format:"date-time" doc:"The time of the event, at most 30 days ago; the default is now."`
	DataContentType string         `json:"datacontenttype,omitempty" enum:"application/json"`
	ClinicID        *uuid.UUID     `json:"clinicid,omitempty" format:"uuid" doc:"Must equal data.clinicId."`
	PersonID        *uuid.UUID     `json:"personid,omitempty" format:"uuid" doc:"Must equal data.userId."`
	Traceparent     string         `json:"traceparent,omitempty" pattern:"^00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$" doc:"W3C Trace Context."`
	Data            map[string]any `json:"data" doc:"Exactly the payload of the type."`
}

// Accepted lists the events that were accepted, in the order of the request.
type Accepted struct {
	Accepted []AcceptedEvent `json:"accepted"`
}

// AcceptedEvent is an event that was accepted.
type AcceptedEvent struct {
	ID uuid.UUID `json:"id" format:"uuid"`
}

// eventsInput is a request in one of the three modes. Its body is valid JSON.
type eventsInput struct {
	RawBody   []byte `contentType:"application/cloudevents+json"`
	mediaType string
	// duplicate is a header of binary mode that was sent more than once.
	duplicate string
	// attributes are the headers of binary mode.
	attributes map[string]string
}

// Resolve implements huma.Resolver. It reads the headers that determine the mode.
func (in *eventsInput) Resolve(ctx huma.Context) []error {
	in.mediaType, _, _ = mime.ParseMediaType(ctx.Header("Content-Type")) // body.Reader has checked it.
	in.attributes = map[string]string{}
	ctx.EachHeader(func(name, value string) {
		if attribute, ok := strings.CutPrefix(strings.ToLower(name), binaryPrefix); ok {
			if _, there := in.attributes[attribute]; there {
				in.duplicate = name
			}
			in.attributes[attribute] = value
		}
	})
	return nil
}

func registerEvents(api *httpapi.Server, service *intake.Service) {
	schemas := newEventSchemas(api.OpenAPI().Components.Schemas)
	type output struct{ Body Accepted }
	const path = "/api/events"
	httpapi.Register(api, httpapi.Operation{
		ID: "append-events", Method: http.MethodPost, Path: path, Tag: "integration", Action: care.EventAppend,
		Status: http.StatusAccepted, Repeatable: true,
		Summary: "Append events of another system",
		Description: "Appends one CloudEvents 1.0 event in structured mode, up to 100 in a batch (all or none), or one in binary mode, " +
			"with its attributes in `ce-` headers and its data in the body. For service accounts. The types are: " +
			strings.Join(event.ExternalTypes(), ", ") + ". It is safe to send an event again.",
		Refusals: []care.Code{care.Forbidden, care.Conflict},
	}, func(ctx context.Context, in *eventsInput) (*output, error) {
		events, err := schemas.read(in)
		if err != nil {
			return nil, err
		}
		if err := service.Append(ctx, httpapi.CommandOf(ctx), events); err != nil {
			return nil, err
		}
		out := &output{}
		for _, e := range events {
			out.Body.Accepted = append(out.Body.Accepted, AcceptedEvent{e.ID})
		}
		return out, nil
	})
	// huma documents only one media type for a body that it does not decode.
	api.OpenAPI().Paths[path].Post.RequestBody.Content = schemas.content()
}
