package rest

import (
	"context"
	"mime"
	"net/http"
	"strings"
	"time"

	"carewire/internal/httpapi"

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

func registerEvents(api *httpapi.Server, service *intake.Service) {
	schemas := newEventSchemas(api.OpenAPI().Components.Schemas)
	type output struct{ Body Accepted }
	const path = "/api/events"
	httpapi.Register(api, httpapi.Operation{
		ID: "append-events", Method: http.MethodPost, Path: path, Tag: "integration", Action: care.EventAppend,
		Status: http.StatusAccepted, Repeatable: true,
		Summary: "Append events of another system",
		Description: "Takes in what another system says happened: one CloudEvents 1.0 event in structured mode, up to 100 in a batch (all or none), or one in binary mode, whose attributes are `ce-` headers and whose body is the data. " +
			"For service accounts. The types are: " + strings.Join(event.ExternalTypes(), ", ") + ". Sending an event again is harmless.",
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
	// huma knows one media type for a body that it does not decode itself.
	api.OpenAPI().Paths[path].Post.RequestBody.Content = schemas.content()
}
